//! The holds of one owner: the live ones, and the last few that were resolved.
//!
//! A hold stays in its slot from the reservation until it is forgotten, so that settling it touches the cache lines
//! that the reservation touched. A new hold takes the slot of the one that is forgotten for it.

use std::collections::VecDeque;

use super::MemoryLedger;
use crate::budget::{Hold, HoldId, Phase, Standing};
use crate::time::Timestamp;

// The oldest of them makes room for a new hold before that is resolved itself.
const FINALS: usize = MemoryLedger::REMEMBERED_FINAL + 1;

pub(in crate::ledger) struct Holds {
    slots: Vec<Hold>,
    live: u32,
    // The slots of the last holds that were settled or released, in the order in which they were.
    finals: Ring,
    crowd: Option<Box<Crowd>>,
    // A lower bound: closing a hold leaves it, looking for due ones makes it exact.
    next_lapse: Timestamp,
}

// What owners have who had many calls at once, or calls that were given up.
#[derive(Default)]
struct Crowd {
    // Slots of holds that are forgotten.
    free: Vec<u32>,
    // Of those that were dropped or lapsed and may still be settled.
    provisionals: VecDeque<u32>,
}

impl Default for Holds {
    fn default() -> Self {
        Self { slots: Vec::new(), live: 0, finals: Ring::default(), crowd: None, next_lapse: Timestamp::MAX }
    }
}

impl Holds {
    pub(in crate::ledger) fn live(&self) -> u32 {
        self.live
    }

    pub(in crate::ledger) fn next_lapse(&self) -> Timestamp {
        self.next_lapse
    }

    /// Where the hold is: at the seat noted, as a rule, or wherever it is found. 0 is no seat.
    #[inline]
    pub(in crate::ledger) fn find(&self, id: HoldId, noted: u32) -> Option<u32> {
        if self.get(noted).is_some_and(|hold| hold.id == id) {
            return Some(noted);
        }
        // A slot that is free keeps the name of the hold that it was of: taking it by that name would give it away twice.
        let place = self.slots.iter().rposition(|hold| hold.id == id && hold.standing.revision > 0)?;
        Some(seat_of(place))
    }

    #[inline]
    pub(in crate::ledger) fn get(&self, seat: u32) -> Option<&Hold> {
        self.slots.get(place_of(seat)?).filter(|hold| hold.standing.revision > 0)
    }

    /// The holds that may still move their rows.
    pub(in crate::ledger) fn open(&self) -> impl Iterator<Item = &Hold> {
        self.slots.iter().filter(|hold| hold.standing.revision > 0 && hold.standing.phase.is_open())
    }

    /// Stores where the hold at `found` stands now, or a new hold; answers where it is.
    #[inline]
    pub(in crate::ledger) fn put(&mut self, found: Option<u32>, hold: &Hold, becomes: Standing) -> u32 {
        let kept = found.and_then(|seat| self.slots.get_mut(place_of(seat)?));
        let (seat, before) = match (found, kept) {
            (Some(seat), Some(hold)) => (seat, Some(std::mem::replace(&mut hold.standing, becomes).phase)),
            _ => (self.take_slot(hold, becomes), None),
        };
        let was_live = before.is_some_and(Phase::is_live);
        if becomes.phase.is_live() {
            if !was_live {
                self.live = self.live.saturating_add(1);
            }
            self.next_lapse = self.next_lapse.min(becomes.expires_at);
            return seat;
        }
        if was_live {
            self.live = self.live.saturating_sub(1);
        }
        if becomes.phase.is_open() {
            self.remember_provisional(seat);
        } else {
            if before.is_some()
                && !was_live
                && let Some(crowd) = &mut self.crowd
            {
                crowd.provisionals.retain(|&other| other != seat);
            }
            if let Some(oldest) = self.finals.push(seat) {
                self.forget(oldest);
            }
        }
        seat
    }

    /// At most `most` live holds whose lifetime has passed.
    pub(in crate::ledger) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Hold> {
        if now < self.next_lapse {
            return Vec::new();
        }
        let live = || {
            self.slots
                .iter()
                .enumerate()
                .filter(|(_, hold)| hold.standing.revision > 0 && hold.standing.phase.is_live())
        };
        let due = live().filter(|(_, hold)| hold.standing.expires_at <= now).take(most);
        let due = due.map(|(place, hold)| Hold { seat: seat_of(place), ..hold.clone() }).collect();
        self.next_lapse = live().map(|(_, hold)| hold.standing.expires_at).min().unwrap_or(Timestamp::MAX);
        due
    }

    // A forgotten slot, or that of the oldest settled hold, or a new one.
    #[inline]
    fn take_slot(&mut self, hold: &Hold, becomes: Standing) -> u32 {
        let free = self.crowd.as_mut().and_then(|crowd| crowd.free.pop());
        let seat = free.or_else(|| self.finals.pop_if_full());
        if let Some(seat) = seat
            && let Some(slot) = place_of(seat).and_then(|place| self.slots.get_mut(place))
        {
            // Piece by piece: copying a struct that was just put together waits for its parts to arrive.
            slot.standing = becomes;
            (slot.id, slot.fingerprint, slot.windows) = (hold.id, hold.fingerprint, hold.windows);
            slot.others.clone_from(&hold.others);
            return seat;
        }
        if self.slots.is_empty() {
            self.slots.reserve_exact(1);
        }
        self.slots.push(Hold { standing: becomes, ..hold.clone() });
        seat_of(self.slots.len().saturating_sub(1))
    }

    #[cold]
    fn remember_provisional(&mut self, seat: u32) {
        let provisionals = &mut self.crowd.get_or_insert_default().provisionals;
        provisionals.push_back(seat);
        if provisionals.len() > MemoryLedger::REMEMBERED_PROVISIONAL
            && let Some(oldest) = provisionals.pop_front()
        {
            self.forget(oldest);
        }
    }

    fn forget(&mut self, seat: u32) {
        if let Some(hold) = place_of(seat).and_then(|place| self.slots.get_mut(place)) {
            hold.standing.revision = 0;
            hold.others = None;
            self.crowd.get_or_insert_default().free.push(seat);
        }
    }
}

fn place_of(seat: u32) -> Option<usize> {
    usize::try_from(seat).ok()?.checked_sub(1)
}

fn seat_of(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| place.checked_add(1)).unwrap_or(0)
}

// The last few seats, oldest first out.
#[derive(Default)]
struct Ring {
    seats: [u32; FINALS],
    // Where the oldest is, and how many there are.
    first: u8,
    count: u8,
}

impl Ring {
    // Adds a seat; the oldest comes out if there is no room.
    #[inline]
    fn push(&mut self, seat: u32) -> Option<u32> {
        let oldest = self.pop_if_full();
        let end = usize::from(self.first.wrapping_add(self.count)) % FINALS;
        if let Some(slot) = self.seats.get_mut(end) {
            *slot = seat;
            self.count = self.count.saturating_add(1);
        }
        oldest
    }

    #[inline]
    fn pop_if_full(&mut self) -> Option<u32> {
        if usize::from(self.count) < FINALS {
            return None;
        }
        let oldest = self.seats.get(usize::from(self.first) % FINALS).copied();
        self.first = self.first.wrapping_add(1);
        self.count = self.count.saturating_sub(1);
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(id: u128) -> Hold {
        Hold::new(HoldId(id), 1)
    }

    fn at(phase: Phase) -> Standing {
        Standing { revision: 1, phase, ..Standing::NONE }
    }

    #[test]
    fn a_request_id_that_was_forgotten_does_not_share_its_slot() {
        let mut holds = Holds::default();
        let crowd = 1..=9_u128;
        for id in crowd.clone() {
            holds.put(None, &hold(id), at(Phase::Live));
        }
        for id in crowd {
            let found = holds.find(HoldId(id), 0);
            holds.put(found, &hold(id), at(Phase::Settled));
        }
        let found = holds.find(HoldId(1), 0);
        assert_eq!(found, None, "forgotten for the ninth");
        let seat = holds.put(found, &hold(1), at(Phase::Live));
        assert_ne!(holds.put(None, &hold(10), at(Phase::Live)), seat);
        assert_eq!(holds.get(seat).map(|hold| hold.id), Some(HoldId(1)));
    }
}
