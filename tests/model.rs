//! The gate against an obvious oracle: random calls, edits, crashes and clocks, and every answer foretold.
//!
//! The oracle keeps a list of facts (every hold there ever was) and adds them up for every question, in 128 bits. It
//! shares no rule with the library: only `Calendar`, whose windows have a proof of their own.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

#[path = "model/account.rs"]
mod account;
#[path = "model/keys.rs"]
mod keys;
#[path = "model/machine.rs"]
mod machine;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/oracle.rs"]
mod oracle;

use std::collections::BTreeSet;

use enclava_keys::Usage;
use enclava_keys::budget::Limits;
use enclava_keys::ledger::OnLapse;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

#[cfg(feature = "sqlite")]
use crate::machine::OnSqlite;
use crate::machine::{Machine, OnLeases};
use crate::ops::{Bill, Change, Clock, Op};
use crate::oracle::{Answer, Oracle};

/// A few hundred cases in `cargo test`; `PROPTEST_CASES` for more.
fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    // The transitions of a failing case say all there is to say: nothing is kept beside the test.
    Config { cases: cases.unwrap_or(400), failure_persistence: None, ..Config::default() }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn every_answer_is_foretold(sequential 20..64 => Machine);
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn every_answer_is_foretold_with_leases(sequential 20..64 => OnLeases);
}

// Every call here waits for the disk.
#[cfg(feature = "sqlite")]
prop_state_machine! {
    #![proptest_config(Config { cases: (config().cases / 100).max(20), ..config() })]

    #[test]
    fn every_answer_of_a_file_is_foretold(sequential 20..64 => OnSqlite);
}

/// Once in ten thousand histories: the clock steps back to a month that the shared ledger has forgotten, on the day on which
/// another began. What was asked of it then must not be asked for ever.
#[test]
fn a_lease_of_a_forgotten_month_is_given_up() {
    let ask = Op::Authorize { slot: 0, secret: 0, estimate: Usage::ZERO, request: None, foretold: true };
    let create = |zone| Op::Create { slot: 0, limits: Limits::default(), zone };
    play_on_leases(vec![
        create(0),
        ask.clone(),
        Op::Delete { slot: 0 },
        create(2),
        Op::Edit { slot: 0, change: Change::Zone(0), widen: false },
        ask.clone(),
        Op::Clock(Clock::ToEnd { slot: 0, month: true, off: 0 }),
        Op::Settle { call: 0, bill: Bill::Estimate },
        ask.clone(),
        Op::Clock(Clock::By(-3_600)),
        ask,
    ]);
}

/// Once in twenty thousand: the same where later months are known from what was recorded only, which asks for no lease.
#[test]
fn a_lease_of_a_month_before_what_was_recorded_is_given_up() {
    let ask = Op::Authorize { slot: 0, secret: 0, estimate: Usage::ZERO, request: None, foretold: false };
    let record = Op::Record { slot: 0, usage: Usage::ZERO, request: None };
    let next_month = Op::Clock(Clock::ToEnd { slot: 0, month: true, off: 0 });
    play_on_leases(vec![
        Op::Create { slot: 0, limits: Limits::default(), zone: 0 },
        ask.clone(),
        Op::Settle { call: 0, bill: Bill::Estimate },
        next_month.clone(),
        record.clone(),
        next_month,
        record,
        Op::Clock(Clock::By(-31 * 86_400)),
        ask,
    ]);
}

// One history, which ends with a call that is denied.
fn play_on_leases(ops: Vec<Op>) {
    let mut oracle = Oracle::new("2026-03-08T04:45:00Z".parse().unwrap(), false, OnLapse::Charge);
    oracle.looks = true;
    let mut subject = OnLeases::init_test(&oracle);
    for op in ops {
        oracle.step(&op);
        subject = <OnLeases as StateMachineTest>::apply(subject, &oracle, op);
    }
    assert!(matches!(oracle.answer, Answer::Denied(_)), "{:?}", oracle.answer);
    OnLeases::teardown(subject, oracle);
}

/// What the cases above come to, told apart as far as it matters.
fn kinds(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Settled { overrun, late, alerts, .. } => {
            let overran = *overrun != Usage::ZERO;
            vec![format!("settled, overran {overran}, late {late}"), format!("{} alerts", alerts.len())]
        }
        Answer::Denied(refusal) => vec![format!("{}, transient {}", refusal.reason, refusal.transient)],
        Answer::Admitted { view } => vec![format!("admitted, view {view}")],
        Answer::AlreadySettled(_) => vec!["already settled".to_owned()],
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn the_cases_meet_all_there_is_to_meet() {
    let mut met = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..1_000 {
        let case = Machine::sequential_strategy(20..64).new_tree(&mut runner).unwrap();
        let (mut oracle, ops, _) = case.current();
        for op in &ops {
            oracle.step(op);
            met.extend(kinds(&oracle.answer));
            if oracle.lapsed > 0 && !matches!(op, Op::Look { .. }) {
                met.extend(kinds(&oracle.answer).iter().map(|kind| format!("lapsed first: {kind}")));
            }
            met.extend((oracle.lapsed > 1).then(|| "lapsed together".to_owned()));
            met.extend((!oracle.told.is_empty() && oracle.lapsed > 0).then(|| "told of a lapse".to_owned()));
        }
    }
    let spend = ["daily_spend_exceeded", "monthly_spend_exceeded", "daily_tokens_exceeded"];
    let spend = spend
        .iter()
        .flat_map(|reason| [false, true].map(|transient| format!("{reason}, transient {transient}")));
    let settled = ["false, late false", "false, late true", "true, late false", "true, late true"];
    let settled = settled.iter().map(|how| format!("settled, overran {how}"));
    let rest = [
        "0 alerts",
        "1 alerts",
        "2 alerts",
        "Conflict",
        "Done",
        "NotFound",
        "Nothing",
        "Unavailable",
        "admitted, view false",
        "admitted, view true",
        "already settled",
        "internal_error, transient false",
        "key_disabled, transient false",
        "key_revoked, transient false",
        "lapsed first: Conflict",
        "lapsed first: admitted, view false",
        "lapsed first: daily_spend_exceeded, transient false",
        "lapsed first: internal_error, transient false",
        "lapsed together",
        "ledger_unavailable, transient true",
        "rate_limited, transient true",
        "secret_retired, transient false",
        "told of a lapse",
        "unknown_key, transient false",
    ];
    let missed: Vec<String> =
        spend.chain(settled).chain(rest.map(str::to_owned)).filter(|kind| !met.contains(kind)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
}
