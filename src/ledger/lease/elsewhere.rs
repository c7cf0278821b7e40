//! The calls of this process that the shared ledger keeps itself.

use std::collections::{HashMap, VecDeque};

use crate::budget::{HoldId, Step};
use crate::time::Timestamp;

/// The request ids of calls that are over which are remembered, so that the shared ledger is asked for them.
const NAMES: usize = 256;
#[derive(Debug)]
pub(super) struct Elsewhere {
    // In flight, and when each lapses: as many as there are, and those that another process settled.
    live: HashMap<HoldId, Timestamp>,
    over: VecDeque<HoldId>,
    // None of them lapses before.
    next_lapse: Timestamp,
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self { live: HashMap::new(), over: VecDeque::new(), next_lapse: Timestamp::MAX }
    }
}

impl Elsewhere {
    /// Whether a call of this name is there, as far as this process knows: it surely knows of those in flight.
    pub(super) fn has(&self, id: HoldId) -> bool {
        self.live.contains_key(&id) || self.over.contains(&id)
    }

    /// How many are in flight, at most.
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
            self.live.insert(id, step.becomes.expires_at);
            self.next_lapse = self.next_lapse.min(next_lapse);
            return;
        }
        self.live.remove(&id);
        // A name that was drawn does not come again.
        if step.hold.fingerprint != 0 {
            self.remember(id);
        }
    }

    /// The shared ledger is about to be asked which of them have lapsed at `now`: those are over, whether they lapse now or
    /// somebody else settled them. Nothing lapses at the end of time: whoever asks of then asks for all there are.
    pub(super) fn ask(&mut self, now: Timestamp) {
        if now < self.next_lapse || now == Timestamp::MAX {
            return;
        }
        let lapsed: Vec<HoldId> =
            self.live.extract_if(|_, lapses| *lapses <= now).map(|(id, _)| id).collect();
        for id in lapsed {
            self.remember(id);
        }
        let next = self.live.values().min().copied();
        self.next_lapse = next.unwrap_or(Timestamp::MAX);
    }

    fn remember(&mut self, id: HoldId) {
        if self.over.contains(&id) {
            return;
        }
        if self.over.len() >= NAMES {
            self.over.pop_front();
        }
        self.over.push_back(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Delta, Hold, Phase, Standing};

    fn note(calls: &mut Elsewhere, id: u128, phase: Phase, lapses: i64) {
        let (hold, lapses) = (Hold::new(HoldId(id), 1), Timestamp::from_seconds(lapses));
        let step = Step {
            parties: &[],
            hold: &hold,
            becomes: Standing { phase, expires_at: lapses, ..Standing::NONE },
            model: None,
            calls: None,
            spend: Delta::default(),
            tokens: Delta::default(),
            asks: false,
            most_live: None,
            current: false,
        };
        calls.note(&step, lapses);
    }

    #[test]
    fn names_in_flight_are_never_forgotten() {
        let mut calls = Elsewhere::default();
        let many = 2 * NAMES as u128;
        (0..many).for_each(|id| note(&mut calls, id, Phase::Live, 9));
        assert!((0..many).all(|id| calls.has(HoldId(id))));
        (1..many).for_each(|id| note(&mut calls, id, Phase::Settled, 9));
        assert!(calls.has(HoldId(0)) && !calls.has(HoldId(1)) && calls.has(HoldId(many - 1)));
    }

    #[test]
    fn what_lapsed_is_over_whoever_settled_it() {
        let at = Timestamp::from_seconds;
        let mut calls = Elsewhere::default();
        note(&mut calls, 1, Phase::Live, 100);
        note(&mut calls, 2, Phase::Live, 200);
        calls.ask(Timestamp::MAX);
        assert_eq!((calls.live(), calls.next_lapse()), (2, at(100)), "who asks for all hides no lapse");
        calls.ask(at(100));
        assert_eq!((calls.live(), calls.next_lapse()), (1, at(200)));
        assert!(calls.has(HoldId(1)));
        note(&mut calls, 1, Phase::Lapsed, 100);
        note(&mut calls, 2, Phase::Settled, 200);
        calls.ask(at(200));
        assert_eq!((calls.live(), calls.next_lapse()), (0, Timestamp::MAX));
    }
}
