//! The fields that an expectation may name, for each kind of answer.

use serde_json::Value;

/// A kind of answer.
pub(super) trait Names {
    /// Its fields.
    const NAMES: &'static [&'static str];

    /// Judges the value that is expected of a field, where that has fields of its own.
    fn check(_name: &str, _value: &Value) -> Result<(), String> {
        Ok(())
    }
}

macro_rules! names {
    ($($kind:ident: $($name:literal)*;)*) => {$(
        #[derive(Debug)]
        pub(super) struct $kind;

        impl Names for $kind {
            const NAMES: &'static [&'static str] = &[$($name),*];
        }
    )*};
}

names! {
    Nothing:;
    Keys: "keys";
    Verified: "key";
    Permit: "model" "cost" "tokens" "max_tokens" "reduced" "streamed" "view" "degraded";
    Decision: "allowed" "reason" "status" "rules";
    Models: "models";
    Stats: "keys" "admitted" "denied" "settled" "released" "dropped" "lapsed" "recorded" "extended" "overrun" "alerts_lost" "events_lost";
    Bearer: "key";
    ClientIp: "ip";
}

const KEY: &[&str] = &[
    "id",
    "name",
    "description",
    "prefix",
    "secret_format",
    "hint_style",
    "hint",
    "allowed_models",
    "denied_models",
    "purpose",
    "daily_spend_limit",
    "monthly_spend_limit",
    "daily_token_limit",
    "alert_threshold",
    "allowed_ips",
    "allowed_endpoints",
    "not_before",
    "expires_at",
    "timezone",
    "metadata",
    "tags",
    "enabled",
    "revoked_at",
    "created_at",
    "updated_at",
    "revision",
    "state",
    "live_secrets",
    "secret_prefix",
    "secret_length",
];

/// A record.
#[derive(Debug)]
pub(super) struct Key;

/// A record and its new secret.
#[derive(Debug)]
pub(super) struct NewKey;

/// What a call came to.
#[derive(Debug)]
pub(super) struct Settlement;

/// What was told.
#[derive(Debug)]
pub(super) struct Alerts;

/// What happened.
#[derive(Debug)]
pub(super) struct Events;

/// Where budgets stand.
#[derive(Debug)]
pub(super) struct Balances;

impl Names for Key {
    // Without the two of the secret, which is not shown again.
    const NAMES: &'static [&'static str] = KEY.split_at(KEY.len() - 2).0;
}

impl Names for NewKey {
    const NAMES: &'static [&'static str] = KEY;
}

impl Names for Settlement {
    const NAMES: &'static [&'static str] = &["cost", "tokens", "overrun", "late", "alerts"];

    fn check(name: &str, value: &Value) -> Result<(), String> {
        if name == "alerts" { alerts(value) } else { Ok(()) }
    }
}

impl Names for Alerts {
    const NAMES: &'static [&'static str] = &["alerts"];

    fn check(_: &str, value: &Value) -> Result<(), String> {
        alerts(value)
    }
}

impl Names for Events {
    const NAMES: &'static [&'static str] = &["events"];

    fn check(_: &str, value: &Value) -> Result<(), String> {
        let list = value.as_array().ok_or("events are a list")?;
        list.iter().try_for_each(|event| known(event, &["at", "times"], &["kind", "key"]))
    }
}

impl Names for Balances {
    const NAMES: &'static [&'static str] = &["daily_spend", "monthly_spend", "daily_tokens"];

    fn check(_: &str, value: &Value) -> Result<(), String> {
        known(value, &["used", "held", "limit", "remaining", "resets_at"], &[])
    }
}

fn alerts(value: &Value) -> Result<(), String> {
    const NEEDED: &[&str] = &["key", "meter", "threshold", "used", "limit", "window_start"];
    let list = value.as_array().ok_or("alerts are a list")?;
    list.iter().try_for_each(|alert| known(alert, &["id", "key_name", "resets_at"], NEEDED))
}

fn known(value: &Value, may: &[&str], must: &[&str]) -> Result<(), String> {
    let object = value.as_object().ok_or("must be an object")?;
    if let Some(name) =
        object.keys().find(|name| !may.contains(&name.as_str()) && !must.contains(&name.as_str()))
    {
        return Err(format!("unknown field `{name}`"));
    }
    must.iter()
        .find(|name| !object.contains_key(**name))
        .map_or(Ok(()), |name| Err(format!("`{name}` is missing")))
}
