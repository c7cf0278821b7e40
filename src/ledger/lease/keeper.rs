//! Who is to be looked after: owners with leases, and owners whose leases are running low.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::super::LedgerError;
use super::desk::Desk;
use super::errand::Leaves;
use crate::budget::Owner;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};

/// How long a round takes: what is used is reported once in it.
const INTERVAL: Duration = Duration::from_secs(1);
/// After so many failures in one round the ledger is taken to be away, and the others wait for the next.
const MOST_FAILURES: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Keeper {
    state: Mutex<State>,
    work: Condvar,
    round: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    listed: Vec<Owner>,
    low: Vec<Owner>,
    is_closing: bool,
}

impl Keeper {
    /// Counts the rounds.
    pub(super) fn round(&self) -> u64 {
        self.round.load(Ordering::Relaxed)
    }

    /// Puts an owner on the list, which must not be there.
    pub(super) fn list(&self, owner: &Owner) {
        self.state.lock().listed.push(owner.clone());
    }

    /// Has more fetched for an owner.
    pub(super) fn fetch(&self, owner: &Owner) {
        self.state.lock().low.push(owner.clone());
        self.work.notify_one();
    }

    /// Ends [`Keeper::attend`].
    pub(super) fn close(&self) {
        self.state.lock().is_closing = true;
        self.work.notify_all();
    }

    /// Looks after the owners until it is closed: the work of a thread.
    pub(super) fn attend(&self, desk: &Desk) {
        let mut next = Instant::now().checked_add(INTERVAL);
        loop {
            let mut state = self.state.lock();
            let left = next.map_or(INTERVAL, |next| next.saturating_duration_since(Instant::now()));
            if !state.is_closing && state.low.is_empty() && !left.is_zero() {
                state = self.work.wait_for(state, left);
            }
            if state.is_closing {
                return;
            }
            drop(state);
            // Whoever needs more than there is asks by himself; what is not reported now is reported in the next round.
            let _ = self.fetch_for_all(desk);
            if next.is_none_or(|next| next <= Instant::now()) {
                let _ = self.tend(desk);
                next = Instant::now().checked_add(INTERVAL);
            }
        }
    }

    /// One round: fetches more for those who run low, and reports what all have used.
    pub(super) fn tend(&self, desk: &Desk) -> Result<(), LedgerError> {
        let fetched = self.fetch_for_all(desk);
        self.round.fetch_add(1, Ordering::Relaxed);
        self.each(|owner| desk.tend(owner, Leaves::Some)).and(fetched)
    }

    // Does `work` for everybody on the list; those for whom it answers true stay there. Who closes this does not wait for the
    // end of a round.
    fn each(&self, work: impl Fn(&Owner) -> Result<bool, LedgerError>) -> Result<(), LedgerError> {
        let mut waiting = std::mem::take(&mut self.state.lock().listed).into_iter();
        let (mut staying, mut failures) = (Vec::new(), Failures::default());
        for owner in waiting.by_ref() {
            match guarded(|| work(&owner)) {
                Ok(false) => {}
                Ok(true) => staying.push(owner),
                Err(error) => {
                    staying.push(owner);
                    failures.count(error);
                }
            }
            if failures.are_too_many() || self.state.lock().is_closing {
                break;
            }
        }
        // Those who had no turn come first the next time.
        let mut state = self.state.lock();
        let listed = std::mem::take(&mut state.listed);
        state.listed = waiting.chain(listed).chain(staying).collect();
        failures.first()
    }

    fn fetch_for_all(&self, desk: &Desk) -> Result<(), LedgerError> {
        let low = std::mem::take(&mut self.state.lock().low);
        low.iter().map(|owner| guarded(|| desk.fetch(owner))).fold(Ok(()), Result::and)
    }
}

/// The failures of those who had their turn one after another: the first is told, after all the turns unless there are too
/// many.
#[derive(Debug, Default)]
pub(super) struct Failures {
    first: Option<LedgerError>,
    count: usize,
}

impl Failures {
    pub(super) fn count(&mut self, error: LedgerError) {
        self.first.get_or_insert(error);
        self.count = self.count.saturating_add(1);
    }

    /// Whether the ledger is taken to be away.
    pub(super) fn are_too_many(&self) -> bool {
        self.count >= MOST_FAILURES
    }

    pub(super) fn first(self) -> Result<(), LedgerError> {
        self.first.map_or(Ok(()), Err)
    }
}

// A ledger of somebody's own that panics fails the owner whose turn it is, and does not end the thread.
fn guarded<T>(work: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(LedgerError::new("the ledger panicked")))
}
