//! The whole story of one API key, as a gateway lives it: `cargo run --release --example story`.
//!
//! Every step is checked; the first that is not as it should be ends the program with an error.

#![expect(clippy::print_stdout, reason = "it tells a story")]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use enclava_keys::budget::Meter;
use enclava_keys::key::KeySpec;
use enclava_keys::wire::{Dialect, PriceBook, Reason};
use enclava_keys::{Alert, Denial, Gate, KeyId, ManualClock, Request, Usage};
use serde_json::{Value, json};

/// What the documentation's example sends to create a key.
const CREATE: &str = r#"{
  "name": "Production App",
  "description": "API key for production application",
  "allowed_models": ["gpt-4", "gpt-3.5-turbo"],
  "daily_spend_limit": 50.00,
  "monthly_spend_limit": 1500.00,
  "daily_token_limit": 500000,
  "alert_threshold": 0.8
}"#;

/// US dollars for a thousand tokens, as the provider lists them.
const PRICES: &str = r#"
[models.gpt-4]
input = "0.03"
output = "0.06"
per = "1k"
max_input = 8192
max_output = 8192

[models."gpt-3.5-turbo"]
input = "0.0005"
output = "0.0015"
per = "1k"
max_input = 16385
max_output = 4096
"#;

const CHAT: &str =
    r#"{"model": "gpt-4", "max_tokens": 200, "messages": [{"role": "user", "content": "Test"}]}"#;

const ANSWER: &str = r#"{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4",
  "choices": [{"index": 0, "message": {"role": "assistant", "content": "It works."}, "finish_reason": "stop"}],
  "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}}"#;

const STREAM: [&str; 4] = [
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It \"}}],\"usage\":null}\n\n",
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"works.\"}}],\"us",
    "age\":null}\n\ndata: {\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":8,",
    "\"completion_tokens\":4,\"total_tokens\":12}}\n\ndata: [DONE]\n\n",
];

type Told = Result<(), Box<dyn Error>>;

/// The gate, its clock, what it told the callback, and the key that the story is about.
struct Scene {
    gate: Gate,
    clock: Arc<ManualClock>,
    told: Receiver<Alert>,
    id: KeyId,
    secret: String,
}

fn main() -> Told {
    let clock = Arc::new(ManualClock::new("2026-11-23T09:00:00Z".parse()?));
    let gate = Gate::builder().clock(clock.clone()).prices(PriceBook::from_toml(PRICES)?).open("memory:")?;
    let scene = create(gate, clock)?;
    use_models(&scene)?;
    reach_the_limit(&scene)?;
    let fresh = rotate(&scene)?;
    revoke(&scene, &fresh)?;
    println!("\nEvery step was as it should be.");
    Ok(())
}

// So that `make test` tells it too.
#[test]
fn the_whole_story() -> Told {
    main()
}

fn create(gate: Gate, clock: Arc<ManualClock>) -> Result<Scene, Box<dyn Error>> {
    title("An administrator creates a key");
    println!("{CREATE}");
    let (tell, told) = channel();
    gate.on_alert(move |alert| tell.send(alert.clone()).map_err(|_| "nobody listens any more"));
    let made = gate.create_key(&KeySpec::from_json(CREATE)?)?;
    let secret = made.secret.reveal().to_owned();
    let id = made.key.id().clone();
    println!("-> id     {id}");
    println!("-> secret {secret}   (shown this once; the gate keeps only its hash)");
    println!("-> hint   {}", made.key.hint().ok_or("a key has a hint")?);
    check(secret.len() == 35 && secret.starts_with("en_"), "the secret is en_ and 32 hex digits")?;
    check(!format!("{made:?}").contains(&secret), "printing the new key does not print the secret")?;
    Ok(Scene { gate, clock, told, id, secret })
}

fn use_models(Scene { gate, id, secret, .. }: &Scene) -> Told {
    title("The client asks which models there are");
    let offered = ["gpt-4", "gpt-4o", "gpt-3.5-turbo", "claude-sonnet-4-5"];
    let models = gate.allowed_models(secret, offered)?;
    println!("the platform has {offered:?}\nthe key may use {models:?}");
    check(models == ["gpt-4", "gpt-3.5-turbo"], "the list is filtered for the key")?;

    title("A chat completion, authorized from its body and settled from the answer's");
    println!("request  {CHAT}");
    let mut permit = gate.authorize_request(&Request::new(secret), CHAT.as_bytes(), None)?;
    println!(
        "admitted: model {:?}, ${} and {} tokens set aside",
        permit.model().unwrap_or_default(),
        permit.estimate().cost,
        permit.estimate().tokens
    );
    permit.dispatched();
    let settlement = permit.settle_response(ANSWER.as_bytes())?;
    println!("answer used ${} and {} tokens", settlement.usage.cost, settlement.usage.tokens);
    check(
        settlement.usage.cost == "0.00048".parse()? && settlement.usage.tokens == 12,
        "8 x $0.00003 + 4 x $0.00006",
    )?;

    title("The same, streamed, in chunks cut anywhere");
    let permit = gate.authorize_request(&Request::new(secret), CHAT.as_bytes(), None)?;
    let mut stream = permit.stream();
    for chunk in STREAM {
        stream.feed(chunk.as_bytes());
    }
    let settlement = stream.finish()?;
    println!(
        "{} chunks; the last tells ${} and {} tokens",
        STREAM.len(),
        settlement.usage.cost,
        settlement.usage.tokens
    );
    check(
        settlement.usage.cost == "0.00048".parse()? && settlement.usage.tokens == 12,
        "the stream's own usage is charged",
    )?;
    show_usage(gate, id)?;

    title("A model that is not on the list: GPT-4 is not gpt-4");
    let denial =
        gate.authorize(&Request::new(secret).model("GPT-4").tokens(10)).err().ok_or("GPT-4 was admitted")?;
    show_denial(&denial);
    check(
        denial.reason() == Reason::ModelNotAllowed
            && denial.status() == 403
            && denial.message().starts_with("Model not allowed"),
        "names are case-sensitive",
    )?;
    check_denial(
        &denial,
        &[("content-type", "application/json"), ("x-should-retry", "false")],
        &[
            ("type", "invalid_request_error".into()),
            ("code", "model_not_found".into()),
            ("param", "model".into()),
        ],
    )
}

fn reach_the_limit(Scene { gate, clock, told, id, secret }: &Scene) -> Told {
    title("A big call reaches 80 % of the day's limit: one alert");
    let mut permit = gate.authorize(&Request::new(secret).model("gpt-4").cost("40".parse()?).tokens(1000))?;
    let settlement = permit.settle(Usage::new("39.99904".parse()?, 1000))?;
    for alert in &settlement.alerts {
        println!(
            "ALERT {}: {} of {} used ({} of the limit), since {}",
            alert.meter, alert.used, alert.limit, alert.threshold, alert.window_start
        );
    }
    let [alert] = settlement.alerts.as_slice() else { return Err("not one alert".into()) };
    check(
        alert.key_id == *id
            && alert.meter == Meter::DailySpend
            && alert.threshold.to_string() == "0.8"
            && alert.used.to_string() == "$40.00"
            && alert.limit.to_string() == "$50.00",
        "the alert comes with the call that crossed it, and says which meter and threshold",
    )?;
    let mut permit = gate.authorize(&Request::new(secret).model("gpt-4").cost("10".parse()?).tokens(1000))?;
    let settlement = permit.settle(Usage::new("10".parse()?, 1000))?;
    gate.flush()?;
    check(
        settlement.alerts.is_empty() && told.try_iter().eq([alert.clone()]),
        "and only once; the callback was told the same",
    )?;

    title("The day's limit is spent: what the client gets");
    let denial =
        gate.authorize(&Request::new(secret).model("gpt-4")).err().ok_or("a spent key was admitted")?;
    show_denial(&denial);
    check(
        denial.reason() == Reason::DailySpendExceeded && denial.status() == 429,
        "after $50 the next call is refused",
    )?;
    check(denial.resets_at() == Some("2026-11-24T00:00:00Z".parse()?), "until midnight")?;
    check_denial(
        &denial,
        &[("content-type", "application/json"), ("x-should-retry", "false"), ("retry-after", "54000")],
        &[
            ("type", "insufficient_quota".into()),
            ("code", "insufficient_quota".into()),
            ("param", Value::Null),
            (
                "budget",
                json!({
                    "name": "daily_spend", "transient": false, "resets_at": "2026-11-24T00:00:00Z", "limit": "50.00",
                    "used": "50.00", "held": "0.00", "remaining": "0.00", "requested": "0.00",
                }),
            ),
        ],
    )?;
    show_usage(gate, id)?;

    title("The next day it works again");
    clock.set("2026-11-24T00:00:00Z".parse()?);
    gate.authorize(&Request::new(secret).model("gpt-4").cost("0.05".parse()?))?.release()?;
    show_usage(gate, id)?;
    Ok(())
}

fn rotate(Scene { gate, clock, id, secret, .. }: &Scene) -> Result<String, Box<dyn Error>> {
    title("Rotation: for an hour both secrets work, on one budget");
    let rotated = gate.rotate_key(id, Duration::from_hours(1))?;
    let fresh = rotated.secret.reveal().to_owned();
    for secret in [secret, &fresh] {
        let mut permit = gate.authorize(&Request::new(secret).model("gpt-4").cost("1".parse()?))?;
        permit.settle(Usage::new("1".parse()?, 100))?;
    }
    let spent = gate.usage(id)?.daily_spend;
    println!("the old and the new secret spent $1 each; today the key used {}", spent.used);
    check(spent.used.to_string() == "$2.00", "one budget")?;
    clock.advance(Duration::from_hours(1));
    let denial = gate.verify(secret).err().ok_or("a retired secret was admitted")?;
    println!("an hour later the old one is refused: {}", denial.message());
    check(denial.reason() == Reason::SecretRetired, "the old secret ended with the overlap")?;
    Ok(fresh)
}

fn revoke(Scene { gate, told, id, .. }: &Scene, fresh: &str) -> Told {
    title("Revocation bites at once; a call in flight is still charged");
    let mut in_flight = gate.authorize(&Request::new(fresh).model("gpt-4").cost("1".parse()?))?;
    gate.revoke_key(id)?;
    let denial =
        gate.authorize(&Request::new(fresh).model("gpt-4")).err().ok_or("a revoked key was admitted")?;
    show_denial(&denial);
    check(denial.reason() == Reason::KeyRevoked && denial.status() == 401, "the next call is refused")?;
    in_flight.settle(Usage::new("0.50".parse()?, 100))?;
    check(gate.usage(id)?.daily_spend.used.to_string() == "$2.50", "what was in flight is charged")?;
    gate.flush()?;
    check(told.try_recv().is_err(), "and in all this time nobody was alerted again")
}

fn title(text: &str) {
    println!("\n== {text}");
}

fn show_usage(gate: &Gate, id: &KeyId) -> Told {
    let usage = gate.usage(id)?;
    for (name, balance) in [
        ("today", usage.daily_spend),
        ("this month", usage.monthly_spend),
        ("tokens today", usage.daily_tokens),
    ] {
        let limit = balance.limit.map_or("no limit".to_owned(), |limit| limit.to_string());
        println!("{name:>13}: {} of {limit}, resets {}", balance.used, balance.resets_at);
    }
    Ok(())
}

fn show_denial(denial: &Denial) {
    println!("HTTP {}", denial.status());
    for (name, value) in denial.headers() {
        println!("{name}: {value}");
    }
    println!("\n{:#}", denial.body(Dialect::OpenAi));
}

/// Its headers are these and no others; its body has these members, and the message that it tells the gateway.
fn check_denial(denial: &Denial, headers: &[(&str, &str)], members: &[(&str, Value)]) -> Told {
    let sent = denial.headers();
    check(
        sent.iter().map(|(name, value)| (*name, value.as_str())).eq(headers.iter().copied()),
        "the headers keep the client from asking again in vain",
    )?;
    let body = denial.body(Dialect::OpenAi);
    let error = body.get("error").and_then(Value::as_object).ok_or("an error has a body")?;
    let holds = error.get("message") == Some(&denial.message().into())
        && error.len() == members.len().saturating_add(1)
        && members.iter().all(|(name, value)| error.get(*name) == Some(value));
    check(holds, "the body says what happened, in the form that OpenAI's client reads")
}

fn check(holds: bool, what: &str) -> Told {
    if holds {
        println!("ok: {what}");
        Ok(())
    } else {
        Err(format!("NOT AS IT SHOULD BE: {what}").into())
    }
}
