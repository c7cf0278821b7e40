//! What a case runs on: a store and a ledger of its own, and a gate over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use enclava_keys::budget::{AlertId, Hold, HoldId, Meter, Moved, Notice, Outcome, Owner, Row, Step};
use enclava_keys::gate::OnUnavailable;
use enclava_keys::key::Peppers;
use enclava_keys::ledger::{Ledger, LedgerError, OnLapse};
use enclava_keys::store::{MemoryStore, News, Store, StoreError};
use enclava_keys::wire::PriceBook;
use enclava_keys::{Clock, Gate, Key, KeyId, Timestamp};

use super::answer::Failed;
use super::schema::{Case, Lapsed, Options, Unavailable};

/// A store and a ledger of one engine.
pub(crate) type Rooms = (Arc<dyn Store>, Arc<dyn Ledger>);

/// Somewhere to keep keys and budgets.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Whether its ledger is leased: it then leaves out the cases that say `strict`.
    pub(crate) leased: bool,
    /// Makes a fresh store and a fresh ledger, for one case.
    pub(crate) rooms: fn() -> Rooms,
}

/// Where a case takes place: a store and a ledger, either of which can be silenced.
pub(super) struct Site {
    pub(super) store: Switch,
    pub(super) ledger: Switch,
    rooms: Rooms,
    leased: bool,
    // A store that is one gate's alone is given to it, and kept by nobody else.
    shared: bool,
}

impl Site {
    pub(super) fn new(case: &Case, engine: &Engine) -> Self {
        let (store, ledger) = (engine.rooms)();
        let (silent_store, silent_ledger) = (Switch::default(), Switch::default());
        let ledger = Arc::new(SwitchedLedger { ledger, silent: silent_ledger.clone() });
        let store: Arc<dyn Store> =
            if case.shared { Arc::new(SwitchedStore { store, silent: silent_store.clone() }) } else { store };
        let rooms: Rooms = (store, ledger);
        Self { store: silent_store, ledger: silent_ledger, rooms, leased: engine.leased, shared: case.shared }
    }

    /// Opens a gate as the case asks for it.
    pub(super) fn open(&mut self, case: &Case, clock: Arc<dyn Clock>) -> Result<Gate, Failed> {
        let Options {
            hold_seconds,
            on_lapse,
            max_in_flight,
            hide_amounts,
            hide_state,
            on_unavailable,
            refresh_seconds,
            stale_seconds,
            peppers,
        } = &case.options;
        let peppers = peppers.iter().map(|pepper| (pepper.id.as_str(), pepper.text.as_bytes()));
        let peppers = Peppers::new(peppers).map_err(Failed::invalid)?;
        let (store, ledger) = (self.give_store(), Arc::clone(&self.rooms.1));
        let mut builder = Gate::builder().clock(clock).store(store).ledger(ledger).peppers(peppers);
        builder = builder.leased(self.leased);
        if let Some(seconds) = hold_seconds {
            builder = builder.hold_lifetime(Duration::from_secs(*seconds));
        }
        if let Some(most) = max_in_flight {
            builder = builder.max_in_flight(*most);
        }
        if let Some(seconds) = refresh_seconds {
            builder = builder.refresh_interval(Duration::from_secs(*seconds));
        }
        if let Some(seconds) = stale_seconds {
            builder = builder.stale_limit(Duration::from_secs(*seconds));
        }
        if *hide_amounts {
            builder = builder.hide_amounts();
        }
        if *hide_state {
            builder = builder.hide_state();
        }
        builder = builder.on_lapse(match on_lapse {
            Lapsed::Charge => OnLapse::Charge,
            Lapsed::Release => OnLapse::Release,
        });
        builder = builder.on_unavailable(match on_unavailable {
            Unavailable::Deny => OnUnavailable::Deny,
            Unavailable::Admit => OnUnavailable::Admit,
        });
        let mut prices = PriceBook::new();
        if let Some(catalogue) = &case.catalogue {
            let (book, report) = PriceBook::from_litellm(catalogue.get()).map_err(Failed::invalid)?;
            if !report.faults.is_empty() || !report.unknown_fields.is_empty() {
                return Err(Failed::invalid(format!("{report:?}")));
            }
            prices.extend(book);
        }
        if let Some(file) = &case.prices {
            prices.extend(PriceBook::from_json(file.get()).map_err(Failed::invalid)?);
        }
        Ok(builder.prices(prices).open("memory:")?)
    }

    fn give_store(&mut self) -> Arc<dyn Store> {
        if self.shared {
            return Arc::clone(&self.rooms.0);
        }
        std::mem::replace(&mut self.rooms.0, Arc::new(MemoryStore::new()))
    }
}

/// Turns a store or a ledger silent and back.
#[derive(Debug, Clone, Default)]
pub(super) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(super) fn silence(&self, silent: bool) {
        self.0.store(silent, Ordering::SeqCst);
    }

    fn is_silent(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), LedgerError> {
        if self.is_silent() { Err(LedgerError::new("it was switched off")) } else { Ok(()) }
    }

    fn check_store(&self) -> Result<(), StoreError> {
        if self.is_silent() { Err(StoreError::Unavailable("it was switched off".into())) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct SwitchedStore {
    store: Arc<dyn Store>,
    silent: Switch,
}

impl Store for SwitchedStore {
    fn news(&self, since: Option<u64>, now: Timestamp) -> Result<News, StoreError> {
        self.silent.check_store()?;
        self.store.news(since, now)
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        self.silent.check_store()?;
        self.store.put(key, replaces)
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        self.silent.check_store()?;
        self.store.remove(id)
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }
}

#[derive(Debug)]
struct SwitchedLedger {
    ledger: Arc<dyn Ledger>,
    silent: Switch,
}

impl Ledger for SwitchedLedger {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        self.silent.check()?;
        self.ledger.apply(step, rows)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.silent.check()?;
        self.ledger.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.silent.check()?;
        self.ledger.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.silent.check()?;
        self.ledger.due(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.silent.check()?;
        self.ledger.forget(owner)
    }

    fn claim(&self) -> Option<Duration> {
        self.ledger.claim()
    }

    fn untold(&self, most: usize) -> Result<Vec<Notice>, LedgerError> {
        self.silent.check()?;
        self.ledger.untold(most)
    }

    fn told(&self, alerts: &[AlertId]) -> Result<(), LedgerError> {
        self.silent.check()?;
        self.ledger.told(alerts)
    }

    fn flush(&self) -> Result<(), LedgerError> {
        self.silent.check()?;
        self.ledger.flush()
    }
}
