//! What becomes of calls when the ledger or the store does not answer, and of settlements that failed on the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enclava_keys::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Row, Step};
use enclava_keys::gate::OnUnavailable;
use enclava_keys::ledger::{LedgerError, MemoryLedger};
use enclava_keys::store::{Changes, MemoryStore, News, StoreError};
use enclava_keys::{
    Error, Gate, Key, KeyId, KeySpec, Ledger, ManualClock, NewKey, Reason, Request, Store, Timestamp, Usage,
};

/// A ledger that can be cut off, and that can lose its answer after it took the step.
#[derive(Debug, Default)]
struct Shaky {
    ledger: MemoryLedger,
    down: AtomicBool,
    lose_answers: AtomicUsize,
}

impl Shaky {
    fn up(&self) -> Result<(), LedgerError> {
        if self.down.load(Ordering::SeqCst) { Err(LedgerError::new("cut off")) } else { Ok(()) }
    }
}

impl Ledger for Shaky {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        self.up()?;
        let outcome = self.ledger.apply(step, rows)?;
        let lost = |left: usize| left.checked_sub(1);
        match self.lose_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost) {
            Ok(_) => Err(LedgerError::new("the answer was lost")),
            Err(_) => Ok(outcome),
        }
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.up()?;
        self.ledger.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.up()?;
        self.ledger.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.up()?;
        self.ledger.due(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.ledger.forget(owner)
    }
}

fn spec() -> KeySpec {
    KeySpec::new("k").daily_spend_limit("1.00")
}

fn dollars(text: &str) -> Usage {
    Usage::new(text.parse().unwrap(), 0)
}

fn gate(on_unavailable: OnUnavailable) -> (Gate, NewKey, Arc<Shaky>) {
    let ledger = Arc::new(Shaky::default());
    let gate = Gate::builder().ledger(ledger.clone()).on_unavailable(on_unavailable).open("memory:").unwrap();
    let made = gate.create_key(&spec()).unwrap();
    (gate, made, ledger)
}

#[test]
fn a_ledger_that_is_down_denies_and_says_so() {
    let (gate, made, ledger) = gate(OnUnavailable::Deny);
    ledger.down.store(true, Ordering::SeqCst);
    let denial = gate.authorize(&Request::new(made.secret.reveal())).unwrap_err();
    assert_eq!(
        (denial.reason(), denial.status(), denial.transient()),
        (Reason::LedgerUnavailable, 503, true)
    );
    assert!(matches!(gate.usage(made.key.id()), Err(Error::Ledger(_))));
    ledger.down.store(false, Ordering::SeqCst);
    assert!(gate.authorize(&Request::new(made.secret.reveal())).is_ok());
}

#[test]
fn opening_up_is_for_known_keys_and_shows_in_the_permit() {
    let (gate, made, ledger) = gate(OnUnavailable::Admit);
    ledger.down.store(true, Ordering::SeqCst);
    let stranger = gate.authorize(&Request::new("en_00000000000000000000000000000000")).unwrap_err();
    assert_eq!(stranger.reason(), Reason::UnknownKey);
    let mut permit = gate.authorize(&Request::new(made.secret.reveal())).unwrap();
    assert!(permit.is_degraded());
    assert!(matches!(permit.settle(dollars("0.25")), Err(Error::Ledger(_))), "the charge cannot be kept yet");
    ledger.down.store(false, Ordering::SeqCst);
    permit.settle(dollars("0.25")).unwrap();
    assert!(matches!(permit.settle(dollars("0.25")), Err(Error::AlreadySettled(_))));
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_spend.used.to_string(), "$0.25");
}

#[test]
fn a_call_that_nothing_was_set_aside_for_is_charged_when_it_is_dropped() {
    let (gate, made, ledger) = gate(OnUnavailable::Admit);
    let call = |progress: Option<&str>| {
        ledger.down.store(true, Ordering::SeqCst);
        let request = Request::new(made.secret.reveal());
        let mut permit = gate.authorize(&request.cost("0.5".parse().unwrap())).unwrap();
        ledger.down.store(false, Ordering::SeqCst);
        permit.dispatched();
        if let Some(used) = progress {
            permit.progress(dollars(used));
        }
        drop(permit);
        gate.usage(made.key.id()).unwrap().daily_spend.used.to_string()
    };
    assert_eq!(call(Some("0.3")), "$0.30");
    assert_eq!(call(None), "$0.80", "the estimate");
}

#[test]
fn a_reservation_whose_answer_was_lost_is_what_is_settled() {
    let (gate, made, ledger) = gate(OnUnavailable::Admit);
    ledger.lose_answers.store(1, Ordering::SeqCst);
    let request = Request::new(made.secret.reveal());
    let mut permit = gate.authorize(&request.cost("0.5".parse().unwrap())).unwrap();
    assert!(permit.is_degraded());
    permit.settle(dollars("0.25")).unwrap();
    let balance = gate.usage(made.key.id()).unwrap().daily_spend;
    assert_eq!((balance.used.to_string(), balance.held.to_string()), ("$0.25".into(), "$0.00".into()));
}

#[test]
fn a_settlement_that_failed_is_repeated_and_charged_once() {
    let (gate, made, ledger) = gate(OnUnavailable::Deny);
    let mut permit =
        gate.authorize(&Request::new(made.secret.reveal()).cost("0.5".parse().unwrap())).unwrap();
    ledger.down.store(true, Ordering::SeqCst);
    assert!(matches!(permit.settle(dollars("0.4")), Err(Error::Ledger(_))));
    ledger.down.store(false, Ordering::SeqCst);
    // This one is taken, and its answer lost.
    ledger.lose_answers.store(1, Ordering::SeqCst);
    assert!(matches!(permit.settle(dollars("0.4")), Err(Error::Ledger(_))));
    match permit.settle(dollars("0.4")) {
        Err(Error::AlreadySettled(first)) => assert_eq!(first.usage, dollars("0.4")),
        other => assert!(other.is_err(), "charged twice: {other:?}"),
    }
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_spend.used.to_string(), "$0.40");
}

#[test]
fn a_drop_while_the_ledger_is_down_leaves_the_hold_to_lapse() {
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let ledger = Arc::new(Shaky::default());
    let gate = Gate::builder().clock(clock.clone()).ledger(ledger.clone()).open("memory:").unwrap();
    let made = gate.create_key(&spec()).unwrap();
    let permit = gate.authorize(&Request::new(made.secret.reveal()).cost("0.5".parse().unwrap())).unwrap();
    ledger.down.store(true, Ordering::SeqCst);
    drop(permit);
    ledger.down.store(false, Ordering::SeqCst);
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_spend.held.to_string(), "$0.50");
    clock.advance(Duration::from_mins(10));
    assert_eq!(gate.usage(made.key.id()).unwrap().daily_spend.used.to_string(), "$0.50");
}

/// A store that others share, and that can be cut off.
#[derive(Debug, Default)]
struct Remote {
    store: MemoryStore,
    down: AtomicBool,
    asked: AtomicUsize,
}

impl Store for Remote {
    fn news(&self, since: Option<u64>, now: Timestamp) -> Result<News, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("cut off".into()));
        }
        self.store.news(since, now)
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        self.store.put(key, replaces)
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        self.store.remove(id)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

struct Two {
    here: Gate,
    there: Gate,
    store: Arc<Remote>,
    clock: Arc<ManualClock>,
}

fn two_gates() -> Two {
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let store = Arc::new(Remote::default());
    let open = || Gate::builder().clock(clock.clone()).store(store.clone()).open("memory:").unwrap();
    Two { here: open(), there: open(), store: store.clone(), clock: clock.clone() }
}

#[test]
fn a_revocation_elsewhere_bites_within_the_refresh_interval() {
    let Two { here, there, clock, .. } = two_gates();
    let made = there.create_key(&spec()).unwrap();
    let secret = made.secret.reveal();
    assert!(here.verify(secret).is_ok(), "a secret not known here may be new: the store is asked");
    there.revoke_key(made.key.id()).unwrap();
    assert_eq!(
        there.verify(secret).unwrap_err().reason(),
        Reason::KeyRevoked,
        "at once where it was revoked"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(here.verify(secret).unwrap_err().reason(), Reason::KeyRevoked);
}

#[test]
fn unknown_secrets_ask_the_store_once_in_an_interval() {
    let Two { here, store, clock, .. } = two_gates();
    let before = store.asked.load(Ordering::SeqCst);
    for guess in 0..100 {
        let denial = here.verify(&format!("en_{guess:032}")).unwrap_err();
        assert_eq!(denial.reason(), Reason::UnknownKey);
    }
    assert_eq!(store.asked.load(Ordering::SeqCst) - before, 1);
    clock.advance(Duration::from_secs(1));
    assert!(here.verify("en_00000000000000000000000000000000").is_err());
    assert!(store.asked.load(Ordering::SeqCst) - before <= 3);
}

#[test]
fn a_store_that_is_silent_too_long_denies() {
    let Two { here, store, clock, .. } = two_gates();
    let made = here.create_key(&spec()).unwrap();
    let secret = made.secret.reveal();
    store.down.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(30));
    assert!(here.verify(secret).is_ok(), "what is known serves for the stale limit");
    clock.advance(Duration::from_secs(1));
    assert_eq!(here.verify(secret).unwrap_err().reason(), Reason::LedgerUnavailable);
    store.down.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(1));
    assert!(here.verify(secret).is_ok());
}

/// A store that does not look at what it is given.
#[derive(Debug, Default)]
struct Careless(Mutex<Vec<Arc<Key>>>);

impl Store for Careless {
    fn news(&self, _: Option<u64>, _: Timestamp) -> Result<News, StoreError> {
        let keys = self.0.lock().unwrap().clone();
        Ok(News {
            generation: u64::try_from(keys.len()).unwrap(),
            changes: Changes::All(keys),
            unreadable: Vec::new(),
        })
    }

    fn put(&self, key: &Arc<Key>, _: Option<u64>) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(key.clone());
        Ok(())
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        self.0.lock().unwrap().retain(|key| key.id() != id);
        Ok(true)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[test]
fn a_store_whose_news_cannot_be_taken_in_is_silent() {
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let store = Arc::new(Careless::default());
    let gate = Gate::builder().clock(clock.clone()).store(store.clone()).open("memory:").unwrap();
    let made = gate.create_key(&spec()).unwrap();
    gate.import_key(&KeySpec::new("a").id("a").secret("en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a")).unwrap();
    let twin = gate.key(&"a".parse().unwrap()).unwrap().to_record_json().replace("\"a\"", "\"b\"");
    store.put(&Arc::new(Key::from_record_json(twin).unwrap()), None).unwrap();
    let is_known = || gate.verify(made.secret.reveal()).map(drop).map_err(|denial| denial.reason());
    clock.advance(Duration::from_secs(1));
    assert!(gate.refresh().unwrap_err().to_string().contains("have a secret in common"));
    assert_eq!(is_known(), Ok(()), "what is known serves for the stale limit");
    clock.advance(Duration::from_secs(30));
    assert_eq!(is_known(), Err(Reason::LedgerUnavailable), "it may have been revoked meanwhile");
    // Either may go.
    gate.delete_key(&"a".parse().unwrap()).unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(is_known(), Ok(()));
}

#[test]
fn two_gates_that_edit_one_key_do_not_undo_each_other() {
    let Two { here, there, clock, .. } = two_gates();
    let made = here.create_key(&spec()).unwrap();
    let id = made.key.id();
    clock.advance(Duration::from_secs(1));
    there.refresh().unwrap();
    here.disable_key(id).unwrap();
    let rotated = there.rotate_key(id, Duration::ZERO);
    assert!(matches!(rotated, Err(Error::Conflict(_))), "it was disabled meanwhile: {rotated:?}");
    here.enable_key(id).unwrap();
    there.rotate_key(id, Duration::ZERO).unwrap();
    here.refresh().unwrap();
    assert_eq!(here.verify(made.secret.reveal()).unwrap_err().reason(), Reason::SecretRetired);
}
