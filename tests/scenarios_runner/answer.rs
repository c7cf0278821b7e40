//! Answers of the gate as JSON: money as text, times as RFC 3339 in UTC.

use std::fmt;

use enclava_keys::budget::Amount;
use enclava_keys::gate::{Alert, Balance, Balances, Decision, Event};
use enclava_keys::key::InvalidRecord;
use enclava_keys::wire::Dialect;
use enclava_keys::{Denial, Error, Key, Permit, Reason, Settlement, Timestamp, Usage};
use serde_json::{Map, Value, json};

use super::expect::Kind;

/// What a step answers.
pub(super) type Answer = Result<Value, Failed>;

/// Why a step did not do as it was asked.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was denied.
    Denied(Denial),
    /// It failed.
    Error(Error),
    /// An argument could not be read; in Rust its type says so before any call.
    Argument(String),
}

impl Failed {
    pub(super) fn invalid(error: impl fmt::Display) -> Self {
        Self::Argument(error.to_string())
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Argument(_) | Self::Error(Error::InvalidValue { .. }) => Some(Kind::InvalidValue),
            Self::Error(Error::InvalidRecord(_)) => Some(Kind::InvalidRecord),
            Self::Error(Error::NotFound(_)) => Some(Kind::NotFound),
            Self::Error(Error::Conflict(_)) => Some(Kind::Conflict),
            Self::Error(Error::AlreadySettled(_)) => Some(Kind::AlreadySettled),
            Self::Error(Error::Ledger(_)) => Some(Kind::Ledger),
            Self::Denied(_) | Self::Error(_) => None,
        }
    }

    /// The first settlement of what was settled before.
    pub(super) fn first(&self) -> Option<(String, u64)> {
        match self {
            Self::Error(Error::AlreadySettled(first)) => {
                Some((first.usage.cost.to_string(), first.usage.tokens))
            }
            _ => None,
        }
    }

    /// Path and message of each fault of a record.
    pub(super) fn faults(&self) -> Vec<(String, String)> {
        match self {
            Self::Error(Error::InvalidRecord(InvalidRecord { errors })) => {
                errors.iter().map(|fault| (fault.path.clone(), fault.message.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl From<Denial> for Failed {
    fn from(denial: Denial) -> Self {
        if let Some((field, what)) = denial.invalid_argument() {
            Self::Argument(format!("{field}: {what}"))
        } else if denial.is_conflict() {
            Self::Error(Error::Conflict(denial.message()))
        } else {
            Self::Denied(denial)
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(denial) => denial.into(),
            error => Self::Error(error),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => write!(f, "denied {}: {denial}", denial.reason()),
            Self::Error(error) => write!(f, "{error:?}: {error}"),
            Self::Argument(message) => f.write_str(message),
        }
    }
}

/// A denial with everything that a client and its gateway see of it.
pub(super) struct Denied(pub(super) Value);

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        let (openai, anthropic) = (denial.body(Dialect::OpenAi), denial.body(Dialect::Anthropic));
        let error = openai.get("error").cloned().unwrap_or_default();
        let member = |name: &str| error.get(name).cloned().unwrap_or_default();
        let headers: Map<String, Value> =
            denial.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self(json!({
            "reason": denial.reason().as_str(),
            "status": denial.status(),
            "transient": denial.transient(),
            "retry_after": denial.retry_after().map(|wait| wait.as_secs()),
            "resets_at": time(denial.resets_at()),
            "message": member("message"),
            "type": member("type"),
            "code": member("code"),
            "param": member("param"),
            "budget": member("budget"),
            "anthropic_type": anthropic.pointer("/error/type"),
            "headers": headers,
        }))
    }
}

pub(super) fn time(time: Option<Timestamp>) -> Value {
    time.map(|time| time.to_string()).into()
}

pub(super) fn usage(usage: Usage) -> Value {
    json!({ "cost": usage.cost.to_string(), "tokens": usage.tokens })
}

pub(super) fn permit(permit: &Permit) -> Value {
    let estimate = permit.estimate();
    json!({
        "model": permit.model(),
        "cost": estimate.cost.to_string(),
        "tokens": estimate.tokens,
        "max_tokens": permit.max_tokens(),
        "reduced": permit.is_reduced(),
        "streamed": permit.is_streamed(),
        "view": permit.is_view(),
        "degraded": permit.is_degraded(),
    })
}

pub(super) fn settlement(settlement: &Settlement, name_of: &dyn Fn(&Alert) -> String) -> Value {
    json!({
        "cost": settlement.usage.cost.to_string(),
        "tokens": settlement.usage.tokens,
        "overrun": usage(settlement.overrun),
        "late": settlement.late,
        "alerts": settlement.alerts.iter().map(|told| alert(told, &name_of(told))).collect::<Vec<_>>(),
    })
}

pub(super) fn alert(alert: &Alert, key: &str) -> Value {
    json!({
        "id": alert.id.to_string(),
        "key": key,
        "key_name": alert.key_name,
        "meter": alert.meter.as_str(),
        "threshold": alert.threshold.to_string(),
        "used": amount(alert.used),
        "limit": amount(alert.limit),
        "window_start": alert.window_start.to_string(),
        "resets_at": alert.resets_at.to_string(),
    })
}

pub(super) fn event(event: &Event, key: Option<&str>) -> Value {
    json!({ "at": event.at.to_string(), "kind": event.kind.as_str(), "key": key, "times": event.times })
}

pub(super) fn balances(balances: &Balances) -> Value {
    let balance = |balance: &Balance| {
        json!({
            "used": amount(balance.used),
            "held": amount(balance.held),
            "limit": balance.limit.map(amount),
            "remaining": balance.remaining.map(amount),
            "resets_at": balance.resets_at.to_string(),
        })
    };
    json!({
        "daily_spend": balance(&balances.daily_spend),
        "monthly_spend": balance(&balances.monthly_spend),
        "daily_tokens": balance(&balances.daily_tokens),
    })
}

pub(super) fn decision(decision: &Decision) -> Value {
    let rules = decision.checks().iter().map(|check| {
        let mark = if check.passed { "" } else { "!" };
        format!("{mark}{}", check.rule)
    });
    json!({
        "allowed": decision.is_allowed(),
        "reason": decision.reason().map(Reason::as_str),
        "status": decision.denial().map(Denial::status),
        "rules": rules.collect::<Vec<_>>(),
    })
}

/// A record, with what it is at `now`.
pub(super) fn key(key: &Key, now: Timestamp) -> Value {
    let mut value: Value = serde_json::from_str(&key.to_json()).unwrap_or_default();
    let live = key.secrets().filter(|secret| !secret.is_retired_at(now)).count();
    if let Some(record) = value.as_object_mut() {
        // Not as the number that it was read back as, which is a float.
        let threshold = key.alert_threshold().map(|threshold| threshold.to_string());
        record.insert("alert_threshold".to_owned(), threshold.into());
        record.insert("state".to_owned(), serde_json::to_value(key.state_at(now)).unwrap_or_default());
        record.insert("live_secrets".to_owned(), live.into());
    }
    value
}

fn amount(amount: Amount) -> Value {
    match amount {
        Amount::Spend(money) => money.to_string().into(),
        Amount::Tokens(tokens) => tokens.into(),
    }
}
