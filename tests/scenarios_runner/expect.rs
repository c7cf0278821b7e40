//! What a step is to answer, and how an answer differs from it.

use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::{Map, Value};

use super::answer::{Answer, Failed};
use super::names::Names;

/// The answer that is expected of a step.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case", bound = "N: Names")]
pub(super) enum Expect<N> {
    /// It succeeds, with these fields among others.
    Ok(Fields<N>),
    /// It is denied.
    Denied(Box<Denied>),
    /// It fails.
    Error(Box<Failure>),
}

/// Fields of an answer, each of a known name.
#[derive(Debug)]
pub(super) struct Fields<N>(Map<String, Value>, PhantomData<N>);

/// What is expected of a denial. What is not named is not looked at.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Denied {
    reason: String,
    status: Option<u16>,
    transient: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    retry_after: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    resets_at: Option<Value>,
    message_starts: Option<String>,
    #[serde(default)]
    message_has: Vec<String>,
    #[serde(default)]
    message_lacks: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    #[serde(default, deserialize_with = "present")]
    param: Option<Value>,
    anthropic_type: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    budget: Option<Value>,
}

/// What is expected of an error.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    kind: Kind,
    #[serde(default)]
    says: Vec<String>,
    faults: Option<Vec<Fault>>,
    cost: Option<String>,
    tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    InvalidRecord,
    InvalidValue,
    NotFound,
    Conflict,
    AlreadySettled,
    Ledger,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    path: String,
    #[serde(default)]
    says: Vec<String>,
}

impl<'de, N: Names> Deserialize<'de> for Fields<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        for (name, value) in &fields {
            if !N::NAMES.contains(&name.as_str()) {
                return Err(D::Error::custom(format!("unknown field `{name}` in an expectation")));
            }
            N::check(name, value).map_err(|fault| D::Error::custom(format!("{name}: {fault}")))?;
        }
        Ok(Self(fields, PhantomData))
    }
}

// A null that is written is a null that is expected.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl<N: Names> Expect<N> {
    /// How `answer` differs from what is expected; nothing if it does not.
    pub(super) fn compare(&self, answer: Answer) -> Result<(), String> {
        match (self, answer) {
            (Self::Ok(fields), Ok(answer)) => members("", &fields.0, &answer),
            (Self::Denied(denied), Err(Failed::Denied(denial))) => denied.compare(&denial.into()),
            (Self::Error(failure), Err(failed)) => failure.compare(&failed),
            (expected, Ok(answer)) => Err(format!("{}, and it succeeded: {answer}", expected.wanted())),
            (expected, Err(failed)) => Err(format!("{}, and it was {failed}", expected.wanted())),
        }
    }

    fn wanted(&self) -> String {
        match self {
            Self::Ok(_) => "should succeed".to_owned(),
            Self::Denied(denied) => format!("should be denied {}", denied.reason),
            Self::Error(failure) => format!("should fail as {:?}", failure.kind),
        }
    }
}

impl Denied {
    fn compare(&self, denial: &super::answer::Denied) -> Result<(), String> {
        let found = &denial.0;
        let known = enclava_keys::Reason::ALL.iter().any(|reason| reason.as_str() == self.reason);
        if !known {
            return Err(format!("{} is no reason", self.reason));
        }
        let optional = |value: &Option<String>| value.as_ref().map(|text| Value::from(text.as_str()));
        for (name, expected) in [
            ("reason", Some(self.reason.as_str().into())),
            ("status", self.status.map(Value::from)),
            ("transient", self.transient.map(Value::from)),
            ("retry_after", self.retry_after.clone()),
            ("resets_at", self.resets_at.clone()),
            ("type", optional(&self.kind)),
            ("code", optional(&self.code)),
            ("param", self.param.clone()),
            ("anthropic_type", optional(&self.anthropic_type)),
            ("budget", self.budget.clone()),
        ] {
            if let Some(expected) = expected {
                same(name, &expected, found.get(name).unwrap_or(&Value::Null))?;
            }
        }
        let headers = found.get("headers").unwrap_or(&Value::Null);
        for (name, expected) in &self.headers {
            same(&format!("header {name}"), expected, headers.get(name).unwrap_or(&Value::Null))?;
        }
        let message = found.get("message").and_then(Value::as_str).unwrap_or_default();
        let starts = self.message_starts.as_deref().is_none_or(|start| message.starts_with(start));
        let has = self.message_has.iter().all(|part| message.contains(part));
        let lacks = self.message_lacks.iter().all(|part| !message.contains(part));
        if starts && has && lacks { Ok(()) } else { Err(format!("the message is {message:?}")) }
    }
}

impl Failure {
    /// Whether the expectation makes sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let (first, record) = (self.cost.is_some() && self.tokens.is_some(), self.faults.is_some());
        let some = self.cost.is_some() || self.tokens.is_some();
        let sound = match self.kind {
            Kind::AlreadySettled => first && !record,
            Kind::InvalidRecord => record && !some,
            _ => !some && !record,
        };
        if sound {
            Ok(())
        } else {
            Err(format!("{:?} is expected with other fields than its own", self.kind))
        }
    }

    /// How `failed` differs from what is expected.
    pub(super) fn compare(&self, failed: &Failed) -> Result<(), String> {
        self.check()?;
        let kind = failed.kind();
        if kind != Some(self.kind) {
            return Err(format!("should fail as {:?}, and it was {failed}", self.kind));
        }
        let message = failed.to_string();
        if let Some(missing) = self.says.iter().find(|part| !message.contains(part.as_str())) {
            return Err(format!("does not say {missing:?}: {message}"));
        }
        if let Some((cost, tokens)) = failed.first() {
            same("cost", &self.cost.as_deref().into(), &cost.into())?;
            same("tokens", &self.tokens.into(), &tokens.into())?;
        }
        self.faults.as_ref().map_or(Ok(()), |faults| compare_faults(faults, &failed.faults()))
    }
}

// Each fault that is expected, and no other, in any order.
fn compare_faults(expected: &[Fault], found: &[(String, String)]) -> Result<(), String> {
    let mut rest: Vec<&(String, String)> = found.iter().collect();
    for fault in expected {
        let fits = |(path, message): &(String, String)| {
            *path == fault.path && fault.says.iter().all(|part| message.contains(part.as_str()))
        };
        let Some(place) = rest.iter().position(|found| fits(found)) else {
            return Err(format!("no fault at {:?} that says {:?} among {found:?}", fault.path, fault.says));
        };
        rest.remove(place);
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("more faults than expected: {rest:?}")) }
}

// What is compared whole: a member that is not expected is a difference.
const WHOLE: [&str; 3] = ["budget", "metadata", "denied"];

fn same(path: &str, expected: &Value, found: &Value) -> Result<(), String> {
    let whole = WHOLE.iter().any(|name| path.rsplit('.').next() == Some(name));
    match (expected, found) {
        (Value::Object(expected), Value::Object(_)) if !whole => members(path, expected, found),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs
                .try_for_each(|(place, (expected, found))| same(&format!("{path}[{place}]"), expected, found))
        }
        _ if expected == found => Ok(()),
        _ => Err(format!("{path} should be {expected} and is {found}")),
    }
}

fn members(path: &str, expected: &Map<String, Value>, found: &Value) -> Result<(), String> {
    expected.iter().try_for_each(|(name, expected)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let found = found.get(name).ok_or_else(|| format!("{path} is missing"))?;
        same(&path, expected, found)
    })
}
