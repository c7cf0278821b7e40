//! What a lease does and does not do, seen from the gates that draw on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use enclava_keys::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Row, Step};
use enclava_keys::gate::NewKey;
use enclava_keys::ledger::{LeasedLedger, Ledger, LedgerError, MemoryLedger};
use enclava_keys::store::MemoryStore;
use enclava_keys::{Gate, KeyEdit, KeySpec, ManualClock, Money, Reason, Request, Timestamp, Usage};

/// A shared ledger that counts what it is asked.
#[derive(Debug, Default)]
struct Counted {
    ledger: MemoryLedger,
    asked: AtomicU64,
}

impl Counted {
    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Ledger for Counted {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.ledger.apply(step, rows)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.ledger.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.ledger.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.ledger.due(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.ledger.forget(owner)
    }
}

/// Two gates of two processes, as it were, and one that asks the shared ledger itself.
struct Place {
    ledger: Arc<Counted>,
    one: Gate,
    other: Gate,
    strict: Gate,
    made: NewKey,
}

// Nobody reports unasked, and no day ends.
fn place(spec: &KeySpec) -> Place {
    let (ledger, store) = (Arc::new(Counted::default()), Arc::new(MemoryStore::new()));
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let open = |ledger: Arc<dyn Ledger>| {
        let builder = Gate::builder().ledger(ledger).clock(Arc::<ManualClock>::clone(&clock));
        builder.store(Arc::<MemoryStore>::clone(&store)).open("memory:").unwrap()
    };
    let leased =
        || open(Arc::new(LeasedLedger::tended_by_hand(Arc::<Counted>::clone(&ledger), clock.clone())));
    let strict = open(Arc::<Counted>::clone(&ledger));
    let made = strict.create_key(spec).unwrap();
    Place { one: leased(), other: leased(), strict, made, ledger }
}

impl Place {
    fn request(&self, cost: &str) -> Request<'_> {
        Request::new(self.made.secret.reveal()).cost(usd(cost)).tokens(1)
    }

    fn spend(&self, gate: &Gate, cost: &str) {
        gate.authorize(&self.request(cost)).unwrap().settle(Usage::new(usd(cost), 1)).unwrap();
    }

    fn standing(&self, gate: &Gate) -> (String, String) {
        let today = gate.usage(self.made.key.id()).unwrap().daily_spend;
        (today.used.to_string(), today.held.to_string())
    }

    fn refused(&self, gate: &Gate, cost: &str) -> (Reason, bool) {
        let denial = gate.authorize(&self.request(cost)).unwrap_err();
        (denial.reason(), denial.transient())
    }
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

#[test]
fn most_calls_ask_nobody() {
    let place = place(&KeySpec::new("k").daily_spend_limit(1_000_000));
    for _ in 0..10_000 {
        place.spend(&place.one, "0.01");
    }
    assert!(place.ledger.asked() < 200, "{} steps for 20 000", place.ledger.asked());
    assert_eq!(place.standing(&place.one).0, "$100.00");
}

#[test]
fn what_one_process_used_the_others_learn_with_its_report() {
    let place = place(&KeySpec::new("k").daily_spend_limit(1_000));
    place.spend(&place.one, "0.75");
    assert_eq!(place.standing(&place.one), ("$0.75".into(), "$0.00".into()));
    let (used, held) = place.standing(&place.strict);
    assert_eq!(used, "$0.00");
    assert_ne!(held, "$0.00", "the lease is held");
    place.one.flush().unwrap();
    assert_eq!(place.standing(&place.strict), ("$0.75".into(), "$0.00".into()));
    assert_eq!(place.standing(&place.other), ("$0.75".into(), "$0.00".into()));
    assert_eq!(place.strict.leases(place.made.key.id()).unwrap(), []);
}

#[test]
fn a_gate_that_goes_leaves_nothing_behind_but_what_is_in_flight() {
    let place = place(&KeySpec::new("k").daily_spend_limit(1_000));
    place.spend(&place.one, "0.75");
    let permit = place.one.authorize(&place.request("0.5")).unwrap();
    permit.detach();
    drop(place.one);
    let today = place.strict.usage(place.made.key.id()).unwrap().daily_spend;
    assert_eq!((today.used.to_string(), today.held.to_string()), ("$0.75".into(), "$0.50".into()));
}

#[test]
fn near_the_cap_nothing_is_kept_from_others() {
    let place = place(&KeySpec::new("k").daily_spend_limit("1.00"));
    for turn in 0..100 {
        place.spend(if turn % 2 == 0 { &place.one } else { &place.other }, "0.01");
        // What others hold unused is back within a round.
        place.one.flush().unwrap();
        place.other.flush().unwrap();
    }
    assert_eq!(place.standing(&place.strict), ("$1.00".into(), "$0.00".into()));
    for gate in [&place.one, &place.other] {
        assert_eq!(place.refused(gate, "0.01"), (Reason::DailySpendExceeded, false));
    }
}

#[test]
fn what_others_lease_is_short_for_the_moment() {
    let place = place(&KeySpec::new("k").daily_spend_limit("1.00"));
    place.spend(&place.other, "0.01");
    let held = place.standing(&place.strict).1;
    assert_ne!(held, "$0.00");
    assert_eq!(place.refused(&place.one, "0.98"), (Reason::DailySpendExceeded, true));
    place.other.flush().unwrap();
    place.spend(&place.one, "0.98");
}

#[test]
fn a_lowered_limit_bites_at_once() {
    let place = place(&KeySpec::new("k").daily_spend_limit(1_000));
    place.spend(&place.one, "0.75");
    place.one.update_key(place.made.key.id(), &KeyEdit::new().daily_spend_limit("0.80")).unwrap();
    assert_eq!(place.refused(&place.one, "0.06"), (Reason::DailySpendExceeded, false));
    place.spend(&place.one, "0.05");
    assert_eq!(place.refused(&place.one, "0.01"), (Reason::DailySpendExceeded, false));
}

#[test]
fn an_overrun_is_told_before_anything_else_is_admitted() {
    let place = place(&KeySpec::new("k").daily_spend_limit(10));
    let mut permit = place.one.authorize(&place.request("0.01")).unwrap();
    permit.settle(Usage::new(usd("25"), 1)).unwrap();
    assert_eq!(place.refused(&place.one, "0.01"), (Reason::DailySpendExceeded, false));
    assert_eq!(place.standing(&place.strict).0, "$25.00");
}

#[test]
fn what_is_recorded_closes_the_lease_that_was_there_before() {
    let place = place(&KeySpec::new("k").daily_spend_limit(10));
    place.spend(&place.one, "0.01");
    place.one.record(place.made.key.id(), Usage::new(usd("25"), 1), None).unwrap();
    assert_eq!(place.refused(&place.one, "0.01"), (Reason::DailySpendExceeded, false));
    assert_eq!(place.standing(&place.one).0, "$25.01");
}

#[test]
fn an_alert_comes_once_with_the_report_that_shows_it() {
    let place = place(&KeySpec::new("k").daily_spend_limit(100).alert_threshold("0.5"));
    for _ in 0..3 {
        place.spend(&place.one, "10");
        place.spend(&place.other, "10");
    }
    let told = || [&place.one, &place.other].map(|gate| gate.take_alerts(usize::MAX).len());
    place.one.flush().unwrap();
    place.other.flush().unwrap();
    assert_eq!(told().iter().sum::<usize>(), 1);
    place.spend(&place.one, "10");
    place.one.flush().unwrap();
    assert_eq!(told(), [0, 0]);
}

#[test]
fn a_lease_whose_process_died_stays_held_until_it_is_settled() {
    let place = place(&KeySpec::new("k").daily_spend_limit(100));
    place.spend(&place.one, "1");
    let id = place.made.key.id();
    // Nothing runs on its way out.
    std::mem::forget(place.one);
    let [lease] = &place.strict.leases(id).unwrap()[..] else { panic!("one lease") };
    assert_eq!(lease.process, std::process::id());
    let permit = lease.permit_id.clone();
    place.other.settle(&permit, Usage::new(usd("1"), 1)).unwrap();
    let today = place.strict.usage(id).unwrap().daily_spend;
    assert_eq!((today.used.to_string(), today.held.to_string()), ("$1.00".into(), "$0.00".into()));
    assert_eq!(place.strict.leases(id).unwrap(), []);
}

#[test]
fn a_process_whose_lease_was_taken_from_it_charges_what_it_used_itself() {
    let place = place(&KeySpec::new("k").daily_spend_limit(100));
    place.spend(&place.one, "1");
    let mut permit = place.one.authorize(&place.request("0.25")).unwrap();
    let id = place.made.key.id();
    for lease in place.strict.leases(id).unwrap() {
        place.strict.settle(&lease.permit_id, Usage::ZERO).unwrap();
    }
    assert_eq!(place.standing(&place.strict), ("$0.00".into(), "$0.00".into()));
    place.one.flush().unwrap();
    assert_eq!(place.standing(&place.strict), ("$1.00".into(), "$0.25".into()));
    permit.settle(Usage::new(usd("0.25"), 1)).unwrap();
    place.one.flush().unwrap();
    assert_eq!(place.standing(&place.strict), ("$1.25".into(), "$0.00".into()));
}

#[test]
fn a_key_that_is_deleted_is_forgotten_with_its_last_report() {
    let place = place(&KeySpec::new("k").daily_spend_limit(100));
    let mut permit = place.one.authorize(&place.request("1")).unwrap();
    let id = place.made.key.id().clone();
    place.one.delete_key(&id).unwrap();
    permit.settle(Usage::new(usd("1"), 1)).unwrap();
    place.one.flush().unwrap();
    let row = place.ledger.row(&Owner::new(id), Meter::MonthlySpend, "2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(row.unwrap(), Row::NONE);
}

#[test]
fn a_forked_child_has_none_of_its_parents_leases() {
    let place = place(&KeySpec::new("k").daily_spend_limit(1_000));
    place.spend(&place.one, "1");
    let before = place.ledger.asked();
    // SAFETY: the child asks the gate for one call and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        enclava_keys::after_fork();
        let call = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| place.spend(&place.one, "1")));
        let has_asked = place.ledger.asked() > before;
        // SAFETY: ends the child without running what belongs to its parent.
        unsafe { libc::_exit(i32::from(call.is_err() || !has_asked)) }
    }
    let mut status = 0;
    // SAFETY: `status` is a place for an int.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    place.spend(&place.one, "1");
    assert_eq!(place.standing(&place.one).0, "$2.00", "the parent goes on with its own");
}
