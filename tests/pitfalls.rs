//! Mistakes that libraries of keys were seen to make, and what shows that this one does not: the names of scenarios, and
//! of tests where a scenario cannot say it. A name that is gone is an error.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Each pitfall by its number, and what shows that it is closed.
const PITFALLS: &[(usize, &str, &[&str])] = &[
    (
        1,
        "an unknown field that is skipped makes an unlimited key",
        &["misspelt-limit-makes-no-unlimited-key", "unknown-field-names-the-nearest"],
    ),
    (
        2,
        "an empty list means another thing after an edit",
        &["emptied-allow-list", "other-model-in-place-of-one"],
    ),
    (3, "a list of blanks counts as empty", &["blank-entries-are-not-an-empty-list"]),
    (4, "names with commas between are one entry", &["comma-list-is-not-one-model"]),
    (
        5,
        "white space and marks that do not show",
        &[
            "white-space-around-a-model",
            "invisible-characters-in-a-model-entry",
            "secret-with-something-around-it",
            "key-among-the-headers",
        ],
    ),
    (6, "another case is the same model", &["other-case-is-another-model"]),
    (
        7,
        "another model is dispatched than was checked",
        &[
            "permit-carries-the-model-that-was-checked",
            "body-that-two-readers-read-differently",
            "tests/python/test_asgi_calls.py::test_what_was_checked_is_what_goes_on",
        ],
    ),
    (
        8,
        "no model, null or a list",
        &[
            "no-model-for-a-restricted-key",
            "body-names-another-model",
            "body-that-two-readers-read-differently",
        ],
    ),
    (9, "a name is mapped after it was checked", &["other-name-of-an-allowed-model"]),
    (10, "a pattern is read as a regex", &["pattern-is-no-regex", "wildcard-elsewhere-than-at-the-end"]),
    (11, "a word in the list stands for every model", &["words-that-are-no-words-of-power"]),
    (12, "a limit of zero is no limit", &["each-limit-of-zero", "zero-is-nothing-and-null-is-no-limit"]),
    (
        13,
        "a budget that is no number",
        &["impossible-budgets-are-refused", "limit-finer-than-a-pico-dollar-is-no-limit"],
    ),
    (14, "cents are lost in a float", &["float-cents-lose-a-cent"]),
    (15, "a threshold of 80", &["alert-threshold-in-percent"]),
    (
        16,
        "rotation doubles a budget or moves an end",
        &[
            "two-secrets-one-budget",
            "rotated-again-and-again",
            "rotation-extends-no-expiry",
            "rotation-never-extends-an-end",
        ],
    ),
    (17, "an impossible overlap is only warned of", &["impossible-overlap-changes-nothing"]),
    (18, "the answer of a rotation is lost", &["lost-answer-of-a-rotation"]),
    (
        19,
        "a revoked key still works somewhere",
        &[
            "revoked-elsewhere-and-still-let-in",
            "revoking-is-for-good",
            "a-busy-key-is-judged-anew-each-time",
            "tests/concurrency.rs::a_revoked_key_admits_nothing_and_its_calls_still_settle",
        ],
    ),
    (
        20,
        "a key is found by a part of it",
        &["secret-that-begins-like-a-real-one", "secret-that-is-nearly-right"],
    ),
    (21, "a hint is taken for unique", &["two-keys-of-one-hint", "what-is-shown-of-a-key-is-no-key"]),
    (
        22,
        "a forgotten setting is a secret",
        &[
            "pepper-that-is-empty",
            "pepper-that-is-too-short",
            "pepper-of-one-byte-repeated",
            "tests/python/test_console_tokens.py::test_what_could_keep_nobody_out_is_refused",
        ],
    ),
    (23, "a hash that is short or of another kind", &["hash-of-another-kind"]),
    (
        24,
        "secrets repeat",
        &[
            "tests/secrets.rs::secrets_are_drawn_and_not_repeated",
            "src/key/secret.rs::base62_letters_are_equally_likely",
        ],
    ),
    (
        25,
        "a fork repeats what was drawn",
        &["tests/python/test_processes.py::test_children_draw_other_secrets"],
    ),
    (26, "a key is cut at an underscore", &["prefix-with-underscores-inside"]),
    (27, "a header of megabytes is hashed", &["secret-of-impossible-length"]),
    (28, "digits of other scripts", &["secret-in-other-digits"]),
    (
        29,
        "two records of one id or one secret",
        &[
            "id-that-is-taken",
            "secret-that-another-key-has",
            "src/key/policy_file.rs::every_fault_is_told_with_its_place",
        ],
    ),
    (
        30,
        "a file is read in half, or an empty one is",
        &[
            "tests/policy_file.rs::a_broken_file_keeps_the_last_good_one_in_force",
            "tests/policy_file.rs::there_is_no_gate_without_a_good_file",
            "src/key/policy_file.rs::nothing_is_not_a_file_without_keys",
        ],
    ),
    (
        31,
        "the clock steps back",
        &[
            "expiry-follows-the-wall-clock",
            "clock-that-steps-back-a-day",
            "clock-that-steps-back-a-month",
            "clock-to-and-fro-over-midnight",
        ],
    ),
    (32, "a time without an offset", &["time-without-an-offset"]),
    (33, "the instant at which a key expires", &["first-and-last-instant-of-a-key"]),
    (34, "months of 28 to 31 days", &["months-that-end-on-the-31st-30th-and-28th", "february-29"]),
    (
        35,
        "mapped addresses, ports and host bits",
        &["ipv4-address-in-ipv6-clothes", "network-with-host-bits", "address-that-is-not-stated"],
    ),
    (36, "the address that a client wrote is believed", &["client-behind-proxies"]),
    (
        37,
        "an error or a log holds the key",
        &[
            "secret-in-a-denial",
            "tests/secrets.rs::outcomes_of_a_gate",
            "tests/secrets/exported.rs::every_exported_type_was_printed",
            "tests/python/test_processes.py::test_no_output_holds_a_secret",
            "tests/python/test_console_calls.py::test_no_other_answer_holds_a_secret",
        ],
    ),
    (
        38,
        "a full budget looks like a bad key",
        &["budget-spent-as-a-rate-limit", "who-are-you", "you-may-not"],
    ),
    (
        39,
        "the last unit is spent twice",
        &[
            "limit-exactly-reached",
            "tests/concurrency.rs::sixty_four_threads_on_one_key_admit_exactly_what_fits",
            "tests/sqlite_processes.rs::eight_processes_of_eight_threads_admit_exactly_what_fits",
        ],
    ),
    (40, "an outage lets everybody in", &["budget-that-cannot-be-checked", "open-where-it-was-asked-for"]),
    (
        41,
        "a key in the query of a URL",
        &[
            "key-in-the-query-of-a-url",
            "tests/python/test_asgi_calls.py::test_a_key_in_the_query_is_not_read",
        ],
    ),
    (
        42,
        "a list of models shows others",
        &["listing-models-reveals-no-others", "denial-does-not-list-the-models"],
    ),
    (
        43,
        "a revoked key comes back",
        &["revoking-is-for-good", "tests/policy_file.rs::a_key_that_is_in_force_again_is_widened"],
    ),
    // Of a file that others may only read nobody is told: it holds no secret.
    (
        44,
        "a policy file holds secrets, or anybody may write it",
        &[
            "src/key/policy_file.rs::every_fault_is_told_with_its_place",
            "tests/events.rs::a_file_that_others_may_write_is_told",
        ],
    ),
    (45, "a hint is taken for a proof", &["what-is-shown-of-a-key-is-no-key"]),
];

#[test]
fn every_pitfall_is_shown_to_be_closed() {
    let scenarios = scenarios();
    for (place, (number, pitfall, shown_by)) in PITFALLS.iter().enumerate() {
        assert_eq!(place.checked_add(1), Some(*number), "{pitfall}");
        assert!(!shown_by.is_empty(), "{number}: nothing shows {pitfall}");
        for name in *shown_by {
            let exists = match name.split_once("::") {
                None => scenarios.contains(*name),
                Some((file, test)) => {
                    is_a_test(&fs::read_to_string(root().join(file)).unwrap_or_default(), test)
                }
            };
            assert!(exists, "{number}: there is no {name}");
        }
    }
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    assert!(is_a_test("#[test]\n    fn some_thing() {", "some_thing"));
    assert!(is_a_test("@pytest.mark.x\ndef test_some(gate: Gate) -> None:", "test_some"));
    assert!(is_a_test("async def test_some() -> None:", "test_some"));
    assert!(!is_a_test("#[test]\nfn some_things() {", "some_thing"));
    assert!(!is_a_test("fn some_thing() {", "some_thing"));
    assert!(!is_a_test("# def test_some()", "test_some"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
}

/// The names of all cases.
fn scenarios() -> BTreeSet<String> {
    let files = fs::read_dir(root().join("tests/scenarios")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    files.flat_map(|path| names(&fs::read_to_string(path).unwrap())).collect()
}

fn names(text: &str) -> Vec<String> {
    let file: File = serde_json::from_str(text).unwrap();
    file.cases.into_iter().map(|case| case.name).collect()
}

fn is_a_test(text: &str, name: &str) -> bool {
    let python = [format!("def {name}("), format!("async def {name}(")];
    let rust = format!("fn {name}()");
    let mut marked = false;
    text.lines().map(str::trim_start).any(|line| {
        let found = (marked && line.starts_with(&rust)) || python.iter().any(|start| line.starts_with(start));
        marked = line == "#[test]";
        found
    })
}
