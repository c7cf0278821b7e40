//! The one thing that an engine does.
//!
//! A [`Step`] takes one hold from the revision it is expected to have to its next state, and moves the meters of its
//! owners with it. An engine carries it out whole or not at all, and judges nothing: the rules are in this room, the
//! same for every engine.

use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::DefaultHashBuilder;

use super::hold::{Hold, HoldId};
use super::window::Window;
use super::{Marks, Meter, Threshold};
use crate::id::KeyId;
use crate::time::Timestamp;

/// The most owners that one reservation may draw on.
pub const MAX_OWNERS: usize = 4;

/// What a step changes for one owner: each of its meters, in the order of [`Meter::ALL`].
pub type Part = [Change; Meter::ALL.len()];

/// Whose meters are counted: a key, and later its team.
#[derive(Debug)]
pub struct Owner {
    id: KeyId,
    spread: u32,
    seat: AtomicU32,
}

static SPREAD: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

impl Clone for Owner {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), spread: self.spread, seat: AtomicU32::new(self.seat()) }
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Owner {}

impl Owner {
    /// The owner named `id`.
    pub fn new(id: KeyId) -> Self {
        let [a, b, c, d, ..] = SPREAD.hash_one(&id).to_le_bytes();
        Self { id, spread: u32::from_le_bytes([a, b, c, d]), seat: AtomicU32::new(0) }
    }

    /// Its name.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// A number to spread owners by: the same for equal names in one process, and unpredictable.
    pub const fn spread(&self) -> u32 {
        self.spread
    }

    /// A note that a ledger left with [`Owner::set_seat`], 0 if none. It may be stale or another ledger's: a hint of
    /// where to look first, never a fact.
    pub fn seat(&self) -> u32 {
        self.seat.load(Ordering::Relaxed)
    }

    /// Leaves a note for the next call.
    pub fn set_seat(&self, seat: u32) {
        self.seat.store(seat, Ordering::Relaxed);
    }
}

/// One hold's next state, and what it does to the meters.
#[derive(Debug)]
pub struct Step<'a> {
    /// The owners; the first is the one that the hold lives with.
    pub owners: &'a [&'a Owner],
    /// The revision the hold must have for the step to be taken; 0: it must not exist.
    pub expected: u32,
    /// Its next state.
    pub becomes: &'a Hold,
    /// What changes, at most once for each owner, meter and window.
    pub changes: &'a [Change],
    /// The most live holds the first owner may have with this one; `None` where the step makes no hold live.
    pub most_live: Option<u32>,
    /// Whether the windows must be the current ones. An engine with a clock of its own then refuses when its clock
    /// is outside them, and says its time.
    pub current: bool,
}

/// What a step does to one meter in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which of the step's owners.
    pub owner: u8,
    /// Which of its meters.
    pub meter: Meter,
    /// In which window; its start names the row.
    pub window: Window,
    /// Added to what is used: pico-dollars or tokens, negative where a provisional charge is corrected.
    pub used: i128,
    /// Added to what is held.
    pub held: i128,
    /// The most that used and held together may come to; `i128::MAX`: the change is not bounded.
    pub bound: i128,
    /// When to tell the owner.
    pub alarm: Option<Alarm>,
}

/// Tell the owner, once in a window, when what is used reaches `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// The threshold to mark as told.
    pub threshold: Threshold,
    /// The amount, in the meter's unit.
    pub at: i128,
}

/// One meter in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// Charged so far.
    pub used: i128,
    /// Set aside for calls in flight.
    pub held: i128,
    /// The thresholds told so far.
    pub marks: Marks,
}

/// A row as a step left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// What is used and held: after the step if it was taken, unchanged if not.
    pub row: Row,
    /// Whether the step reached the alarm and marked it.
    pub told: bool,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken; the rows are as it left them.
    Taken {
        /// No live hold of the first owner lapses before this.
        next_lapse: Timestamp,
        /// Where the hold is now, for its [`Hold::seat`]; 0 if it does not matter.
        seat: u32,
    },
    /// A bounded row would have passed its bound; the rows are as they stand, unchanged.
    Refused,
    /// The first owner has as many live holds as it may; nothing changed.
    Crowded,
    /// The hold is not at the revision expected; nothing changed. Its present state, or `None` if it does not exist
    /// (or was resolved so long ago that it is no longer remembered).
    Unexpected(Option<Box<Hold>>),
    /// The engine's clock says another time, outside the windows; nothing changed.
    Elsewhen(Timestamp),
}

impl Change {
    /// The row after this change, and whether it told the alarm; `None` if the bound refuses it. The whole of an
    /// engine's arithmetic.
    #[inline]
    pub fn apply(&self, row: Row) -> Option<Moved> {
        // An amount is below 2^74, so it takes 2^53 calls on one row to leave an i128: these sums do not wrap.
        let used = row.used.wrapping_add(self.used);
        let held = row.held.wrapping_add(self.held);
        if used.wrapping_add(held) > self.bound {
            return None;
        }
        let mark = self
            .alarm
            .and_then(|alarm| if used >= alarm.at { row.marks.with(alarm.threshold) } else { None });
        Some(Moved { row: Row { used, held, marks: mark.unwrap_or(row.marks) }, told: mark.is_some() })
    }
}

impl Step<'_> {
    /// The hold that it is about.
    pub const fn hold(&self) -> HoldId {
        self.becomes.id
    }
}
