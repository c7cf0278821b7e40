//! Where meters and holds live: the [`Ledger`] trait, the ledger in memory, and the [`Books`] that are kept in one.

mod books;
mod lease;
mod memory;
mod parties;
mod seats;
mod terms;

use std::fmt;
use std::time::Duration;

use crate::budget::{AlertId, Hold, HoldId, Meter, Moved, Notice, Outcome, Owner, Row, Step};
use crate::id::KeyId;
use crate::time::Timestamp;

pub use books::Books;
pub use lease::{Lease, LeasedLedger};
pub use memory::MemoryLedger;
pub use terms::{Account, Closing, Lapse, NotReserved, OnLapse, Tally, Terms};

/// A place that keeps rows and holds, and carries out one step at a time.
///
/// Implement it to keep budgets elsewhere. An implementation is right when, for any number of callers at once, each
/// [`Ledger::apply`] happens whole or not at all, as if alone:
///
/// 1. If the hold's revision is not [`step.expected()`](Step::expected) (0: no such hold), answer [`Outcome::Unexpected`]. Nobody
///    steps a hold that was settled or released; a ledger that is asked to may answer this as well.
/// 2. If `step.most_live` is told and the first owner has that many live holds, answer [`Outcome::Crowded`].
/// 3. Ask every one of [`step.changes()`](Step::changes) whether its row [`is_admitted`](crate::budget::Change::is_admitted); a row never written is zero.
///    If any is not, change nothing, write the rows as they stand to `rows`, and answer [`Outcome::Refused`].
/// 4. Otherwise [`carry_out`](crate::budget::Change::carry_out) every change, store the rows and where the hold stands (`step.becomes`), write
///    what the rows became to `rows`, and answer [`Outcome::Taken`].
///
/// A row is never reset: another window is another row. Keep the rows of the last two windows, and those that a hold
/// which is still open was pinned to, whichever of its owners it lives with. Keep live holds. Of ended ones keep a bounded number for each owner and forget the oldest
/// first; an engine whose steps may arrive late keeps each longer than a step can be under way. A call may block and may fail;
/// if it fails after it may have been taken, taking it again is safe, because the revision has moved.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Takes one step, or says why not. `rows` has one place for each of the step's changes, in order, and is written
    /// when the answer is [`Outcome::Taken`] or [`Outcome::Refused`].
    ///
    /// # Errors
    /// When the ledger cannot tell. Whether the step was taken is then unknown.
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError>;

    /// Says that a step of an owner is likely to follow at once: of the one whose [`Owner::seat`] notes this, as far as
    /// notes go. A ledger in memory may have that memory fetched meanwhile. Answers nothing, changes nothing, and costs
    /// next to nothing.
    fn expect(&self, _seat: u32) {}

    /// The row of `meter` in the window that begins at `start`; zero if it was never written.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError>;

    /// The hold, if it lives with `owner` and is remembered. Of one that was settled or released a ledger may have kept
    /// only its name and its standing.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError>;

    /// At most `most` live holds of `owner` whose lifetime has passed at `now`.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError>;

    /// The same of holds that live with other owners and draw on `owner` too: at most `most` that are live and have passed
    /// their lifetime, each with whom it lives with. A ledger that no reservation of several owners reaches has none.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    fn due_guests(
        &self,
        _owner: &Owner,
        _now: Timestamp,
        _most: usize,
    ) -> Result<Vec<(KeyId, Hold)>, LedgerError> {
        Ok(Vec::new())
    }

    /// Forgets `owner`, once the last live hold that draws on it is closed. What is closed after that moves nothing of it.
    ///
    /// # Errors
    /// When the ledger cannot do so now.
    fn forget(&self, owner: &Owner) -> Result<(), LedgerError>;

    /// What `owner` used on each of the last `days` days on which it used anything, by model, the last day first. A ledger
    /// that keeps no history has none to tell.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    fn history(&self, _owner: &Owner, _days: usize) -> Result<Vec<Tally>, LedgerError> {
        Ok(Vec::new())
    }

    /// For how long a notice is left to whoever has it, or `None`, which is what a ledger says that keeps no notices; always
    /// the same.
    ///
    /// A ledger that keeps them keeps the [`Notice`] of each change that crossed a threshold in the same step, so that no
    /// alert is lost with the process that was to tell it. A notice is first left to that process; one that was not
    /// [`told`](Self::told) by the end of the claim is handed out again, so that whoever died or failed is stood in for.
    /// Claims are about processes, not about windows: they run by the ledger's own clock.
    fn claim(&self) -> Option<Duration> {
        None
    }

    /// Hands out at most `most` notices that nobody was told and nobody has, the oldest first, each to one caller for the
    /// time of a claim or longer. There may be some although no step of this process crossed anything. Small when there
    /// are none: every gate that tells alerts asks once in each refresh interval.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    fn untold(&self, _most: usize) -> Result<Vec<Notice>, LedgerError> {
        Ok(Vec::new())
    }

    /// Forgets the notices of these alerts: their owners were told. Those that are not there are forgotten already.
    ///
    /// # Errors
    /// When the ledger cannot do so now; they are told again then, under the same ids.
    fn told(&self, _alerts: &[AlertId]) -> Result<(), LedgerError> {
        Ok(())
    }

    /// Brings what is still on its way to where it is kept. Called when the gate closes.
    ///
    /// # Errors
    /// When something could not be brought there.
    fn flush(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// A ledger that cannot answer, or a store: it is down, cut off, full or damaged. Nothing is admitted meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {who} cannot answer: {message}")]
pub struct LedgerError {
    who: &'static str,
    message: String,
}

impl LedgerError {
    /// An error with this message for the operator. It must not hold a secret.
    pub fn new(message: impl Into<String>) -> Self {
        Self { who: "ledger", message: message.into() }
    }

    /// The same of a store, which fails calls as a ledger does.
    pub(crate) fn of_store(message: impl Into<String>) -> Self {
        Self { who: "store", message: message.into() }
    }
}
