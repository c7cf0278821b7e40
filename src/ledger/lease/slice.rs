//! How much to ask the shared ledger for: little at first, more where it runs out soon, less where there is little left.

use super::units::{Ask, Units};

/// The first slice, in calls like the one that asks.
const FIRST: i128 = 4;
/// A slice is at most such a part of what the tightest meter has left, so that others find some too.
const PART: i128 = 16;

/// The size of the slices of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    size: Units,
    // In which round it grew last.
    round: u64,
    // What the last call that had to wait for more asked for.
    asked: Units,
    // What all meters had left when the shared ledger last told; a unit without a limit has no end.
    headroom: Option<Units>,
}

impl Slice {
    /// Of a lease that is not there yet.
    pub(super) const NONE: Self = Self { size: Units::ZERO, round: 0, asked: Units::ZERO, headroom: None };

    /// Takes down what the meters have left.
    pub(super) fn see(&mut self, headroom: Units) {
        self.headroom = Some(headroom);
    }

    /// What to ask for beyond what a call misses, in this round; `None` near the cap, where a slice is not worth a call
    /// and each call had better ask for itself.
    pub(super) fn next(&mut self, ask: &Ask, missing: Units, round: u64) -> Option<Units> {
        let asked = ask.amounts();
        if asked != Units::ZERO {
            self.asked = asked;
        }
        let grown = if self.round == round { self.size.plus(self.size) } else { self.size };
        self.size = grown.max(missing).max(self.asked.map(|asked| asked.saturating_mul(FIRST)));
        self.round = round;
        self.is_worth(self.asked).then(|| self.size.min(self.part()))
    }

    /// Whether a slice would be worth a call that asks for so much.
    pub(super) fn is_worth(&self, asked: Units) -> bool {
        !self.part().is_short_of(asked)
    }

    /// How much may lie unused, at the end of a round: half as much each time it was enough.
    pub(super) fn rest(&mut self, round: u64) -> Units {
        if self.round < round {
            self.size = self.size.map(|size| size.checked_div(2).unwrap_or(0));
        }
        if self.is_worth(self.asked) { self.size } else { Units::ZERO }
    }

    /// Nobody needed any: begins small again.
    pub(super) fn forget(&mut self) {
        self.size = Units::ZERO;
    }

    fn part(&self) -> Units {
        let headroom = self.headroom.unwrap_or(Units { spend: i128::MAX, tokens: i128::MAX });
        headroom.map(|left| left.checked_div(PART).unwrap_or(0))
    }
}
