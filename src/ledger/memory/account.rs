//! One owner's rows and holds in memory, and how a step moves them.

use super::super::LedgerError;
use super::holds::Holds;
use super::rows::Rows;
use crate::budget::{Change, Hold, HoldId, Meter, Moved, Outcome, Phase, Row, Step};
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

/// Takes `step` over the accounts of its owners, in order, or answers why not. Everything is computed before anything
/// is changed.
pub(super) fn apply(
    step: &Step<'_>,
    rows: &mut [Moved],
    accounts: &mut [&mut Account],
) -> Result<Outcome, LedgerError> {
    let home = accounts.first_mut().ok_or_else(no_owner)?;
    // A name that was drawn for a new hold is nobody else's: only a request's needs to be looked for.
    let drawn = step.expected == 0 && step.becomes.fingerprint == 0;
    let found = if drawn { None } else { home.holds.find(step.hold(), step.becomes.seat) };
    let before = found.and_then(|seat| home.holds.get(seat));
    if before.map_or(0, |hold| hold.revision) != step.expected {
        return Ok(Outcome::Unexpected(before.cloned().map(Box::new)));
    }
    if step.most_live.is_some_and(|most| home.holds.live() >= most) {
        return Ok(Outcome::Crowded);
    }

    let mut fits = true;
    for change in step.changes {
        let row = accounts.get_mut(usize::from(change.owner)).ok_or_else(no_owner)?.open(change)?;
        fits &= change.is_admitted(row);
    }
    for (change, moved) in step.changes.iter().zip(rows) {
        let account = accounts.get_mut(usize::from(change.owner)).ok_or_else(no_owner)?;
        let row = account.rows.get_mut(change.meter, change.window.start).ok_or_else(no_row)?;
        *moved = if fits { change.carry_out(row) } else { Moved { row: *row, told: false } };
    }
    if !fits {
        return Ok(Outcome::Refused);
    }
    let home = accounts.first_mut().ok_or_else(no_owner)?;
    if step.expected == 0 {
        // A new call: whoever was to be forgotten has come back under the same name.
        home.leaving = false;
    }
    let seat = home.holds.put(found, step.becomes);
    Ok(Outcome::Taken { next_lapse: home.holds.next_lapse(), seat })
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
        self.rows.get(meter, start).unwrap_or_default()
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

    // The row of a change, made if its window is new.
    #[inline]
    fn open(&mut self, change: &Change) -> Result<&mut Row, LedgerError> {
        if !self.rows.is_latest(change.meter, change.window.start) {
            self.open_another(change.meter, change.window.start)?;
        }
        self.rows.get_mut(change.meter, change.window.start).ok_or_else(no_row)
    }

    #[cold]
    fn open_another(&mut self, meter: Meter, start: Timestamp) -> Result<(), LedgerError> {
        let holds = &self.holds;
        let pinned =
            |meter: Meter, start| holds.open().any(|hold: &Hold| hold.windows.of(meter).start == start);
        // What was used in a forgotten window is not known, and a window must not start from zero twice.
        let forgotten = || LedgerError::new("the clock stepped back to a window that is no longer kept");
        if self.rows.open(meter, start, &pinned) { Ok(()) } else { Err(forgotten()) }
    }
}

#[cold]
fn no_owner() -> LedgerError {
    LedgerError::new("a change without an owner")
}

#[cold]
fn no_row() -> LedgerError {
    LedgerError::new("a row that is not there")
}

impl Phase {
    pub(super) fn is_live(self) -> bool {
        self == Self::Live
    }
}
