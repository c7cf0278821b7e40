//! The calls of this process that the shared ledger keeps itself.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::budget::{HoldId, Step};
use crate::time::Timestamp;

/// The request ids of calls that are over which are remembered, so that the shared ledger is asked for them.
const NAMES: usize = 256;
/// How soon it is asked again for calls that lapse, where it did not say when the next one does.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Elsewhere {
    // In flight: as many as there are.
    live: HashSet<HoldId>,
    over: VecDeque<HoldId>,
    // None of them lapses before.
    next_lapse: Timestamp,
}

impl Elsewhere {
    pub(super) fn new() -> Self {
        Self { live: HashSet::new(), over: VecDeque::new(), next_lapse: Timestamp::MAX }
    }

    /// Whether a call of this name is there, as far as this process knows: it surely knows of those in flight.
    pub(super) fn has(&self, id: HoldId) -> bool {
        self.live.contains(&id) || self.over.contains(&id)
    }

    /// How many are in flight.
    pub(super) fn live(&self) -> u32 {
        u32::try_from(self.live.len()).unwrap_or(u32::MAX)
    }

    /// No call lapses before.
    pub(super) fn next_lapse(&self) -> Timestamp {
        self.next_lapse
    }

    /// Takes down a step that the shared ledger took, and when it says that the next call lapses.
    pub(super) fn note(&mut self, step: &Step<'_>, next_lapse: Timestamp) {
        let id = step.id();
        if step.becomes.phase.is_live() {
            self.live.insert(id);
            self.next_lapse = self.next_lapse.min(next_lapse);
            return;
        }
        self.live.remove(&id);
        // A name that was drawn does not come again.
        if step.hold.fingerprint != 0 && !self.over.contains(&id) {
            if self.over.len() >= NAMES {
                self.over.pop_front();
            }
            self.over.push_back(id);
        }
    }

    /// The shared ledger is about to be asked which of them have lapsed at `now`. Nothing lapses at the end of time: whoever
    /// asks of then asks for all there are.
    pub(super) fn ask(&mut self, now: Timestamp) {
        if self.live.is_empty() {
            self.next_lapse = Timestamp::MAX;
        } else if self.next_lapse <= now && now < Timestamp::MAX {
            self.next_lapse = now.saturating_add(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Delta, Hold, Phase, Standing};

    fn note(calls: &mut Elsewhere, id: usize, phase: Phase, lapses: i64) {
        let hold = Hold::new(HoldId(id as u128), 1);
        let step = Step {
            parties: &[],
            hold: &hold,
            becomes: Standing { phase, ..Standing::NONE },
            model: None,
            calls: None,
            spend: Delta::default(),
            tokens: Delta::default(),
            asks: false,
            most_live: None,
            current: false,
        };
        calls.note(&step, Timestamp::from_seconds(lapses));
    }

    #[test]
    fn names_in_flight_are_never_forgotten() {
        let mut calls = Elsewhere::new();
        (0..NAMES * 2).for_each(|id| note(&mut calls, id, Phase::Live, 9));
        assert!((0..NAMES * 2).all(|id| calls.has(HoldId(id as u128))));
        (1..NAMES * 2).for_each(|id| note(&mut calls, id, Phase::Settled, 9));
        assert!(calls.has(HoldId(0)) && !calls.has(HoldId(1)) && calls.has(HoldId(NAMES as u128 * 2 - 1)));
    }

    #[test]
    fn who_asks_for_all_there_are_hides_no_lapse() {
        let at = Timestamp::from_seconds;
        let mut calls = Elsewhere::new();
        note(&mut calls, 1, Phase::Live, 100);
        note(&mut calls, 2, Phase::Live, 200);
        calls.ask(Timestamp::MAX);
        assert_eq!(calls.next_lapse(), at(100));
        calls.ask(at(100));
        assert_eq!(calls.next_lapse(), at(101), "of the second nothing is known but that it is there");
        note(&mut calls, 1, Phase::Lapsed, 200);
        note(&mut calls, 2, Phase::Settled, 300);
        calls.ask(at(101));
        assert_eq!(calls.next_lapse(), Timestamp::MAX);
    }
}
