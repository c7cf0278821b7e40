//! Gates with many keys, each with the policy and the limits of the documentation's first example.

use std::hint::black_box;

use enclava_keys::{Gate, KeySpec, Money, Permit, Request, Usage};

use crate::mix;

/// A secret as clients send it.
pub type Text = [u8; 35];

/// The key sizes that are measured, by name.
pub const SIZES: [(&str, u32); 3] = [("10k", 10_000), ("100k", 100_000), ("1M", 1_000_000)];

/// As many calls of one key as make its ledger forget the first: from then on a key's memory does not grow.
pub const SETTLED_IN: usize = 9;

/// The secret of the key number `key`, in the default form: `en_` and 32 hex digits.
pub fn secret(key: u32) -> Text {
    let mut text = *b"en_00000000000000000000000000000000";
    let number = u128::from(mix(u64::from(key) + 1)) << 64 | u128::from(mix(!u64::from(key)));
    let digits = (0..32).map(|place| b"0123456789abcdef"[(number >> (4 * place) & 15) as usize]);
    text.iter_mut().skip(3).zip(digits).for_each(|(byte, digit)| *byte = digit);
    text
}

/// What the key number `key` is made of: two models, three limits that no run of calls comes near, and a threshold.
///
/// # Panics
/// Never: a secret is ASCII.
pub fn spec(key: u32) -> KeySpec {
    limited(KeySpec::new(format!("Production App {key}")).allowed_models(["gpt-4", "gpt-3.5-turbo"]))
        .secret(std::str::from_utf8(&secret(key)).expect("ASCII"))
}

/// Adds limits on all three meters that no run of calls comes near.
pub fn limited(spec: KeySpec) -> KeySpec {
    spec.daily_spend_limit("900000000.00")
        .monthly_spend_limit("1000000000.00")
        .daily_token_limit(1_u64 << 50)
        .alert_threshold("0.8")
}

/// A gate in memory with so many keys.
///
/// # Panics
/// If it cannot be made.
pub fn gate(keys: u32) -> Gate {
    with_keys(Gate::open("memory:").expect("a gate"), keys)
}

/// The same with leases in front of its ledger.
///
/// # Panics
/// If it cannot be made.
pub fn leased_gate(keys: u32) -> Gate {
    with_keys(Gate::builder().leased(true).open("memory:").expect("a gate"), keys)
}

fn with_keys(gate: Gate, keys: u32) -> Gate {
    for key in 0..keys {
        gate.import_key(&spec(key)).expect("a key");
    }
    gate
}

/// A request for `gpt-4`, estimated at five cents and 1500 tokens.
pub fn request(secret: &[u8]) -> Request<'_> {
    let cost = Money::from_picos(50_000_000_000).unwrap_or(Money::ZERO);
    Request::new(secret).model("gpt-4").cost(cost).tokens(1_500)
}

/// What such a call comes to: a little less.
pub fn usage() -> Usage {
    Usage::new(Money::from_picos(31_000_000_000).unwrap_or(Money::ZERO), 1_234)
}

/// The whole job: the key is verified, its model checked, the estimate set aside on three meters, the usage charged.
///
/// # Panics
/// If the call is denied.
pub fn call(gate: &Gate, request: &Request<'_>) {
    let mut permit: Permit = gate.authorize(black_box(request)).expect("a permit");
    permit.settle(black_box(usage())).expect("a settlement");
}

/// Calls each key number below `keys` `times` times.
pub fn use_each(gate: &Gate, keys: u32, times: usize) {
    for key in 0..keys {
        let secret = secret(key);
        (0..times).for_each(|_| call(gate, &request(&secret)));
    }
}
