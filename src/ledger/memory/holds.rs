//! The holds of one owner: those that may still move its rows, and the last few that were settled or released.
//!
//! An open hold stays in its slot, so that settling it touches the cache lines that the reservation touched. The first
//! slot lies in place, and is taken whenever it is free: most keys have one call in flight at a time.

use std::collections::VecDeque;

use super::MemoryLedger;
use super::finals::Finals;
use crate::budget::{Hold, HoldId, Phase, Standing};
use crate::time::Timestamp;

#[repr(C)]
pub(in crate::ledger) struct Holds {
    live: u32,
    // Of `finals`.
    oldest: u8,
    // A lower bound: closing a hold leaves it, looking for due ones makes it exact.
    next_lapse: Timestamp,
    pub(super) near: Hold,
    finals: Finals,
    crowd: Option<Box<Crowd>>,
}

// What owners have who had more than one call at once, or calls that were given up.
#[derive(Default)]
struct Crowd {
    far: Vec<Hold>,
    // The slots of `far` that are free.
    free: Vec<u32>,
    // Those of holds that were dropped or lapsed and may still be settled, oldest first.
    provisionals: VecDeque<u32>,
}

/// The bits of a seat that are the ledger's to use for slots of one owner. What is above them is not looked at here.
pub(in crate::ledger) const SLOT_BITS: u32 = 28;

const SLOT: u32 = (1 << SLOT_BITS) - 1;
const NEAR: u32 = 1;

impl Default for Holds {
    fn default() -> Self {
        Self {
            near: Hold::new(HoldId(0), 0),
            live: 0,
            next_lapse: Timestamp::MAX,
            crowd: None,
            oldest: 0,
            finals: Finals::default(),
        }
    }
}

impl Holds {
    #[inline]
    pub(in crate::ledger) fn live(&self) -> u32 {
        self.live
    }

    #[inline]
    pub(in crate::ledger) fn next_lapse(&self) -> Timestamp {
        self.next_lapse
    }

    /// The seat of an open hold: the one noted, as a rule, or wherever it is. 0 is no seat.
    #[inline]
    pub(in crate::ledger) fn find(&self, id: HoldId, noted: u32) -> Option<u32> {
        let noted = noted & SLOT;
        if self.get(noted).is_some_and(|hold| hold.id == id) {
            return Some(noted);
        }
        self.taken().find(|(_, hold)| hold.id == id).map(|(seat, _)| seat)
    }

    /// The open hold in a seat.
    #[inline]
    pub(in crate::ledger) fn get(&self, seat: u32) -> Option<&Hold> {
        self.slot(seat).filter(|hold| is_taken(hold))
    }

    /// The hold of this name, if it was settled or released and is remembered.
    pub(in crate::ledger) fn resolved(&self, id: HoldId) -> Option<Hold> {
        self.finals.find(id)
    }

    /// The holds that may still move their rows.
    pub(in crate::ledger) fn open(&self) -> impl Iterator<Item = &Hold> {
        self.taken().map(|(_, hold)| hold)
    }

    /// Stores where the open hold at `found` stands now, or a new hold; answers where it is, or was until now.
    #[inline]
    pub(in crate::ledger) fn put(&mut self, found: Option<u32>, hold: &Hold, becomes: &Standing) -> u32 {
        let Some(seat) = found else { return self.add(hold, becomes) };
        let Some(slot) = self.slot_mut(seat) else { return 0 };
        let before = slot.standing.phase;
        slot.standing = *becomes;
        if becomes.phase.is_live() {
            self.next_lapse = self.next_lapse.min(becomes.expires_at);
            return seat;
        }
        if before.is_live() {
            self.live = self.live.saturating_sub(1);
        }
        if becomes.phase.is_open() {
            self.remember_provisional(seat);
        } else {
            self.oldest = self.finals.push(self.oldest, hold, becomes);
            self.leave(seat, before);
        }
        seat
    }

    /// Takes out the holds that may still move their rows. Those that were settled or released are remembered on.
    pub(in crate::ledger) fn take_open(&mut self) -> Vec<Hold> {
        let open = self.open().cloned().collect();
        *self = Self { finals: std::mem::take(&mut self.finals), oldest: self.oldest, ..Self::default() };
        open
    }

    /// At most `most` live holds whose lifetime has passed.
    pub(in crate::ledger) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Hold> {
        if now < self.next_lapse {
            return Vec::new();
        }
        let live = || self.taken().filter(|(_, hold)| hold.standing.phase.is_live());
        let due = live().filter(|(_, hold)| hold.standing.expires_at <= now).take(most);
        let due = due.map(|(seat, hold)| Hold { seat, ..hold.clone() }).collect();
        self.next_lapse = live().map(|(_, hold)| hold.standing.expires_at).min().unwrap_or(Timestamp::MAX);
        due
    }

    #[inline]
    fn add(&mut self, hold: &Hold, becomes: &Standing) -> u32 {
        if !becomes.phase.is_open() {
            // Charged without a reservation: it never was in flight.
            self.oldest = self.finals.push(self.oldest, hold, becomes);
            return 0;
        }
        self.finals.expect(self.oldest);
        let seat = if is_taken(&self.near) { self.take_far() } else { NEAR };
        if let Some(slot) = self.slot_mut(seat) {
            // Piece by piece, and from where they were put together: a copy of what was just written waits for it to arrive.
            slot.standing = *becomes;
            (slot.id, slot.fingerprint, slot.windows) = (hold.id, hold.fingerprint, hold.windows);
            slot.others.clone_from(&hold.others);
        }
        if becomes.phase.is_live() {
            self.live = self.live.saturating_add(1);
            self.next_lapse = self.next_lapse.min(becomes.expires_at);
        } else {
            self.remember_provisional(seat);
        }
        seat
    }

    // A slot that is free, away from the account.
    #[cold]
    fn take_far(&mut self) -> u32 {
        let crowd = self.crowd.get_or_insert_default();
        crowd.free.pop().unwrap_or_else(|| {
            crowd.far.push(Hold::new(HoldId(0), 0));
            far_seat(crowd.far.len().saturating_sub(1))
        })
    }

    // Its hold is resolved, and `before` is what it was.
    #[inline]
    fn leave(&mut self, seat: u32, before: Phase) {
        if let Some(slot) = self.slot_mut(seat) {
            slot.standing.revision = 0;
            slot.others = None;
        }
        if let Some(crowd) = &mut self.crowd {
            crowd.leave(seat, before);
        }
    }

    #[cold]
    fn remember_provisional(&mut self, seat: u32) {
        let provisionals = &mut self.crowd.get_or_insert_default().provisionals;
        provisionals.push_back(seat);
        if provisionals.len() > MemoryLedger::REMEMBERED_PROVISIONAL
            && let Some(oldest) = provisionals.pop_front()
        {
            // It is off the list already.
            self.leave(oldest, Phase::Live);
        }
    }

    #[inline]
    fn slot(&self, seat: u32) -> Option<&Hold> {
        if seat == NEAR { Some(&self.near) } else { self.crowd.as_ref()?.far.get(far_place(seat)?) }
    }

    #[inline]
    fn slot_mut(&mut self, seat: u32) -> Option<&mut Hold> {
        if seat == NEAR { Some(&mut self.near) } else { self.crowd.as_mut()?.far.get_mut(far_place(seat)?) }
    }

    // Every slot that has a hold, the newest first, as far as that is known.
    fn taken(&self) -> impl Iterator<Item = (u32, &Hold)> {
        let far = self.crowd.iter().flat_map(|crowd| crowd.far.iter().enumerate().rev());
        let far = far.map(|(place, hold)| (far_seat(place), hold));
        std::iter::once((NEAR, &self.near)).chain(far).filter(|(_, hold)| is_taken(hold))
    }
}

impl Crowd {
    fn leave(&mut self, seat: u32, before: Phase) {
        if seat != NEAR {
            self.free.push(seat);
        }
        if !before.is_live() {
            self.provisionals.retain(|&other| other != seat);
        }
    }
}

// A slot that is free keeps the name of the hold that it was of.
fn is_taken(slot: &Hold) -> bool {
    slot.standing.revision > 0
}

fn far_place(seat: u32) -> Option<usize> {
    usize::try_from(seat.checked_sub(NEAR)?).ok()?.checked_sub(1)
}

fn far_seat(place: usize) -> u32 {
    u32::try_from(place)
        .ok()
        .and_then(|place| place.checked_add(1)?.checked_add(NEAR))
        .filter(|seat| *seat <= SLOT)
        .unwrap_or(0)
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
            holds.put(None, &hold(id), &at(Phase::Live));
        }
        for id in crowd {
            let found = holds.find(HoldId(id), 0);
            assert!(found.is_some(), "{id} is in flight");
            holds.put(found, &hold(id), &at(Phase::Settled));
        }
        assert_eq!(holds.live(), 0);
        assert_eq!(
            (holds.find(HoldId(1), 0), holds.resolved(HoldId(1))),
            (None, None),
            "forgotten for the ninth"
        );
        let seat = holds.put(None, &hold(1), &at(Phase::Live));
        assert_ne!(holds.put(None, &hold(10), &at(Phase::Live)), seat);
        assert_eq!(holds.get(seat).map(|hold| hold.id), Some(HoldId(1)));
    }

    #[test]
    fn a_call_that_was_given_up_leaves_its_slot_when_it_is_settled_or_forgotten() {
        let mut holds = Holds::default();
        let many = 2 * MemoryLedger::REMEMBERED_PROVISIONAL as u128;
        for id in 1..=many {
            let seat = holds.put(None, &hold(id), &at(Phase::Live));
            holds.put(Some(seat), &hold(id), &at(Phase::Dropped));
        }
        assert_eq!(holds.open().count(), MemoryLedger::REMEMBERED_PROVISIONAL);
        for id in 1..=many {
            if let Some(seat) = holds.find(HoldId(id), 0) {
                holds.put(Some(seat), &hold(id), &at(Phase::Settled));
            }
        }
        assert_eq!((holds.open().count(), holds.live()), (0, 0));
        let resolved = holds.resolved(HoldId(many)).map(|hold| hold.standing.phase);
        assert_eq!(resolved, Some(Phase::Settled));
    }
}
