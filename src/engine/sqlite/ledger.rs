//! Budgets in the database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::Database;
use super::fault::Fault;
use super::guests;
use super::history;
use super::holds;
use super::notices;
use super::step::{Account, Job, Rows};
use crate::budget::{AlertId, Hold, HoldId, Meter, Moved, Notice, Outcome, Owner, Row, Step};
use crate::engine::group::{Crew, Group, Whose};
use crate::id::KeyId;
use crate::ledger::{Ledger, LedgerError, MemoryLedger, Tally};
use crate::per_process::PerProcess;
use crate::time::Timestamp;

/// The most steps in one transaction: more would only make the first of them wait.
const MOST_TOGETHER: usize = 256;

/// Budgets in a SQLite file.
///
/// Calls of several threads share a transaction; each returns when it is as safe as the durability promises, and a caller
/// that is alone waits for nobody. Of each key it remembers at least the last [`SqliteLedger::REMEMBERED_FINAL`] calls
/// that were settled or released, and the last [`SqliteLedger::REMEMBERED_PROVISIONAL`] that were dropped or lapsed; and
/// what it used on the last [`SqliteLedger::HISTORY_DAYS`] days on which it used anything, until the key is deleted. An
/// alert that nobody was told is kept for [`SqliteLedger::ALERTS_KEPT`] at most.
pub struct SqliteLedger {
    database: Arc<Database>,
    group: PerProcess<Group<Job, Answer>>,
}

type Answer = Result<(Outcome, Rows), LedgerError>;

impl SqliteLedger {
    /// How many settled or released calls of one key are remembered at least.
    pub const REMEMBERED_FINAL: usize = MemoryLedger::REMEMBERED_FINAL;
    /// How many dropped or lapsed calls of one key are remembered: each may be settled once with the real usage.
    pub const REMEMBERED_PROVISIONAL: usize = MemoryLedger::REMEMBERED_PROVISIONAL;
    /// The days of a key's history that are kept.
    pub const HISTORY_DAYS: usize = history::DAYS;
    /// How long an alert waits for somebody to tell it, unless its key is deleted or its meter has crossed thresholds in
    /// eight later windows before.
    pub const ALERTS_KEPT: Duration = notices::KEPT;

    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database, group: PerProcess::new(Group::new()) }
    }

    // Everybody's steps in one transaction.
    fn lead(&self, crew: &mut Crew<'_, Job, Answer>) {
        let mut done: Vec<(Whose, Job, Answer)> = Vec::new();
        let together = self.database.write(|connection| {
            while let Some((whose, job)) = crew.next(MOST_TOGETHER) {
                let answer = match job.carry_out(connection) {
                    Err(fault) if fault.may_have_written() => {
                        done.push((whose, job, lost()));
                        return Err(fault);
                    }
                    answer => answer.map_err(|fault| self.told(&fault)),
                };
                done.push((whose, job, answer));
            }
            Ok(())
        });
        let Err(fault) = together else {
            for (whose, _, answer) in done {
                crew.answer(whose, answer);
            }
            return;
        };
        if done.len() > 1 && !fault.is_everybodys() {
            // One of them met a damaged page, say: the others do not suffer for it.
            for (whose, job, _) in done {
                let alone = self.database.write(|connection| job.carry_out(connection));
                crew.answer(whose, alone.map_err(|fault| self.told(&fault)));
            }
            return;
        }
        let rest = crew.rest();
        for whose in done.iter().map(|(whose, ..)| *whose).chain(rest.iter().map(|(whose, _)| *whose)) {
            crew.answer(whose, Err(self.told(&fault)));
        }
    }

    fn told(&self, fault: &Fault) -> LedgerError {
        fault.ledger_error(self.database.path())
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, LedgerError> {
        self.database.read(work).map_err(|fault| self.told(&fault))
    }
}

impl Ledger for SqliteLedger {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let job = Job::of(step).ok_or_else(|| LedgerError::new("a step with too many owners"))?;
        // A child that was forked has its own line: whoever leads the parent's is not in this process.
        let group = self.group.get(|_| Ok::<_, LedgerError>(Group::new()))?;
        let (outcome, moved) = group.call(job, lost, |crew| self.lead(crew))?;
        for (row, moved) in rows.iter_mut().zip(moved) {
            *row = moved;
        }
        Ok(outcome)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        let account = self.read(|connection| Account::load(connection, owner.id()))?;
        Ok(account.meters.get(meter, start).copied().unwrap_or_default())
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.read(|connection| holds::find(connection, &owner.id().to_string(), id))
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.read(|connection| holds::due(connection, &owner.id().to_string(), now, most))
    }

    fn due_guests(
        &self,
        owner: &Owner,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(KeyId, Hold)>, LedgerError> {
        self.read(|connection| guests::due(connection, &owner.id().to_string(), now, most))
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        let forgotten =
            self.database.write(|connection| Account::load(connection, owner.id())?.leave(connection));
        forgotten.map_err(|fault| self.told(&fault))
    }

    fn history(&self, owner: &Owner, days: usize) -> Result<Vec<Tally>, LedgerError> {
        self.read(|connection| history::last(connection, &owner.id().to_string(), days))
    }

    fn claim(&self) -> Option<Duration> {
        Some(notices::CLAIM)
    }

    fn untold(&self, most: usize) -> Result<Vec<Notice>, LedgerError> {
        if !self.read(notices::any)? {
            return Ok(Vec::new());
        }
        let handed_out = self.database.write(|connection| notices::hand_out(connection, most));
        handed_out.map_err(|fault| self.told(&fault))
    }

    fn told(&self, alerts: &[AlertId]) -> Result<(), LedgerError> {
        let forgotten = self.database.write(|connection| notices::forget(connection, alerts));
        forgotten.map_err(|fault| self.told(&fault))
    }
}

fn lost() -> Answer {
    Err(LedgerError::new("the call that this one went along with failed"))
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLedger").field("path", &self.database.path()).finish_non_exhaustive()
    }
}
