//! What is sent to the shared ledger about a lease: a step that is written down until its answer is known.
//!
//! An answer may be lost, and the step have been taken all the same. So nothing else is sent about the owner until the
//! same step was sent again: the lease's revision tells whether it is new.

use std::time::Duration;

use super::day::Charge;
use super::units::Units;
use crate::budget::{Calls, Hold, HoldId, Limits, Owner, Party, Phase, Standing, Step, Usage, Windows};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Letter {
    /// The lease as it was when this was written.
    pub(super) lease: Hold,
    pub(super) becomes: Standing,
    /// What it reports.
    pub(super) used: Units,
    pub(super) charges: Vec<Charge>,
    pub(super) limits: Limits,
    asks: bool,
    current: bool,
}

/// What the present state of a lease says of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It was taken before, and its answer was lost.
    Taken,
    /// Somebody ended the lease: an operator who took it for a dead process's. Before that the letter was taken, or not.
    Gone { taken: bool },
    /// A letter of long ago came first: one that was refused then, and came again when there was room.
    Ahead,
    /// The lease is in a state that it cannot be in.
    Wrong,
}

impl Letter {
    /// Asks for `more` on a lease, which is new at revision 0. A new one is only asked for where its windows are `current`.
    pub(super) fn grow(lease: Hold, more: Units, limits: Limits, current: bool) -> Self {
        let left = Units::of(lease.standing.usage).plus(more).to_usage();
        Self { asks: true, current, ..Self::new(lease, left, limits) }
    }

    /// Makes a lease that holds what is in flight already: a fact, which is not asked for.
    pub(super) fn reopen(lease: Hold, held: Units, limits: Limits) -> Self {
        Self::new(lease, held.to_usage(), limits)
    }

    /// Tells what was used since the last report, and how much the lease holds from now on. With `ends` it is the last.
    pub(super) fn report(
        lease: Hold,
        used: Units,
        left: Units,
        ends: bool,
        charges: Vec<Charge>,
        limits: Limits,
    ) -> Self {
        let letter = Self { used, charges, ..Self::new(lease, left.to_usage(), limits) };
        let phase = if ends { Phase::Settled } else { Phase::Live };
        // Not the end of time that a lease has which grew: what came of one is never taken for the other.
        let expires_at = Timestamp::MAX.saturating_sub(Duration::from_secs(1));
        Self { becomes: Standing { expires_at, phase, ..letter.becomes }, ..letter }
    }

    fn new(lease: Hold, left: Usage, limits: Limits) -> Self {
        let revision = lease.standing.revision.saturating_add(1);
        let becomes = Standing { usage: left, expires_at: Timestamp::MAX, revision, phase: Phase::Live };
        let (used, charges) = (Units::ZERO, Vec::new());
        Self { lease, becomes, used, charges, limits, asks: false, current: false }
    }

    /// The windows of the lease.
    pub(super) const fn windows(&self) -> Windows {
        self.lease.windows
    }

    /// The name of the lease that it makes, if it makes one.
    pub(super) fn opens(&self) -> Option<HoldId> {
        (self.lease.standing.revision == 0).then_some(self.lease.id)
    }

    /// Shows the step, as it is every time it is sent.
    pub(super) fn read<T>(&self, owner: &Owner, read: impl FnOnce(&Step<'_>) -> T) -> T {
        let parties = [Party { owner, limits: &self.limits, windows: self.windows() }];
        let calls: Vec<Calls<'_>> = self.charges.iter().map(Charge::calls).collect();
        let used = (self.used.spend, self.used.tokens);
        let (left, phase) = (self.becomes.usage, self.becomes.phase);
        let step = Step::report(&parties, &self.lease, used, left, phase, &calls);
        read(&Step { becomes: self.becomes, asks: self.asks, current: self.current, ..step })
    }

    /// What became of it, where the lease is not at the revision that it expected but as `found`.
    pub(super) fn found(&self, found: Option<&Standing>) -> Found {
        let ends = self.becomes.phase != Phase::Live;
        let Some(found) = found else {
            // A live lease is never forgotten: it was ended, by this letter if that was to end it.
            return if ends { Found::Taken } else { Found::Gone { taken: false } };
        };
        match found.revision.checked_sub(self.lease.standing.revision) {
            Some(1) if *found == self.becomes => Found::Taken,
            Some(1) if found.phase == Phase::Live => Found::Ahead,
            Some(1) => Found::Gone { taken: false },
            // Nobody but its owner does anything to a lease but end it.
            Some(2) if found.phase != Phase::Live && !ends => Found::Gone { taken: true },
            _ => Found::Wrong,
        }
    }
}
