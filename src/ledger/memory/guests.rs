//! The holds that live with other owners and draw on this one too, of whom few owners have any.
//!
//! A guest is known here as long as its hold may still be closed: it keeps the windows that it was pinned to, and whoever
//! calls for this owner can have it lapse when its own owner stays silent.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::MemoryLedger;
use crate::budget::{HoldId, Meter, Standing, Windows};
use crate::id::KeyId;
use crate::time::Timestamp;

pub(super) struct Guests {
    homes: HashMap<KeyId, Home>,
    // A lower bound: closing a hold leaves it, looking for due ones makes it exact.
    next_lapse: Timestamp,
}

// Those who live with one owner.
#[derive(Default)]
struct Home {
    all: HashMap<HoldId, Guest>,
    // Those that were dropped or lapsed, oldest first. Their owner remembers as many of all that it has, so that none is
    // forgotten here which is remembered there.
    provisionals: VecDeque<HoldId>,
}

struct Guest {
    windows: Windows,
    // When it lapses, while it is live.
    lapses: Option<Timestamp>,
}

impl Default for Guests {
    fn default() -> Self {
        Self { homes: HashMap::new(), next_lapse: Timestamp::MAX }
    }
}

impl Guests {
    pub(super) fn has(&self, home: &KeyId, id: HoldId) -> bool {
        self.homes.get(home).is_some_and(|home| home.all.contains_key(&id))
    }

    /// Takes down where a hold of `home` stands, which draws on these windows here.
    pub(super) fn note(&mut self, home: &KeyId, id: HoldId, windows: Windows, becomes: &Standing) {
        if !becomes.phase.is_open() {
            return self.leave(home, id);
        }
        let lapses = becomes.phase.is_live().then_some(becomes.expires_at);
        let home = self.homes.entry(home.clone()).or_default();
        home.all.insert(id, Guest { windows, lapses });
        match lapses {
            Some(at) => self.next_lapse = self.next_lapse.min(at),
            None => home.remember_provisional(id),
        }
    }

    /// Forgets a hold that cannot be closed any more.
    pub(super) fn leave(&mut self, home: &KeyId, id: HoldId) {
        let Some(guests) = self.homes.get_mut(home) else { return };
        if guests.all.remove(&id).is_some_and(|guest| guest.lapses.is_none()) {
            guests.provisionals.retain(|&other| other != id);
        }
        if guests.all.is_empty() {
            self.homes.remove(home);
        }
    }

    /// Whether a call in flight draws on the owner.
    pub(super) fn any_live(&self) -> bool {
        self.live().next().is_some()
    }

    /// No live one lapses before this.
    pub(super) fn next_lapse(&self) -> Timestamp {
        self.next_lapse
    }

    /// Whether one that may still be closed was pinned to the window of `meter` that began at `start`.
    pub(super) fn pin(&self, meter: Meter, start: Timestamp) -> bool {
        let mut all = self.homes.values().flat_map(|home| home.all.values());
        all.any(|guest| guest.windows.of(meter).start == start)
    }

    /// At most `most` live ones whose lifetime has passed, each with whom it lives with.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<(KeyId, HoldId)> {
        if now < self.next_lapse {
            return Vec::new();
        }
        let due = self.live().filter(|(.., lapses)| *lapses <= now).take(most);
        let due = due.map(|(home, id, _)| (home.clone(), id)).collect();
        self.next_lapse = self.live().map(|(.., lapses)| lapses).min().unwrap_or(Timestamp::MAX);
        due
    }

    fn live(&self) -> impl Iterator<Item = (&KeyId, HoldId, Timestamp)> {
        self.homes.iter().flat_map(|(home, guests)| {
            guests.all.iter().filter_map(move |(&id, guest)| Some((home, id, guest.lapses?)))
        })
    }
}

impl Home {
    fn remember_provisional(&mut self, id: HoldId) {
        self.provisionals.push_back(id);
        if self.provisionals.len() > MemoryLedger::REMEMBERED_PROVISIONAL
            && let Some(oldest) = self.provisionals.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Calendar, Phase};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn note(guests: &mut Guests, id: u128, phase: Phase, lapses: i64) {
        let windows = Calendar::default().windows(at(id.try_into().unwrap_or(0)));
        let becomes = Standing { revision: 1, phase, expires_at: at(lapses), ..Standing::NONE };
        guests.note(&"key".parse().unwrap(), HoldId(id), windows, &becomes);
    }

    #[test]
    fn live_ones_fall_due() {
        let mut guests = Guests::default();
        (1..=3).for_each(|id| note(&mut guests, id, Phase::Live, 100 * i64::try_from(id).unwrap()));
        assert_eq!((guests.due(at(99), 9).len(), guests.next_lapse()), (0, at(100)));
        note(&mut guests, 1, Phase::Lapsed, 100);
        note(&mut guests, 2, Phase::Settled, 200);
        assert_eq!((guests.due(at(299), 9).len(), guests.next_lapse()), (0, at(300)));
        assert_eq!(guests.due(at(300), 9), [("key".parse().unwrap(), HoldId(3))]);
        assert!(guests.any_live());
        note(&mut guests, 3, Phase::Released, 300);
        assert!(!guests.any_live());
    }

    #[test]
    fn as_many_are_known_as_their_owner_remembers() {
        let mut guests = Guests::default();
        let (key, many) = ("key".parse().unwrap(), MemoryLedger::REMEMBERED_PROVISIONAL as u128);
        (0..=many).for_each(|id| note(&mut guests, id, Phase::Dropped, 0));
        assert!(!guests.has(&key, HoldId(0)) && guests.has(&key, HoldId(1)));
        assert!(guests.pin(Meter::DailySpend, Timestamp::EPOCH));
        (1..=many).for_each(|id| note(&mut guests, id, Phase::Settled, 0));
        assert!(guests.homes.is_empty() && !guests.pin(Meter::DailySpend, Timestamp::EPOCH));
    }
}
