//! The way around the leases: steps that the shared ledger takes itself.

use super::super::LedgerError;
use super::account::Account;
use super::desk::Desk;
use super::errand::Leaves;
use super::name::{Lease, MOST_LEASES};
use crate::budget::{Moved, Outcome, Party, Step};
use crate::time::Timestamp;

impl Desk {
    /// Has the shared ledger take a step. If it refuses, what is left of the leases here is given back, and it is asked
    /// again: nothing that lies unused here is the reason for a denial. Nor is anything admitted that would not be if it knew
    /// what was used here beyond what it set aside.
    pub(super) fn pass(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        for party in step.parties.iter().filter(|_| step.asks) {
            if self.read(party.owner, |account| account.is_overrun()) {
                self.report(party.owner, Leaves::Held)?;
            }
        }
        let mut outcome = self.have_taken(step, rows)?;
        if let Outcome::Refused = outcome {
            let mut given_back = false;
            for party in step.parties {
                given_back |= self.report(party.owner, Leaves::Held)?;
            }
            if given_back {
                outcome = self.have_taken(step, rows)?;
            }
        }
        if let [party] = step.parties
            && matches!(outcome, Outcome::Taken { .. } | Outcome::Refused)
        {
            self.see(party.owner, party.windows, rows);
        }
        if let (Outcome::Taken { next_lapse, .. }, Some(home)) = (&outcome, step.parties.first()) {
            self.went_elsewhere(step, home, *next_lapse)?;
            if self.read(home.owner, |account| account.is_ending()) {
                // The step was taken. What cannot be told now is told when the ledger is flushed.
                let _ = self.tend(home.owner, Leaves::Held);
            }
        }
        Ok(outcome)
    }

    /// Has the shared ledger charge what was never reserved. What it was asked for before may not be there any more.
    pub(super) fn record(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let Some(home) = step.parties.first() else { return self.engine.apply(step, rows) };
        self.errand(home.owner, |_| {
            let outcome = self.engine.apply(step, rows)?;
            if let Outcome::Taken { next_lapse, .. } = outcome {
                self.with(home.owner, Account::tighten)?;
                self.went_elsewhere(step, home, next_lapse)?;
            }
            Ok(outcome)
        })
    }

    // The shared ledger took a step itself.
    fn went_elsewhere(
        &self,
        step: &Step<'_>,
        home: &Party<'_>,
        next_lapse: Timestamp,
    ) -> Result<(), LedgerError> {
        self.with(home.owner, |account| account.went_elsewhere(step, next_lapse))?;
        for party in step.parties {
            self.read(party.owner, |account| account.reached(party.windows));
        }
        Ok(())
    }

    // The shared ledger counts every lease as a call in flight; what is in flight here it does not see.
    fn have_taken(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let (Some(most), Some(home)) = (step.most_live, step.parties.first()) else {
            return self.engine.apply(step, rows);
        };
        let here = self.read(home.owner, |account| account.live());
        let most = most.saturating_sub(here);
        let outcome = self.engine.apply(&with_most(step, most), rows)?;
        if !matches!(outcome, Outcome::Crowded) || most == 0 {
            return Ok(outcome);
        }
        let many = usize::try_from(most.saturating_add(MOST_LEASES)).unwrap_or(usize::MAX);
        let live = self.engine.due(home.owner, Timestamp::MAX, many)?;
        let leases = live.iter().filter(|hold| Lease::is(hold)).count();
        let leases = u32::try_from(leases).unwrap_or(MOST_LEASES);
        self.engine.apply(&with_most(step, most.saturating_add(leases)), rows)
    }
}

fn with_most<'a>(step: &Step<'a>, most: u32) -> Step<'a> {
    Step { most_live: Some(most), ..*step }
}
