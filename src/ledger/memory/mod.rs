//! The ledger in memory: exact at any concurrency inside one process, and gone with it.
//!
//! A step locks the accounts of its owners, in order, for some tens of nanoseconds, and runs nobody else's code
//! meanwhile.

mod account;
mod finals;
pub(super) mod holds;
mod rows;

use std::fmt;

use self::account::Account;
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
}

impl MemoryLedger {
    /// How many settled or released calls of one key are remembered: settling one again answers with the first
    /// settlement.
    pub const REMEMBERED_FINAL: usize = 7;
    /// How many dropped or lapsed calls of one key are remembered: each may be settled once with the real usage.
    pub const REMEMBERED_PROVISIONAL: usize = 64;

    /// An empty ledger.
    pub fn new() -> Self {
        Self { seats: Seats::new() }
    }

    // Reads an account if there is one.
    fn read<T: Default>(&self, owner: &Owner, read: impl FnOnce(&mut Account) -> T) -> T {
        self.seats.find(owner).map(|mut account| read(&mut account)).unwrap_or_default()
    }
}

impl Ledger for MemoryLedger {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let [Party { owner: home, .. }] = step.parties else { return self.apply_to_many(step, rows) };
        let found = if step.expected() > 0 { self.seats.find(home) } else { Some(self.seats.open(home)?) };
        let Some(mut account) = found else { return Ok(Outcome::Unexpected(None)) };
        let taken = account::apply(step, rows, &mut account, &mut []);
        let has_left = account.has_left();
        drop(account);
        if has_left {
            self.seats.end_if(home, Account::has_left);
        }
        account::outcome(taken)
    }

    #[inline]
    fn expect(&self, seat: u32) {
        self.seats.fetch(seat);
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        Ok(self.read(owner, |account| account.row(meter, start)))
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Ok(self.read(owner, |account| account.hold(id)))
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        Ok(self.read(owner, |account| account.due(now, most)))
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        if let Some(mut account) = self.seats.find(owner) {
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
        let lend = |seated: &mut Seated<'_, Account>| std::mem::take(&mut **seated);
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
