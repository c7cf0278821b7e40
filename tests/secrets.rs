//! No output carries a secret (K6): everything that can be printed or serialized is collected over many outcomes, and
//! searched for parts of the secrets and of their digests.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
#[path = "secrets/wiped.rs"]
mod wiped;

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enclava_keys::gate::{Builder, NewKey};
use enclava_keys::key::{HintStyle, NewSecret, Peppers, Prefix, SecretFormat, SecretHash, Value};
use enclava_keys::store::{MemoryStore, PolicyFile, Store};
use enclava_keys::wire::{BearerOptions, Dialect, PriceBook, bearer};
use enclava_keys::{
    Denial, Error, Gate, Key, KeyEdit, KeySpec, ManualClock, Permit, Request, Secret, Timestamp, Usage,
};

const IMPORTED: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
const UNKNOWN: &str = "en_c0ffee5eed1bad4decade5feedfacade";
const PEPPER: &str = "q7Zr2mXv9TbLw4KdHs8NcYpE3uGfJ6aV";
const PRICES: &str =
    r#"{"models": {"m": {"input": "0.01", "output": "0.02", "max_input": 100, "max_output": 100}}}"#;

/// Everything that was printed, and what must not be in it.
#[derive(Default)]
struct Collected {
    outputs: Vec<String>,
    // Records as they are stored hold the hashes, and nothing more.
    stored: Vec<String>,
    secrets: BTreeSet<String>,
}

impl Collected {
    fn debug(&mut self, value: &impl Debug) {
        self.outputs.push(format!("{value:?}"));
        self.outputs.push(format!("{value:#?}"));
    }

    fn both(&mut self, value: &(impl Debug + Display)) {
        self.debug(value);
        self.outputs.push(value.to_string());
        // What somebody reads who unwraps it.
        let unwrapped = |failed: Result<(), _>| failed.expect("a panic that is meant");
        let panicked = catch_unwind(AssertUnwindSafe(|| unwrapped(Err(value))));
        let payload = panicked.expect_err("an error that was unwrapped panics");
        self.outputs.extend(payload.downcast_ref::<String>().cloned());
    }

    fn json(&mut self, value: &impl serde::Serialize) {
        self.outputs.push(serde_json::to_string(value).expect("what is serialized has JSON"));
    }

    fn denial(&mut self, denial: &Denial) {
        self.both(denial);
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            self.json(&denial.body(dialect));
            self.outputs.push(denial.sse_event(dialect));
        }
        self.debug(&denial.headers());
        self.outputs.push(denial.message());
        self.debug(&denial.budget_detail());
    }

    fn error(&mut self, error: &Error) {
        self.both(error);
        match error {
            Error::Denied(denial) => self.denial(denial),
            Error::InvalidRecord(invalid) => self.json(invalid),
            _ => {}
        }
    }

    fn key(&mut self, key: &Key) {
        self.debug(key);
        self.json(key);
        self.outputs.push(key.to_json());
        self.debug(&key.policy());
        self.debug(&key.hint());
        self.outputs.extend(key.hint().map(|hint| hint.to_string()));
        key.secrets().for_each(|secret| self.debug(&secret));
        self.stored.push(key.to_record_json());
    }

    fn made(&mut self, made: &NewKey) {
        self.secrets.insert(made.secret.reveal().to_owned());
        self.debug(made);
        self.both(&made.secret);
        self.key(&made.key);
    }

    fn permit(&mut self, permit: &Permit) {
        self.debug(permit);
        self.outputs.push(permit.id().to_string());
        self.debug(&permit.id());
        self.key(permit.key());
    }

    /// Looks for nine characters in a row of any secret or digest: a hint shows two times four characters of a secret,
    /// and `Debug` of a digest its first eight.
    fn search(&self) {
        let bodies = self.secrets.iter().map(|secret| secret.rsplit('_').next().unwrap_or_default());
        let bodies: Vec<&str> = bodies.collect();
        let digests: Vec<String> = self.secrets.iter().map(|secret| digest_of(secret)).collect();
        let of_secrets: BTreeSet<&[u8]> =
            bodies.iter().flat_map(|body| body.as_bytes().windows(PART)).collect();
        let of_digests: BTreeSet<&[u8]> =
            digests.iter().flat_map(|hex| hex.as_bytes().windows(PART)).collect();
        // A secret as a list of bytes, which is how `Debug` shows those.
        let bytes =
            |body: &&str| body.bytes().take(4).map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let lists: Vec<String> = bodies.iter().map(bytes).collect();
        for output in self.outputs.iter().chain(&self.stored).collect::<BTreeSet<_>>() {
            assert!(!holds(output, &of_secrets), "a secret is in {output}");
            assert!(!lists.iter().any(|list| output.contains(list)), "the bytes of a secret are in {output}");
        }
        for output in self.outputs.iter().collect::<BTreeSet<_>>() {
            assert!(!holds(output, &of_digests), "the digest of a secret is in {output}");
        }
    }
}

/// More in a row than is ever shown.
const PART: usize = 9;

fn holds(output: &str, parts: &BTreeSet<&[u8]>) -> bool {
    output.as_bytes().windows(PART).any(|part| parts.contains(part))
}

// The digest as it is stored, in hex.
fn digest_of(secret: &str) -> String {
    Peppers::none().hash(secret.as_bytes()).to_string().split_off("sha256:".len())
}

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
        gate.on_alert(move |alert| {
            heard.lock().expect("nobody panicked").push(format!("{alert:?} {alert:#?}"));
        });
        keys(&gate, &mut seen);
        calls(&gate, &mut seen);
        states(&gate, &clock, &mut seen);
        gate.flush().expect("a ledger in memory");
        seen.outputs.append(&mut told.lock().expect("nobody panicked"));
        for alert in gate.take_alerts(usize::MAX) {
            seen.debug(&alert);
            seen.json(&alert);
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
    println_count(&seen);
    assert!(seen.outputs.len() > 500, "only {} outputs were collected", seen.outputs.len());
    seen.search();
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
    let import =
        format!(r#"{{"name": "i", "id": "imported", "secret": "{IMPORTED}", "daily_spend_limit": 1}}"#);
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
fn parts_of_a_key() {
    let mut seen = Collected::default();
    seen.secrets.insert(IMPORTED.to_owned());
    seen.secrets.insert(PEPPER.to_owned());
    let peppers = Peppers::new([("2026", PEPPER.as_bytes())]).expect("a pepper");
    let secret = Secret::import(IMPORTED, Prefix::default()).expect("a secret");
    let new = NewSecret::of(&secret, &peppers, HintStyle::Ends);
    let plain = Peppers::none().hash(IMPORTED.as_bytes());
    seen.both(&secret);
    seen.debug(&new);
    seen.debug(&peppers);
    seen.debug(&plain);
    seen.debug(plain.digest());
    seen.debug(&Value::from(IMPORTED));
    seen.debug(&KeySpec::new(IMPORTED).secret(IMPORTED).set(IMPORTED, IMPORTED));
    seen.debug(&KeyEdit::new().set(IMPORTED, IMPORTED));
    for text in [IMPORTED, &format!("sha256:{IMPORTED}"), &format!("hs256:{IMPORTED}:x")] {
        seen.both(&text.parse::<SecretHash>().expect_err("no hash"));
        seen.both(&text.parse::<Prefix>().expect_err("no prefix"));
    }
    seen.search();
}

#[test]
fn stores_and_policy_files() {
    let mut seen = Collected::default();
    seen.secrets.insert(IMPORTED.to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("policy.json");
    let url = format!("file://{}", path.display());
    std::fs::write(&path, r#"{"version": 1, "keys": []}"#).expect("a file");
    let reloading = Gate::open(&url).expect("a good file");
    for text in [
        format!(r#"{{"version": 1, "keys": [{{"id": "a", "name": "a", "key": "{IMPORTED}"}}]}}"#),
        format!(r#"{{"version": 1, "keys": [{{"id": "a", "name": "a", "secret": "{IMPORTED}"}}]}}"#),
        format!(
            r#"{{"version": 1, "keys": [{{"id": "a", "name": "a", "key_hash": "{IMPORTED}"}}], "{IMPORTED}": 1}}"#
        ),
        format!(r#"{{"version": "{IMPORTED}", "keys": "{IMPORTED}"}}"#),
        IMPORTED.to_owned(),
    ] {
        std::fs::write(&path, &text).expect("a file");
        let file = PolicyFile::at(&path);
        seen.debug(&file);
        seen.both(&file.news(None, Timestamp::EPOCH).expect_err(&text));
        seen.error(&Gate::open(&url).expect_err(&text));
        seen.error(&reloading.refresh().expect_err(&text));
    }
    let events = reloading.take_events(usize::MAX);
    assert_eq!(events.len(), 5, "one for each file that was refused");
    for event in &events {
        seen.debug(event);
        seen.json(event);
    }
    seen.error(&Gate::open(&format!("redis://:{IMPORTED}@localhost/0")).expect_err("no such engine"));
    seen.error(&Gate::open(IMPORTED).expect_err("no URL"));
    let store = Arc::new(MemoryStore::new());
    let gate = Gate::builder().store(store.clone()).open("memory:").expect("a gate");
    let import = KeySpec::new("a").secret(IMPORTED);
    seen.key(&gate.import_key(&import).expect("a good spec"));
    seen.error(&gate.import_key(&import).expect_err("a secret that is taken"));
    seen.debug(&store);
    seen.debug(&store.news(None, Timestamp::EPOCH).expect("records"));
    seen.search();
}

#[test]
fn secrets_are_drawn_and_not_repeated() {
    let draw =
        |_| Secret::generate(Prefix::default(), SecretFormat::Hex).expect("random bytes").reveal().to_owned();
    let drawn: BTreeSet<String> = (0..20_000).map(draw).collect();
    assert_eq!(drawn.len(), 20_000);
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
