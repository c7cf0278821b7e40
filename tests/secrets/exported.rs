//! Every type that the library exports was printed by some test, or says here why it need not be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{outcomes, parts};

/// Types that nobody printed by themselves, and why they need not be.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "numbers, times and the names of zones",
        &[
            "budget::amount::Amount",
            "budget::calendar::Calendar",
            "budget::calendar::Earlier",
            "budget::hold::HoldId",
            "budget::hold::Standing",
            "budget::limits::Limits",
            "budget::money::Money",
            "budget::step::Alarm",
            "budget::step::Change",
            "budget::step::Delta",
            "budget::step::Moved",
            "budget::step::Row",
            "budget::threshold::Marks",
            "budget::threshold::Threshold",
            "budget::usage::Usage",
            "budget::window::Window",
            "budget::window::Windows",
            "budget::zone::Zone",
            "clock::ManualClock",
            "clock::SystemClock",
            "gate::stats::Balance",
            "ledger::terms::Terms",
            "time::Timestamp",
            "wire::request::Exposure",
            "wire::request::Hidden",
            "wire::request::InputBound",
            "wire::tokens::TokenUsage",
        ],
    ),
    (
        "words of the library's own",
        &[
            "budget::hold::Phase",
            "budget::meter::Meter",
            "gate::check::Rule",
            "gate::open::OnUnavailable",
            "key::hint::HintStyle",
            "key::secret::SecretFormat",
            "ledger::terms::OnLapse",
            "wire::bearer::BearerOptions",
            "wire::body::Dialect",
            "wire::rates::TokenKind",
            "wire::reason::Reason",
            "wire::request::RequestKind",
            "wire::tokens::ServiceTier",
        ],
    ),
    (
        "of a key they have its id and its models, which are no secret, and numbers",
        &[
            "budget::admission::Party",
            "budget::admission::Refusal",
            "budget::hold::Hold",
            "budget::notice::AlertId",
            "budget::notice::Notice",
            "budget::step::Calls",
            "budget::step::Outcome",
            "budget::step::Owner",
            "budget::step::Step",
            "id::KeyId",
            "ledger::books::Books",
            "ledger::terms::Account",
            "ledger::terms::Closing",
            "ledger::terms::Lapse",
            "ledger::terms::NotReserved",
            "store::file::Reload",
        ],
    ),
    (
        "printed within what has them: a policy, a key, news",
        &[
            "policy::addresses::AddressRules",
            "policy::endpoints::EndpointRules",
            "policy::models::ModelRules",
            "policy::pattern::ModelPattern",
            "policy::purpose::Purpose",
            "key::prefix::Prefix",
            "store::Changes",
            "store::Unreadable",
        ],
    ),
    (
        "what a gateway says of a request beside its key",
        &["policy::address::ClientIp", "policy::check::Facts"],
    ),
    ("the words of an engine, which is never given a secret", &["ledger::LedgerError"]),
];

#[test]
fn every_exported_type_was_printed() {
    let mut seen = outcomes().types;
    for part in parts::ALL {
        seen.extend(part().types);
    }
    let exported = exported();
    let left_out: BTreeMap<&str, &str> =
        LEFT_OUT.iter().flat_map(|(why, types)| types.iter().map(move |name| (*name, *why))).collect();
    let missing: Vec<_> = exported
        .iter()
        .filter(|name| !seen.contains(*name) && !left_out.contains_key(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "nobody printed these, nor said why: {missing:#?}");
    let needless: Vec<_> =
        left_out.iter().filter(|(name, _)| seen.contains(**name) || !exported.contains(**name)).collect();
    assert!(needless.is_empty(), "these are printed, or gone: {needless:#?}");
}

/// The paths of all `pub struct` and `pub enum`. What is `pub` is exported: a lint sees to it.
fn exported() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    let mut folders = vec![sources.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let inside = path.strip_prefix(&sources).expect("a source").with_extension("");
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let module = inside.iter().map(|part| part.to_string_lossy()).filter(|part| part != "mod");
            let module = module.collect::<Vec<_>>().join("::");
            let text = fs::read_to_string(&path).expect("a source");
            for word in ["pub struct ", "pub enum "] {
                let items = text.lines().filter_map(|line| line.trim_start().strip_prefix(word));
                let name =
                    |item: &str| item.split(|char: char| !char.is_alphanumeric()).next().map(str::to_owned);
                found.extend(items.filter_map(name).map(|name| format!("{module}::{name}")));
            }
        }
    }
    assert!(found.len() > 100, "only {} types were found", found.len());
    found
}
