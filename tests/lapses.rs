//! Calls that outlive their holds: what lapses, when, and what it leaves to those who come after.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::sync::Arc;
use std::time::Duration;

use enclava_keys::budget::Amount;
use enclava_keys::gate::NewKey;
use enclava_keys::ledger::OnLapse;
use enclava_keys::wire::Dialect;
use enclava_keys::{Denial, Error, Gate, KeySpec, ManualClock, Money, Permit, Reason, Request, Usage};

/// Longer than a hold lives.
const LATER: Duration = Duration::from_secs(601);

/// One key with a limit of tokens a day.
struct Desk {
    gate: Gate,
    made: NewKey,
    clock: Arc<ManualClock>,
}

fn tokens(tokens: u64) -> Usage {
    Usage::new(Money::ZERO, tokens)
}

impl Desk {
    fn new(limit: u64, on_lapse: OnLapse) -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
        let builder = Gate::builder().clock(clock.clone()).on_lapse(on_lapse).hide_amounts();
        let gate = builder.open("memory:").unwrap();
        let made = gate.create_key(&KeySpec::new("k").daily_token_limit(limit)).unwrap();
        Self { gate, made, clock }
    }

    fn ask(&self, tokens: u64) -> Result<Permit, Denial> {
        self.gate.authorize(&Request::new(self.made.secret.reveal()).tokens(tokens))
    }

    fn ask_as_r(&self, tokens: u64) -> Result<Permit, Denial> {
        self.gate.authorize(&Request::new(self.made.secret.reveal()).tokens(tokens).request_id("r"))
    }

    fn standing(&self) -> (Amount, Amount) {
        let balance = self.gate.usage(self.made.key.id()).unwrap().daily_tokens;
        (balance.used, balance.held)
    }
}

#[test]
fn however_many_lapsed_the_answer_is_the_budgets() {
    const CRASHED: u64 = 600;
    let crash = |desk: &Desk| {
        (0..CRASHED).for_each(|_| drop(desk.ask(1).unwrap().detach()));
        desk.clock.advance(LATER);
    };
    let spent = Desk::new(CRASHED, OnLapse::Charge);
    crash(&spent);
    let denial = spent.ask(1).unwrap_err();
    assert_eq!((denial.reason(), denial.transient()), (Reason::DailyTokensExceeded, false));
    let free = Desk::new(CRASHED, OnLapse::Release);
    crash(&free);
    drop(free.ask(CRASHED).expect("nothing was charged"));
}

#[test]
fn a_request_does_not_find_its_call_once_that_should_have_lapsed() {
    let desk = Desk::new(10, OnLapse::Release);
    desk.ask_as_r(10).unwrap().detach();
    assert!(desk.ask_as_r(10).unwrap().is_view());
    desk.clock.advance(LATER);
    assert!(desk.ask_as_r(10).unwrap_err().is_conflict(), "it lapsed");
    drop(desk.ask(10).expect("and its room is free"));
}

#[test]
fn more_than_there_is_room_for_beside_the_call_itself_never_fits() {
    let desk = Desk::new(77, OnLapse::Charge);
    let mut permit = desk.ask(50).unwrap();
    let Err(Error::Denied(denial)) = permit.extend(tokens(30)) else { panic!("there is no room") };
    assert_eq!((denial.reason(), denial.transient()), (Reason::DailyTokensExceeded, false));
    let body = denial.body(Dialect::OpenAi).to_string();
    assert!(!body.contains("77"), "amounts are hidden: {body}");
    assert!(desk.gate.stats().denied.is_empty(), "the call was admitted");

    permit.release().unwrap();
    let (mut permit, _other) = (desk.ask(50).unwrap(), desk.ask(20).unwrap());
    let Err(Error::Denied(denial)) = permit.extend(tokens(20)) else { panic!("there is no room") };
    assert!(denial.transient(), "once the other call is over it fits");
}

#[test]
fn a_dropped_call_is_charged_what_others_set_aside_for_it() {
    let desk = Desk::new(10, OnLapse::Charge);
    let mut owner = desk.ask_as_r(1).unwrap();
    desk.ask_as_r(1).unwrap().extend(tokens(4)).unwrap();
    owner.dispatched();
    drop(owner);
    assert_eq!(desk.standing(), (Amount::Tokens(5), Amount::Tokens(0)));
}
