//! Leases: a process takes a slice of a shared budget, hands it out in memory, and reports what it used of it.
//!
//! A lease is an ordinary hold in the shared ledger, which never lapses and is pinned to its windows. Whatever is granted
//! anywhere was set aside there first, so that used and held together stay within every cap, whoever is lost or late and
//! whatever the clocks say. Four steps make the protocol, each of them taken once, because it names the revision of the
//! lease that it expects: a grant reserves, more extends, a report moves from held to used, and the last report closes.
//!
//! - `account`, `day`: an owner's leases here and the calls that draw on them. Nothing in them asks anybody.
//! - `line`, `errand`, `letter`: asking the shared ledger, one step at a time for each owner.
//! - `slice`: how much to ask for. `keeper`: when to, without a call that waits for it.
//! - `desk`: the way of a step through all of these. `pass`, `elsewhere`: what it has the shared ledger take, and which calls
//!   those were.

mod account;
mod day;
mod desk;
mod elsewhere;
mod errand;
mod keeper;
mod letter;
mod line;
mod name;
mod notices;
mod pass;
mod slice;
mod units;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use self::account::Here;
use self::desk::Desk;
use self::errand::Leaves;
use super::{Ledger, LedgerError, Tally};
use crate::budget::{AlertId, Hold, HoldId, Meter, Moved, Notice, Outcome, Owner, Row, Step};
use crate::clock::Clock;
use crate::id::KeyId;
use crate::own_thread::OwnThread;
use crate::per_process::PerProcess;
use crate::sync::Mutex;
use crate::time::Timestamp;

pub use name::Lease;
pub(super) use name::MOST_LEASES;

/// A shared ledger, with leases in front of it: most calls are admitted and settled in memory, and no cap is passed.
///
/// What differs from the shared ledger by itself:
///
/// - A call that was admitted here is settled here: its permit and its request id mean nothing to other processes.
/// - What was used is reported in rounds, at most one a second, one owner after another; when the ledger is flushed; and when
///   it is dropped. With many owners over a slow ledger a round takes as long as its transactions. Alerts come with the reports.
///   [`Ledger::row`] tells of all that happened here at once, and of other processes as far as they reported.
/// - How many calls may be in flight is bounded for each process, and for those that the shared ledger keeps.
/// - A child of a fork that nobody told the library of ([`after_fork`](crate::after_fork)) hands out its parent's leases again.
/// - What other processes have leased and not used yet is held: a shortage of that is transient.
/// - A process that is killed leaves its leases behind. They stay held until somebody settles them ([`Lease`]), so that
///   what was not reported is withheld in full rather than given away.
/// - The rows of a step that is taken out of a lease are not told: they stay as they were handed in.
///
/// Owners without limits draw on leases too, which then hold nothing but what is in flight.
#[derive(Debug)]
pub struct LeasedLedger {
    engine: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    has_thread: bool,
    own: PerProcess<Own>,
}

/// What this process has. A child that is forked has nothing: its parent's leases are its parent's to hand out.
#[derive(Debug)]
struct Own {
    desk: Arc<Desk>,
    thread: Mutex<Option<OwnThread>>,
}

impl LeasedLedger {
    /// Leases out of `ledger`, looked after by a thread of the library's own, which starts with the first of them. `clock` only
    /// says when a lease was taken ([`Lease::opened_at`]).
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self::with(ledger, clock, true)
    }

    /// The same without a thread: whoever made it calls [`LeasedLedger::tend`], about once a second.
    pub fn tended_by_hand(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self::with(ledger, clock, false)
    }

    fn with(engine: Arc<dyn Ledger>, clock: Arc<dyn Clock>, has_thread: bool) -> Self {
        let own = PerProcess::new(Own::new(&engine, &clock));
        Self { engine, clock, has_thread, own }
    }

    /// Reports what was used, gives back what nobody needed since this was called last, and fetches more where little is left.
    ///
    /// # Errors
    /// When the shared ledger cannot answer. Nothing is lost: what could not be told is told the next time.
    pub fn tend(&self) -> Result<(), LedgerError> {
        let desk = &self.own().desk;
        desk.keeper.tend(desk)
    }

    #[inline]
    fn own(&self) -> &Own {
        let Ok(own) = self.own.get_as_told(|_| Ok::<_, Infallible>(Own::new(&self.engine, &self.clock)));
        own
    }
}

impl Ledger for LeasedLedger {
    #[inline]
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let own = self.own();
        let [party] = step.parties else { return own.desk.pass(step, rows) };
        match own.desk.take(step, party)? {
            Here::Taken { next_lapse, seat, then } => {
                own.desk.then(then, party.owner);
                Ok(Outcome::Taken { next_lapse, seat })
            }
            Here::Not(outcome) => Ok(outcome),
            Here::Short => {
                if self.has_thread {
                    own.start();
                }
                own.desk.ask(step, party, rows)
            }
            Here::Elsewhere if step.expected() == 0 && !step.asks => own.desk.record(step, rows),
            Here::Elsewhere => own.desk.pass(step, rows),
        }
    }

    fn expect(&self, seat: u32) {
        self.own().desk.expect(seat);
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.own().desk.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.own().desk.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.own().desk.due(owner, now, most)
    }

    fn due_guests(
        &self,
        owner: &Owner,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(KeyId, Hold)>, LedgerError> {
        // Calls of several owners draw on no lease.
        self.engine.due_guests(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.own().desk.forget(owner)
    }

    fn history(&self, owner: &Owner, days: usize) -> Result<Vec<Tally>, LedgerError> {
        self.own().desk.report(owner, Leaves::All)?;
        self.engine.history(owner, days)
    }

    fn claim(&self) -> Option<Duration> {
        // What the shared ledger does not keep is handed out once.
        self.engine.claim().or(Some(Duration::MAX))
    }

    fn untold(&self, most: usize) -> Result<Vec<Notice>, LedgerError> {
        let mut untold = self.own().desk.notices.take(most, self.engine.claim());
        let others = most.saturating_sub(untold.len());
        if others > 0 {
            untold.extend(self.engine.untold(others)?);
        }
        Ok(untold)
    }

    fn told(&self, alerts: &[AlertId]) -> Result<(), LedgerError> {
        self.engine.told(alerts)
    }

    fn flush(&self) -> Result<(), LedgerError> {
        self.own().desk.report_everybody(Leaves::Held)?;
        self.engine.flush()
    }
}

impl Own {
    fn new(engine: &Arc<dyn Ledger>, clock: &Arc<dyn Clock>) -> Self {
        let desk = Arc::new(Desk::new(Arc::clone(engine), Arc::clone(clock)));
        Self { desk, thread: Mutex::default() }
    }

    // Without a thread, calls ask for themselves, and the next one tries again to start it.
    fn start(&self) {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let desk = Arc::clone(&self.desk);
            *thread = OwnThread::start("enclava-leases", move || desk.keeper.attend(&desk));
        }
    }
}

impl Drop for LeasedLedger {
    fn drop(&mut self) {
        // What came along through a fork is the parent's to report.
        let Some(own) = self.own.known() else { return };
        own.desk.keeper.close();
        if let Some(thread) = own.thread.lock().take() {
            thread.join();
        }
        // Whoever must know that everything arrived flushes first.
        let _ = own.desk.report_everybody(Leaves::Nothing);
    }
}
