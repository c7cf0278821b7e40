//! Names that are used again: of keys, of requests, of permits that were ended long ago.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::sync::Arc;

use enclava_keys::budget::{Amount, PermitId};
use enclava_keys::gate::NewKey;
use enclava_keys::ledger::MemoryLedger;
use enclava_keys::{Denial, Error, Gate, KeySpec, ManualClock, Money, Permit, Reason, Request, Usage};

/// One key, and a clock that stands still.
struct Desk {
    gate: Gate,
    made: NewKey,
}

fn tokens(tokens: u64) -> Usage {
    Usage::new(Money::ZERO, tokens)
}

impl Desk {
    fn new() -> Self {
        let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
        let gate = Gate::builder().clock(Arc::new(clock)).open("memory:").unwrap();
        let made = gate.create_key(&Self::spec()).unwrap();
        Self { gate, made }
    }

    fn spec() -> KeySpec {
        KeySpec::new("k").id("k").daily_token_limit(1_000)
    }

    fn ask(&self, tokens: u64) -> Result<Permit, Denial> {
        self.gate.authorize(&Request::new(self.made.secret.reveal()).tokens(tokens))
    }

    fn ask_as(&self, request: &str, tokens: u64) -> Result<Permit, Denial> {
        self.gate.authorize(&Request::new(self.made.secret.reveal()).tokens(tokens).request_id(request))
    }

    /// Used and held.
    fn standing(&self) -> (Amount, Amount) {
        let balance = self.gate.usage(self.made.key.id()).unwrap().daily_tokens;
        (balance.used, balance.held)
    }

    /// Ends more calls than are remembered.
    fn forget(&self) {
        for _ in 0..=MemoryLedger::REMEMBERED_FINAL {
            self.ask(0).unwrap().settle(Usage::ZERO).unwrap();
        }
    }
}

fn first(settled: Result<enclava_keys::Settlement, Error>) -> u64 {
    match settled {
        Err(Error::AlreadySettled(first)) => first.usage.tokens,
        other => panic!("not settled before: {other:?}"),
    }
}

#[test]
fn a_key_made_again_under_its_name_is_held_to_its_limit() {
    let mut desk = Desk::new();
    let mut in_flight = desk.ask(10).unwrap();
    desk.gate.delete_key(desk.made.key.id()).unwrap();
    desk.made = desk.gate.create_key(&Desk::spec()).unwrap();
    desk.ask(300).unwrap().settle(tokens(300)).unwrap();
    in_flight.settle(tokens(10)).unwrap();
    for _ in 0..2 {
        desk.ask(300).unwrap().settle(tokens(300)).unwrap();
    }
    assert_eq!(desk.standing().0, Amount::Tokens(910), "the old call's ten, and every one of the new key's");
    let denial = desk.ask(91).unwrap_err();
    assert_eq!((denial.reason(), denial.transient()), (Reason::DailyTokensExceeded, false));
}

#[test]
fn the_last_calls_are_remembered_as_many_as_was_promised() {
    let desk = Desk::new();
    let settle = |tokens: u64| {
        let id = desk.ask(0).unwrap().detach();
        desk.gate.settle(&id, self::tokens(tokens)).unwrap();
        id
    };
    let ended: Vec<PermitId> = (1..=20).map(settle).collect();
    let _in_flight = desk.ask(0).unwrap();
    let last = ended.len() - MemoryLedger::REMEMBERED_FINAL;
    for (id, tokens) in ended.iter().zip(1..).skip(last) {
        assert_eq!(first(desk.gate.settle(id, Usage::ZERO)), tokens);
    }
    assert!(matches!(desk.gate.settle(&ended[0], Usage::ZERO), Err(Error::NotFound(_))));
}

#[test]
fn a_permit_remembers_how_it_ended_longer_than_the_ledger() {
    let desk = Desk::new();
    let (mut settled, mut released) = (desk.ask(5).unwrap(), desk.ask(5).unwrap());
    settled.settle(tokens(3)).unwrap();
    released.release().unwrap();
    desk.forget();
    assert!(
        matches!(desk.gate.settle(&settled.id(), Usage::ZERO), Err(Error::NotFound(_))),
        "the ledger forgot"
    );
    assert_eq!(first(settled.settle(tokens(9))), 3);
    assert_eq!(first(released.settle(tokens(9))), 0);
    assert_eq!(desk.standing(), (Amount::Tokens(3), Amount::Tokens(0)));
}

#[test]
fn an_old_call_is_not_taken_for_a_new_one_of_the_same_request() {
    let desk = Desk::new();
    let mut old = desk.ask_as("r", 5).unwrap();
    let mut view = desk.ask_as("r", 5).unwrap();
    assert!(view.is_view());
    old.settle(tokens(5)).unwrap();
    desk.forget();
    let mut new = desk.ask_as("r", 50).unwrap();
    assert!(!new.is_view(), "the old call is forgotten");

    assert!(matches!(view.extend(tokens(1)), Err(Error::Conflict(_))));
    assert!(matches!(view.settle(tokens(5)), Err(Error::NotFound(_))));
    assert_eq!(first(old.settle(tokens(7))), 5);
    drop(old);
    assert_eq!(desk.standing(), (Amount::Tokens(5), Amount::Tokens(50)), "the new call is in flight");
    new.settle(tokens(40)).unwrap();
    assert_eq!(desk.standing(), (Amount::Tokens(45), Amount::Tokens(0)));
}

#[test]
fn a_request_finds_its_call_whatever_was_forgotten_around_it() {
    let desk = Desk::new();
    // Calls that were in flight together leave room behind when they are forgotten, the request's own among it.
    let mut before = desk.ask(0).unwrap();
    let mut old = desk.ask_as("r", 5).unwrap();
    let rest: Vec<Permit> = (0..=MemoryLedger::REMEMBERED_FINAL).map(|_| desk.ask(0).unwrap()).collect();
    old.settle(tokens(5)).unwrap();
    before.settle(Usage::ZERO).unwrap();
    for mut permit in rest {
        permit.settle(Usage::ZERO).unwrap();
    }
    let new = desk.ask_as("r", 50).unwrap();
    assert!(!new.is_view());
    let _others = [desk.ask(0).unwrap(), desk.ask(0).unwrap()];
    assert!(desk.ask_as("r", 50).unwrap().is_view(), "the same request again");
    let recorded = desk.gate.record(desk.made.key.id(), tokens(50), Some("r"));
    assert!(matches!(recorded, Err(Error::Conflict(_))), "its call is in flight: it would be charged twice");
    assert_eq!(desk.gate.settle(&new.id(), tokens(40)).unwrap().usage, tokens(40));
    assert_eq!(desk.standing(), (Amount::Tokens(45), Amount::Tokens(0)));
}
