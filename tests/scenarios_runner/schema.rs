//! The shape of a scenario file. Nothing in it is skipped: what is not known is an error.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::expect::Failure;
use super::steps::Step;

const SCHEMA: &str = "enclava-keys/scenarios/1";

/// One file, read and checked.
#[derive(Debug)]
pub(super) struct Scenarios {
    pub(super) cases: Vec<Case>,
}

/// One case: a gate of its own and what happens to it.
#[derive(Debug)]
pub(crate) struct Case {
    /// Named for the mistake that it catches.
    pub(super) name: String,
    /// The rules that it is about.
    pub(super) rules: Vec<String>,
    pub(super) start: String,
    pub(super) options: Options,
    pub(super) prices: Option<Box<RawValue>>,
    pub(super) catalogue: Option<Box<RawValue>>,
    pub(super) opens: Opens,
    pub(super) strict: bool,
    /// Whether its store is not one gate's alone.
    pub(super) shared: bool,
    /// Each step and its text.
    pub(super) steps: Vec<(Step, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    schema: String,
    about: String,
    cases: Vec<RawCase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    about: String,
    rules: Vec<String>,
    start: String,
    #[serde(default)]
    options: Options,
    prices: Option<Box<RawValue>>,
    catalogue: Option<Box<RawValue>>,
    open: Option<Opens>,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    shared: bool,
    steps: Vec<Box<RawValue>>,
}

/// Whether the gate is to open.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Opens {
    #[serde(skip_deserializing)]
    Ok,
    Error(Box<Failure>),
}

/// How the gate is set up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    pub(super) hold_seconds: Option<u64>,
    pub(super) on_lapse: Lapsed,
    pub(super) max_in_flight: Option<u32>,
    pub(super) hide_amounts: bool,
    pub(super) hide_state: bool,
    pub(super) on_unavailable: Unavailable,
    pub(super) refresh_seconds: Option<u64>,
    pub(super) stale_seconds: Option<u64>,
    pub(super) peppers: Vec<Pepper>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lapsed {
    #[default]
    Charge,
    Release,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unavailable {
    #[default]
    Deny,
    Admit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pepper {
    pub(super) id: String,
    pub(super) text: String,
}

impl Scenarios {
    /// Reads the text of a file.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let file: RawFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.schema != SCHEMA {
            return Err(format!("schema {:?} is not {SCHEMA}", file.schema));
        }
        if file.about.is_empty() {
            return Err("the file does not say what it is about".into());
        }
        if file.cases.is_empty() {
            return Err("the file has no case".into());
        }
        let mut names = BTreeSet::new();
        for case in &file.cases {
            if !names.insert(&case.name) {
                return Err(format!("two cases are named {:?}", case.name));
            }
        }
        let cases = file.cases.into_iter().map(Case::read).collect::<Result<_, _>>()?;
        Ok(Self { cases })
    }
}

impl Case {
    fn read(raw: RawCase) -> Result<Self, String> {
        let RawCase { name, about, rules, start, options, prices, catalogue, open, strict, shared, steps } =
            raw;
        let fault = |fault: &str| format!("{name}: {fault}");
        let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(fault("a case is named in kebab-case"));
        }
        if about.is_empty() || rules.is_empty() {
            return Err(fault("a case says what it is about and which rules"));
        }
        if let Some(Opens::Error(failure)) = &open {
            failure.check().map_err(|error| fault(&error))?;
        }
        if steps.is_empty() != open.is_some() {
            return Err(fault("a case has steps, unless its gate does not open"));
        }
        let read = |(position, raw): (usize, Box<RawValue>)| {
            let number = position + 1;
            let step = Step::read(raw.get()).map_err(|error| fault(&format!("step {number}: {error}")))?;
            Ok((step, raw.get().to_owned()))
        };
        let steps: Vec<(Step, String)> =
            steps.into_iter().enumerate().map(read).collect::<Result<_, String>>()?;
        if shared != steps.iter().any(|(step, _)| step.needs_a_shared_store()) {
            return Err(fault("a case says shared if a step needs another gate or a silent store, else not"));
        }
        let opens = open.unwrap_or(Opens::Ok);
        Ok(Self { name, rules, start, options, prices, catalogue, opens, strict, shared, steps })
    }
}
