//! The ledger in memory: exact at any concurrency inside one process, and gone with it.
//!
//! Owners are spread over shards. A step locks the shards of its owners, in order, for some tens of nanoseconds, and
//! runs nobody else's code meanwhile.

mod account;
mod holds;
mod rows;

use std::fmt;

use arrayvec::ArrayVec;
use hashbrown::HashMap;
use slab::Slab;

use self::account::Account;
use super::{Ledger, LedgerError};
use crate::budget::{Hold, HoldId, MAX_OWNERS, Meter, Moved, Outcome, Owner, Party, Phase, Row, Step};
use crate::id::KeyId;
use crate::sync::{Mutex, MutexGuard};
use crate::time::Timestamp;

const SHARDS: u32 = 256;

/// Budgets in this process's memory.
///
/// Of each key it remembers the last [`MemoryLedger::REMEMBERED_FINAL`] calls that were settled or released, and the
/// last [`MemoryLedger::REMEMBERED_PROVISIONAL`] that were dropped or lapsed and may still be settled.
pub struct MemoryLedger {
    shards: Box<[Padded]>,
}

// Two cache lines apart, so that neighbours do not slow each other down.
#[repr(align(128))]
#[derive(Default)]
struct Padded(Mutex<Shard>);

#[derive(Default)]
struct Shard {
    accounts: Slab<Account>,
    seats: HashMap<KeyId, usize>,
}

impl MemoryLedger {
    /// How many settled or released calls of one key are remembered: settling one again answers with the first
    /// settlement.
    pub const REMEMBERED_FINAL: usize = 7;
    /// How many dropped or lapsed calls of one key are remembered: each may be settled once with the real usage.
    pub const REMEMBERED_PROVISIONAL: usize = 64;

    /// An empty ledger.
    pub fn new() -> Self {
        Self {
            shards: std::iter::repeat_with(Padded::default)
                .take(usize::try_from(SHARDS).unwrap_or(1))
                .collect(),
        }
    }

    fn lock(&self, shard: usize) -> Result<MutexGuard<'_, Shard>, LedgerError> {
        self.shards.get(shard).map(|padded| padded.0.lock()).ok_or_else(|| LedgerError::new("no such shard"))
    }

    // Reads an account if there is one.
    fn read<T: Default>(
        &self,
        owner: &Owner,
        read: impl FnOnce(&mut Account) -> T,
    ) -> Result<T, LedgerError> {
        let mut shard = self.lock(shard_of(owner))?;
        let found = shard.find(owner);
        Ok(found.and_then(|seat| shard.accounts.get_mut(seat)).map(read).unwrap_or_default())
    }
}

impl Ledger for MemoryLedger {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        if let [Party { owner: home, .. }] = step.parties {
            let mut shard = self.lock(shard_of(home))?;
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
        let mut shard = self.lock(shard_of(owner))?;
        if let Some(account) = shard.find(owner).and_then(|seat| shard.accounts.get_mut(seat)) {
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
            guards.push(self.lock(shard)?);
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
            let seat = shard.seats.get(owner.id()).copied();
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
    guards: &'a mut [MutexGuard<'_, Shard>],
    owner: &Owner,
) -> Result<&'a mut Shard, LedgerError> {
    let place = order.iter().position(|&shard| shard == shard_of(owner));
    let guard = place.and_then(|place| guards.get_mut(place));
    guard.map(|guard| &mut **guard).ok_or_else(|| LedgerError::new("a shard that is not locked"))
}

fn shard_of(owner: &Owner) -> usize {
    usize::try_from(owner.spread() % SHARDS).unwrap_or(0)
}

impl Shard {
    // The owner's account, made if there is none.
    #[inline]
    fn open(&mut self, owner: &Owner, found: Option<usize>) -> Result<&mut Account, LedgerError> {
        let seat = found.unwrap_or_else(|| self.admit(owner));
        self.accounts.get_mut(seat).ok_or_else(|| LedgerError::new("an account that is not there"))
    }

    #[inline]
    fn find(&self, owner: &Owner) -> Option<usize> {
        // The note is right unless another ledger left it, or the account was closed and its place given away.
        let noted = usize::try_from(owner.seat()).ok().and_then(|note| note.checked_sub(1));
        match noted {
            Some(seat) if self.accounts.get(seat).is_some_and(|account| account.is_of(owner.id())) => {
                Some(seat)
            }
            _ => {
                let seat = *self.seats.get(owner.id())?;
                note(owner, seat);
                Some(seat)
            }
        }
    }

    #[cold]
    fn admit(&mut self, owner: &Owner) -> usize {
        let seat = self.accounts.insert(Account::new(owner.id().clone()));
        self.seats.insert(owner.id().clone(), seat);
        note(owner, seat);
        seat
    }

    #[cold]
    fn remove(&mut self, owner: &Owner) {
        if let Some(seat) = self.seats.remove(owner.id()) {
            self.accounts.try_remove(seat);
        }
    }
}

fn note(owner: &Owner, seat: usize) {
    owner.set_seat(u32::try_from(seat).ok().and_then(|seat| seat.checked_add(1)).unwrap_or(0));
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
