//! The scenarios of `tests/scenarios`, over every engine that this crate has.

#![expect(clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]
#![expect(clippy::print_stdout, reason = "a run says how many cases it ran")]

mod scenarios_runner;

use std::sync::Arc;

use enclava_keys::ledger::MemoryLedger;
use enclava_keys::store::MemoryStore;
use scenarios_runner::{Engine, mutants, rules, run_all, run_text, texts};

/// What every file has to be about, taken together.
const RULES: &str = "K1 K2 K3 K4 K5 K6 K7 K8 R1 R2 R3 R4 R5 V1 V2 V3 V4 V5 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 \
                     W1 W2 W3 W4 W5";

const MEMORY: Engine =
    Engine { leased: false, rooms: || (Arc::new(MemoryStore::new()), Arc::new(MemoryLedger::new())) };

#[test]
fn memory() {
    passes(&MEMORY);
}

#[test]
fn memory_leased() {
    passes(&Engine { leased: true, ..MEMORY });
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::cell::RefCell;

    use enclava_keys::engine::Sqlite;
    use tempfile::TempDir;

    use super::*;

    thread_local! {
        // Where the case under way has its file.
        static DIRECTORY: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }

    const SQLITE: Engine = Engine {
        leased: false,
        rooms: || {
            let directory = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
            let url = format!("sqlite:///{}/enclava.db?durability=normal", directory.path().display());
            DIRECTORY.set(Some(directory));
            let database = Sqlite::open(&url).unwrap_or_else(|error| panic!("{error}"));
            (Arc::new(database.store()), Arc::new(database.ledger()))
        },
    };

    #[test]
    fn sqlite() {
        passes(&SQLITE);
        DIRECTORY.set(None);
    }

    #[test]
    fn sqlite_leased() {
        passes(&Engine { leased: true, ..SQLITE });
        DIRECTORY.set(None);
    }
}

fn passes(engine: &Engine) {
    let report = run_all(engine).unwrap_or_else(|error| panic!("{error}"));
    println!("{} cases ran, {} were left out", report.ran, report.left_out);
    assert!(report.failures.is_empty(), "{} failed:\n{}", report.failures.len(), report.failures.join("\n"));
}

#[test]
fn every_rule_has_a_case() {
    let known = rules().unwrap();
    let listed: Vec<&str> = RULES.split_whitespace().collect();
    let missing: Vec<_> = listed.iter().filter(|rule| !known.contains(**rule)).collect();
    let unknown: Vec<_> = known.iter().filter(|rule| !listed.contains(&rule.as_str())).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a case: {missing:?}; no rule: {unknown:?}");
}

/// A file of one case with these steps.
fn file(steps: &str) -> String {
    format!(
        r#"{{"schema": "enclava-keys/scenarios/1", "about": "x", "cases": [{{"name": "a", "about": "x", "rules": ["B3"],
        "start": "2026-11-23T12:00:00Z", "steps": [{steps}]}}]}}"#
    )
}

const CREATE: &str =
    r#"{"do": "create", "as": "k", "spec": {"name": "k", "daily_spend_limit": 1}, "expect": {"ok": {}}}"#;

#[test]
fn a_good_file_passes() {
    assert_eq!(run_text(&file(CREATE), &MEMORY), Ok(1));
}

#[test]
fn broken_files_are_rejected() {
    let good = file(CREATE);
    for (broken, because) in [
        (String::new(), "EOF"),
        (
            good.replace(r#""about": "x", "cases""#, r#""about": "x", "more": 1, "cases""#),
            "unknown field `more`",
        ),
        (good.replace("scenarios/1", "scenarios/2"), "is not enclava-keys/scenarios/1"),
        (good.replace(r#""name": "a""#, r#""name": "A b""#), "kebab-case"),
        (good.replace(r#""name": "a","#, r#""name": "a", "strictly": true,"#), "unknown field `strictly`"),
        (good.replace(r#""rules": ["B3"]"#, r#""rules": []"#), "which rules"),
        (good.replace(r#""name": "a","#, r#""name": "a", "options": {"hold": 1},"#), "unknown field `hold`"),
        (r#"{"schema": "enclava-keys/scenarios/1", "about": "x", "cases": []}"#.into(), "no case"),
        (file(""), "a case has steps"),
        (file(r#"{"do": "creat", "expect": {"ok": {}}}"#), "there is no step \"creat\""),
        (file(r#"{"do": "alerts", "secret": "k", "expect": {"ok": {}}}"#), "unknown field `secret`"),
        (
            file(r#"{"do": "verify", "secret": {"text": "x", "chnge": "cut"}, "expect": {"ok": {}}}"#),
            "did not match",
        ),
        (file(r#"{"do": "verify", "secret": "k"}"#), "missing field `expect`"),
        (file(r#"{"do": "stream", "permit": "p", "chunks": []}"#), "needs expect"),
        (file(r#"{"do": "clock"}"#), "needs advance_seconds or set"),
        (file(r#"{"do": "gate", "name": "other"}"#), "a case says shared"),
        (file(r#"{"do": "outage", "of": "clock", "on": true}"#), "unknown variant `clock`"),
        (file(r#"{"do": "verify", "secret": "k", "expect": {"okay": {}}}"#), "unknown variant `okay`"),
        (file(r#"{"do": "verify", "secret": "k", "expect": {"ok": {"kay": 1}}}"#), "unknown field `kay`"),
        (
            file(r#"{"do": "usage", "key": "k", "expect": {"ok": {"daily_spend": {"usd": 1}}}}"#),
            "unknown field `usd`",
        ),
        (file(r#"{"do": "alerts", "expect": {"ok": {"alerts": [{"key": "k"}]}}}"#), "`meter` is missing"),
        (
            file(r#"{"do": "verify", "secret": "k", "expect": {"denied": {"status": 401}}}"#),
            "missing field `reason`",
        ),
        (
            file(r#"{"do": "verify", "secret": "k", "expect": {"error": {"kind": "oops"}}}"#),
            "unknown variant `oops`",
        ),
    ] {
        let error = run_text(&broken, &MEMORY).expect_err(&broken);
        assert!(error.contains(because), "{because:?} is not in {error:?}\n{broken}");
    }
}

#[test]
fn wrong_expectations_are_noticed() {
    for (step, because) in [
        (r#"{"do": "verify", "secret": "x", "expect": {"ok": {}}}"#, "no step made a secret"),
        (r#"{"do": "settle", "permit": "p", "expect": {"ok": {}}}"#, "no step left a permit"),
        (
            r#"{"do": "verify", "secret": "k", "expect": {"denied": {"reason": "unknown_key"}}}"#,
            "it succeeded",
        ),
        (
            r#"{"do": "verify", "secret": "k", "expect": {"ok": {"key": "l"}}}"#,
            "key should be \"l\" and is \"k\"",
        ),
        (
            r#"{"do": "authorize", "secret": "k", "cost": "2", "expect": {"denied": {"reason": "daily_spend_exceeded", "transient": true}}}"#,
            "transient should be true and is false",
        ),
        (
            r#"{"do": "authorize", "secret": "k", "cost": "2", "expect": {"denied": {"reason": "daily_spend_exceed"}}}"#,
            "is no reason",
        ),
        (
            r#"{"do": "authorize", "secret": "k", "cost": "2", "expect": {"denied": {"reason": "daily_spend_exceeded", "headers": {"retry-after": null}}}}"#,
            "header retry-after should be null",
        ),
        (
            r#"{"do": "create", "spec": {"name": "", "x": 1}, "expect": {"error": {"kind": "invalid_record", "faults": [{"path": "/x"}]}}}"#,
            "more faults than expected",
        ),
        (
            r#"{"do": "create", "spec": {"name": "a"}, "expect": {"error": {"kind": "conflict", "faults": []}}}"#,
            "it succeeded",
        ),
        (
            r#"{"do": "usage", "key": "k", "expect": {"ok": {"daily_spend": {"used": "0.01"}}}}"#,
            "daily_spend.used should be \"0.01\" and is \"0.00\"",
        ),
        (r#"{"do": "alerts", "expect": {"error": {"kind": "ledger"}}}"#, "it succeeded"),
    ] {
        let error = run_text(&file(&format!("{CREATE}, {step}")), &MEMORY).expect_err(step);
        assert!(
            error.starts_with("a: step 2: ") && error.contains(because),
            "{because:?} is not in {error:?}"
        );
    }
}

#[test]
fn no_expectation_goes_unread() {
    let mut count = 0;
    let mut unread = Vec::new();
    for text in texts().unwrap() {
        for (place, mutant) in mutants(&text).unwrap() {
            count += 1;
            if run_text(&mutant, &MEMORY).is_ok() {
                unread.push(place);
            }
        }
    }
    println!("{count} expectations were changed");
    assert!(unread.is_empty(), "nobody noticed a change at:\n{}", unread.join("\n"));
}
