//! What a case runs on: a store and a ledger of its own, and a gate over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use enclava_keys::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Row, Step};
use enclava_keys::gate::OnUnavailable;
use enclava_keys::key::Peppers;
use enclava_keys::ledger::{Ledger, LedgerError, OnLapse};
use enclava_keys::store::Store;
use enclava_keys::wire::PriceBook;
use enclava_keys::{Clock, Gate, Timestamp};

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

/// Opens a gate as the case asks for it, with a switch that silences its ledger.
pub(super) fn open(case: &Case, engine: &Engine, clock: Arc<dyn Clock>) -> Result<(Gate, Switch), Failed> {
    let Options { hold_seconds, on_lapse, max_in_flight, hide_amounts, hide_state, on_unavailable, peppers } =
        &case.options;
    let peppers = peppers.iter().map(|pepper| (pepper.id.as_str(), pepper.text.as_bytes()));
    let peppers = Peppers::new(peppers).map_err(Failed::invalid)?;
    let (store, ledger) = (engine.rooms)();
    let switch = Switch(Arc::new(AtomicBool::new(false)));
    let ledger = Arc::new(Switched { ledger, silent: switch.clone() });
    let mut builder = Gate::builder().clock(clock).store(store).ledger(ledger).peppers(peppers);
    if let Some(seconds) = hold_seconds {
        builder = builder.hold_lifetime(Duration::from_secs(*seconds));
    }
    if let Some(most) = max_in_flight {
        builder = builder.max_in_flight(*most);
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
    if let Some(prices) = &case.prices {
        builder = builder.prices(PriceBook::from_json(prices.get()).map_err(Failed::invalid)?);
    }
    Ok((builder.open("memory:")?, switch))
}

/// Turns a ledger silent and back.
#[derive(Debug, Clone)]
pub(super) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(super) fn silence(&self, silent: bool) {
        self.0.store(silent, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), LedgerError> {
        if self.0.load(Ordering::SeqCst) { Err(LedgerError::new("it was switched off")) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct Switched {
    ledger: Arc<dyn Ledger>,
    silent: Switch,
}

impl Ledger for Switched {
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

    fn is_shared(&self) -> bool {
        self.ledger.is_shared()
    }

    fn flush(&self) -> Result<(), LedgerError> {
        self.silent.check()?;
        self.ledger.flush()
    }
}
