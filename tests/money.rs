//! Money is exact to the last pico-dollar, however small the amounts and however many of them (B1, R5).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use enclava_keys::budget::{Amount, MoneyError};
use enclava_keys::key::KeyEdit;
use enclava_keys::{Gate, KeySpec, ManualClock, Money, Reason, Request, Usage};

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn gate() -> Gate {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    Gate::builder().clock(Arc::new(clock)).open("memory:").unwrap()
}

#[test]
fn a_million_tiny_settles_sum_exactly() {
    const CALLS: u64 = 1_000_000;
    let price = Money::parse_rounded_up("1.3e-10").unwrap();
    assert_eq!(price.as_picos(), 130, "the cheapest token on the market is a whole number of picos");
    // The limit is what they come to, so that one call more than a million is one too many.
    let gate = gate();
    let made = gate.create_key(&KeySpec::new("tiny").daily_spend_limit("0.00013")).unwrap();
    let secret = made.secret.reveal().to_owned();
    let settle = |calls: u64| {
        for _ in 0..calls {
            let mut permit = gate.authorize(&Request::new(&secret).cost(price)).unwrap();
            permit.settle(Usage::new(price, 1)).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| settle(CALLS / 2));
        settle(CALLS / 2);
    });
    let balance = gate.usage(made.key.id()).unwrap();
    assert_eq!(balance.daily_spend.used, Amount::Spend(usd("0.00013")));
    assert_eq!(balance.monthly_spend.used, Amount::Spend(usd("0.00013")));
    assert_eq!(balance.daily_tokens.used, Amount::Tokens(CALLS));
    let denial = gate.authorize(&Request::new(&secret).cost(Money::PICO)).unwrap_err();
    assert_eq!((denial.reason(), denial.transient()), (Reason::DailySpendExceeded, false));
}

#[test]
fn what_is_finer_than_a_pico_rounds_up_once() {
    let gate = gate();
    let made = gate.create_key(&KeySpec::new("fine")).unwrap();
    let third = Money::parse_rounded_up("0.0000000000003333").unwrap();
    for _ in 0..3 {
        gate.record(made.key.id(), Usage::new(third, 0), None).unwrap();
    }
    let used = gate.usage(made.key.id()).unwrap().daily_spend.used;
    assert_eq!(used, Amount::Spend(Money::from_picos(3).unwrap()), "each call once, and never down");
    assert_eq!("0.0000000000003333".parse::<Money>(), Err(MoneyError::TooFine), "a limit is not rounded");
}

#[test]
fn a_json_number_is_the_money_it_spells() {
    let limit = |number: &str| {
        let spec = KeySpec::from_json(format!(r#"{{"name":"k","daily_spend_limit":{number}}}"#)).unwrap();
        gate().create_key(&spec).map(|made| made.key.daily_spend_limit().unwrap().as_picos())
    };
    // As doubles 0.29 is 0.28999999999999998, and the last is a billion.
    for (number, picos) in [
        ("0.29", 290_000_000_000),
        ("\"0.29\"", 290_000_000_000),
        ("29e-2", 290_000_000_000),
        ("1.1", 1_100_000_000_000),
        ("0.000000000001", 1),
        ("45035996.273704960001", 45_035_996_273_704_960_001),
        ("999999999.999999999999", 999_999_999_999_999_999_999),
    ] {
        assert_eq!(limit(number).unwrap(), picos, "{number}");
    }
    assert!(limit("0.2900000000000001").unwrap_err().to_string().contains("finer"), "too fine to hold");

    let gate = gate();
    let id = gate.create_key(&KeySpec::new("k").daily_spend_limit("0.29")).unwrap().key.id().clone();
    let same = gate.update_key(&id, &KeyEdit::from_json(r#"{"daily_spend_limit":0.290}"#).unwrap()).unwrap();
    assert_eq!(same.daily_spend_limit(), Some(usd("0.29")), "not a pico wider, or it were refused");
    let wider = KeyEdit::from_json(r#"{"daily_spend_limit":0.290000000001}"#).unwrap();
    assert!(gate.update_key(&id, &wider).is_err(), "one pico wider");
}

#[test]
fn a_tenth_and_two_tenths_are_three_tenths() {
    let gate = gate();
    let made = gate.create_key(&KeySpec::new("k").daily_spend_limit("0.3")).unwrap();
    let ask = |cost: &str| gate.authorize(&Request::new(made.secret.reveal()).cost(usd(cost)));
    let mut first = ask("0.1").unwrap();
    let mut second = ask("0.2").unwrap();
    assert!(ask("0.000000000001").is_err());
    first.settle(Usage::new(usd("0.1"), 0)).unwrap();
    second.settle(Usage::new(usd("0.2"), 0)).unwrap();
    let balance = gate.usage(made.key.id()).unwrap().daily_spend;
    assert_eq!(
        (balance.used, balance.remaining),
        (Amount::Spend(usd("0.3")), Some(Amount::Spend(Money::ZERO)))
    );
}

/// How alike two misspelled names are is no money.
const FLOATS: [(&str, &str); 2] =
    [("key/faults.rs", "const PROBABLY: f64 = 0.8;"), ("key/faults.rs", "{ 0.0 }")];

#[test]
fn there_is_no_float_in_the_core() {
    let mut faults = Vec::new();
    let mut allowed = 0;
    visit(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |path, text| {
        for (line, code) in (1..).zip(without_text(text).lines()) {
            let known = |(file, part): &(&str, &str)| path.ends_with(file) && code.contains(part);
            if !has_float(code) {
            } else if FLOATS.iter().any(known) {
                allowed += 1;
            } else {
                faults.push(format!("{}:{line}: {code}", path.display()));
            }
        }
    });
    assert!(faults.is_empty(), "a float in the core:\n{}", faults.join("\n"));
    assert_eq!(allowed, FLOATS.len(), "an exception that is not needed any more");
}

#[test]
fn floats_are_found() {
    for float in
        ["x as f64", "fn f(a: f32)", "a.as_f64()", "let a = 0.5;", "1e-3", "Decimal::from_f64(x)", "a / 1."]
    {
        assert!(has_float(float), "{float}");
    }
    for other in
        ["0xf64", "a.0.1", "0..5", "1..=2.min(x)", "half32", "b'1' + 2", "1_000.max(3)", "tuple.1", "0_usize"]
    {
        assert!(!has_float(other), "{other}");
    }
    let code = r##"a("0.5 \" 1.5", b'"', r#"2.5 " 3.5"#, 'b', '\'') // f64"##;
    assert_eq!(without_text(&format!("{code}\n4.5")), "a(, b, , 'b', ) \n4.5");
}

fn visit(directory: &Path, see: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, see);
        } else {
            see(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

// The code without its comments and without what stands between quotes; its lines stay where they are.
fn without_text(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(char) = rest.chars().next() {
        let skipped = match char {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") && !kept.ends_with(is_word) => {
                let hashes = rest[1..].chars().take_while(|&char| char == '#').count();
                let end = format!("\"{}", "#".repeat(hashes));
                let body = hashes + 2;
                rest[body..].find(&end).map_or(1, |length| body + length + end.len())
            }
            '"' => {
                let escaped =
                    |at: usize| rest[..at].chars().rev().take_while(|&char| char == '\\').count() % 2 == 1;
                let mut quotes = rest.match_indices('"').map(|(at, _)| at).skip(1);
                quotes.find(|&at| !escaped(at)).map_or(rest.len(), |at| at + 1)
            }
            '\'' if rest.starts_with("'\"'") => 3,
            '\'' if rest.starts_with("'\\") => rest[3..].find('\'').map_or(1, |end| end + 4),
            _ => {
                kept.push(char);
                rest = &rest[char.len_utf8()..];
                continue;
            }
        };
        kept.extend(rest[..skipped].chars().filter(|&char| char == '\n'));
        rest = &rest[skipped..];
    }
    kept
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

// A float type, a method named after one, or a literal with a fraction or an exponent.
fn has_float(code: &str) -> bool {
    code.split(|char| !is_word(char) && char != '.').any(|token| {
        let typed = |part: &str| part.split('_').any(|part| part == "f32" || part == "f64");
        token.split('.').any(typed) || is_float_literal(token)
    })
}

fn is_float_literal(token: &str) -> bool {
    let number = |text: &str| text.starts_with(|char: char| char.is_ascii_digit());
    if !number(token) || token.starts_with("0x") {
        return false;
    }
    match token.split_once('.') {
        Some((_, rest)) => rest.is_empty() || (number(rest) && !rest.contains('.')),
        None => token.split_once('e').is_some_and(|(whole, exponent)| {
            let digits = |text: &str| text.chars().all(|char| char.is_ascii_digit() || char == '_');
            digits(whole) && digits(exponent)
        }),
    }
}
