//! The accounts of all owners, each in a seat of its own that never moves, behind a lock of its own.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};

use append_only_vec::AppendOnlyVec;
use arrayvec::ArrayVec;
use hashbrown::HashMap;

use super::LedgerError;
use crate::budget::{MAX_OWNERS, Owner};
use crate::id::KeyId;
use crate::sync::{Mutex, MutexGuard};

const SHARDS: u32 = 64;

/// The most accounts that there may be. A note above it is never one of a seat.
pub(super) const MOST: u32 = u32::MAX >> 1;

/// What is kept of one owner. The default is of nobody.
pub(super) trait Kept: Default {
    /// Nothing yet, of `owner`.
    fn of(owner: KeyId) -> Self;

    /// Whose it is.
    fn owner(&self) -> Option<&KeyId>;
}

/// The accounts of all owners.
pub(super) struct Seats<A> {
    all: AppendOnlyVec<Seat<A>>,
    // Whoever makes or ends an account holds the lock of its owner's shard, and takes that of the account after it.
    notes: Box<[Padded]>,
    // The seats of owners who were forgotten.
    free: Mutex<Vec<u32>>,
}

// On pairs of cache lines of its own, which processors fetch together: threads with different owners do not meet there.
#[repr(align(128))]
struct Seat<A>(Mutex<A>);

#[derive(Default)]
#[repr(align(128))]
struct Padded(Mutex<HashMap<KeyId, u32>>);

/// An account that nobody else can touch meanwhile.
pub(super) struct Seated<'a, A> {
    account: MutexGuard<'a, A>,
    waited: bool,
}

impl<A: Kept> Seats<A> {
    /// No accounts.
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Padded::default());
        Self { all: AppendOnlyVec::new(), notes: shards.collect(), free: Mutex::default() }
    }

    /// Has the memory of a seat fetched, if there is such a seat: whoever goes there soon waits for less.
    #[inline]
    pub(super) fn fetch(&self, note: u32) {
        if let Some(seat) = self.at(note) {
            black_box(seat.0.is_locked());
        }
    }

    /// The owner's account, if there is one.
    #[inline]
    pub(super) fn find(&self, owner: &Owner) -> Option<Seated<'_, A>> {
        // The note is right unless another ledger left it, or the account was ended and its seat given away.
        match self.noted(owner.seat(), owner) {
            None => self.look_up(owner),
            found => found,
        }
    }

    /// The owner's account, which is made if there is none.
    ///
    /// # Errors
    /// If there are as many as can be told apart.
    #[inline]
    pub(super) fn open(&self, owner: &Owner) -> Result<Seated<'_, A>, LedgerError> {
        match self.noted(owner.seat(), owner) {
            None => self.make(owner),
            Some(found) => Ok(found),
        }
    }

    /// The accounts of several owners, in the order in which they are named; made where there is none.
    ///
    /// # Errors
    /// If one is named twice, or there are as many as can be told apart.
    #[cold]
    pub(super) fn open_all<'a>(
        &self,
        owners: impl Iterator<Item = &'a Owner>,
    ) -> Result<ArrayVec<Seated<'_, A>, MAX_OWNERS>, LedgerError> {
        let mut names = ArrayVec::<&Owner, MAX_OWNERS>::new();
        for owner in owners {
            if names.contains(&owner) || names.try_push(owner).is_err() {
                return Err(LedgerError::new("a step with one owner twice, or with too many"));
            }
        }
        loop {
            let mut order = ArrayVec::<(u32, &Owner), MAX_OWNERS>::new();
            for &owner in &names {
                drop(self.open(owner)?);
                order.push((owner.seat(), owner));
            }
            // Everybody locks in this order, so that nobody waits in a circle.
            order.sort_unstable_by_key(|(note, _)| *note);
            // One of them may have been ended meanwhile, and its seat given to another.
            if order.iter().zip(order.iter().skip(1)).any(|(one, next)| one.0 == next.0) {
                continue;
            }
            let seated = order.iter().map_while(|&(note, owner)| self.noted(note, owner));
            let mut seated: ArrayVec<Seated<'_, A>, MAX_OWNERS> = seated.collect();
            if seated.len() == names.len() {
                seated.sort_unstable_by_key(|account| names.iter().position(|owner| account.is_of(owner)));
                return Ok(seated);
            }
        }
    }

    /// Ends the owner's account if that is over, and hands it out.
    #[cold]
    pub(super) fn end_if(&self, owner: &Owner, is_over: impl FnOnce(&A) -> bool) -> Option<A> {
        let mut notes = self.shard(owner).lock();
        let &note = notes.get(owner.id())?;
        let mut account = self.noted(note, owner)?;
        is_over(&account).then(|| {
            notes.remove(owner.id());
            self.free.lock().push(note);
            std::mem::take(&mut *account)
        })
    }

    /// The owners whose accounts are such as `wanted` says.
    pub(super) fn owners(&self, wanted: impl Fn(&A) -> bool) -> Vec<Owner> {
        let of = |seat: &Seat<A>| {
            let account = seat.0.lock();
            account.owner().filter(|_| wanted(&account)).cloned()
        };
        self.all.iter().filter_map(of).map(Owner::new).collect()
    }

    #[inline]
    fn at(&self, note: u32) -> Option<&Seat<A>> {
        let place = usize::try_from(note).ok()?.checked_sub(1)?;
        (place < self.all.len()).then(|| &self.all[place])
    }

    // The account in the seat noted, if that is the owner's.
    #[inline]
    fn noted(&self, note: u32, owner: &Owner) -> Option<Seated<'_, A>> {
        let seated = Seated::at(self.at(note)?);
        seated.is_of(owner).then_some(seated)
    }

    #[cold]
    fn look_up(&self, owner: &Owner) -> Option<Seated<'_, A>> {
        loop {
            let note = *self.shard(owner).lock().get(owner.id())?;
            // It may have been ended just now.
            if let Some(seated) = self.noted(note, owner) {
                owner.set_seat(note);
                return Some(seated);
            }
        }
    }

    #[cold]
    fn make(&self, owner: &Owner) -> Result<Seated<'_, A>, LedgerError> {
        let mut notes = self.shard(owner).lock();
        let known = notes.get(owner.id()).copied();
        let note = known.or_else(|| self.free.lock().pop()).map_or_else(|| self.add(), Ok)?;
        let mut seated = Seated::at(self.at(note).ok_or_else(full)?);
        if known.is_none() {
            *seated = A::of(owner.id().clone());
            notes.insert(owner.id().clone(), note);
        }
        owner.set_seat(note);
        Ok(seated)
    }

    fn add(&self) -> Result<u32, LedgerError> {
        let place = self.all.push(Seat(Mutex::new(A::default())));
        u32::try_from(place)
            .ok()
            .and_then(|place| place.checked_add(1))
            .filter(|note| *note <= MOST)
            .ok_or_else(full)
    }

    #[expect(clippy::indexing_slicing, reason = "there are so many shards")]
    fn shard(&self, owner: &Owner) -> &Mutex<HashMap<KeyId, u32>> {
        &self.notes[usize::try_from(owner.spread() % SHARDS).unwrap_or(0)].0
    }
}

impl<'a, A: Kept> Seated<'a, A> {
    /// Whether another thread had it when it was asked for.
    #[inline]
    pub(super) fn waited(&self) -> bool {
        self.waited
    }

    #[inline]
    fn at(seat: &'a Seat<A>) -> Self {
        match seat.0.try_lock() {
            Some(account) => Self { account, waited: false },
            None => Self { account: seat.0.lock(), waited: true },
        }
    }

    #[inline]
    fn is_of(&self, owner: &Owner) -> bool {
        self.account.owner() == Some(owner.id())
    }
}

impl<A> Deref for Seated<'_, A> {
    type Target = A;

    #[inline]
    fn deref(&self) -> &A {
        &self.account
    }
}

impl<A> DerefMut for Seated<'_, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut A {
        &mut self.account
    }
}

fn full() -> LedgerError {
    LedgerError::new("no room for the account of another owner")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Visits {
        owner: Option<KeyId>,
        count: u64,
    }

    impl Kept for Visits {
        fn of(owner: KeyId) -> Self {
            Self { owner: Some(owner), count: 0 }
        }

        fn owner(&self) -> Option<&KeyId> {
            self.owner.as_ref()
        }
    }

    fn owner(name: &str) -> Owner {
        Owner::new(name.parse().unwrap())
    }

    #[test]
    fn a_seat_that_was_given_away_is_not_its_first_owners() {
        let seats = Seats::<Visits>::new();
        let (first, second) = (owner("first"), owner("second"));
        seats.open(&first).unwrap().count = 7;
        seats.end_if(&first, |account| account.count == 8);
        assert!(seats.find(&first).is_some(), "it was not over");
        seats.end_if(&first, |account| account.count == 7);
        seats.open(&second).unwrap().count = 1;
        assert_eq!(first.seat(), second.seat());
        assert!(seats.find(&first).is_none());
        assert_eq!(seats.open(&first).unwrap().count, 0);
        assert_ne!(first.seat(), second.seat());
        assert_eq!(seats.find(&owner("second")).map(|account| account.count), Some(1), "by its name alone");
    }

    #[test]
    fn several_are_opened_in_the_order_in_which_they_are_named() {
        let seats = Seats::<Visits>::new();
        let owners = ["a", "b", "c", "d"].map(owner);
        drop(seats.open_all(owners.iter().rev()).unwrap());
        let opened = seats.open_all(owners.iter()).unwrap();
        let names: Vec<_> = opened.iter().map(|account| account.owner().map(ToString::to_string)).collect();
        assert_eq!(names, ["a", "b", "c", "d"].map(|name| Some(name.to_owned())));
        drop(opened);
        assert!(seats.open_all([&owners[0], &owners[0]].into_iter()).is_err());
    }

    #[test]
    fn no_visit_is_lost_while_accounts_come_and_go() {
        const VISITS: u64 = 20_000;
        let seats = Seats::<Visits>::new();
        let ended = Mutex::new(0);
        let visit = |thread: u64| {
            let owners = ["a", "b", "c"].map(owner);
            for (visit, owner) in (thread..thread + VISITS).zip(owners.iter().cycle()) {
                if visit % 5 == 0 {
                    let mut accounts = seats.open_all(owners.iter()).unwrap();
                    accounts[0].count += 1;
                } else {
                    seats.open(owner).unwrap().count += 1;
                }
                seats.end_if(owner, |account| {
                    let is_over = account.count % 3 == 0;
                    *ended.lock() += if is_over { account.count } else { 0 };
                    is_over
                });
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || visit(thread)))));
        let left = ["a", "b", "c"].map(owner);
        let left: u64 = left.iter().filter_map(|owner| seats.find(owner)).map(|account| account.count).sum();
        assert_eq!(*ended.lock() + left, 4 * VISITS);
    }
}
