//! What the parts of the library print by themselves.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::Arc;

use enclava_keys::budget::{AlertId, HoldId, Money, PermitId, Threshold, Zone};
use enclava_keys::key::{HintStyle, NewSecret, Peppers, Prefix, SecretHash, Value, check_shape};
use enclava_keys::ledger::{LeasedLedger, MemoryLedger};
use enclava_keys::policy::{
    AddressRules, ClientIp, EndpointRules, Facts, ModelPattern, ModelRules, Policy, Purpose,
    resolve_client_ip,
};
use enclava_keys::store::{MemoryStore, PolicyFile, Store};
use enclava_keys::wire::{
    Estimate, PriceBook, Reason, RequestBody, RequestFacts, ResponseFacts, Rewrite, StreamUsage,
};
use enclava_keys::{Gate, KeyEdit, KeyId, KeySpec, Request, Secret, SystemClock, Timestamp};

use super::collected::Collected;
use super::{IMPORTED, PEPPER, PRICES};

/// All of these.
pub(crate) const ALL: &[fn() -> Collected] = &[
    key,
    made_and_changed,
    words,
    rules,
    bodies,
    prices,
    ledgers,
    stores,
    #[cfg(feature = "sqlite")]
    files,
];

#[test]
fn parts_by_themselves() {
    for part in ALL {
        part().search();
    }
}

fn nothing_yet() -> Collected {
    let secrets = [IMPORTED.to_owned(), PEPPER.to_owned()].into();
    Collected { secrets, ..Collected::default() }
}

fn key() -> Collected {
    let mut seen = nothing_yet();
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
    seen
}

fn stores() -> Collected {
    let mut seen = nothing_yet();
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
    seen
}

fn made_and_changed() -> Collected {
    let mut seen = nothing_yet();
    let peppers = Peppers::new([("2026", PEPPER.as_bytes())]).expect("a pepper");
    let spec = KeySpec::new("a").secret(IMPORTED);
    let made = spec.create(&peppers, Timestamp::EPOCH).expect("a good spec");
    seen.debug(&made);
    seen.debug(&made.key.state_at(Timestamp::EPOCH));
    seen.both(
        &spec.set("daily_spend_limit", IMPORTED).create(&peppers, Timestamp::EPOCH).expect_err("no amount"),
    );
    let edit = |edit: KeyEdit| made.key.edited(&edit, Timestamp::EPOCH);
    seen.debug(&edit(KeyEdit::new().name("b")).expect("a good edit"));
    seen.both(&edit(KeyEdit::new().set("secret", IMPORTED)).expect_err("no field of an edit"));
    let revoked = made.key.revoke(Timestamp::EPOCH);
    seen.both(&revoked.enable(Timestamp::EPOCH).expect_err("a revoked key"));
    seen.both(&Secret::import(&format!("{IMPORTED} "), Prefix::default()).expect_err("a space"));
    seen.both(&check_shape(format!("{IMPORTED}\n").as_bytes()).expect_err("a line break"));
    for peppers in
        [[("a", PEPPER), ("a", PEPPER)], [(PEPPER, PEPPER), (PEPPER, "short")], [("", PEPPER), ("a", "")]]
    {
        let peppers = peppers.map(|(name, text)| (name, text.as_bytes()));
        seen.both(&Peppers::new(peppers).expect_err("two of a name, or none"));
    }
    seen
}

/// What is read from text says of a secret that was pasted there no more than that it is wrong.
fn words() -> Collected {
    let mut seen = nothing_yet();
    wrong::<AlertId>(&mut seen);
    wrong::<HoldId>(&mut seen);
    wrong::<KeyId>(&mut seen);
    wrong::<Money>(&mut seen);
    wrong::<PermitId>(&mut seen);
    wrong::<Purpose>(&mut seen);
    wrong::<Reason>(&mut seen);
    wrong::<Threshold>(&mut seen);
    wrong::<Timestamp>(&mut seen);
    seen.both(&Zone::named(IMPORTED).expect_err("no zone"));
    seen.both(&ModelPattern::parse(&format!("{IMPORTED},{IMPORTED}")).expect_err("two models"));
    seen.both(&AddressRules::parse_entry(IMPORTED).expect_err("no address"));
    seen.both(&AddressRules::parse_entry(&format!("{IMPORTED}/8")).expect_err("no network"));
    seen.both(&EndpointRules::new([IMPORTED]).expect_err("no path"));
    seen
}

fn wrong<T: FromStr<Err: Debug + Display>>(seen: &mut Collected) {
    for text in [IMPORTED, &format!("{IMPORTED}/"), &format!(" {IMPORTED}\n")] {
        if let Err(error) = text.parse::<T>() {
            seen.both(&error);
        }
    }
}

fn rules() -> Collected {
    let mut seen = nothing_yet();
    let addresses = AddressRules::new(["10.0.0.0/8".parse().expect("a network")]);
    let client = |hop| resolve_client_ip([10, 0, 0, 1].into(), [hop], &addresses);
    seen.both(&client(IMPORTED).expect_err("no address"));
    let models = ModelRules::new([ModelPattern::parse("m").expect("a model")], []);
    let endpoints = EndpointRules::new(["/v1/*"]).expect("a path");
    let policy = Policy::new(models, addresses, endpoints, None);
    for facts in [
        Facts { ip: ClientIp::Text(IMPORTED), ..Facts::default() },
        Facts { ip: ClientIp::Text("10.0.0.1"), endpoint: Some(IMPORTED), ..Facts::default() },
        Facts {
            ip: ClientIp::Text("10.0.0.1"),
            endpoint: Some("/v1/x"),
            model: Some(IMPORTED),
            purpose: None,
        },
    ] {
        seen.both(&policy.check(&facts).expect_err("a restricted key"));
    }
    seen
}

fn bodies() -> Collected {
    let mut seen = nothing_yet();
    let chat = |members: &str| {
        format!(
            r#"{{"model": "m", "max_tokens": 5, "messages": [{{"role": "user", "content": "{IMPORTED}"}}]{members}}}"#
        )
    };
    let whole = chat("");
    let body = RequestBody::new(whole.as_bytes());
    seen.debug(&body);
    let facts = body.facts(None).expect("a good body");
    seen.debug(&facts);
    seen.debug(&body);
    seen.debug(&Rewrite { model: Some("m"), ..Rewrite::default() });
    let twice = chat(r#", "model": "m""#);
    let wrong = chat(&format!(r#", "n": "{IMPORTED}""#));
    let deep = format!("{}{IMPORTED}", "[".repeat(200));
    for body in [IMPORTED, &twice, &wrong, &deep, &format!(r#"{{"{IMPORTED}": "{IMPORTED}"}}"#)] {
        seen.both(&RequestFacts::from_slice(body.as_bytes(), None).expect_err(body));
    }
    let answer = format!(
        r#"{{"model": "m", "choices": [{{"message": {{"content": "{IMPORTED}"}}}}],
            "usage": {{"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}}}}"#
    );
    seen.debug(&ResponseFacts::from_slice(answer.as_bytes()).expect("a good answer"));
    let wrong = answer.replace("12", &format!("\"{IMPORTED}\""));
    seen.both(&ResponseFacts::from_slice(wrong.as_bytes()).expect_err("no count"));
    let mut stream = StreamUsage::new();
    stream.feed(
        format!(
            "data: {answer}\n\ndata: {{\"choices\": [{{\"delta\": {{\"content\": \"{IMPORTED}\"}}}}]}}\n\n"
        )
        .as_bytes(),
    );
    seen.debug(&stream);
    seen.debug(&stream.progress());
    stream.feed(format!("data: {IMPORTED}").as_bytes());
    seen.debug(&stream);
    seen.debug(&stream.finish());
    seen
}

fn prices() -> Collected {
    let mut seen = nothing_yet();
    let book = PriceBook::from_json(PRICES).expect("prices");
    seen.debug(&book);
    let price = book.get("m").expect("a price");
    seen.debug(price);
    let facts = |json: &str| RequestFacts::from_slice(json.as_bytes(), None).expect("a good body");
    let estimate = Estimate::new(&facts(r#"{"model": "m", "messages": []}"#), price);
    seen.debug(&estimate.expect("a bound"));
    let unbounded = facts(r#"{"model": "m", "input": "x", "previous_response_id": "x"}"#);
    seen.both(&Estimate::without_price(&unbounded).expect_err("no bound"));
    for text in [
        IMPORTED.to_owned(),
        PRICES.replace("0.01", IMPORTED),
        PRICES.replace("100", &format!("\"{IMPORTED}\"")),
        format!(r#"{{"models": "{IMPORTED}"}}"#),
    ] {
        let error = PriceBook::from_json(&text).expect_err(&text);
        seen.both(&error);
        error.faults().iter().for_each(|fault| {
            seen.debug(fault);
            seen.outputs.push(fault.to_string());
        });
        seen.both(&PriceBook::from_toml(&text).expect_err(&text));
    }
    let catalogue = format!(
        r#"{{"m": {{"mode": "chat", "input_cost_per_token": 1, "output_cost_per_token": 2, "max_tokens": 9,
            "litellm_provider": "{IMPORTED}"}},
            "n": {{"mode": "{IMPORTED}", "input_cost_per_token": 1}}}}"#
    );
    seen.debug(&PriceBook::from_litellm(&catalogue).map(|(_, report)| report).expect("a catalogue"));
    let wrong = catalogue.replace(": 1", &format!(r#": "{IMPORTED}""#));
    seen.both(&PriceBook::from_litellm(&wrong).expect_err("no price"));
    seen
}

fn ledgers() -> Collected {
    let mut seen = nothing_yet();
    let ledger = Arc::new(MemoryLedger::new());
    let leased = Arc::new(LeasedLedger::new(ledger.clone(), Arc::new(SystemClock)));
    let gate = Gate::builder().ledger(leased.clone()).open("memory:").expect("a gate");
    let made = gate.create_key(&KeySpec::new("a").id("a").daily_spend_limit(1)).expect("a good spec");
    seen.made(&made);
    let secret = made.secret.reveal();
    let held =
        gate.authorize(&Request::new(secret).cost("0.1".parse().expect("an amount")).request_id(IMPORTED));
    seen.permit(&held.expect("room"));
    let leases = gate.leases(made.key.id()).expect("a ledger in memory");
    assert!(!leases.is_empty());
    for lease in &leases {
        seen.debug(lease);
        seen.json(lease);
    }
    seen.debug(&leased);
    seen.debug(&ledger);
    seen
}

#[cfg(feature = "sqlite")]
fn files() -> Collected {
    use enclava_keys::Usage;
    use enclava_keys::engine::{Durability, Sqlite};

    let mut seen = nothing_yet();
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:///{}/enclava.db", folder.path().display());
    let database = Sqlite::open(&url).expect("a database");
    let gate = Gate::open(&url).expect("a gate");
    seen.key(&gate.import_key(&KeySpec::new("a").id("a").secret(IMPORTED)).expect("a good spec"));
    let mut held = gate.authorize(&Request::new(IMPORTED).model("m").request_id(PEPPER)).expect("room");
    seen.permit(&held);
    held.settle(Usage::new("0.1".parse().expect("an amount"), 1)).expect("a live hold");
    seen.debug(&database);
    seen.debug(&database.store());
    seen.debug(&database.ledger());
    let health = database.doctor().expect("a sound file");
    seen.debug(&health);
    seen.json(&health);
    gate.history(&"a".parse().expect("an id"), 30).expect("a history").iter().for_each(|tally| {
        seen.debug(tally);
        seen.json(tally);
    });
    // A record that other hands wrote, with a secret where none belongs.
    let path = folder.path().join("enclava.db");
    let wrong = format!(r#"{{"id": "a", "name": "a", "secret": "{IMPORTED}", "{IMPORTED}": 1}}"#);
    let connection = rusqlite::Connection::open(path).expect("a database");
    connection.execute("UPDATE keys SET record = ?1", [&wrong]).expect("a record");
    let news = database.store().news(None, Timestamp::EPOCH).expect("news");
    assert_eq!(news.unreadable.len(), 1);
    seen.debug(&news);
    seen.json(&Gate::open(&url).expect("a gate").take_events(1));
    seen.debug(&Durability::default());
    // URLs of other databases, with their passwords.
    for url in [IMPORTED, &format!("sqlite://user:{IMPORTED}@host/a.db"), &format!("{url}?key={IMPORTED}")] {
        seen.both(&Sqlite::open(url).expect_err("no such database"));
    }
    seen
}
