//! The whole story of one API key, as a gateway lives it: `cargo run --release --example story`.
//!
//! Every step is checked; the first that is not as it should be ends the program with an error.

#![expect(clippy::print_stdout, reason = "it tells a story")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::key::KeySpec;
use enclava_keys::wire::{Dialect, PriceBook, Reason};
use enclava_keys::{Denial, Gate, KeyId, ManualClock, Request, Usage};

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

/// The gate, its clock, and the key that the story is about.
struct Scene {
    gate: Gate,
    clock: Arc<ManualClock>,
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

fn create(gate: Gate, clock: Arc<ManualClock>) -> Result<Scene, Box<dyn Error>> {
    title("An administrator creates a key");
    println!("{CREATE}");
    let made = gate.create_key(&KeySpec::from_json(CREATE)?)?;
    let secret = made.secret.reveal().to_owned();
    let id = made.key.id().clone();
    println!("-> id     {id}");
    println!("-> secret {secret}   (shown this once; the gate keeps only its hash)");
    println!("-> hint   {}", made.key.hint().ok_or("a key has a hint")?);
    check(secret.len() == 35 && secret.starts_with("en_"), "the secret is en_ and 32 hex digits")?;
    check(!format!("{made:?}").contains(&secret), "printing the new key does not print the secret")?;
    Ok(Scene { gate, clock, id, secret })
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
    check(settlement.usage.tokens == 12, "the stream's own usage is charged")?;
    show_usage(gate, id)?;

    title("A model that is not on the list: GPT-4 is not gpt-4");
    let denial =
        gate.authorize(&Request::new(secret).model("GPT-4").tokens(10)).err().ok_or("GPT-4 was admitted")?;
    show_denial(&denial);
    check(
        denial.reason() == Reason::ModelNotAllowed && denial.message().starts_with("Model not allowed"),
        "names are case-sensitive",
    )?;
    Ok(())
}

fn reach_the_limit(Scene { gate, clock, id, secret }: &Scene) -> Told {
    title("A big call reaches 80 % of the day's limit: one alert");
    let mut permit = gate.authorize(&Request::new(secret).model("gpt-4").cost("40".parse()?).tokens(1000))?;
    let settlement = permit.settle(Usage::new("39.99904".parse()?, 1000))?;
    for alert in &settlement.alerts {
        println!(
            "ALERT {}: {} of {} used ({} of the limit), since {}",
            alert.meter, alert.used, alert.limit, alert.threshold, alert.window_start
        );
    }
    check(settlement.alerts.len() == 1, "the alert comes with the call that crossed it")?;
    let mut permit = gate.authorize(&Request::new(secret).model("gpt-4").cost("10".parse()?).tokens(1000))?;
    let settlement = permit.settle(Usage::new("10".parse()?, 1000))?;
    check(settlement.alerts.is_empty(), "and only once")?;

    title("The day's limit is spent: what the client gets");
    let denial =
        gate.authorize(&Request::new(secret).model("gpt-4")).err().ok_or("a spent key was admitted")?;
    show_denial(&denial);
    check(
        denial.reason() == Reason::DailySpendExceeded && denial.status() == 429,
        "after $50 the next call is refused",
    )?;
    check(denial.resets_at() == Some("2026-11-24T00:00:00Z".parse()?), "until midnight")?;
    show_usage(gate, id)?;

    title("The next day it works again");
    clock.set("2026-11-24T00:00:00Z".parse()?);
    gate.authorize(&Request::new(secret).model("gpt-4").cost("0.05".parse()?))?.release()?;
    show_usage(gate, id)?;
    Ok(())
}

fn rotate(Scene { gate, clock, id, secret }: &Scene) -> Result<String, Box<dyn Error>> {
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

fn revoke(Scene { gate, id, .. }: &Scene, fresh: &str) -> Told {
    title("Revocation bites at once; a call in flight is still charged");
    let mut in_flight = gate.authorize(&Request::new(fresh).model("gpt-4").cost("1".parse()?))?;
    gate.revoke_key(id)?;
    let denial =
        gate.authorize(&Request::new(fresh).model("gpt-4")).err().ok_or("a revoked key was admitted")?;
    show_denial(&denial);
    check(denial.reason() == Reason::KeyRevoked, "the next call is refused")?;
    in_flight.settle(Usage::new("0.50".parse()?, 100))?;
    check(gate.usage(id)?.daily_spend.used.to_string() == "$2.50", "what was in flight is charged")?;
    Ok(())
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

fn check(holds: bool, what: &str) -> Told {
    if holds {
        println!("ok: {what}");
        Ok(())
    } else {
        Err(format!("NOT AS IT SHOULD BE: {what}").into())
    }
}
