//! One step, carried out in a transaction.

use arrayvec::ArrayVec;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::guests;
use super::history::{self, Charged};
use super::holds::{self, Rank};
use super::ledger::SqliteLedger;
use super::meters::Meters;
use super::notices;
use crate::budget::{Change, Delta, Hold, MAX_OWNERS, Meter, Moved, Notice, Outcome, Step};
use crate::id::KeyId;
use crate::time::Timestamp;

/// How many holds end between two sweeps of those that need not be remembered any longer.
const SWEEP: i64 = 8;

pub(super) type Rows = ArrayVec<Moved, { Meter::ALL.len() * MAX_OWNERS }>;

/// A step that can be handed to another thread.
#[derive(Debug)]
pub(super) struct Job {
    owners: ArrayVec<KeyId, MAX_OWNERS>,
    expected: u32,
    // As it is after the step.
    hold: Hold,
    changes: ArrayVec<Change, { Meter::ALL.len() * MAX_OWNERS }>,
    most_live: Option<u32>,
    model: Option<String>,
    // By model, where the step charges the calls of a lease.
    calls: Option<Vec<Charged>>,
    spend: Delta,
    tokens: Delta,
}

impl Job {
    /// `None` if the step has more owners than there can be.
    pub(super) fn of(step: &Step<'_>) -> Option<Self> {
        if step.parties.len() > MAX_OWNERS {
            return None;
        }
        Some(Self {
            owners: step.parties.iter().map(|party| party.owner.id().clone()).collect(),
            expected: step.expected(),
            hold: Hold { standing: step.becomes, ..step.hold.clone() },
            changes: step.changes().collect(),
            most_live: step.most_live,
            model: step.model.map(str::to_owned),
            calls: step.calls.map(|calls| calls.iter().map(Charged::from).collect()),
            spend: step.spend,
            tokens: step.tokens,
        })
    }

    /// Takes the step, or says why not. Everything is computed before anything is written.
    pub(super) fn carry_out(&self, connection: &Connection) -> Result<(Outcome, Rows), Fault> {
        let nothing = |outcome| Ok((outcome, Rows::new()));
        let mut accounts = ArrayVec::<Account, MAX_OWNERS>::new();
        for owner in &self.owners {
            accounts.push(Account::load(connection, owner)?);
        }
        let home = accounts.first().ok_or_else(no_owner)?;
        // A name that was drawn for a new hold is nobody else's: only a request's needs to be looked for.
        let drawn = self.expected == 0 && self.hold.fingerprint == 0;
        let before = if drawn || home.kept == Kept::New {
            None
        } else {
            holds::find(connection, &home.owner, self.hold.id)?
        };
        if before.as_ref().map_or(0, |hold| hold.standing.revision) != self.expected {
            return nothing(Outcome::Unexpected(before.map(Box::new)));
        }
        if self.most_live.is_some_and(|most| home.live >= most) {
            return nothing(Outcome::Crowded);
        }
        self.find_gone(connection, &mut accounts)?;
        let mut fits = true;
        for change in &self.changes {
            let account = accounts.get_mut(usize::from(change.owner)).ok_or_else(no_owner)?;
            if account.kept == Kept::Gone {
                continue;
            }
            fits &= change.is_admitted(account.open(connection, change)?);
        }
        let mut rows = Rows::new();
        for change in &self.changes {
            let account = accounts.get_mut(usize::from(change.owner)).ok_or_else(no_owner)?;
            if account.kept == Kept::Gone {
                rows.push(Moved::NONE);
                continue;
            }
            let row = account.meters.get_mut(change.meter, change.window.start).ok_or_else(no_owner)?;
            rows.push(if fits { change.carry_out(row) } else { Moved { row: *row, told: false } });
        }
        if !fits {
            return Ok((Outcome::Refused, rows));
        }
        let home = accounts.first_mut().ok_or_else(no_owner)?;
        home.put(connection, before.as_ref(), &self.hold, self.model.as_deref())?;
        self.tell_others(connection, &mut accounts)?;
        self.tell_history(connection, before.as_ref(), &accounts)?;
        for (change, moved) in self.changes.iter().zip(&rows) {
            let owner = self.owners.get(usize::from(change.owner)).ok_or_else(no_owner)?;
            if let Some(notice) = Notice::of(owner, change, moved) {
                notices::put(connection, &notice)?;
            }
        }
        for account in accounts.iter().filter(|account| account.kept != Kept::Gone) {
            account.store(connection)?;
        }
        let next_lapse = match Rank::of(self.hold.standing.phase) {
            Rank::Live => next_lapse(connection, &accounts)?,
            // Nobody asks at the end of a call.
            Rank::Provisional | Rank::Final => Timestamp::EPOCH,
        };
        Ok((Outcome::Taken { next_lapse, seat: 0 }, rows))
    }
}

impl Job {
    // Finds those who were forgotten since the hold was made: nothing of them is moved.
    fn find_gone(&self, connection: &Connection, accounts: &mut [Account]) -> Result<(), Fault> {
        let Some((home, others)) = accounts.split_first_mut() else { return Ok(()) };
        for other in others.iter_mut().filter(|_| self.expected > 0) {
            if !guests::has(connection, &other.owner, &home.owner, self.hold.id)? {
                other.kept = Kept::Gone;
            }
        }
        Ok(())
    }

    // Writes down with the others that the hold draws on them.
    fn tell_others(&self, connection: &Connection, accounts: &mut [Account]) -> Result<(), Fault> {
        let Some((home, others)) = accounts.split_first_mut() else { return Ok(()) };
        let changes = self.changes.chunks_exact(Meter::ALL.len()).skip(1);
        for (other, changes) in others.iter_mut().zip(changes).filter(|(other, _)| other.kept != Kept::Gone) {
            let [day, month, _] = changes else { return Err(no_owner()) };
            let windows = (day.window.start, month.window.start);
            let hold = (&*home.owner, self.hold.id);
            guests::put(connection, &other.owner, hold, windows, &self.hold.standing)?;
            other.leaving &= self.expected > 0;
        }
        Ok(())
    }

    fn tell_history(
        &self,
        connection: &Connection,
        before: Option<&Hold>,
        accounts: &[Account],
    ) -> Result<(), Fault> {
        let before = before.map(|before| before.standing);
        let own = [Charged::by(before, self.hold.standing, self.spend, self.tokens)];
        let charges = self.calls.as_deref().unwrap_or(&own);
        let home = accounts.first().ok_or_else(no_owner)?;
        for change in self.changes.iter().filter(|change| change.meter == Meter::DailySpend) {
            let account = accounts.get(usize::from(change.owner)).ok_or_else(no_owner)?;
            if account.kept == Kept::Gone {
                continue;
            }
            let of = (&*home.owner, self.hold.id);
            for charged in charges {
                history::add(connection, &account.owner, of, change.window.start, charged)?;
            }
            if account.begins_a_day {
                history::forget_oldest(connection, &account.owner, change.window.start)?;
            }
        }
        Ok(())
    }
}

/// Whether an account is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    New,
    Known,
    // The owner was forgotten since the hold was made: nothing of it is moved, even if it is known again.
    Gone,
}

/// One owner's record.
#[derive(Debug)]
pub(super) struct Account {
    owner: String,
    kept: Kept,
    live: u32,
    // Counts the holds that ended.
    ended: i64,
    leaving: bool,
    pub(super) meters: Meters,
    // Whether this step is the first of its day.
    begins_a_day: bool,
}

// When the next live hold lapses that draws on one of these.
fn next_lapse(connection: &Connection, accounts: &[Account]) -> Result<Timestamp, Fault> {
    let [home] = accounts else {
        let mut next = Timestamp::MAX;
        for Account { owner, .. } in accounts {
            let guests = guests::next_lapse(connection, owner)?.unwrap_or(Timestamp::MAX);
            next = next.min(holds::next_lapse(connection, owner)?).min(guests);
        }
        return Ok(next);
    };
    holds::next_lapse(connection, &home.owner)
}

impl Account {
    pub(super) fn load(connection: &Connection, owner: &KeyId) -> Result<Self, Fault> {
        let owner = owner.to_string();
        let sql = "SELECT live, ended, leaving, meters FROM accounts WHERE owner = ?1";
        let found = connection
            .prepare_cached(sql)?
            .query_row([&owner], |row| {
                let meters = Meters::from_bytes(row.get_ref(3)?.as_blob()?);
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, meters))
            })
            .optional()?;
        let Some((live, ended, leaving, meters)) = found else {
            return Ok(Self {
                owner,
                kept: Kept::New,
                live: 0,
                ended: 0,
                leaving: false,
                meters: Meters::default(),
                begins_a_day: false,
            });
        };
        let damaged = || Fault::told("an account in the database cannot be read: the file is damaged");
        let meters = meters.ok_or_else(damaged)?;
        Ok(Self { owner, kept: Kept::Known, live, ended, leaving, meters, begins_a_day: false })
    }

    /// Asks the account to go, once the last live hold that draws on it is closed.
    pub(super) fn leave(mut self, connection: &Connection) -> Result<(), Fault> {
        if self.kept == Kept::Known {
            self.leaving = true;
            self.store(connection)?;
        }
        Ok(())
    }

    // The row of a change, made if its window is new.
    fn open(&mut self, connection: &Connection, change: &Change) -> Result<&crate::budget::Row, Fault> {
        let (meter, start) = (change.meter, change.window.start);
        let owner = &self.owner;
        self.begins_a_day |= meter == Meter::DailySpend && self.meters.get(meter, start).is_none();
        if !self.meters.open(meter, start, |start| holds::pins(connection, owner, meter, start))? {
            // What was used in a window that was let go is not known, and a window must not start from zero twice.
            return Err(Fault::told("the clock stepped back to a window that is no longer kept"));
        }
        self.meters.get(meter, start).ok_or_else(no_owner)
    }

    fn put(
        &mut self,
        connection: &Connection,
        before: Option<&Hold>,
        hold: &Hold,
        model: Option<&str>,
    ) -> Result<(), Fault> {
        let was_live = before.is_some_and(|before| Rank::of(before.standing.phase) == Rank::Live);
        let rank = Rank::of(hold.standing.phase);
        match (was_live, rank == Rank::Live) {
            (false, true) => self.live = self.live.saturating_add(1),
            (true, false) => self.live = self.live.saturating_sub(1),
            _ => {}
        }
        if before.is_none() {
            // A new call: whoever was to be forgotten has come back under the same name.
            self.leaving = false;
        }
        if rank != Rank::Live {
            self.ended = self.ended.saturating_add(1);
        }
        holds::put(connection, &self.owner, hold, before.is_some(), self.ended, model)?;
        if rank == Rank::Provisional {
            let most = SqliteLedger::REMEMBERED_PROVISIONAL;
            if holds::forget_oldest(connection, &self.owner, rank, most)? > 0 {
                guests::forget_lost(connection, &self.owner)?;
            }
        }
        if rank != Rank::Live && self.ended.checked_rem(SWEEP) == Some(0) {
            holds::forget_oldest(connection, &self.owner, Rank::Final, SqliteLedger::REMEMBERED_FINAL)?;
        }
        Ok(())
    }

    fn store(&self, connection: &Connection) -> Result<(), Fault> {
        if self.leaving {
            // Its key is gone: there is nobody to tell.
            notices::forget_all(connection, &self.owner)?;
        }
        if self.leaving && self.live == 0 && guests::next_lapse(connection, &self.owner)?.is_none() {
            holds::forget_all(connection, &self.owner)?;
            guests::forget_all(connection, &self.owner)?;
            history::forget_all(connection, &self.owner)?;
            connection.prepare_cached("DELETE FROM accounts WHERE owner = ?1")?.execute([&self.owner])?;
            return Ok(());
        }
        let sql = if self.kept == Kept::Known {
            "UPDATE accounts SET live = ?2, ended = ?3, leaving = ?4, meters = ?5 WHERE owner = ?1"
        } else {
            "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5)"
        };
        let meters = self.meters.to_bytes();
        connection.prepare_cached(sql)?.execute(params![
            self.owner,
            self.live,
            self.ended,
            self.leaving,
            meters
        ])?;
        Ok(())
    }
}

fn no_owner() -> Fault {
    Fault::told("a change without an owner")
}
