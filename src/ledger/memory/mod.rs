//! The ledger in memory: exact at any concurrency inside one process, and gone with it.
//!
//! A step locks the accounts of its owners, in order, for some tens of nanoseconds, and runs nobody else's code
//! meanwhile. Threads that fight for one account get portions of it, and meet no more until those are used up.

mod account;
mod busy;
mod finals;
mod guests;
pub(super) mod holds;
mod portions;
mod rows;

use std::fmt;

use self::account::{Account, Taken};
use self::busy::Busy;
use super::seats::{Seated, Seats};
use super::{Ledger, LedgerError};
use crate::budget::{Hold, HoldId, MAX_OWNERS, Meter, Moved, Outcome, Owner, Party, Row, Step};
use crate::id::KeyId;
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
            self.end(home);
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

    fn due_guests(
        &self,
        owner: &Owner,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(KeyId, Hold)>, LedgerError> {
        let due = self.read(owner, |account| Some(account.due_guests(now, most))).unwrap_or_default();
        // Each is read where it lives, one lock at a time; whoever closes one meanwhile was faster.
        let read = |(home, id): (KeyId, HoldId)| {
            let hold = self.read(&Owner::new(home.clone()), |account| account.hold(id))?;
            (hold.standing.phase.is_live() && hold.standing.expires_at <= now).then_some((home, hold))
        };
        Ok(due.into_iter().filter_map(read).collect())
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        if let Some(mut account) = self.seats.find(owner) {
            self.busy.leave(&mut account);
            account.leave();
        }
        self.end(owner);
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
        let next_lapse = lent.iter().map(Account::next_lapse_of_all).min().unwrap_or(Timestamp::MAX);
        let taken = taken.map(|taken| Taken { next_lapse, ..taken });
        seated.iter_mut().zip(lent).for_each(|(seated, account)| **seated = account);
        drop(seated);
        for Party { owner, .. } in step.parties {
            self.end(owner);
        }
        account::outcome(taken)
    }

    // Ends the owner's account if it has left. What it remembered of calls that others took part in is forgotten there too.
    #[cold]
    fn end(&self, owner: &Owner) {
        let Some(ended) = self.seats.end_if(owner, Account::has_left) else { return };
        for hold in ended.open_holds() {
            for (other, _) in hold.others() {
                if let Some(mut account) = self.seats.find(&Owner::new(other.clone())) {
                    account.lose_guest(owner.id(), hold.id);
                }
            }
        }
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
