//! The leases of one process, and the way of a step: out of a lease if it can be, else by way of the shared ledger.

use std::fmt;
use std::sync::Arc;

use super::super::seats::Seats;
use super::super::{Ledger, LedgerError};
use super::account::{Account, Here, Sum, Then};
use super::day::Day;
use super::errand::{Leaves, Size};
use super::keeper::{Failures, Keeper};
use super::line::{Answer, Errand};
use super::notices::Notices;
use super::units::{Ask, headroom};
use crate::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Party, Row, Step, Windows};
use crate::clock::Clock;
use crate::time::Timestamp;

/// How often a step is tried again when others took what was fetched for it.
pub(super) const ATTEMPTS: usize = 4;

/// The rows of a step of one owner.
pub(super) type Rows = [Moved; Meter::ALL.len()];
/// Before any step.
pub(super) const CLEAR: Rows = [Moved::NONE; Meter::ALL.len()];

pub(super) struct Desk {
    pub(super) engine: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keeper: Keeper,
    pub(super) notices: Notices,
    seats: Seats<Account>,
}

impl Desk {
    pub(super) fn new(engine: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { engine, clock, keeper: Keeper::default(), notices: Notices::default(), seats: Seats::new() }
    }

    /// Takes a step of one owner, if that can be answered without asking anybody.
    #[inline]
    pub(super) fn take(&self, step: &Step<'_>, party: &Party<'_>) -> Result<Here, LedgerError> {
        match self.seats.find(party.owner) {
            Some(mut account) => account.take(step, party),
            None if step.asks && step.expected() == 0 => Ok(Here::Short),
            None => Ok(Here::Elsewhere),
        }
    }

    /// Has the memory fetched of the account in this seat.
    pub(super) fn expect(&self, seat: u32) {
        self.seats.fetch(seat);
    }

    /// Does what a step that was taken leaves to do.
    #[inline]
    pub(super) fn then(&self, then: Then, owner: &Owner) {
        match then {
            Then::Nothing => {}
            Then::List => self.keeper.list(owner),
            Then::Fetch => self.keeper.fetch(owner),
        }
    }

    /// Takes a step for which the lease has too little: fetches more, or near the cap has the shared ledger take the step
    /// itself.
    pub(super) fn ask(
        &self,
        step: &Step<'_>,
        party: &Party<'_>,
        rows: &mut [Moved],
    ) -> Result<Outcome, LedgerError> {
        let ask = Ask::of(step, party);
        let is_new = step.expected() == 0;
        if is_new && self.is_near_the_cap(party, &ask) {
            return self.pass(step, rows);
        }
        let outcome = self.errand(party.owner, |errand| self.fetch_for(errand, step, party, &ask, rows))?;
        outcome.map_or_else(|| self.pass(step, rows), Ok)
    }

    // Fetches what a step misses, and takes it; `None` if the shared ledger had better take it itself.
    fn fetch_for(
        &self,
        errand: &mut Errand<'_>,
        step: &Step<'_>,
        party: &Party<'_>,
        ask: &Ask,
        rows: &mut [Moved],
    ) -> Result<Option<Outcome>, LedgerError> {
        self.with(party.owner, |account| account.heed(party.limits))?;
        let is_new = step.expected() == 0;
        for _ in 0..ATTEMPTS {
            // Somebody may have fetched more while this call waited.
            match self.take(step, party)? {
                Here::Short => {}
                Here::Elsewhere => return Ok(None),
                here => return Ok(self.answer(here, party.owner)),
            }
            match errand.grow(party.windows, ask, Size::Slice, step.current, &mut CLEAR.clone())? {
                Some(Answer::Taken | Answer::Again) => {}
                Some(Answer::Elsewhen(now)) => return Ok(Some(Outcome::Elsewhen(now))),
                Some(Answer::Refused) | None => break,
            }
        }
        // A hold that lives here can only grow here.
        if is_new { Ok(None) } else { self.fetch_exactly(errand, step, party, ask, rows).map(Some) }
    }

    // Fetches what a step misses and nothing beyond, for nobody else to take.
    fn fetch_exactly(
        &self,
        errand: &mut Errand<'_>,
        step: &Step<'_>,
        party: &Party<'_>,
        ask: &Ask,
        rows: &mut [Moved],
    ) -> Result<Outcome, LedgerError> {
        // What is left unused is given back first, to be found again.
        errand.report_all(Leaves::Held)?;
        let (owner, windows) = (party.owner, party.windows);
        self.with(owner, |account| account.day(windows).into_iter().for_each(|day| day.is_closed = true))?;
        let mut seen = CLEAR;
        let answer = errand.grow(windows, ask, Size::Exact, step.current, &mut seen);
        let here = self.with(owner, |account| {
            account.day(windows).into_iter().for_each(|day| day.is_closed = false);
            matches!(answer, Ok(Some(Answer::Taken))).then(|| account.take(step, party)).transpose()
        })??;
        match answer? {
            Some(Answer::Refused) => {
                rows.iter_mut().zip(seen).for_each(|(row, seen)| *row = seen);
                Ok(Outcome::Refused)
            }
            Some(Answer::Elsewhen(now)) => Ok(Outcome::Elsewhen(now)),
            Some(Answer::Taken | Answer::Again) | None => {
                let outcome = here.and_then(|here| self.answer(here, owner));
                outcome.ok_or_else(|| LedgerError::new("a lease was taken away"))
            }
        }
    }

    // The answer to a step that was taken or will not be.
    fn answer(&self, here: Here, owner: &Owner) -> Option<Outcome> {
        match here {
            Here::Taken { next_lapse, seat, then } => {
                self.then(then, owner);
                Some(Outcome::Taken { next_lapse, seat })
            }
            Here::Not(outcome) => Some(outcome),
            Here::Short | Here::Elsewhere => None,
        }
    }

    fn is_near_the_cap(&self, party: &Party<'_>, ask: &Ask) -> bool {
        self.read(party.owner, |account| {
            let is_same = account.limits == *party.limits;
            is_same && account.day(party.windows).is_some_and(|day| !day.slice.is_worth(ask.amounts()))
        })
    }

    /// Takes down what the shared ledger said of the meters of an owner.
    pub(super) fn see(&self, owner: &Owner, windows: Windows, rows: &[Moved]) {
        self.read(owner, |account| {
            let headroom = headroom(&account.limits, rows);
            account.day(windows).into_iter().for_each(|day| day.slice.see(headroom));
        });
    }

    /// Fetches more for an owner who runs low.
    pub(super) fn fetch(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.errand(owner, |errand| {
            let low = |account: &mut Account| {
                let low = account.days.iter().filter(|day| day.is_low);
                low.map(|day| day.windows).collect::<Vec<_>>()
            };
            for windows in self.with(owner, low)? {
                if self.with(owner, |account| account.is_overrun())? {
                    errand.report(windows, Leaves::All)?;
                }
                errand.grow(windows, &Ask::NOTHING, Size::Slice, true, &mut CLEAR.clone())?;
            }
            Ok(())
        })
    }

    /// Reports what was used, leaves so much, and forgets what is over; true if there is something left to look after.
    pub(super) fn tend(&self, owner: &Owner, leaves: Leaves) -> Result<bool, LedgerError> {
        self.errand(owner, |errand| {
            let reported = errand.report_all(leaves);
            if errand.tidy()? {
                return reported.map(|_| true);
            }
            self.seats.end_if(owner, Account::has_left);
            Ok(false)
        })
    }

    /// Reports what was used, and leaves so much; true if there was anything to tell.
    pub(super) fn report(&self, owner: &Owner, leaves: Leaves) -> Result<bool, LedgerError> {
        self.errand(owner, |errand| errand.report_all(leaves))
    }

    /// Reports for everybody who has a lease, on the list or in the middle of a round.
    pub(super) fn report_everybody(&self, leaves: Leaves) -> Result<(), LedgerError> {
        let mut failures = Failures::default();
        for owner in self.seats.owners(|account| !account.days.is_empty()) {
            if let Err(error) = self.report(&owner, leaves) {
                failures.count(error);
            }
            if failures.are_too_many() {
                break;
            }
        }
        failures.first()
    }

    pub(super) fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        if self.read(owner, |account| account.days.is_empty().then_some(())).is_some() {
            return self.engine.row(owner, meter, start);
        }
        // While nobody reports: what is reported is on one side only.
        self.errand(owner, |errand| {
            let is_in = |day: &&Day| day.windows.of(meter).start == start;
            let days =
                |account: &mut Account| account.days.iter().filter(is_in).map(|day| day.windows).collect();
            let days: Vec<Windows> = self.with(owner, days)?;
            for windows in &days {
                errand.catch_up(*windows)?;
            }
            let mut row = self.engine.row(owner, meter, start)?;
            for windows in days {
                let Sum { used, held, .. } = self.with(owner, |account| account.sum(windows))?;
                let backing = errand.line.backing(windows)?;
                row.used = row.used.saturating_add(used.minus(backing.reported).on(meter));
                row.held = row.held.saturating_add(held.minus(backing.holds()).on(meter));
            }
            Ok(row)
        })
    }

    pub(super) fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        match self.read(owner, |account| account.hold(id)) {
            Some(hold) => Ok(Some(hold)),
            None => self.engine.hold(owner, id),
        }
    }

    pub(super) fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        let mut due = self.read(owner, |account| account.due(now, most));
        let others = most.saturating_sub(due.len());
        if others > 0 {
            due.extend(self.engine.due(owner, now, others)?);
        }
        Ok(due)
    }

    pub(super) fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.tend(owner, Leaves::Held)?;
        self.engine.forget(owner)?;
        self.read(owner, |account| account.is_leaving = true);
        self.tend(owner, Leaves::Held).map(drop)
    }

    /// Does `work` on the owner's account here, which is made if there is none.
    pub(super) fn with<T>(
        &self,
        owner: &Owner,
        work: impl FnOnce(&mut Account) -> T,
    ) -> Result<T, LedgerError> {
        Ok(work(&mut *self.seats.open(owner)?))
    }

    /// The same, if there is one.
    pub(super) fn read<T: Default>(&self, owner: &Owner, read: impl FnOnce(&mut Account) -> T) -> T {
        self.seats.find(owner).map(|mut account| read(&mut account)).unwrap_or_default()
    }

    /// Does `work` as the only errand of the owner's.
    pub(super) fn errand<T>(
        &self,
        owner: &Owner,
        work: impl FnOnce(&mut Errand<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        loop {
            let line = self.with(owner, |account| Arc::clone(&account.line))?;
            let mut waited = line.lock();
            // The account may have been forgotten meanwhile, and its line with it.
            if self.with(owner, |account| Arc::ptr_eq(&account.line, &line))? {
                return work(&mut Errand::new(self, owner, &mut waited));
            }
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("engine", &self.engine).finish_non_exhaustive()
    }
}
