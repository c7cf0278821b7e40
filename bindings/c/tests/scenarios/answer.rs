//! Answers of the library as JSON: money as text, times as RFC 3339 in UTC.

use std::fmt;
use std::mem::MaybeUninit;

use enclava::*;
use enclava_keys::Timestamp;
use serde_json::{Map, Value, json};

use super::expect::Kind;
use super::handles::{fixed, taken, text};

/// What a step answers.
pub(super) type Answer = Result<Value, Failed>;

/// Why a step did not do as it was asked.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was denied.
    Denied(Denied),
    /// It failed.
    Error(Failure),
}

/// A failure that is not a denial.
#[derive(Debug)]
pub(super) struct Failure {
    status: enclava_status,
    message: String,
    faults: Vec<(String, String)>,
    first: Option<(String, u64)>,
}

/// A denial with everything that a client and its gateway see of it.
#[derive(Debug)]
pub(super) struct Denied(pub(super) Value);

impl Failed {
    /// An argument that the types of C do not take.
    pub(super) fn argument(message: impl fmt::Display) -> Self {
        Self::plain(enclava_status::InvalidValue, message.to_string())
    }

    pub(super) fn plain(status: enclava_status, message: String) -> Self {
        Self::Error(Failure { status, message, faults: Vec::new(), first: None })
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        let Self::Error(failure) = self else { return None };
        match failure.status {
            enclava_status::InvalidValue => Some(Kind::InvalidValue),
            enclava_status::InvalidRecord => Some(Kind::InvalidRecord),
            enclava_status::NotFound => Some(Kind::NotFound),
            enclava_status::Conflict => Some(Kind::Conflict),
            enclava_status::AlreadySettled => Some(Kind::AlreadySettled),
            enclava_status::Ledger => Some(Kind::Ledger),
            _ => None,
        }
    }

    /// The first settlement of what was settled before.
    pub(super) fn first(&self) -> Option<(String, u64)> {
        match self {
            Self::Error(failure) => failure.first.clone(),
            Self::Denied(_) => None,
        }
    }

    /// Path and message of each fault of a record.
    pub(super) fn faults(&self) -> Vec<(String, String)> {
        match self {
            Self::Error(failure) => failure.faults.clone(),
            Self::Denied(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => write!(f, "denied {}", denied.0),
            Self::Error(failure) => write!(f, "{:?}: {}", failure.status, failure.message),
        }
    }
}

/// The answer of a call that explains its failure.
pub(super) fn explained(
    status: enclava_status,
    error: MaybeUninit<*mut enclava_error>,
) -> Result<(), Failed> {
    let error = taken(error);
    let error = error.as_deref();
    assert_eq!(
        enclava_error_status(error),
        status,
        "an error tells its status, and there is none for success"
    );
    if status == enclava_status::Ok {
        return Ok(());
    }
    if let Some(denial) = enclava_error_denial(error) {
        return Err(Failed::Denied(denied(denial)));
    }
    let faults: Value = serde_json::from_str(&text(|b, c, l| enclava_error_faults(error, b, c, l))).unwrap();
    let member = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    let faults = faults.as_array().unwrap().iter();
    let first = enclava_error_settlement(error);
    Err(Failed::Error(Failure {
        status,
        message: text(|b, c, l| enclava_error_message(error, b, c, l)),
        faults: faults.map(|fault| (member(fault, "path"), member(fault, "message"))).collect(),
        first: first.map(|first| {
            let usage = enclava_settlement_usage(Some(first));
            (money(usage.cost), usage.tokens)
        }),
    }))
}

/// The answer of a call that decides.
pub(super) fn decided(
    status: enclava_status,
    denial: MaybeUninit<*mut enclava_denial>,
) -> Result<(), Failed> {
    let denial = taken(denial);
    assert_eq!(
        denial.is_none(),
        status == enclava_status::Ok,
        "a denial comes with every failure, and no success"
    );
    let Some(denial) = denial else { return Ok(()) };
    let cause = text(|b, c, l| enclava_denial_cause(Some(&denial), b, c, l));
    match status {
        enclava_status::Denied => Err(Failed::Denied(denied(&denial))),
        enclava_status::Conflict => {
            Err(Failed::plain(status, text(|b, c, l| enclava_denial_message(Some(&denial), b, c, l))))
        }
        _ => Err(Failed::plain(status, cause)),
    }
}

fn denied(denial: &enclava_denial) -> Denied {
    let denial = Some(denial);
    let body = |dialect| -> Value {
        serde_json::from_str(&text(|b, c, l| enclava_denial_body(denial, dialect, b, c, l))).unwrap()
    };
    let (openai, anthropic) = (body(0), body(1));
    let lines = text(|b, c, l| enclava_denial_headers(denial, b, c, l));
    let headers: Map<String, Value> = lines
        .split_terminator("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let reason = enclava_denial_reason(denial);
    let none_if_zero = |number: i64| if number == 0 { None } else { Some(number) };
    let wait = i64::try_from(enclava_denial_retry_after(denial)).unwrap();
    let error = &openai["error"];
    Denied(json!({
        "reason": fixed(enclava_reason_text(reason_number(reason))),
        "status": enclava_denial_status(denial),
        "transient": enclava_denial_is_transient(denial) == 1,
        "retry_after": none_if_zero(wait),
        "resets_at": none_if_zero(enclava_denial_resets_at(denial)).map(time),
        "message": text(|b, c, l| enclava_denial_message(denial, b, c, l)),
        "type": error["type"],
        "code": error["code"],
        "param": error["param"],
        "budget": error["budget"],
        "anthropic_type": anthropic["error"]["type"],
        "headers": headers,
    }))
}

/// The number that stands in the header.
#[expect(clippy::as_conversions, reason = "an enum of C is its number")]
pub(super) fn reason_number(reason: enclava_reason) -> i32 {
    reason as i32
}

pub(super) fn money(money: enclava_money) -> String {
    text(|b, c, l| enclava_money_format(money, b, c, l))
}

pub(super) fn time(time: enclava_time) -> String {
    Timestamp::from_micros(time).to_string()
}

pub(super) fn permit(permit: &enclava_permit) -> Value {
    let mut info = enclava_permit_info {
        size: u32::try_from(size_of::<enclava_permit_info>()).unwrap(),
        is_view: 7,
        is_degraded: 7,
        has_max_tokens: 7,
        max_tokens: 7,
        estimate: enclava_usage { cost: enclava_money { usd: 7, pico: 7 }, tokens: 7 },
        is_reduced: 7,
        is_streamed: 7,
    };
    assert_eq!(enclava_permit_read(Some(permit), &raw mut info), enclava_status::Ok);
    let model = text(|b, c, l| enclava_permit_model(Some(permit), b, c, l));
    json!({
        "model": if model.is_empty() { Value::Null } else { model.into() },
        "cost": money(info.estimate.cost),
        "tokens": info.estimate.tokens,
        "max_tokens": (info.has_max_tokens == 1).then_some(info.max_tokens),
        "reduced": info.is_reduced == 1,
        "streamed": info.is_streamed == 1,
        "view": info.is_view == 1,
        "degraded": info.is_degraded == 1,
    })
}

pub(super) fn settlement(settlement: &enclava_settlement, name_of: &dyn Fn(&str) -> String) -> Value {
    let told = Some(settlement);
    let (usage, overrun) = (enclava_settlement_usage(told), enclava_settlement_overrun(told));
    let alerts = (0..).map_while(|index| enclava_settlement_alert(told, index));
    json!({
        "cost": money(usage.cost),
        "tokens": usage.tokens,
        "overrun": { "cost": money(overrun.cost), "tokens": overrun.tokens },
        "late": enclava_settlement_is_late(told) == 1,
        "alerts": alerts.map(|told| alert(told, name_of)).collect::<Vec<_>>(),
    })
}

pub(super) fn alert(alert: &enclava_alert, name_of: &dyn Fn(&str) -> String) -> Value {
    let alert = Some(alert);
    let nothing = enclava_usage { cost: enclava_money { usd: 0, pico: 0 }, tokens: 0 };
    let mut info = enclava_alert_info {
        size: u32::try_from(size_of::<enclava_alert_info>()).unwrap(),
        meter: 0,
        threshold: 0,
        reserved: 0,
        used: nothing,
        limit: nothing,
        window_start: 0,
        resets_at: 0,
    };
    assert_eq!(enclava_alert_read(alert, &raw mut info), enclava_status::Ok);
    let meter = ["daily_spend", "monthly_spend", "daily_tokens"][usize::try_from(info.meter).unwrap() - 1];
    let amount = |usage: enclava_usage| counted(meter, usage);
    let threshold = format!("{:04}", info.threshold);
    json!({
        "id": text(|b, c, l| enclava_alert_id(alert, b, c, l)),
        "key": name_of(&text(|b, c, l| enclava_alert_key_id(alert, b, c, l))),
        "key_name": text(|b, c, l| enclava_alert_key_name(alert, b, c, l)),
        "meter": meter,
        "threshold": if info.threshold == 10_000 { "1".to_owned() } else { format!("0.{}", threshold.trim_end_matches('0')) },
        "used": amount(info.used),
        "limit": amount(info.limit),
        "window_start": time(info.window_start),
        "resets_at": time(info.resets_at),
    })
}

pub(super) fn balances(balances: &enclava_balances) -> Value {
    let balance = |meter: &str, balance: &enclava_balance| {
        let limited = |amount| (balance.is_limited == 1).then(|| counted(meter, amount));
        json!({
            "used": counted(meter, balance.used),
            "held": counted(meter, balance.held),
            "limit": limited(balance.limit),
            "remaining": limited(balance.remaining),
            "resets_at": time(balance.resets_at),
        })
    };
    json!({
        "daily_spend": balance("daily_spend", &balances.daily_spend),
        "monthly_spend": balance("monthly_spend", &balances.monthly_spend),
        "daily_tokens": balance("daily_tokens", &balances.daily_tokens),
    })
}

pub(super) fn decision(decision: &enclava_decision) -> Value {
    const RULES: [&str; 10] = [
        "",
        "key",
        "ip",
        "endpoint",
        "purpose",
        "model",
        "daily_spend",
        "monthly_spend",
        "daily_tokens",
        "in_flight",
    ];
    let told = Some(decision);
    let rules = (0..).map(|index| enclava_decision_rule(told, index)).take_while(|rule| *rule != 0);
    let rules = rules.map(|rule| {
        let mark = if rule < 0 { "!" } else { "" };
        format!("{mark}{}", RULES[usize::try_from(rule.unsigned_abs()).unwrap()])
    });
    let denial = enclava_decision_denial(told);
    json!({
        "allowed": enclava_decision_verdict(told) == enclava_verdict::Admit,
        "reason": denial.map(|denial| fixed(enclava_reason_text(reason_number(enclava_denial_reason(Some(denial)))))),
        "status": denial.map(|denial| enclava_denial_status(Some(denial))),
        "rules": rules.collect::<Vec<_>>(),
    })
}

/// A record, with what it is at `now`.
pub(super) fn key(key: &enclava_key, now: enclava_time) -> Value {
    #[derive(serde::Deserialize)]
    struct Exact {
        alert_threshold: Box<serde_json::value::RawValue>,
    }
    let record = text(|b, c, l| enclava_key_json(Some(key), b, c, l));
    let mut value: Value = serde_json::from_str(&record).unwrap();
    let (mut state, mut live) = (MaybeUninit::new(0), MaybeUninit::new(0));
    assert_eq!(enclava_key_state_at(Some(key), now, Some(&mut state), Some(&mut live)), enclava_status::Ok);
    // SAFETY: both were written before.
    let (state, live) = unsafe { (state.assume_init(), live.assume_init()) };
    let states = ["", "active", "revoked", "disabled", "not_yet_valid", "expired"];
    let members = value.as_object_mut().unwrap();
    // Not as the number that it was read back as, which is a float.
    let exact: Exact = serde_json::from_str(&record).unwrap();
    let threshold = exact.alert_threshold.get();
    let threshold = if threshold == "null" { Value::Null } else { threshold.trim_matches('"').into() };
    members.insert("alert_threshold".to_owned(), threshold);
    members.insert("state".to_owned(), states[usize::try_from(state).unwrap()].into());
    members.insert("live_secrets".to_owned(), live.into());
    value
}

/// What happened, by the name of its key.
pub(super) fn event(event: &enclava_event, name_of: &dyn Fn(&str) -> String) -> Value {
    let mut told: Value =
        serde_json::from_str(&text(|b, c, l| enclava_event_json(Some(event), b, c, l))).unwrap();
    let members = told.as_object_mut().unwrap();
    let key = members.remove("key_id").unwrap();
    members.remove("note");
    members.insert("key".to_owned(), key.as_str().map(name_of).into());
    told
}

fn counted(meter: &str, usage: enclava_usage) -> Value {
    if meter == "daily_tokens" { usage.tokens.into() } else { money(usage.cost).into() }
}
