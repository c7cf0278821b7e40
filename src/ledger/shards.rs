//! Owners spread over shards, so that calls of different owners rarely wait for each other.

use hashbrown::HashMap;
use slab::Slab;

use super::LedgerError;
use crate::budget::Owner;
use crate::id::KeyId;
use crate::sync::{Mutex, MutexGuard};

const SHARDS: u32 = 256;

/// What is kept of one owner.
pub(super) trait Kept {
    /// Nothing yet.
    fn new(owner: KeyId) -> Self;

    /// Whether it is of this owner.
    fn is_of(&self, owner: &KeyId) -> bool;
}

/// The accounts of all owners.
pub(super) struct Shards<A>(Box<[Padded<A>]>);

// Two cache lines apart, so that neighbours do not slow each other down.
#[repr(align(128))]
struct Padded<A>(Mutex<Shard<A>>);

/// The accounts of some of them.
pub(super) struct Shard<A> {
    accounts: Slab<A>,
    seats: HashMap<KeyId, usize>,
}

impl<A: Kept> Shards<A> {
    /// No accounts.
    pub(super) fn new() -> Self {
        let empty = || Padded(Mutex::new(Shard { accounts: Slab::new(), seats: HashMap::new() }));
        Self(std::iter::repeat_with(empty).take(usize::try_from(SHARDS).unwrap_or(1)).collect())
    }

    /// The shard of `owner`, locked.
    #[inline]
    pub(super) fn of(&self, owner: &Owner) -> Result<MutexGuard<'_, Shard<A>>, LedgerError> {
        self.lock(shard_of(owner))
    }

    /// The owners whose accounts are such as `wanted` says.
    pub(super) fn owners(&self, wanted: impl Fn(&A) -> bool) -> Vec<Owner> {
        let mut owners = Vec::new();
        for padded in &self.0 {
            let shard = padded.0.lock();
            let found =
                shard.seats.iter().filter(|(_, seat)| shard.accounts.get(**seat).is_some_and(&wanted));
            owners.extend(found.map(|(owner, _)| Owner::new(owner.clone())));
        }
        owners
    }

    /// The shard of this number, locked.
    #[inline]
    pub(super) fn lock(&self, shard: usize) -> Result<MutexGuard<'_, Shard<A>>, LedgerError> {
        self.0.get(shard).map(|padded| padded.0.lock()).ok_or_else(|| LedgerError::new("no such shard"))
    }
}

/// The number of an owner's shard.
#[inline]
pub(super) fn shard_of(owner: &Owner) -> usize {
    usize::try_from(owner.spread() % SHARDS).unwrap_or(0)
}

impl<A: Kept> Shard<A> {
    /// The account at the place found, or a new one.
    #[inline]
    pub(super) fn open(&mut self, owner: &Owner, found: Option<usize>) -> Result<&mut A, LedgerError> {
        let seat = found.unwrap_or_else(|| self.admit(owner));
        self.accounts.get_mut(seat).ok_or_else(|| LedgerError::new("an account that is not there"))
    }

    /// The owner's account, if it has one.
    #[inline]
    pub(super) fn account(&mut self, owner: &Owner) -> Option<&mut A> {
        let seat = self.find(owner)?;
        self.accounts.get_mut(seat)
    }

    /// Where the owner's account is, if it has one.
    #[inline]
    pub(super) fn find(&self, owner: &Owner) -> Option<usize> {
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
        let seat = self.accounts.insert(A::new(owner.id().clone()));
        self.seats.insert(owner.id().clone(), seat);
        note(owner, seat);
        seat
    }

    /// Forgets the owner.
    #[cold]
    pub(super) fn remove(&mut self, owner: &Owner) {
        if let Some(seat) = self.seats.remove(owner.id()) {
            self.accounts.try_remove(seat);
        }
    }
}

fn note(owner: &Owner, seat: usize) {
    owner.set_seat(u32::try_from(seat).ok().and_then(|seat| seat.checked_add(1)).unwrap_or(0));
}
