//! One owner's rows and holds in memory, and how a step moves them.

use super::super::LedgerError;
use super::super::seats::Kept;
use super::guests::Guests;
use super::holds::Holds;
use super::rows::Rows;
use crate::budget::{Hold, HoldId, Meter, Moved, Outcome, Party, Row, Step, Windows};
use crate::id::KeyId;
use crate::time::Timestamp;

/// What every call touches lies on seven cache lines of a seat: a call of one key among a million costs what it takes to
/// fetch them.
#[derive(Default)]
#[repr(C)]
pub(super) struct Account {
    owner: Option<KeyId>,
    leaving: bool,
    // How much of late threads waited for each other here.
    waits: u8,
    // Whether portions are out, and where those of the owner are kept: 0 before the first.
    shares: bool,
    portions: u32,
    holds: Holds,
    rows: Rows,
    // Not on those lines: only a call of several owners looks here, and one that begins another window.
    guests: Option<Box<Guests>>,
}

// A call that had to wait weighs as much as so many that had not.
const WAIT: u8 = 16;
// Threads fight for an account when more than one call in sixteen waits, for a while.
const FIGHT: u8 = if cfg!(shuttle) { WAIT } else { 128 };

/// A step that was taken: when the next live hold lapses, and where this one is.
pub(super) struct Taken {
    pub(super) next_lapse: Timestamp,
    pub(super) seat: u32,
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
    home: &mut Account,
    others: &mut [Account],
) -> Result<Taken, NotTaken> {
    // A name that was drawn for a new hold is nobody else's: only a request's needs to be looked for.
    let drawn = step.expected() == 0 && step.hold.fingerprint == 0;
    let found = if drawn { None } else { home.holds.find(step.id(), step.hold.seat) };
    let before = found.and_then(|seat| home.holds.get(seat));
    match before {
        Some(hold) if hold.standing.revision == step.expected() => {}
        None if drawn => {}
        before => {
            let before = before.cloned().or_else(|| home.holds.resolved(step.id()));
            if before.is_some() || step.expected() > 0 {
                return Err(NotTaken::Outcome(Outcome::Unexpected(before.map(Box::new))));
            }
        }
    }
    if step.most_live.is_some_and(|most| home.holds.live() >= most) {
        return Err(NotTaken::Outcome(Outcome::Crowded));
    }
    let taken = match others {
        [] => home.take(step, 0, step.parties.first().ok_or_else(no_owner)?, true, rows)?,
        others => take_all(step, rows, home, others)?,
    };
    if !taken {
        return Err(NotTaken::Outcome(Outcome::Refused));
    }
    if step.expected() == 0 {
        // A new call: whoever was to be forgotten has come back under the same name.
        home.leaving = false;
    }
    let seat = home.holds.put(found, step.hold, &step.becomes);
    Ok(Taken { next_lapse: home.holds.next_lapse(), seat })
}

// The rows of several owners: all are asked before any is moved. An owner who was forgotten since the hold was made is not
// asked, and nothing of it is moved.
#[cold]
fn take_all(
    step: &Step<'_>,
    rows: &mut [Moved],
    home: &mut Account,
    others: &mut [Account],
) -> Result<bool, LedgerError> {
    let id = home.owner.clone().ok_or_else(no_owner)?;
    let takes_part =
        |account: &Account| step.expected() == 0 || account.is_home_of(&id) || account.hosts(&id, step.id());
    let mut fits = true;
    let accounts = std::iter::once(&*home).chain(&*others);
    for ((owner, party), account) in (0_u8..).zip(step.parties).zip(accounts) {
        fits &= !takes_part(account) || account.has_room(step, owner, party)?;
    }
    let accounts = std::iter::once(home).chain(others);
    let places = rows.chunks_exact_mut(Meter::ALL.len());
    for (((owner, party), account), rows) in (0_u8..).zip(step.parties).zip(accounts).zip(places) {
        if !takes_part(account) {
            // As a rule it was made for this step.
            account.leaving |= account.rows.are_new();
            continue;
        }
        account.take(step, owner, party, fits, rows)?;
        if fits && !account.is_home_of(&id) {
            account.leaving &= step.expected() > 0;
            let guests = account.guests.get_or_insert_default();
            guests.note(&id, step.id(), party.windows, &step.becomes);
        }
    }
    Ok(fits)
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

impl Kept for Account {
    fn of(owner: KeyId) -> Self {
        Self { owner: Some(owner), ..Self::default() }
    }

    #[inline]
    fn owner(&self) -> Option<&KeyId> {
        self.owner.as_ref()
    }
}

impl Account {
    pub(super) fn row(&self, meter: Meter, start: Timestamp) -> Row {
        self.rows.get(meter, start).unwrap_or_default()
    }

    pub(super) fn hold(&self, id: HoldId) -> Option<Hold> {
        match self.holds.find(id, 0) {
            Some(seat) => self.holds.get(seat).map(|hold| Hold { seat, ..hold.clone() }),
            None => self.holds.resolved(id),
        }
    }

    /// The live holds whose lifetime has passed.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Hold> {
        self.holds.due(now, most)
    }

    /// The live holds of others that draw on this owner and have passed their lifetime, each with whom it lives with.
    pub(super) fn due_guests(&mut self, now: Timestamp, most: usize) -> Vec<(KeyId, HoldId)> {
        self.guests.as_mut().map(|guests| guests.due(now, most)).unwrap_or_default()
    }

    /// Asks the account to go, once the last live hold that draws on it is closed.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    #[inline]
    pub(super) fn has_left(&self) -> bool {
        self.leaving
            && self.holds.live() == 0
            && !self.guests.as_ref().is_some_and(|guests| guests.any_live())
    }

    /// The holds that may still be closed, of an account that has left.
    pub(super) fn open_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.open()
    }

    /// A hold of `home` that drew on this owner cannot be closed any more.
    pub(super) fn lose_guest(&mut self, home: &KeyId, id: HoldId) {
        if let Some(guests) = &mut self.guests {
            guests.leave(home, id);
        }
    }

    fn is_home_of(&self, home: &KeyId) -> bool {
        self.owner.as_ref() == Some(home)
    }

    fn hosts(&self, home: &KeyId, id: HoldId) -> bool {
        self.guests.as_ref().is_some_and(|guests| guests.has(home, id))
    }

    /// Takes note of a call, which `waited` for another or did not; answers whether threads fight for the account, or have
    /// portions of it.
    #[inline]
    pub(super) fn is_fought_for(&mut self, waited: bool) -> bool {
        self.waits = if waited { self.waits.saturating_add(WAIT) } else { self.waits.saturating_sub(1) };
        self.shares || self.waits >= FIGHT
    }

    /// Where its portions are kept; 0 before the first.
    #[inline]
    pub(super) fn portions(&self) -> u32 {
        self.portions
    }

    pub(super) fn set_portions(&mut self, portions: u32) {
        self.portions = portions;
    }

    pub(super) fn has_portions_out(&self) -> bool {
        self.shares
    }

    #[cfg(test)]
    pub(super) fn fight(&mut self) {
        self.waits = u8::MAX;
    }

    pub(super) fn share(&mut self) {
        self.shares = true;
    }

    pub(super) fn share_no_more(&mut self) {
        (self.shares, self.waits) = (false, 0);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn next_lapse(&self) -> Timestamp {
        self.holds.next_lapse()
    }

    /// When the next live hold lapses that draws on this owner, wherever it lives.
    pub(super) fn next_lapse_of_all(&self) -> Timestamp {
        let guests = self.guests.as_ref().map_or(Timestamp::MAX, |guests| guests.next_lapse());
        self.holds.next_lapse().min(guests)
    }

    pub(super) fn live(&self) -> u32 {
        self.holds.live()
    }

    /// The rows of these windows, if they are the last ones used.
    pub(super) fn latest_rows(&mut self, windows: Windows) -> Option<&mut [Row; Meter::ALL.len()]> {
        self.rows.are_latest(windows).then(|| self.rows.latest_mut())
    }

    /// Begins anew as a part of the account of `owner`, with nothing used in these windows. The calls that were settled are
    /// remembered.
    pub(super) fn begin(&mut self, owner: &KeyId, windows: Windows) {
        (self.owner, self.rows) = (Some(owner.clone()), Rows::of(windows));
    }

    /// Hands over the calls in flight.
    pub(super) fn end(&mut self) -> Vec<Hold> {
        self.holds.take_open()
    }

    pub(super) fn adopt(&mut self, holds: Vec<Hold>) {
        for hold in holds {
            self.holds.put(None, &hold, &hold.standing);
        }
    }

    // Whether the rows of one party admit the step. Changes nothing: a row of a new window is made when it is moved.
    fn has_room(&self, step: &Step<'_>, owner: u8, party: &Party<'_>) -> Result<bool, LedgerError> {
        let standing = self.rows.standing(party.windows).ok_or_else(gone)?;
        let mut asked = Meter::ALL.into_iter().zip(standing);
        Ok(!step.asks || asked.all(|(meter, row)| step.change(owner, party, meter).is_admitted(&row)))
    }

    // Moves the rows of one party if the step fits, and tells how they stand in any case. Answers whether it fits.
    #[inline]
    fn take(
        &mut self,
        step: &Step<'_>,
        owner: u8,
        party: &Party<'_>,
        fits: bool,
        rows: &mut [Moved],
    ) -> Result<bool, LedgerError> {
        if !self.rows.are_latest(party.windows) {
            return self.take_elsewhere(step, owner, party, fits, rows);
        }
        Ok(move_all(step, owner, party, fits, self.rows.latest_mut(), rows))
    }

    // The same where a window is another than the last one used.
    #[cold]
    fn take_elsewhere(
        &mut self,
        step: &Step<'_>,
        owner: u8,
        party: &Party<'_>,
        fits: bool,
        rows: &mut [Moved],
    ) -> Result<bool, LedgerError> {
        let mut standing = self.rows.standing(party.windows).ok_or_else(gone)?;
        let fits = move_all(step, owner, party, fits, &mut standing, rows);
        if fits {
            let (holds, guests) = (&self.holds, &self.guests);
            let pinned = |meter: Meter, start| {
                holds.open().any(|hold: &Hold| hold.windows.of(meter).start == start)
                    || guests.as_ref().is_some_and(|guests| guests.pin(meter, start))
            };
            self.rows.set(party.windows, standing, &pinned);
        }
        Ok(fits)
    }
}

// Makes the changes of one party to the rows that they are of if all of them fit, and tells how the rows stand then.
#[inline]
fn move_all(
    step: &Step<'_>,
    owner: u8,
    party: &Party<'_>,
    fits: bool,
    [daily_spend, monthly_spend, daily_tokens]: &mut [Row; Meter::ALL.len()],
    rows: &mut [Moved],
) -> bool {
    // Each meter in its turn, by its name: a loop would find out anew which it is, and put a list of changes together first.
    // All three are asked: a branch for each would cost more than the answer.
    let change = |meter| step.change(owner, party, meter);
    let [a, b, c] = Meter::ALL;
    let fits = fits
        && (!step.asks
            || change(a).is_admitted(daily_spend)
                & change(b).is_admitted(monthly_spend)
                & change(c).is_admitted(daily_tokens));
    if let [first, second, third] = rows {
        if fits {
            *first = change(a).carry_out(daily_spend);
            *second = change(b).carry_out(monthly_spend);
            *third = change(c).carry_out(daily_tokens);
        } else {
            let standing = |row: &Row| Moved { row: *row, told: false };
            (*first, *second, *third) =
                (standing(daily_spend), standing(monthly_spend), standing(daily_tokens));
        }
    }
    fits
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

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_a_call_touches_lies_on_seven_cache_lines() {
        // The lock takes the 16 bytes before it.
        let place = |offset: usize| 16 + offset;
        let (near, rows) = (offset_of!(Account, holds.near), offset_of!(Account, rows));
        assert_eq!(place(near), 64, "the lock, the owner and how many calls there are");
        assert_eq!(place(near + size_of::<Hold>()), 3 * 64, "the call");
        assert_eq!((place(rows) / 64, place(rows + size_of::<Rows>())), (10, 13 * 64), "the meters");
    }
}
