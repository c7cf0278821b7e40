//! One owner's rows and holds in memory, and how a step moves them.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::super::LedgerError;
use super::MemoryLedger;
use crate::budget::{Hold, HoldId, Meter, Moved, Outcome, Phase, Row, Step};
use crate::id::KeyId;
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Account {
    owner: Option<KeyId>,
    daily_spend: Shelf,
    monthly_spend: Shelf,
    daily_tokens: Shelf,
    holds: HashMap<HoldId, Hold, BuildHasherDefault<HoldHasher>>,
    live: u32,
    // No live hold lapses before this: a lower bound, made exact when holds are due.
    next_lapse: Option<Timestamp>,
    finals: VecDeque<HoldId>,
    provisionals: VecDeque<HoldId>,
    leaving: bool,
}

// The rows of one meter: the latest window, and the ones before it that are still wanted.
#[derive(Default)]
struct Shelf {
    latest: Kept,
    older: Vec<Kept>,
    // Windows that began at or before this are forgotten unless they are kept.
    forgotten: Option<Timestamp>,
}

#[derive(Default, Clone, Copy)]
struct Kept {
    start: Timestamp,
    row: Row,
    // Holds that may still move this row.
    pins: u32,
}

/// Takes `step` over the accounts of its owners, in order, or answers why not. Everything is computed before anything
/// is changed.
pub(super) fn apply(
    step: &Step<'_>,
    rows: &mut [Moved],
    accounts: &mut [&mut Account],
) -> Result<Outcome, LedgerError> {
    let no_owner = || LedgerError::new("a change without an owner");
    let home = accounts.first_mut().ok_or_else(no_owner)?;
    let (revision, phase) =
        home.holds.get(&step.hold()).map_or((0, None), |hold| (hold.revision, Some(hold.phase)));
    if revision != step.expected {
        return Ok(Outcome::Unexpected(home.holds.get(&step.hold()).cloned().map(Box::new)));
    }
    if step.most_live.is_some_and(|most| home.live >= most) {
        return Ok(Outcome::Crowded);
    }

    let mut refused = false;
    for (change, moved) in step.changes.iter().zip(rows.iter_mut()) {
        let account = accounts.get_mut(change.owner).ok_or_else(no_owner)?;
        let row = account.shelf(change.meter).at(change.window.start)?.row;
        let next = change.apply(row);
        refused |= next.is_none();
        *moved = next.unwrap_or(Moved { row, told: false });
    }
    if refused {
        for (change, moved) in step.changes.iter().zip(rows) {
            let account = accounts.get_mut(change.owner).ok_or_else(no_owner)?;
            *moved = Moved { row: account.row(change.meter, change.window.start), told: false };
        }
        return Ok(Outcome::Refused);
    }

    let pins = Pins::of(phase, step.becomes.phase);
    for (change, moved) in step.changes.iter().zip(rows) {
        let account = accounts.get_mut(change.owner).ok_or_else(no_owner)?;
        let kept = account.shelf(change.meter).at(change.window.start)?;
        kept.row = moved.row;
        kept.pins = pins.count(kept.pins);
    }
    let home = accounts.first_mut().ok_or_else(no_owner)?;
    home.put(phase, step.becomes.clone());
    Ok(Outcome::Taken { next_lapse: home.next_lapse.unwrap_or(Timestamp::MAX) })
}

impl Account {
    pub(super) fn new(owner: KeyId) -> Self {
        Self { owner: Some(owner), ..Self::default() }
    }

    #[inline]
    pub(super) fn is_of(&self, owner: &KeyId) -> bool {
        self.owner.as_ref() == Some(owner)
    }

    pub(super) fn row(&self, meter: Meter, start: Timestamp) -> Row {
        let shelf = match meter {
            Meter::DailySpend => &self.daily_spend,
            Meter::MonthlySpend => &self.monthly_spend,
            Meter::DailyTokens => &self.daily_tokens,
        };
        shelf.get(start).map(|kept| kept.row).unwrap_or_default()
    }

    pub(super) fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    /// The live holds whose lifetime has passed.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Hold> {
        if self.next_lapse.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let live = || self.holds.values().filter(|hold| hold.phase == Phase::Live);
        let due: Vec<Hold> = live().filter(|hold| hold.expires_at <= now).take(most).cloned().collect();
        self.next_lapse = live().map(|hold| hold.expires_at).min();
        due
    }

    /// Asks the account to go, once its last live hold is closed.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(super) fn has_left(&self) -> bool {
        self.leaving && self.live == 0
    }

    #[inline]
    fn shelf(&mut self, meter: Meter) -> &mut Shelf {
        match meter {
            Meter::DailySpend => &mut self.daily_spend,
            Meter::MonthlySpend => &mut self.monthly_spend,
            Meter::DailyTokens => &mut self.daily_tokens,
        }
    }

    // Stores the hold's next state and forgets the oldest resolved one if there are too many.
    #[inline]
    fn put(&mut self, before: Option<Phase>, hold: Hold) {
        let (id, after, expires_at) = (hold.id, hold.phase, hold.expires_at);
        self.holds.insert(id, hold);
        if after == Phase::Live {
            if before.is_none() {
                self.live = self.live.saturating_add(1);
            }
            self.next_lapse = Some(self.next_lapse.map_or(expires_at, |next| next.min(expires_at)));
            return;
        }
        if before == Some(Phase::Live) {
            self.live = self.live.saturating_sub(1);
        }
        if after.is_open() {
            self.provisionals.push_back(id);
            if self.provisionals.len() > MemoryLedger::REMEMBERED_PROVISIONAL
                && let Some(oldest) = self.provisionals.pop_front()
            {
                self.forget(oldest);
            }
        } else {
            if before.is_some_and(|phase| phase != Phase::Live) {
                self.provisionals.retain(|&provisional| provisional != id);
            }
            self.finals.push_back(id);
            if self.finals.len() > MemoryLedger::REMEMBERED_FINAL
                && let Some(oldest) = self.finals.pop_front()
            {
                self.holds.remove(&oldest);
            }
        }
    }

    // A provisional charge becomes final by being forgotten: its rows need not wait for it any longer.
    fn forget(&mut self, id: HoldId) {
        if let Some(hold) = self.holds.remove(&id) {
            for meter in Meter::ALL {
                if let Ok(kept) = self.shelf(meter).at(hold.windows.of(meter).start) {
                    kept.pins = kept.pins.saturating_sub(1);
                }
            }
        }
    }
}

impl Shelf {
    fn get(&self, start: Timestamp) -> Option<&Kept> {
        if self.latest.start == start {
            Some(&self.latest)
        } else {
            self.older.iter().find(|kept| kept.start == start)
        }
    }

    // The row of the window that begins at `start`, made if it is new.
    #[inline]
    fn at(&mut self, start: Timestamp) -> Result<&mut Kept, LedgerError> {
        if self.latest.start == start { Ok(&mut self.latest) } else { self.at_another(start) }
    }

    #[cold]
    fn at_another(&mut self, start: Timestamp) -> Result<&mut Kept, LedgerError> {
        if let Some(place) = self.older.iter().position(|kept| kept.start == start) {
            return self.older.get_mut(place).ok_or_else(|| LedgerError::new("a row that is not there"));
        }
        if self.forgotten.is_some_and(|forgotten| start <= forgotten) {
            // What was used then is no longer known, and a window must not start from zero twice.
            return Err(LedgerError::new("the clock stepped back to a window that is no longer kept"));
        }
        let kept = Kept { start, ..Kept::default() };
        if start < self.latest.start {
            self.older.push(kept);
            return self.older.last_mut().ok_or_else(|| LedgerError::new("a row that is not there"));
        }
        let before = std::mem::replace(&mut self.latest, kept);
        self.keep_older(before);
        Ok(&mut self.latest)
    }

    // The window before the latest is kept for a clock that steps back, others while a hold may still move them.
    fn keep_older(&mut self, before: Kept) {
        let forgotten = &mut self.forgotten;
        self.older.retain(|kept| {
            let keep = kept.pins > 0;
            if !keep {
                *forgotten = Some(forgotten.map_or(kept.start, |latest| latest.max(kept.start)));
            }
            keep
        });
        // The epoch is the start of a shelf that was never used.
        if before.start != Timestamp::EPOCH || before.row != Row::default() {
            self.older.push(before);
        }
    }
}

// How a step changes the number of holds that may still move a row.
enum Pins {
    One,
    Same,
    Less,
}

impl Pins {
    fn of(before: Option<Phase>, after: Phase) -> Self {
        match (before.is_some_and(Phase::is_open), after.is_open()) {
            (false, true) => Self::One,
            (true, false) => Self::Less,
            _ => Self::Same,
        }
    }

    fn count(&self, pins: u32) -> u32 {
        match self {
            Self::One => pins.saturating_add(1),
            Self::Same => pins,
            Self::Less => pins.saturating_sub(1),
        }
    }
}

// Hold ids are counted or made by SHA-256: their low half is as good as a hash.
#[derive(Default)]
struct HoldHasher(u64);

impl Hasher for HoldHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    #[inline]
    fn write_u128(&mut self, id: u128) {
        let low = u64::try_from(id & u128::from(u64::MAX)).unwrap_or(0);
        // The map takes its tag from the top bits.
        self.0 = low.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
