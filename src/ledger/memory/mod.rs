//! The ledger in memory: exact at any concurrency inside one process, and gone with it.
//!
//! Owners are spread over shards. A step locks the shards of its owners, in order, for some tens of nanoseconds, and
//! runs nobody else's code meanwhile.

mod account;
pub(super) mod holds;
mod rows;

use std::fmt;

use self::account::Account;
use super::shards::{Shard, Shards, shard_of};
use super::{Ledger, LedgerError};
use crate::budget::{Hold, HoldId, MAX_OWNERS, Meter, Moved, Outcome, Owner, Party, Row, Step};
use crate::sync::MutexGuard;
use crate::time::Timestamp;
use arrayvec::ArrayVec;

/// Budgets in this process's memory.
///
/// Of each key it remembers the last [`MemoryLedger::REMEMBERED_FINAL`] calls that were settled or released, and the
/// last [`MemoryLedger::REMEMBERED_PROVISIONAL`] that were dropped or lapsed and may still be settled.
pub struct MemoryLedger {
    shards: Shards<Account>,
}

impl MemoryLedger {
    /// How many settled or released calls of one key are remembered: settling one again answers with the first
    /// settlement.
    pub const REMEMBERED_FINAL: usize = 7;
    /// How many dropped or lapsed calls of one key are remembered: each may be settled once with the real usage.
    pub const REMEMBERED_PROVISIONAL: usize = 64;

    /// An empty ledger.
    pub fn new() -> Self {
        Self { shards: Shards::new() }
    }

    // Reads an account if there is one.
    fn read<T: Default>(
        &self,
        owner: &Owner,
        read: impl FnOnce(&mut Account) -> T,
    ) -> Result<T, LedgerError> {
        Ok(self.shards.of(owner)?.account(owner).map(read).unwrap_or_default())
    }
}

impl Ledger for MemoryLedger {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        if let [Party { owner: home, .. }] = step.parties {
            let mut shard = self.shards.of(home)?;
            let account = match shard.find(home) {
                None if step.expected() > 0 => return Ok(Outcome::Unexpected(None)),
                seat => shard.open(home, seat)?,
            };
            let taken = account::apply(step, rows, account, &mut []);
            if account.has_left() {
                shard.remove(home);
            }
            drop(shard);
            return account::outcome(taken);
        }
        self.apply_to_many(step, rows)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.read(owner, |account| account.row(meter, start))
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.read(owner, |account| account.hold(id))
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.read(owner, |account| account.due(now, most))
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        let mut shard = self.shards.of(owner)?;
        if let Some(account) = shard.account(owner) {
            account.leave();
            if account.has_left() {
                shard.remove(owner);
            }
        }
        Ok(())
    }
}

impl MemoryLedger {
    // Kept apart from the common case of one owner, which needs no list of guards.
    #[cold]
    fn apply_to_many(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let too_many = |_| LedgerError::new("a step with too many owners");
        let mut order = ArrayVec::<usize, MAX_OWNERS>::new();
        for Party { owner, .. } in step.parties {
            let shard = shard_of(owner);
            if !order.contains(&shard) {
                order.try_push(shard).map_err(too_many)?;
            }
        }
        order.sort_unstable();
        let mut guards = ArrayVec::<_, MAX_OWNERS>::new();
        for &shard in &order {
            guards.push(self.shards.lock(shard)?);
        }
        // Take each account out of its slab for the length of the step: they are borrowed one by one from guards that
        // are borrowed together.
        let mut lent = ArrayVec::<Account, MAX_OWNERS>::new();
        for Party { owner, .. } in step.parties {
            let shard = guard_of(&order, &mut guards, owner)?;
            let seat = shard.find(owner);
            lent.push(std::mem::take(shard.open(owner, seat)?));
        }
        let (home, others) =
            lent.split_first_mut().ok_or_else(|| LedgerError::new("a step without an owner"))?;
        let taken = account::apply(step, rows, home, others);
        for (Party { owner, .. }, account) in step.parties.iter().zip(lent) {
            let shard = guard_of(&order, &mut guards, owner)?;
            let seat = shard.find(owner);
            if account.has_left() {
                shard.remove(owner);
            } else {
                *shard.open(owner, seat)? = account;
            }
        }
        account::outcome(taken)
    }
}

fn guard_of<'a>(
    order: &[usize],
    guards: &'a mut [MutexGuard<'_, Shard<Account>>],
    owner: &Owner,
) -> Result<&'a mut Shard<Account>, LedgerError> {
    let place = order.iter().position(|&shard| shard == shard_of(owner));
    let guard = place.and_then(|place| guards.get_mut(place));
    guard.map(|guard| &mut **guard).ok_or_else(|| LedgerError::new("a shard that is not locked"))
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
