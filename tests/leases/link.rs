//! The way to the shared ledger, as networks are: what is sent or answered may be lost, doubled, late, or cut off for good.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use enclava_keys::Timestamp;
use enclava_keys::budget::{
    Delta, Hold, HoldId, Limits, Meter, Moved, Outcome, Owner, Party, Phase, Row, Standing, Step, Windows,
};
use enclava_keys::ledger::{Lease, Ledger, LedgerError, MemoryLedger};

use crate::random::Random;

/// How often in a thousand something happens to a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// It never arrives.
    pub(crate) lost: u64,
    /// It arrives, and its answer does not.
    pub(crate) unanswered: u64,
    /// It arrives again, some time later.
    pub(crate) doubled: u64,
}

/// One process's way to the shared ledger.
#[derive(Debug)]
pub(crate) struct Link {
    engine: Arc<MemoryLedger>,
    cut: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    faults: Faults,
    late: Vec<Copied>,
    // Leases that ended. The ledger that stands in for one far away remembers a few calls, not for as long as messages are late.
    ended: HashSet<HoldId>,
    counts: Counts,
}

/// What happened to messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) unanswered: u64,
    pub(crate) doubled: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.unanswered += other.unanswered;
        self.doubled += other.doubled;
    }
}

/// A step that outlives the call that sent it.
#[derive(Debug)]
struct Copied {
    parties: Vec<(Owner, Limits, Windows)>,
    hold: Hold,
    becomes: Standing,
    spend: Delta,
    tokens: Delta,
    asks: bool,
    current: bool,
}

impl Link {
    pub(crate) fn new(engine: &Arc<MemoryLedger>, seed: u64, faults: Faults) -> Arc<Self> {
        let (late, ended, counts) = (Vec::new(), HashSet::new(), Counts::default());
        let state = State { random: Random::new(seed), faults, late, ended, counts };
        Arc::new(Self { engine: Arc::clone(engine), cut: AtomicBool::new(false), state: Mutex::new(state) })
    }

    /// Nothing passes from now on, or everything may.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// Nothing happens to messages from now on, and those under way arrive.
    pub(crate) fn heal(&self) {
        self.cut(false);
        let mut state = self.state();
        state.faults = Faults::default();
        let late = std::mem::take(&mut state.late);
        for step in &late {
            state.arrive(step, &self.engine);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passes(&self) -> Result<(), LedgerError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(LedgerError::new("cut off"));
        }
        let mut state = self.state();
        state.counts.sent += 1;
        let lost = state.faults.lost;
        if state.random.happens(lost) {
            state.counts.lost += 1;
            return Err(LedgerError::new("lost"));
        }
        Ok(())
    }
}

impl Ledger for Link {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        self.passes()?;
        let state = &mut *self.state();
        if !state.late.is_empty() && state.random.happens(300) {
            let place = state.random.below(state.late.len() as u64) as usize;
            let step = state.late.swap_remove(place);
            state.arrive(&step, &self.engine);
        }
        let (doubled, unanswered) = (state.faults.doubled, state.faults.unanswered);
        // What is said of a lease. What is said of a call is the shared ledger's to make safe, with leases and without.
        if Lease::is(step.hold) && state.random.happens(doubled) {
            state.counts.doubled += 1;
            state.late.push(Copied::of(step));
        }
        let outcome = self.engine.apply(step, rows)?;
        if matches!(outcome, Outcome::Taken { .. }) && step.becomes.phase != Phase::Live {
            state.ended.insert(step.hold.id);
        }
        if state.random.happens(unanswered) {
            state.counts.unanswered += 1;
            return Err(LedgerError::new("the answer was lost"));
        }
        Ok(outcome)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.passes()?;
        self.engine.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.passes()?;
        self.engine.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.passes()?;
        self.engine.due(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.passes()?;
        self.engine.forget(owner)
    }
}

impl State {
    // A ledger that remembers how a lease ended takes nothing more about it.
    fn arrive(&mut self, step: &Copied, engine: &MemoryLedger) {
        if !self.ended.contains(&step.hold.id) && step.arrive(engine) && step.becomes.phase != Phase::Live {
            self.ended.insert(step.hold.id);
        }
    }
}

impl Copied {
    fn of(step: &Step<'_>) -> Self {
        let parties = step.parties.iter();
        Self {
            parties: parties.map(|party| (party.owner.clone(), *party.limits, party.windows)).collect(),
            hold: step.hold.clone(),
            becomes: step.becomes,
            spend: step.spend,
            tokens: step.tokens,
            asks: step.asks,
            current: step.current,
        }
    }

    // Nobody waits for the answer. True if it was taken.
    fn arrive(&self, engine: &MemoryLedger) -> bool {
        let parties: Vec<Party<'_>> = self
            .parties
            .iter()
            .map(|(owner, limits, windows)| Party { owner, limits, windows: *windows })
            .collect();
        let step = Step {
            parties: &parties,
            hold: &self.hold,
            becomes: self.becomes,
            model: None,
            calls: None,
            spend: self.spend,
            tokens: self.tokens,
            asks: self.asks,
            most_live: None,
            current: self.current,
        };
        let mut rows = vec![Moved::NONE; parties.len() * Meter::ALL.len()];
        matches!(engine.apply(&step, &mut rows), Ok(Outcome::Taken { .. }))
    }
}
