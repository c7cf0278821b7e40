//! Threads on one gate: what fits is admitted and not one call more, whoever comes first.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use enclava_keys::budget::{Amount, Meter};
use enclava_keys::gate::{Alert, NewKey};
use enclava_keys::{Error, Gate, KeyEdit, KeySpec, ManualClock, Money, Permit, Reason, Request, Usage};

// How long a test waits for what must happen, and how long a call sits out what will not end by itself.
const LONG: Duration = Duration::from_mins(1);

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn gate() -> Gate {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    Gate::builder().clock(Arc::new(clock)).open("memory:").unwrap()
}

fn key(gate: &Gate, spec: &KeySpec) -> NewKey {
    gate.create_key(spec).unwrap()
}

fn standing(gate: &Gate, key: &NewKey) -> (Amount, Amount) {
    let balance = gate.usage(key.key.id()).unwrap().daily_spend;
    (balance.used, balance.held)
}

fn reason(refused: Result<Permit, enclava_keys::Denial>) -> (Reason, bool) {
    let denial = refused.unwrap_err();
    (denial.reason(), denial.transient())
}

#[test]
fn sixty_four_threads_on_one_key_admit_exactly_what_fits() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("hot").daily_spend_limit(1).daily_token_limit(1_000_000));
    let cost = usd("0.0017"); // 588 times in a dollar
    let start = Barrier::new(64);
    let admitted: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let mut mine = 0;
                    for _ in 0..20 {
                        match gate.authorize(&Request::new(made.secret.reveal()).cost(cost).tokens(10)) {
                            Ok(mut permit) => {
                                permit.settle(Usage::new(cost, 10)).unwrap();
                                mine += 1;
                            }
                            Err(denial) => assert_eq!(denial.reason(), Reason::DailySpendExceeded),
                        }
                    }
                    mine
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 588);
    assert_eq!(standing(&gate, &made), (Amount::Spend(usd("0.9996")), Amount::Spend(Money::ZERO)));
    let stats = gate.stats();
    assert_eq!((stats.admitted, stats.settled), (588, 588));
    assert_eq!(stats.denied[&Reason::DailySpendExceeded], 64 * 20 - 588);
}

#[test]
fn holds_alone_never_pass_the_limit() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("held").daily_token_limit(100));
    let (most, now) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..16_u64 {
            let (gate, made, most, now) = (&gate, &made, &most, &now);
            scope.spawn(move || {
                for call in 0..500 {
                    let tokens = 1 + (thread * 31 + call * 17) % 40;
                    let Ok(mut permit) = gate.authorize(&Request::new(made.secret.reveal()).tokens(tokens))
                    else {
                        continue;
                    };
                    most.fetch_max(now.fetch_add(tokens, Ordering::SeqCst) + tokens, Ordering::SeqCst);
                    now.fetch_sub(tokens, Ordering::SeqCst);
                    permit.release().unwrap();
                }
            });
        }
    });
    assert!((1..=100).contains(&most.into_inner()), "held more than the limit");
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_tokens.held, Amount::Tokens(0));
}

#[test]
fn threads_on_many_keys_do_not_mix_them_up() {
    let gate = gate();
    let keys: Vec<_> =
        (1..=40_u64).map(|n| key(&gate, &KeySpec::new(format!("key {n}")).daily_token_limit(n))).collect();
    thread::scope(|scope| {
        for thread in 0..16 {
            let (gate, keys) = (&gate, &keys);
            scope.spawn(move || {
                for turn in 0..keys.len() * 10 {
                    let made = &keys[(turn * 7 + thread * 13) % keys.len()];
                    if let Ok(mut permit) = gate.authorize(&Request::new(made.secret.reveal()).tokens(1)) {
                        assert_eq!(permit.key().id(), made.key.id());
                        permit.settle(Usage::new(Money::PICO, 1)).unwrap();
                    }
                }
            });
        }
    });
    for (made, limit) in keys.iter().zip(1_u64..) {
        let balance = gate.usage(made.key.id()).unwrap();
        assert_eq!(balance.daily_tokens.used, Amount::Tokens(limit), "{}", made.key.name());
        assert_eq!(balance.daily_spend.used, Amount::Spend(Money::from_picos(limit.into()).unwrap()));
    }
}

#[test]
fn a_waiting_call_goes_on_when_another_settles() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("one at a time").daily_token_limit(1_000).daily_spend_limit(1));
    let most = usd("1");
    let done = AtomicU64::new(0);
    // Each takes all the room there is, and settles for nothing: without waiting all but a few would be refused.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let request = Request::new(made.secret.reveal()).cost(most).wait(LONG);
                    gate.authorize(&request).unwrap().settle(Usage::new(Money::ZERO, 1)).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 160);
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_tokens.used, Amount::Tokens(160));
}

#[test]
fn a_wait_that_is_given_up_ends() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("k").daily_token_limit(10));
    let _held = gate.authorize(&Request::new(made.secret.reveal()).tokens(10)).unwrap();
    let asked = AtomicU64::new(0);
    let given_up = || asked.fetch_add(1, Ordering::Relaxed) == 2;
    let request = Request::new(made.secret.reveal()).tokens(1).wait(Duration::MAX).wait_unless(&given_up);
    assert_eq!(reason(gate.authorize(&request)), (Reason::DailyTokensExceeded, true));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert_eq!(gate.stats().denied.values().sum::<u64>(), 1, "one call, one denial");
}

#[test]
fn waiting_gives_up_in_time_and_never_waits_for_what_is_final() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("full").daily_token_limit(10));
    let mut permit = gate.authorize(&Request::new(made.secret.reveal()).tokens(10)).unwrap();
    let wait = |tokens, wait| gate.authorize(&Request::new(made.secret.reveal()).tokens(tokens).wait(wait));
    assert_eq!(reason(wait(1, Duration::from_millis(50))), (Reason::DailyTokensExceeded, true));
    // These would outlast any test run if they waited.
    assert_eq!(reason(wait(11, Duration::MAX)), (Reason::DailyTokensExceeded, false));
    permit.settle(Usage::new(Money::ZERO, 10)).unwrap();
    assert_eq!(reason(wait(1, Duration::MAX)), (Reason::DailyTokensExceeded, false));
}

/// Starts a call that waits, lets `change` happen meanwhile, and answers what the call came to.
fn wait_while(gate: &Gate, made: &NewKey, change: impl FnOnce()) -> Result<u64, Reason> {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let request = Request::new(made.secret.reveal()).tokens(10).wait(LONG);
            gate.authorize(&request).map(|permit| permit.estimate().tokens).map_err(|denial| denial.reason())
        });
        thread::sleep(Duration::from_millis(30));
        change();
        waiting.join().unwrap()
    })
}

#[test]
fn a_waiting_call_is_admitted_by_the_record_in_force() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("waits").daily_token_limit(10));
    let hold = || gate.authorize(&Request::new(made.secret.reveal()).tokens(10)).unwrap();
    let raised = KeyEdit::new().daily_token_limit(20).widen();

    let in_flight = hold();
    let update = || drop(gate.update_key(made.key.id(), &raised).unwrap());
    assert_eq!(wait_while(&gate, &made, update), Ok(10), "the raised limit has room");
    drop(in_flight);

    let in_flight = (hold(), hold());
    let revoke = || {
        gate.revoke_key(made.key.id()).unwrap();
        drop(in_flight);
    };
    assert_eq!(
        wait_while(&gate, &made, revoke),
        Err(Reason::KeyRevoked),
        "nothing is admitted after the revoke"
    );
}

#[test]
fn edits_bite_while_calls_run() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("edited").daily_token_limit(1_000_000));
    let id = made.key.id();
    let (lowered, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let used = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let was_lowered = lowered.load(Ordering::SeqCst);
                    match gate.authorize(&Request::new(made.secret.reveal()).tokens(3)) {
                        Ok(mut permit) => {
                            assert!(!was_lowered, "admitted after the limit was lowered to nothing");
                            permit.settle(Usage::new(Money::ZERO, 3)).unwrap();
                            used.fetch_add(3, Ordering::SeqCst);
                        }
                        Err(denial) => assert_eq!(denial.reason(), Reason::DailyTokensExceeded),
                    }
                }
            });
        }
        for n in 0..50_u64 {
            gate.update_key(id, &KeyEdit::new().daily_token_limit(1_000_000 - n)).unwrap();
            gate.update_key(id, &KeyEdit::new().alert_threshold("0.5").timezone("Asia/Tokyo")).unwrap();
        }
        gate.rotate_key(id, Duration::from_hours(1)).unwrap();
        gate.update_key(id, &KeyEdit::new().daily_token_limit(0)).unwrap();
        lowered.store(true, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        stop.store(true, Ordering::SeqCst);
    });
    let balance = gate.usage(id).unwrap().daily_tokens;
    assert_eq!((balance.used, balance.held), (Amount::Tokens(used.into_inner()), Amount::Tokens(0)));
}

#[test]
fn a_revoked_key_admits_nothing_and_its_calls_still_settle() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("ends").daily_spend_limit(100));
    let revoked = AtomicBool::new(false);
    let spent = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let before = revoked.load(Ordering::SeqCst);
                    match gate.authorize(&Request::new(made.secret.reveal()).cost(Money::PICO)) {
                        Ok(mut permit) => {
                            assert!(!before, "admitted after the revoke had returned");
                            permit.settle(Usage::new(Money::PICO, 0)).unwrap();
                            spent.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(denial) => {
                            assert_eq!(denial.reason(), Reason::KeyRevoked);
                            return;
                        }
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(5));
        gate.revoke_key(made.key.id()).unwrap();
        revoked.store(true, Ordering::SeqCst);
    });
    let spent = Money::from_picos(spent.into_inner().into()).unwrap();
    assert_eq!(standing(&gate, &made), (Amount::Spend(spent), Amount::Spend(Money::ZERO)));
}

#[test]
fn racing_threads_set_an_alert_off_once() {
    let gate = gate();
    let (seen, told) = channel::<Alert>();
    gate.on_alert(move |alert| seen.send(alert.clone()).unwrap());
    let spec = KeySpec::new("loud").daily_spend_limit(1).monthly_spend_limit(2).alert_threshold("0.5");
    let made = key(&gate, &spec);
    let settled: Vec<Alert> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let mut alerts = Vec::new();
                    for _ in 0..100 {
                        let cost = usd("0.001");
                        if let Ok(mut permit) = gate.authorize(&Request::new(made.secret.reveal()).cost(cost))
                        {
                            alerts.extend(permit.settle(Usage::new(cost, 0)).unwrap().alerts);
                        }
                    }
                    alerts
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    gate.flush().unwrap();
    // A thousand calls reached a dollar: half of the day's limit was passed, and half of the month's reached.
    let mut meters: Vec<_> = settled.iter().map(|alert| (alert.meter, alert.used)).collect();
    meters.sort_by_key(|(meter, _)| *meter);
    let expected =
        [(Meter::DailySpend, Amount::Spend(usd("0.5"))), (Meter::MonthlySpend, Amount::Spend(usd("1")))];
    assert_eq!(meters, expected);
    let called: Vec<Alert> = told.try_iter().collect();
    let polled = gate.take_alerts(100);
    for alerts in [&called, &polled] {
        assert_eq!(alerts.len(), 2);
        assert!(settled.iter().all(|alert| alerts.contains(alert)));
    }
    drop(gate);
    assert_eq!(told.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected), "and never again");
}

#[test]
fn permits_go_to_other_threads_and_outlive_their_gate() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("travels").daily_token_limit(100));
    let mut permits: Vec<Permit> =
        (0..10).map(|_| gate.authorize(&Request::new(made.secret.reveal()).tokens(10)).unwrap()).collect();
    let mut last = permits.pop().unwrap();
    thread::scope(|scope| {
        for mut permit in permits {
            scope.spawn(move || permit.settle(Usage::new(Money::ZERO, 10)).unwrap());
        }
    });
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_tokens.used, Amount::Tokens(90));
    drop(gate);
    let settled =
        thread::spawn(move || (last.settle(Usage::new(Money::ZERO, 7)), last.release())).join().unwrap();
    assert_eq!(settled.0.unwrap().usage.tokens, 7);
    assert!(matches!(settled.1, Err(Error::AlreadySettled(first)) if first.usage.tokens == 7));
}

#[test]
fn a_permit_settled_from_many_threads_is_charged_once() {
    let gate = gate();
    let made = key(&gate, &KeySpec::new("raced"));
    for round in 0..200_u64 {
        let id = gate.authorize(&Request::new(made.secret.reveal()).tokens(5)).unwrap().detach();
        let won: u64 = thread::scope(|scope| {
            let settle = |tokens| {
                gate.settle(&id, Usage::new(Money::ZERO, tokens)).map_or(0, |first| first.usage.tokens)
            };
            let threads: Vec<_> = (1..=4_u64).map(|tokens| scope.spawn(move || settle(tokens))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|&won| won > 0)
                .collect::<Vec<_>>()
        })
        .into_iter()
        .enumerate()
        .map(|(place, tokens)| if place == 0 { tokens } else { panic!("settled twice in round {round}") })
        .sum();
        gate.record(made.key.id(), Usage::new(Money::ZERO, 10 - won), None).unwrap();
        assert_eq!(gate.usage(made.key.id()).unwrap().daily_tokens.used, Amount::Tokens(10 * (round + 1)));
    }
}
