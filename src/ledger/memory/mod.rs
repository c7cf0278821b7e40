//! The ledger in memory: exact at any concurrency inside one process, and gone with it.
//!
//! A step locks the accounts of its owners, in order, for some tens of nanoseconds, and runs nobody else's code
//! meanwhile. Threads that fight for one account get portions of it, and meet no more until those are used up.

mod account;
mod busy;
mod finals;
pub(super) mod holds;
mod portions;
mod rows;

use std::fmt;

use self::account::Account;
use self::busy::Busy;
use super::seats::{Seated, Seats};
use super::{Ledger, LedgerError};
use crate::budget::{Hold, HoldId, MAX_OWNERS, Meter, Moved, Outcome, Owner, Party, Row, Step};
use crate::time::Timestamp;
use arrayvec::ArrayVec;

/// Budgets in this process's memory.
///
/// Of each key it remembers the last [`MemoryLedger::REMEMBERED_FINAL`] calls that were settled or released, and the
/// last [`MemoryLedger::REMEMBERED_PROVISIONAL`] that were dropped or lapsed and may still be settled.
pub struct MemoryLedger {
    seats: Seats<Account>,
    busy: Busy,
}

impl MemoryLedger {
    /// How many settled or released calls of one key are remembered: settling one again answers with the first
    /// settlement.
    pub const REMEMBERED_FINAL: usize = 7;
    /// How many dropped or lapsed calls of one key are remembered: each may be settled once with the real usage.
    pub const REMEMBERED_PROVISIONAL: usize = 64;

    /// An empty ledger.
    pub fn new() -> Self {
        Self { seats: Seats::new(), busy: Busy::new() }
    }

    // Reads an account, if there is one, with all that is out brought home.
    fn read<T>(&self, owner: &Owner, read: impl FnOnce(&mut Account) -> Option<T>) -> Option<T> {
        let mut account = self.seats.find(owner)?;
        self.busy.gather(&mut account);
        read(&mut account)
    }
}

impl Ledger for MemoryLedger {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let [Party { owner: home, .. }] = step.parties else { return self.apply_to_many(step, rows) };
        if let Some(taken) = self.busy.apply(home, step, rows) {
            return account::outcome(Ok(taken));
        }
        let found = if step.expected() > 0 { self.seats.find(home) } else { Some(self.seats.open(home)?) };
        let Some(mut account) = found else { return Ok(Outcome::Unexpected(None)) };
        let waited = account.waited();
        let taken = if account.is_fought_for(waited) {
            self.busy.carry(home, step, rows, &mut account)
        } else {
            account::apply(step, rows, &mut account, &mut [])
        };
        let (has_left, portions) = (account.has_left(), account.portions());
        drop(account);
        if has_left {
            self.seats.end_if(home, Account::has_left);
        }
        account::outcome(taken.map_err(|reason| self.busy.recall(portions, step, reason)))
    }

    #[inline]
    fn expect(&self, seat: u32) {
        self.seats.fetch(seat);
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        Ok(self.read(owner, |account| Some(account.row(meter, start))).unwrap_or_default())
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Ok(self
            .read(owner, |account| account.hold(id).or_else(|| self.busy.resolved(account.portions(), id))))
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        Ok(self.read(owner, |account| Some(account.due(now, most))).unwrap_or_default())
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        if let Some(mut account) = self.seats.find(owner) {
            self.busy.leave(&mut account);
            account.leave();
        }
        self.seats.end_if(owner, Account::has_left);
        Ok(())
    }
}

impl MemoryLedger {
    // Kept apart from the common case of one owner, which needs no list of guards.
    #[cold]
    fn apply_to_many(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let mut seated = self.seats.open_all(step.parties.iter().map(|party| party.owner))?;
        // Taken out for the length of the step: they are borrowed one by one from guards that are borrowed together.
        let lend = |seated: &mut Seated<'_, Account>| {
            self.busy.gather(seated);
            std::mem::take(&mut **seated)
        };
        let mut lent: ArrayVec<Account, MAX_OWNERS> = seated.iter_mut().map(lend).collect();
        let (home, others) =
            lent.split_first_mut().ok_or_else(|| LedgerError::new("a step without an owner"))?;
        let taken = account::apply(step, rows, home, others);
        seated.iter_mut().zip(lent).for_each(|(seated, account)| **seated = account);
        drop(seated);
        for Party { owner, .. } in step.parties {
            self.seats.end_if(owner, Account::has_left);
        }
        account::outcome(taken)
    }
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").finish_non_exhaustive()
    }
}
