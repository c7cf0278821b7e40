//! What every call counts, spread so that threads with different keys never write the same cache line.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::Reason;

const LANES: u32 = 64;

/// What happened, as `stats()` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// A hold was to be made under a name that was not drawn.
    Named,
    /// A name was drawn or given, but no call was admitted under it.
    NotAdmitted,
    Settled,
    Released,
    Dropped,
    Lapsed,
    Recorded,
    Extended,
    Overrun,
}

const COUNTS: usize = 9;
// More than there are reasons, so that the last one is a reason not known here.
const REASONS: usize = 24;

/// One share of the counters, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Lane {
    next_hold: AtomicU64,
    counts: [AtomicU64; COUNTS],
    denied: [AtomicU64; REASONS],
}

/// The lanes of one gate.
#[derive(Debug)]
pub(super) struct Lanes(Box<[Lane]>);

impl Lanes {
    pub(super) fn new() -> Self {
        Self(std::iter::repeat_with(Lane::default).take(usize::try_from(LANES).unwrap_or(1)).collect())
    }

    /// The lane of an owner, or of anything else that is spread evenly.
    #[inline]
    pub(super) fn of(&self, spread: u32) -> Option<&Lane> {
        self.0.get(usize::try_from(spread % LANES).unwrap_or(0))
    }

    /// A number that no other call on this gate is given.
    #[inline]
    pub(super) fn next_hold(&self, spread: u32) -> u64 {
        let turn = self.of(spread).map_or(0, |lane| lane.next_hold.fetch_add(1, Ordering::Relaxed));
        turn.wrapping_mul(u64::from(LANES)).wrapping_add(u64::from(spread % LANES))
    }

    #[inline]
    pub(super) fn add(&self, spread: u32, count: Count) {
        if let Some(counter) = self.of(spread).and_then(|lane| lane.counts.get(place(count))) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn add_denied(&self, spread: u32, reason: Reason) {
        if let Some(counter) = self.of(spread).and_then(|lane| lane.denied.get(reason_place(reason))) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls that were admitted: every name but those that came to nothing, so that a call counts once on its way in.
    pub(super) fn admitted(&self) -> u64 {
        let drawn = self.sum(|lane| Some(&lane.next_hold));
        drawn.wrapping_add(self.total(Count::Named)).saturating_sub(self.total(Count::NotAdmitted))
    }

    pub(super) fn total(&self, count: Count) -> u64 {
        self.sum(|lane| lane.counts.get(place(count)))
    }

    pub(super) fn total_denied(&self, reason: Reason) -> u64 {
        self.sum(|lane| lane.denied.get(reason_place(reason)))
    }

    fn sum(&self, counter: impl Fn(&Lane) -> Option<&AtomicU64>) -> u64 {
        self.0
            .iter()
            .filter_map(counter)
            .map(|counter| counter.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

fn place(count: Count) -> usize {
    match count {
        Count::Named => 0,
        Count::NotAdmitted => 1,
        Count::Settled => 2,
        Count::Released => 3,
        Count::Dropped => 4,
        Count::Lapsed => 5,
        Count::Recorded => 6,
        Count::Extended => 7,
        Count::Overrun => 8,
    }
}

fn reason_place(reason: Reason) -> usize {
    Reason::ALL.iter().position(|&known| known == reason).unwrap_or(REASONS.saturating_sub(1))
}
