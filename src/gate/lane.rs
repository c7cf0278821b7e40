//! What every call counts, in a lane for each thread: threads never write the same cache line, and nobody else writes
//! what a thread reads before it adds to it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use thread_local::ThreadLocal;

use crate::wire::Reason;

// The number of a hold is its thread's in the low 22 bits, as many as Linux has threads at once, and a count of that thread's
// holds in the other 42: it begins again after 2^42 holds.
const LANE_BITS: u32 = 22;

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

/// The counters of one thread, on cache lines of their own. Threads that ended leave theirs to threads that come.
#[derive(Debug)]
#[repr(align(128))]
struct Lane {
    number: u32,
    next_hold: AtomicU64,
    counts: [AtomicU64; COUNTS],
    denied: [AtomicU64; REASONS],
}

/// The lanes of one gate.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: ThreadLocal<Lane>,
    opened: AtomicU32,
}

impl Lanes {
    #[inline]
    fn own(&self) -> &Lane {
        self.lanes.get_or(|| Lane {
            number: self.opened.fetch_add(1, Ordering::Relaxed),
            next_hold: AtomicU64::new(0),
            counts: <[AtomicU64; COUNTS]>::default(),
            denied: <[AtomicU64; REASONS]>::default(),
        })
    }

    /// A number that no other call on this gate is given.
    #[inline]
    pub(super) fn next_hold(&self) -> u64 {
        let lane = self.own();
        (add_one(&lane.next_hold) << LANE_BITS) | u64::from(lane.number)
    }

    #[inline]
    pub(super) fn add(&self, count: Count) {
        self.own().counts.get(place(count)).map(add_one);
    }

    #[inline]
    pub(super) fn add_denied(&self, reason: Reason) {
        self.own().denied.get(reason_place(reason)).map(add_one);
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
        self.lanes
            .iter()
            .filter_map(counter)
            .map(|counter| counter.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

// Of one's own lane, which no other thread writes: what was read is still there when the sum is stored.
#[inline]
fn add_one(counter: &AtomicU64) -> u64 {
    let before = counter.load(Ordering::Relaxed);
    counter.store(before.wrapping_add(1), Ordering::Relaxed);
    before
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_thread_counts_and_no_number_is_given_twice() {
        let lanes = Lanes::default();
        let numbers: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let draw = || {
                (0..1_000)
                    .map(|_| {
                        lanes.add(Count::Settled);
                        lanes.next_hold()
                    })
                    .collect()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(numbers.concat().into_iter().collect::<HashSet<_>>().len(), 8_000);
        assert_eq!((lanes.admitted(), lanes.total(Count::Settled)), (8_000, 8_000));
    }

    #[test]
    fn a_thread_that_comes_later_goes_on_with_the_numbers_of_one_that_ended() {
        let lanes = Lanes::default();
        let number = || std::thread::scope(|scope| scope.spawn(|| lanes.next_hold()).join().unwrap());
        assert_ne!(number(), number());
        assert_eq!(lanes.admitted(), 2);
    }
}
