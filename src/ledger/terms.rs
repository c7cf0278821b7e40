//! The words in which the books are spoken to: accounts, reservations, and what became of them.

use std::time::Duration;

use serde::Serialize;

use super::LedgerError;
use crate::budget::{Calendar, Hold, Limits, Notice, Owner, Party, Refusal, Usage, Windows};
use crate::id::KeyId;
use crate::time::Timestamp;

/// What holds are subject to.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long a hold lives when nobody settles it.
    pub lifetime: Duration,
    /// What a lapsed hold is charged.
    pub on_lapse: OnLapse,
    /// The most live holds of one key.
    pub most_live: u32,
}

/// What happens to the estimate of a call that nobody settled within the lifetime of its hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLapse {
    /// It is charged: the call was probably made.
    #[default]
    Charge,
    /// It is let go.
    Release,
}

/// One owner as the gate knows it: who, how much, and by which calendar.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Who.
    pub owner: &'a Owner,
    /// By which calendar.
    // Between the two that a party has: side by side they would be copied as one, which waits for both to be written.
    pub calendar: &'a Calendar,
    /// How much.
    pub limits: &'a Limits,
}

impl<'a> Account<'a> {
    #[inline]
    pub(super) fn party(&self, windows: Windows) -> Party<'a> {
        Party { owner: self.owner, limits: self.limits, windows }
    }
}

/// Why a reservation was not made.
#[derive(Debug)]
pub enum NotReserved {
    /// A meter has no room.
    Refused(Refusal),
    /// The owner has as many calls in flight as it may.
    Crowded,
    /// Another request has the same request id, or the hold is not live any more.
    Conflict,
    /// A call that has ended had the same request id, or usage was recorded by it.
    Ended,
    /// The ledger could not tell.
    Failed(LedgerError),
}

impl NotReserved {
    /// Whether calls in flight are all that stands in the way, so that asking again may succeed.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.transient,
            Self::Crowded => true,
            Self::Conflict | Self::Ended | Self::Failed(_) => false,
        }
    }
}

impl From<LedgerError> for NotReserved {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
}

/// Why a hold was not closed.
#[derive(Debug)]
pub enum Closing {
    /// It was settled or released before, or is not live where it has to be.
    Already,
    /// There is none of this name, or it is no longer remembered.
    NotFound,
    /// The ledger could not tell.
    Failed(LedgerError),
}

impl From<LedgerError> for Closing {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
}

/// A hold that lapsed on the way.
#[derive(Debug)]
pub struct Lapse {
    /// Whom it lives with: as a rule whoever called, or another who draws on one of the same owners.
    pub owner: KeyId,
    /// The hold.
    pub hold: Hold,
    /// Whom to tell of its charge.
    pub notices: Vec<Notice>,
}

/// What the calls of one owner for one model came to on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// When the day began, in the owner's time zone of then.
    pub day: Timestamp,
    /// The model; `None` for what was charged without naming one.
    pub model: Option<String>,
    /// How many calls were charged.
    pub calls: u64,
    /// What they were charged.
    pub usage: Usage,
}
