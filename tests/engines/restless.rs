//! A leased ledger whose rounds are as short as can be: whatever a step left unreported is reported before the next.

use std::sync::Arc;

use enclava_keys::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Row, Step};
use enclava_keys::ledger::{LeasedLedger, Ledger, LedgerError};
use enclava_keys::{KeyId, SystemClock, Timestamp};

#[derive(Debug)]
pub(crate) struct Restless(LeasedLedger);

impl Restless {
    pub(crate) fn over(engine: Arc<dyn Ledger>) -> Self {
        Self(LeasedLedger::tended_by_hand(engine, Arc::new(SystemClock)))
    }
}

impl Ledger for Restless {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let outcome = self.0.apply(step, rows)?;
        self.0.tend()?;
        Ok(outcome)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.0.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.0.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.0.due(owner, now, most)
    }

    fn due_guests(
        &self,
        owner: &Owner,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(KeyId, Hold)>, LedgerError> {
        self.0.due_guests(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.0.forget(owner)
    }
}
