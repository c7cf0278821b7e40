//! The gate: what one request costs, from the secret to the settled charge.

#![allow(missing_docs, reason = "criterion_group! writes a public function")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use enclava_benches::keys::{self, SETTLED_IN, SIZES, Text, call, request};
use enclava_benches::{Random, two_threads};
use enclava_keys::wire::{PriceBook, Reason};
use enclava_keys::{Gate, KeySpec, Permit, Request};

// Enough keys that the two of `threads` do not lie side by side in memory.
const A_FEW: u32 = 100;
// Calls of one key at once.
const IN_FLIGHT: usize = 1_000;

const PRICES: &str = r#"
[models.gpt-4]
input = "0.03"
output = "0.06"
per = "1k"
max_input = 8192
max_output = 8192
"#;
const CHAT: &[u8] =
    br#"{"model": "gpt-4", "max_tokens": 200, "messages": [{"role": "user", "content": "Test"}]}"#;
const ANSWER: &[u8] = br#"{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "It works."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}}"#;

criterion_group! {
    name = gate;
    config = enclava_benches::config();
    targets = hot, threads, denied, long_list, bodies, crowds
}
criterion_main!(gate);

fn hot(c: &mut Criterion) {
    let gate = keys::gate(1);
    let secret = keys::secret(0);
    c.bench_function("gate/verify", |b| b.iter(|| gate.verify(black_box(&secret)).expect("a key")));
    let authorize = |request: &Request<'_>| gate.authorize(black_box(request)).expect("a permit");
    c.bench_function("gate/hot", |b| b.iter(|| call(&gate, &request(&secret))));
    c.bench_function("gate/hot/released", |b| {
        b.iter(|| authorize(&request(&secret)).release().expect("a release"));
    });

    let leased = keys::leased_gate(1);
    c.bench_function("gate/hot/leased", |b| b.iter(|| call(&leased, &request(&secret))));
    with_request_id(c, "gate/hot/request-id", &gate, &secret);

    // Streams are long: a busy key has many calls in flight.
    let streams: Vec<Permit> = (0..IN_FLIGHT).map(|_| authorize(&request(&secret))).collect();
    c.bench_function("gate/in-flight", |b| b.iter(|| call(&gate, &request(&secret))));
    with_request_id(c, "gate/in-flight/request-id", &gate, &secret);
    drop(streams);
}

// The gateway's own names for its requests, as it has them: made before, one for each call.
fn with_request_id(c: &mut Criterion, name: &str, gate: &Gate, secret: &Text) {
    let mut number = 0_u64;
    let mut name_request = || {
        number += 1;
        format!("req_{number:032x}")
    };
    c.bench_function(name, |b| {
        b.iter_batched(
            &mut name_request,
            |id| call(gate, &request(secret).request_id(&id)),
            BatchSize::SmallInput,
        );
    });
}

fn threads(c: &mut Criterion) {
    let gate = keys::gate(A_FEW);
    let secrets: Vec<Text> = (0..A_FEW).map(keys::secret).collect();
    let spread = |secret: &Text| gate.verify(secret).expect("a key").owner().spread() % 64;
    // One pair of keys in 64 meets on a counter or a lock of the gate's: that is the other row.
    let apart = secrets.iter().skip(20).find(|other| spread(other) != spread(&secrets[0])).expect("a key");
    // First the keys that nobody fights for yet.
    for (name, second) in [("two-keys", apart), ("one-key", &secrets[0])] {
        let pair = [&secrets[0], second];
        c.bench_function(&format!("gate/two-threads/{name}"), |b| {
            b.iter_custom(|iterations| {
                two_threads(iterations, |thread| {
                    let gate = &gate;
                    move || call(gate, &request(pair[thread]))
                })
            });
        });
    }
}

fn denied(c: &mut Criterion) {
    let gate = keys::gate(A_FEW);
    let known = keys::secret(0);
    let spent = "en_00000000000000000000000000000bad";
    let poor = KeySpec::new("spent").secret(spent).allowed_models(["gpt-4"]).daily_spend_limit("0.01");
    gate.import_key(&poor).expect("a key");
    for (name, request, reason) in [
        ("unknown-key", request(b"en_8f3d0c6b1a5e4f7299d0e1b2c3a41e6a"), Reason::UnknownKey),
        ("model", request(&known).model("gpt-4-32k"), Reason::ModelNotAllowed),
        ("budget", request(spent.as_bytes()), Reason::DailySpendExceeded),
    ] {
        assert_eq!(gate.authorize(&request).expect_err("a denial").reason(), reason);
        c.bench_function(&format!("gate/denied/{name}"), |b| {
            b.iter(|| gate.authorize(black_box(&request)).expect_err("a denial"));
        });
    }
}

// The model asked for is the last of the list.
fn long_list(c: &mut Criterion) {
    let gate = Gate::open("memory:").expect("a gate");
    let names = (0..9_999).map(|n| format!("vendor/model-{n}")).chain(["gpt-4".to_owned()]);
    let secret = keys::secret(0);
    let text = std::str::from_utf8(&secret).expect("ASCII");
    let spec = KeySpec::new("many models").allowed_models(names.collect::<Vec<_>>()).secret(text);
    gate.import_key(&keys::limited(spec)).expect("a key");
    c.bench_function("gate/10k-models", |b| b.iter(|| call(&gate, &request(&secret))));
}

fn bodies(c: &mut Criterion) {
    let prices = PriceBook::from_toml(PRICES).expect("prices");
    let gate = Gate::builder().prices(prices).open("memory:").expect("a gate");
    gate.import_key(&keys::spec(0)).expect("a key");
    let secret = keys::secret(0);
    let request = Request::new(&secret).endpoint("POST /v1/chat/completions");
    c.bench_function("gate/body", |b| {
        b.iter(|| {
            let permit = gate.authorize_request(black_box(&request), black_box(CHAT), None);
            permit.expect("a permit").settle_response(black_box(ANSWER)).expect("a settlement")
        });
    });
}

// Random keys of many, each of which was in use before.
fn crowds(c: &mut Criterion) {
    for (name, count) in SIZES {
        let gate = keys::gate(count);
        keys::use_each(&gate, count, SETTLED_IN);
        let secrets: Vec<Text> = (0..count).map(keys::secret).collect();
        let mut random = Random::new(1);
        c.bench_function(&format!("gate/verify/{name}"), |b| {
            b.iter(|| gate.verify(&secrets[random.below(count) as usize]).expect("a key"));
        });
        c.bench_function(&format!("gate/{name}"), |b| {
            b.iter(|| call(&gate, &request(&secrets[random.below(count) as usize])));
        });
    }
}
