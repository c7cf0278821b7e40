//! No output carries a secret (K6): everything that can be printed or serialized is collected over many outcomes, and
//! searched for parts of the secrets and of their digests.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "secrets/collected.rs"]
mod collected;
#[cfg(feature = "sqlite")] // without it, some types are never met
#[path = "secrets/exported.rs"]
mod exported;
#[path = "secrets/parts.rs"]
mod parts;
#[cfg(target_os = "linux")]
#[path = "secrets/wiped.rs"]
mod wiped;

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enclava_keys::gate::Builder;
use enclava_keys::key::{Peppers, Prefix, SecretFormat};
use enclava_keys::wire::{BearerOptions, PriceBook, bearer};
use enclava_keys::{Error, Gate, KeyEdit, KeySpec, ManualClock, Request, Secret, Usage};

use collected::{Collected, digest_of};

const IMPORTED: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
const UNKNOWN: &str = "en_c0ffee5eed1bad4decade5feedfacade";
const PEPPER: &str = "q7Zr2mXv9TbLw4KdHs8NcYpE3uGfJ6aV";
const PRICES: &str =
    r#"{"models": {"m": {"input": "0.01", "output": "0.02", "max_input": 100, "max_output": 100}}}"#;

fn spec(json: &str) -> KeySpec {
    KeySpec::from_json(json).expect("an object")
}

fn usd(text: &str) -> Usage {
    Usage::new(text.parse().expect("an amount"), 0)
}

fn builder(clock: &Arc<ManualClock>, collected: &mut Collected) -> Builder {
    let peppers = Peppers::new([("2026", PEPPER.as_bytes())]).expect("a pepper");
    collected.debug(&peppers);
    let prices = PriceBook::from_json(PRICES).expect("prices");
    Gate::builder().clock(clock.clone()).peppers(peppers).prices(prices).max_in_flight(3)
}

#[test]
fn outcomes_of_a_gate() {
    let seen = outcomes();
    println_count(&seen);
    assert!(seen.outputs.len() > 500, "only {} outputs were collected", seen.outputs.len());
    seen.search();
}

fn outcomes() -> Collected {
    let mut seen = Collected::default();
    for secret in [IMPORTED, UNKNOWN, PEPPER] {
        seen.secrets.insert(secret.to_owned());
    }
    for hidden in [false, true] {
        let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().expect("a time")));
        let mut builder = builder(&clock, &mut seen);
        if hidden {
            builder = builder.hide_amounts().hide_state();
        }
        seen.debug(&builder);
        let gate = builder.open("memory:").expect("a gate");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        gate.on_alert(move |alert| heard.lock().expect("nobody panicked").push(alert.clone()));
        keys(&gate, &mut seen);
        calls(&gate, &mut seen);
        states(&gate, &clock, &mut seen);
        gate.flush().expect("a ledger in memory");
        for alert in told.lock().expect("nobody panicked").iter() {
            seen.debug(alert);
            seen.json(alert);
        }
        for event in gate.take_events(usize::MAX) {
            seen.debug(&event);
            seen.json(&event);
            seen.both(&event.kind);
        }
        seen.debug(&gate.stats());
        seen.json(&gate.stats());
        seen.debug(&gate);
    }
    seen
}

#[expect(clippy::print_stdout, reason = "a run says how much it searched")]
fn println_count(seen: &Collected) {
    println!("{} outputs searched for {} secrets", seen.outputs.len(), seen.secrets.len());
}

fn keys(gate: &Gate, seen: &mut Collected) {
    for json in [
        r#"{"name": "hex", "id": "hex", "daily_spend_limit": 10, "daily_token_limit": 1000, "alert_threshold": 0.5}"#,
        r#"{"name": "b", "id": "b", "secret_format": "base62", "hint_style": "last4"}"#,
        r#"{"name": "c", "id": "c", "secret_format": "checked", "hint_style": "none"}"#,
        r#"{"name": "strict", "id": "strict", "allowed_models": ["m"], "allowed_ips": ["10.0.0.1"], "purpose": "chat",
            "allowed_endpoints": ["/v1/*"], "prefix": "my_co_", "metadata": {"a": 1}, "expires_at": "2027-01-01T00:00:00Z"}"#,
    ] {
        let spec = spec(json);
        seen.debug(&spec);
        seen.made(&gate.create_key(&spec).expect("a good spec"));
    }
    let import = format!(
        r#"{{"name": "i", "id": "imported", "secret": "{IMPORTED}", "daily_spend_limit": 1, "alert_threshold": 0.5}}"#
    );
    seen.debug(&spec(&import));
    seen.key(&gate.import_key(&spec(&import)).expect("a good spec"));
    // A secret wherever one may be pasted by mistake.
    for json in [
        import.replace("\"imported\"", "\"again\""),
        format!(r#"{{"name": "x", "secret": "{UNKNOWN} "}}"#),
        format!(r#"{{"name": "x", "secret": ["{UNKNOWN}"]}}"#),
        format!(r#"{{"name": "x", "key_hash": "{UNKNOWN}"}}"#),
        format!(r#"{{"name": "x", "id": "{UNKNOWN}/"}}"#),
        format!(
            r#"{{"name": "x", "prefix": "{UNKNOWN}", "purpose": "{UNKNOWN} ", "timezone": "{UNKNOWN}"}}"#
        ),
        format!(
            r#"{{"name": "x", "{UNKNOWN}": 1, "allowed_ips": ["{UNKNOWN}"], "allowed_endpoints": ["{UNKNOWN}"]}}"#
        ),
        format!(r#"{{"name": "x", "daily_spend_limit": "{UNKNOWN}", "daily_token_limit": "{UNKNOWN}"}}"#),
        format!(
            r#"{{"name": "x", "expires_at": "{UNKNOWN}", "alert_threshold": "{UNKNOWN}", "tags": "{UNKNOWN}"}}"#
        ),
        format!(r#"{{"name": "x", "allowed_models": ["{UNKNOWN},{UNKNOWN}"], "metadata": "{UNKNOWN}"}}"#),
        format!(
            r#"{{"name": "x", "secret_format": "{UNKNOWN}", "hint_style": "{UNKNOWN}", "enabled": "{UNKNOWN}"}}"#
        ),
        format!(r#"{{"name": "x", "{UNKNOWN}": 1, "{UNKNOWN}": 2}}"#),
    ] {
        let failed = KeySpec::from_json(&json).map_err(Error::from).and_then(|spec| {
            seen.debug(&spec);
            gate.import_key(&spec)
        });
        seen.error(&failed.expect_err(&json));
    }
    for text in
        [UNKNOWN.to_owned(), format!("\"{UNKNOWN}\""), format!("[\"{UNKNOWN}\"]"), format!("{{\"{UNKNOWN}")]
    {
        seen.both(&KeySpec::from_json(&text).expect_err("no object"));
        seen.both(&KeyEdit::from_json(&text).expect_err("no object"));
    }
    let id = "hex".parse().expect("an id");
    for json in [
        format!(r#"{{"name": "{UNKNOWN}\n", "secret": "{UNKNOWN}", "{UNKNOWN}": null}}"#),
        r#"{"daily_spend_limit": null}"#.to_owned(),
    ] {
        let edit = KeyEdit::from_json(&json).expect("an object");
        seen.debug(&edit);
        seen.error(&gate.update_key(&id, &edit).expect_err("a bad edit"));
    }
    gate.keys(None, usize::MAX).iter().for_each(|key| seen.key(key));
}

fn calls(gate: &Gate, seen: &mut Collected) {
    let id = "imported".parse().expect("an id");
    let request = Request::new(IMPORTED).model("m").cost(usd("0.4").cost);
    seen.debug(&request);
    let mut permit = gate.authorize(&request).expect("room");
    seen.permit(&permit);
    seen.error(&permit.extend(usd("1")).expect_err("no room"));
    seen.debug(&permit.settle(usd("0.6")).expect("a live hold"));
    seen.error(&permit.settle(usd("0.6")).expect_err("a second settlement"));
    let held = gate.authorize(&request.request_id(UNKNOWN)).expect("room");
    seen.permit(&held);
    seen.denial(&gate.authorize(&request).expect_err("no room"));
    seen.denial(
        &gate.authorize(&request.cost(usd("0.1").cost).request_id(UNKNOWN)).expect_err("another request"),
    );
    seen.error(&gate.record(&id, usd("0.1"), Some(UNKNOWN)).expect_err("a used id"));
    drop(held);
    seen.debug(&gate.record(&id, usd("5"), None).expect("a key"));
    seen.denial(&gate.authorize(&request).expect_err("a spent budget"));
    seen.debug(&gate.usage(&id).expect("a key"));
    seen.json(&gate.usage(&id).expect("a key"));
    seen.both(&gate.check(&request));
    seen.json(&gate.check(&request).checks());
    seen.error(&gate.settle(&permit.id(), usd("1")).expect_err("a second settlement"));

    let made = gate.create_key(&KeySpec::new("priced").id("priced")).expect("a good spec");
    seen.made(&made);
    let secret = made.secret.reveal();
    let body = format!(
        r#"{{"model": "m", "max_tokens": 5, "messages": [{{"role": "user", "content": "{UNKNOWN}"}}]}}"#
    );
    let request = Request::new(secret);
    let mut permit = gate.authorize_request(&request, body.as_bytes(), None).expect("a good body");
    seen.permit(&permit);
    seen.error(&permit.settle_response(UNKNOWN.as_bytes()).expect_err("no response"));
    let mut stream = permit.stream();
    stream.feed(
        format!(
            "data: {UNKNOWN}\n\ndata: {{\"choices\": [{{\"delta\": {{\"content\": \"{UNKNOWN}\"}}}}]}}\n\n"
        )
        .as_bytes(),
    );
    seen.debug(&stream);
    seen.debug(&stream.finish().expect("a live hold"));
    seen.error(&gate.authorize_request(&request, UNKNOWN.as_bytes(), None).expect_err("no body"));
    let crowd: Vec<_> = (0..3).map(|_| gate.authorize(&request).expect("room")).collect();
    seen.denial(&gate.authorize(&request).expect_err("a crowd"));
    drop(crowd);
}

fn states(gate: &Gate, clock: &ManualClock, seen: &mut Collected) {
    for presented in
        ["", "short", UNKNOWN, &format!("{UNKNOWN}\n"), &format!("{IMPORTED} "), &IMPORTED.to_uppercase()]
    {
        seen.denial(&gate.verify(presented).expect_err(presented));
        seen.denial(&gate.authorize(&Request::new(presented)).expect_err(presented));
        seen.both(&gate.check(&Request::new(presented)));
        seen.denial(&gate.allowed_models(presented, ["m"]).expect_err(presented));
    }
    let two = [("Authorization", format!("Bearer {UNKNOWN}")), ("x-api-key", IMPORTED.to_owned())];
    let two = two.iter().map(|(name, value)| (*name, value.as_bytes()));
    seen.denial(&bearer(two, &BearerOptions::ALL).expect_err("two keys"));
    seen.denial(
        &bearer([("authorization", UNKNOWN.as_bytes())], &BearerOptions::ALL).expect_err("no scheme"),
    );

    let id = "strict".parse().expect("an id");
    let made = gate.rotate_key(&id, Duration::ZERO).expect("a key in force");
    seen.made(&made);
    let secret = made.secret.reveal();
    let request = Request::new(secret);
    for request in [
        request,
        request.ip("11.0.0.1"),
        request.ip("10.0.0.1"),
        request.ip("10.0.0.1").endpoint("/v1/x"),
        request.ip("10.0.0.1").endpoint("/v1/x").purpose("chat"),
        request.ip("10.0.0.1").endpoint("/v1/x").purpose("chat").model("x"),
    ] {
        seen.denial(&gate.authorize(&request).expect_err("a restricted key"));
        seen.both(&gate.check(&request));
    }
    for overlap in [1, 2, 3, 4] {
        seen.made(&gate.rotate_key(&id, Duration::from_secs(overlap)).expect("room for five"));
    }
    seen.error(&gate.rotate_key(&id, Duration::from_secs(9)).expect_err("a sixth secret"));
    seen.error(&gate.rotate_key(&id, Duration::MAX).expect_err("too long an overlap"));
    clock.advance(Duration::from_secs(1));
    seen.denial(&gate.verify(secret).expect_err("a retired secret"));
    seen.key(&gate.disable_key(&id).expect("a key"));
    let imported = "imported".parse().expect("an id");
    seen.key(&gate.disable_key(&imported).expect("a key"));
    seen.denial(&gate.verify(IMPORTED).expect_err("a disabled key"));
    seen.key(&gate.revoke_key(&imported).expect("a key"));
    seen.denial(&gate.verify(IMPORTED).expect_err("a revoked key"));
    seen.error(&gate.enable_key(&imported).expect_err("a revoked key"));
    gate.delete_key(&imported).expect("a key");
    seen.error(&gate.key(&imported).expect_err("a deleted key"));
    seen.denial(&gate.verify(IMPORTED).expect_err("a deleted key"));
}

#[test]
fn secrets_are_drawn_and_not_repeated() {
    let draw =
        |_| Secret::generate(Prefix::default(), SecretFormat::Hex).expect("random bytes").reveal().to_owned();
    let drawn: BTreeSet<String> = (0..100_000).map(draw).collect();
    assert_eq!(drawn.len(), 100_000);
}

#[test]
fn a_leak_would_be_found() {
    let digest = digest_of(IMPORTED);
    assert_eq!(digest, "746883a28b1d06fc1e28c83f67c1c47e7067bb8c7ba3cbfb9a2639ddb134f339");
    let leaks = [
        IMPORTED.to_owned(),
        format!("{:?}", IMPORTED.as_bytes()),
        digest,
        "key d4e2a9b1c is bad".to_owned(),
    ];
    for leak in leaks {
        let seen = Collected {
            outputs: vec![leak],
            secrets: BTreeSet::from([IMPORTED.to_owned()]),
            ..Collected::default()
        };
        assert!(catch_unwind(|| seen.search()).is_err(), "nobody noticed {:?}", seen.outputs);
    }
}
