//! Where the portions of busy owners are, and how a step finds them without the owner's account.
//!
//! Whose account is shared out is noted in the seat of its [`Owner`]: as a number above that of any account. The note is
//! a hint as ever. Portions know whose they are, and an owner without the note goes to the account.

use append_only_vec::AppendOnlyVec;

use super::account::{self, Account, NotTaken, Taken};
use super::portions::Portions;
use crate::budget::{Hold, HoldId, Moved, Outcome, Owner, Step};
use crate::ledger::seats::MOST;
use crate::sync::Mutex;

pub(super) struct Busy {
    all: AppendOnlyVec<Portions>,
    // Those of owners who were forgotten.
    free: Mutex<Vec<u32>>,
}

impl Busy {
    pub(super) fn new() -> Self {
        Self { all: AppendOnlyVec::new(), free: Mutex::default() }
    }

    /// The step as a portion of the owner's takes it; `None` if none does.
    #[inline]
    pub(super) fn apply(&self, owner: &Owner, step: &Step<'_>, rows: &mut [Moved]) -> Option<Taken> {
        let portions = owner.seat().checked_sub(MOST).filter(|&number| number > 0)?;
        self.find(portions)?.apply(step, rows)
    }

    /// The step as the account of its owner takes it, for which threads fight.
    #[cold]
    pub(super) fn carry(
        &self,
        owner: &Owner,
        step: &Step<'_>,
        rows: &mut [Moved],
        account: &mut Account,
    ) -> Result<Taken, NotTaken> {
        let Some(portions) = self.of(account) else { return account::apply(step, rows, account, &mut []) };
        let taken = portions.carry(step, rows, account);
        if account.has_portions_out() {
            owner.set_seat(MOST.saturating_add(account.portions()));
        }
        taken
    }

    /// Takes back all that is out, so that the account tells everything.
    #[inline]
    pub(super) fn gather(&self, account: &mut Account) {
        if account.has_portions_out() {
            self.take_back(account);
        }
    }

    /// Gives up the portions of an owner who leaves.
    pub(super) fn leave(&self, account: &mut Account) {
        self.gather(account);
        if let Some(portions) = self.find(account.portions()) {
            portions.clear();
            self.free.lock().push(account.portions());
            account.set_portions(0);
        }
    }

    /// The hold of this name, if it was settled or released in one of these portions.
    pub(super) fn resolved(&self, portions: u32, id: HoldId) -> Option<Hold> {
        self.find(portions)?.resolved(id)
    }

    /// Why a step was not taken, by all that is known in the portions too.
    #[cold]
    pub(super) fn recall(&self, portions: u32, step: &Step<'_>, reason: NotTaken) -> NotTaken {
        match reason {
            NotTaken::Outcome(Outcome::Unexpected(None)) => {
                NotTaken::Outcome(Outcome::Unexpected(self.resolved(portions, step.id()).map(Box::new)))
            }
            reason => reason,
        }
    }

    #[cold]
    fn take_back(&self, account: &mut Account) {
        if let Some(portions) = self.find(account.portions()) {
            portions.take_back(account);
        }
    }

    // The account's portions, which are made if it has none. One that is to go gets none.
    fn of(&self, account: &mut Account) -> Option<&Portions> {
        if account.portions() == 0 && !account.is_leaving() {
            let free = self.free.lock().pop();
            let number =
                free.or_else(|| u32::try_from(self.all.push(Portions::default())).ok()?.checked_add(1));
            account.set_portions(number.filter(|&number| number < MOST)?);
        }
        self.find(account.portions())
    }

    #[inline]
    fn find(&self, portions: u32) -> Option<&Portions> {
        let place = usize::try_from(portions).ok()?.checked_sub(1)?;
        (place < self.all.len()).then(|| &self.all[place])
    }
}
