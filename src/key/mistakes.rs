//! Every mistake that a record can hold, and the words it is answered with.

use proptest::prelude::*;

use super::testing::{at, faults_of as faults, key_of, made};
use super::{Key, KeyEdit};

const MEMBERS: &[&str] = &["name", "allowed_models", "allowed_ips", "hash", "hint", "x"];

#[test]
fn each_mistake_is_named_where_it_is() {
    for (field, fault) in [
        (
            r#""daily_limit": 5"#,
            "/daily_limit: unknown field `daily_limit`; did you mean `daily_spend_limit`",
        ),
        (r#""daily_spend_limit": -1"#, "/daily_spend_limit: must not be negative"),
        (r#""daily_spend_limit": -0"#, "/daily_spend_limit: must not be negative"),
        (r#""daily_spend_limit": true"#, "/daily_spend_limit: must be a number of US dollars, not true"),
        (r#""daily_spend_limit": "NaN""#, "/daily_spend_limit: must be a decimal number"),
        (r#""daily_spend_limit": "inf""#, "/daily_spend_limit: must be a decimal number"),
        (r#""daily_spend_limit": """#, "/daily_spend_limit: must be a decimal number"),
        (r#""daily_spend_limit": 1e400"#, "/daily_spend_limit: must be less than"),
        (
            r#""daily_spend_limit": 1000000000.01"#,
            "/daily_spend_limit: must be at most 1000000000 US dollars",
        ),
        (r#""monthly_spend_limit": 0.0000000000001"#, "/monthly_spend_limit: must not be finer"),
        (r#""daily_token_limit": 1e5"#, "/daily_token_limit: must be a whole number, written out"),
        (r#""daily_token_limit": 1.5"#, "/daily_token_limit: must be a whole number, written out"),
        (r#""daily_token_limit": "100""#, "/daily_token_limit: must be a whole number, not text"),
        (r#""daily_token_limit": true"#, "/daily_token_limit: must be a whole number, not true"),
        (r#""daily_token_limit": -1"#, "/daily_token_limit: must not be negative"),
        (r#""daily_token_limit": 9007199254740992"#, "/daily_token_limit: must be at most 9007199254740991"),
        (r#""alert_threshold": 80"#, "/alert_threshold: must be above 0 and at most 1; use 0.8 for 80 %"),
        (r#""alert_threshold": 0"#, "/alert_threshold: must be above 0 and at most 1"),
        (r#""alert_threshold": false"#, "/alert_threshold: must be a number, not false"),
        (
            r#""allowed_models": ["gpt-4,gpt-3.5-turbo"]"#,
            "/allowed_models/0: looks like a comma-separated list",
        ),
        (r#""allowed_models": "gpt-4,gpt-3.5-turbo""#, "/allowed_models: must be a list of models, not text"),
        (r#""allowed_models": ["gpt-4", " "]"#, "/allowed_models/1: must not be blank"),
        (r#""allowed_models": ["gpt-4", null]"#, "/allowed_models/1: must be text, not null"),
        (r#""denied_models": ["gpt-*-x"]"#, "/denied_models/0: may use `*` only alone or as the last"),
        (r#""allowed_models": {"gpt-4": true}"#, "/allowed_models: must be a list of models, not an object"),
        (r#""purpose": "Chat""#, "/purpose: must be 1 to 64 characters"),
        (r#""allowed_ips": []"#, "/allowed_ips: must not be an empty list; say null for every address"),
        (
            r#""allowed_ips": ["10.0.0.1/8"]"#,
            "/allowed_ips/0: has bits set behind its prefix; did you mean 10.0.0.0/8",
        ),
        (
            r#""allowed_endpoints": []"#,
            "/allowed_endpoints: must not be an empty list; say null for every endpoint",
        ),
        (r#""allowed_endpoints": ["/v1/../x"]"#, "/allowed_endpoints/0: must be a plain path"),
        (r#""expires_at": "2027-01-01T00:00:00""#, "/expires_at: must be an RFC 3339 time with an offset"),
        (r#""expires_at": 1700000000"#, "/expires_at: must be text, not a number"),
        (r#""expires_at": "2025-12-31T23:59:59Z""#, "/expires_at: must not be in the past"),
        (r#""expires_at": "2026-01-01T00:00:00Z""#, "/expires_at: must not be in the past"),
        (r#""expires_at": "2101-01-01T00:00:00Z""#, "/expires_at: must lie between the years 2000 and 2100"),
        (
            r#""not_before": "2027-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z""#,
            "/expires_at: must be later than not_before",
        ),
        (r#""timezone": "Europe/Berlim""#, "/timezone: must be an IANA time zone"),
        (r#""metadata": []"#, "/metadata: must be an object, not a list"),
        (r#""tags": ["a", ""]"#, "/tags/1: must not be blank"),
        (r#""enabled": "yes""#, "/enabled: must be true or false, not text"),
        (r#""enabled": null"#, "/enabled: must be true or false, not null"),
        (r#""id": "a b""#, "/id: must be 1 to 64 characters"),
        (r#""prefix": "en""#, "/prefix: must be 2 to 16 characters"),
        (r#""secret_format": "uuid""#, "/secret_format: must be hex, base62"),
        (r#""hint_style": "all""#, "/hint_style: must be ends"),
        (r#""secret": "hunter2hunter2""#, "/secret: must have at least 22 characters"),
        (r#""secret": 5"#, "/secret: must be text, not a number"),
        (r#""key_hash": "md5:00""#, "/key_hash: must be sha256:<64 lowercase hex digits>"),
        (r#""revoked_at": null"#, "/revoked_at: is set by the library alone"),
        (r#""description": 5"#, "/description: must be text, not a number"),
    ] {
        let found = faults(&format!("{{\"name\": \"k\", {field}}}"));
        assert!(found.starts_with(fault), "{field}: {found}");
    }
    for name in [r#""""#, r#""  ""#, r#""a\nb""#, r#""a\u200bb""#, "5", "null"] {
        assert!(faults(&format!("{{\"name\": {name}}}")).starts_with("/name: must"), "{name}");
    }
    assert_eq!(faults("{}"), "/name: is required");
}

#[test]
fn all_faults_come_at_once() {
    let found = faults(
        r#"{"daily_spend_limit": -1, "allowed_models": ["", "a,b"], "alert_threshold": 80, "nmae": "x"}"#,
    );
    let paths: Vec<_> = found.split("; /").map(|fault| fault.split(':').next().unwrap()).collect();
    let expected =
        ["/daily_spend_limit", "allowed_models/0", "allowed_models/1", "alert_threshold", "nmae", "name"];
    assert_eq!(paths, expected);
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?",
        "\\PC{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let list =
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(",")));
        let object =
            proptest::collection::vec((proptest::sample::select(MEMBERS), inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            });
        prop_oneof![list, object]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_key_or_faults(values in proptest::collection::vec((0..30_usize, json()), 0..6)) {
        let names = ["name", "id", "description", "prefix", "allowed_models", "denied_models", "purpose",
            "daily_spend_limit", "monthly_spend_limit", "daily_token_limit", "alert_threshold", "allowed_ips",
            "allowed_endpoints", "not_before", "expires_at", "timezone", "metadata", "tags", "enabled", "secrets",
            "secret", "key_hash", "hint_style", "secret_format", "revoked_at", "created_at", "updated_at",
            "revision", "key", "other"];
        let members: Vec<_> = values.iter().map(|(name, value)| format!("\"{}\":{value}", names[*name])).collect();
        let json = format!("{{{}}}", members.join(","));
        let _ = made(&json);
        let _ = Key::from_record_json(&json);
        if let Ok(edit) = KeyEdit::from_json(&json) {
            let _ = key_of(r#"{"name":"k"}"#).edited(&edit, at("2026-01-01T00:00:00Z"));
        }
    }
}
