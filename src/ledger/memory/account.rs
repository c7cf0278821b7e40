//! One owner's rows and holds in memory, and how a step moves them.

use super::super::LedgerError;
use super::holds::Holds;
use super::rows::Rows;
use crate::budget::{Hold, HoldId, Meter, Moved, Outcome, Party, Phase, Row, Step};
use crate::id::KeyId;
use crate::time::Timestamp;

/// Kept small, and what every call touches kept together: a call of one key among a million costs what the cache lines
/// cost that it touches.
#[derive(Default)]
pub(super) struct Account {
    owner: Option<KeyId>,
    leaving: bool,
    holds: Holds,
    rows: Rows,
}

/// A step that was taken: when the next live hold lapses, and where this one is.
pub(super) struct Taken {
    next_lapse: Timestamp,
    seat: u32,
}

/// Why a step was not taken.
pub(super) enum NotTaken {
    Outcome(Outcome),
    Failed(LedgerError),
}

/// Takes `step` over the accounts of its owners, in order, or answers why not. Everything is computed before anything
/// is changed.
#[inline]
pub(super) fn apply(
    step: &Step<'_>,
    rows: &mut [Moved],
    accounts: &mut [&mut Account],
) -> Result<Taken, NotTaken> {
    let home = accounts.first_mut().ok_or_else(no_owner)?;
    // A name that was drawn for a new hold is nobody else's: only a request's needs to be looked for.
    let drawn = step.expected() == 0 && step.hold.fingerprint == 0;
    let found = if drawn { None } else { home.holds.find(step.id(), step.hold.seat) };
    let before = found.and_then(|seat| home.holds.get(seat));
    if before.map_or(0, |hold| hold.standing.revision) != step.expected() {
        return Err(NotTaken::Outcome(Outcome::Unexpected(before.cloned().map(Box::new))));
    }
    if step.most_live.is_some_and(|most| home.holds.live() >= most) {
        return Err(NotTaken::Outcome(Outcome::Crowded));
    }

    let mut fits = true;
    for ((owner, party), account) in (0_u8..).zip(step.parties).zip(accounts.iter_mut()) {
        fits &= account.has_room(step, owner, party)?;
    }
    let places = rows.chunks_exact_mut(Meter::ALL.len());
    for (((owner, party), account), rows) in (0_u8..).zip(step.parties).zip(accounts.iter_mut()).zip(places) {
        account.move_rows(step, owner, party, fits, rows)?;
    }
    if !fits {
        return Err(NotTaken::Outcome(Outcome::Refused));
    }
    let home = accounts.first_mut().ok_or_else(no_owner)?;
    if step.expected() == 0 {
        // A new call: whoever was to be forgotten has come back under the same name.
        home.leaving = false;
    }
    let seat = home.holds.put(found, step.hold, step.becomes);
    Ok(Taken { next_lapse: home.holds.next_lapse(), seat })
}

/// What came of a step, in the words of the trait. Put together only once the lock is let go: what is carried past an
/// unlock is copied.
#[inline]
pub(super) fn outcome(taken: Result<Taken, NotTaken>) -> Result<Outcome, LedgerError> {
    match taken {
        Ok(Taken { next_lapse, seat }) => Ok(Outcome::Taken { next_lapse, seat }),
        Err(NotTaken::Outcome(outcome)) => Ok(outcome),
        Err(NotTaken::Failed(error)) => Err(error),
    }
}

impl From<LedgerError> for NotTaken {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
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
        self.rows.get(meter, start).copied().unwrap_or_default()
    }

    pub(super) fn hold(&self, id: HoldId) -> Option<Hold> {
        let seat = self.holds.find(id, 0)?;
        self.holds.get(seat).map(|hold| Hold { seat, ..hold.clone() })
    }

    /// The live holds whose lifetime has passed.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Hold> {
        self.holds.due(now, most)
    }

    /// Asks the account to go, once its last live hold is closed.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(super) fn has_left(&self) -> bool {
        self.leaving && self.holds.live() == 0
    }

    // Whether the rows of one party admit the step. Changes nothing: a row of a new window is made when it is moved.
    #[inline]
    fn has_room(&self, step: &Step<'_>, owner: u8, party: &Party<'_>) -> Result<bool, LedgerError> {
        // Meter by meter, each known: a loop would find out anew which it is.
        let admits = |meter: Meter| {
            let row = self.rows.standing(meter, party.windows.of(meter).start).ok_or_else(gone)?;
            Ok(!step.asks || step.change(owner, party, meter).is_admitted(row))
        };
        let [first, second, third] = Meter::ALL;
        Ok(admits(first)? & admits(second)? & admits(third)?)
    }

    // Moves the rows of one party if the step fits, and tells how they stand in any case.
    #[inline]
    fn move_rows(
        &mut self,
        step: &Step<'_>,
        owner: u8,
        party: &Party<'_>,
        fits: bool,
        rows: &mut [Moved],
    ) -> Result<(), LedgerError> {
        let mut moved = |meter: Meter| {
            let start = party.windows.of(meter).start;
            if !fits {
                let row = *self.rows.standing(meter, start).ok_or_else(gone)?;
                return Ok(Moved { row, told: false });
            }
            if !self.rows.is_latest(meter, start) {
                self.open_another(meter, start)?;
            }
            let row = self.rows.get_mut(meter, start).ok_or_else(gone)?;
            Ok(step.change(owner, party, meter).carry_out(row))
        };
        let [first, second, third] = Meter::ALL;
        if let [a, b, c] = rows {
            (*a, *b, *c) = (moved(first)?, moved(second)?, moved(third)?);
        }
        Ok(())
    }

    #[cold]
    fn open_another(&mut self, meter: Meter, start: Timestamp) -> Result<(), LedgerError> {
        let holds = &self.holds;
        let pinned =
            |meter: Meter, start| holds.open().any(|hold: &Hold| hold.windows.of(meter).start == start);
        if self.rows.open(meter, start, &pinned) { Ok(()) } else { Err(gone()) }
    }
}

#[cold]
fn no_owner() -> LedgerError {
    LedgerError::new("a change without an owner")
}

// What was used in a forgotten window is not known, and a window must not start from zero twice.
#[cold]
fn gone() -> LedgerError {
    LedgerError::new("the clock stepped back to a window that is no longer kept")
}

impl Phase {
    pub(super) fn is_live(self) -> bool {
        self == Self::Live
    }
}
