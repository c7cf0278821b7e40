//! The one thing that an engine does.
//!
//! A [`Step`] takes one hold from the revision it is expected to have to its next state, and moves the meters of its
//! owners with it. An engine carries it out whole or not at all, and judges nothing: the rules are in this room, the
//! same for every engine.

use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::DefaultHashBuilder;

use super::admission::{Party, room};
use super::hold::{Hold, HoldId, Phase, Standing};
use super::notice::alarm;
use super::window::Window;
use super::{Marks, Meter, Threshold, Usage};
use crate::id::KeyId;
use crate::time::Timestamp;

/// The most owners that one reservation may draw on.
pub const MAX_OWNERS: usize = 4;

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

/// One hold's next standing, and what it does to the meters of its owners.
#[derive(Debug)]
pub struct Step<'a> {
    /// Whose meters it moves; the first is the one that the hold lives with.
    pub parties: &'a [Party<'a>],
    /// The hold as it was seen last. At revision 0 it must not exist yet, and is kept as it is here.
    pub hold: &'a Hold,
    /// Where it stands after.
    pub becomes: Standing,
    /// Which model the call is for, told when the hold is made, for a ledger that keeps a history by model.
    pub model: Option<&'a str>,
    /// Whose calls it charges, by model, where it charges many at once: a report of a lease. `None` where it is of one call.
    /// For a ledger that keeps a history.
    pub calls: Option<&'a [Calls<'a>]>,
    /// What it adds to each meter of US dollars.
    pub spend: Delta,
    /// What it adds to each meter of tokens.
    pub tokens: Delta,
    /// Whether it asks for room, which there may not be. What ends a call asks nothing: facts are never refused.
    pub asks: bool,
    /// The most live holds the first owner may have with this one; `None` where the step makes no hold live.
    pub most_live: Option<u32>,
    /// Whether the windows must be the current ones. An engine with a clock of its own then refuses when its clock
    /// is outside them, and says its time.
    pub current: bool,
}

/// What a step adds to a meter, in the meter's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delta {
    /// To what is used; negative where a provisional charge is corrected.
    pub used: i128,
    /// To what is held.
    pub held: i128,
}

/// What the calls for one model add to a report; less than nothing where they correct what was charged before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls<'a> {
    /// The model; `None` for calls that named none.
    pub model: Option<&'a str>,
    /// How many calls were charged.
    pub count: i64,
    /// What they used, in pico-dollars.
    pub spend: i128,
    /// What they used, in tokens.
    pub tokens: i128,
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

/// Tell the owner, once in a window, when what is used reaches the threshold's share of the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// The threshold to mark as told.
    pub threshold: Threshold,
    /// The cap, in the meter's unit.
    pub cap: i128,
}

impl Alarm {
    /// The smallest amount that reaches it, in the meter's unit.
    pub fn at(&self) -> i128 {
        self.threshold.of(self.cap)
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        /// No live hold of the first owner lapses before this, nor does one of the others if there are any.
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

impl Moved {
    /// Before any step.
    pub const NONE: Self = Self { row: Row::NONE, told: false };
}

impl Change {
    /// Whether the bound lets this change happen to `row`.
    #[inline]
    pub fn is_admitted(&self, row: &Row) -> bool {
        // An amount is below 2^74, so it takes 2^53 calls on one row to leave an i128: these sums do not wrap.
        let used = row.used.wrapping_add(self.used);
        used.wrapping_add(row.held).wrapping_add(self.held) <= self.bound
    }

    /// Makes this change to `row`, and answers what it became. With [`Change::is_admitted`], the whole of an engine's
    /// arithmetic.
    #[inline]
    pub fn carry_out(&self, row: &mut Row) -> Moved {
        let used = row.used.wrapping_add(self.used);
        let held = row.held.wrapping_add(self.held);
        let told = self
            .alarm
            .is_some_and(|alarm| alarm.threshold.is_reached(used, alarm.cap) && row.tell(alarm.threshold));
        // Written twice from registers: a copy of what was just stored would wait for the store.
        (row.used, row.held) = (used, held);
        Moved { row: Row { used, held, marks: row.marks }, told }
    }
}

impl Row {
    /// Never written.
    pub const NONE: Self = Self { used: 0, held: 0, marks: Marks::NONE };

    // Marks the threshold; false if it was told before.
    #[cold]
    fn tell(&mut self, threshold: Threshold) -> bool {
        let marked = self.marks.with(threshold);
        self.marks = marked.unwrap_or(self.marks);
        marked.is_some()
    }
}

impl<'a> Step<'a> {
    /// Makes `hold` for a call of `model`, with `estimate` set aside for every party until it is closed or lapses.
    #[inline]
    pub fn reserve(
        parties: &'a [Party<'a>],
        hold: &'a Hold,
        estimate: Usage,
        model: Option<&'a str>,
        expires_at: Timestamp,
        revision: u32,
        most_live: u32,
    ) -> Self {
        let becomes = Standing { usage: estimate, expires_at, revision, phase: Phase::Live };
        Self {
            parties,
            hold,
            becomes,
            model,
            calls: None,
            spend: Delta { used: 0, held: estimate.cost.as_picos() },
            tokens: Delta { used: 0, held: estimate.tokens.into() },
            asks: true,
            most_live: Some(most_live),
            current: true,
        }
    }

    /// Sets `more` aside for a live hold, and lets it live until `expires_at` at least.
    pub fn extend(parties: &'a [Party<'a>], hold: &'a Hold, more: Usage, expires_at: Timestamp) -> Self {
        let before = hold.standing;
        let expires_at = before.expires_at.max(expires_at);
        let revision = before.revision.saturating_add(1);
        let usage = before.usage.saturating_add(more);
        // No more than what the sum has room for, so that what is held can be given back to the last unit.
        let more = usage.saturating_sub(before.usage);
        let step = Self::reserve(parties, hold, more, None, expires_at, revision, 0);
        Self { becomes: Standing { usage, ..step.becomes }, most_live: None, current: false, ..step }
    }

    /// Ends `hold` as `phase`, with `usage` charged instead of what it held or had charged.
    #[inline]
    pub fn close(parties: &'a [Party<'a>], hold: &'a Hold, phase: Phase, usage: Usage) -> Self {
        let before = hold.standing;
        let becomes = Standing {
            usage,
            expires_at: before.expires_at,
            revision: before.revision.saturating_add(1),
            phase,
        };
        let delta = |was: i128, is: i128| match before.phase {
            Phase::Live => Delta { used: is, held: was.wrapping_neg() },
            _ => Delta { used: is.wrapping_sub(was), held: 0 },
        };
        Self {
            parties,
            hold,
            becomes,
            model: None,
            calls: None,
            spend: delta(before.usage.cost.as_picos(), usage.cost.as_picos()),
            tokens: delta(before.usage.tokens.into(), usage.tokens.into()),
            asks: false,
            most_live: None,
            current: false,
        }
    }

    /// Tells what was used of a lease, a live hold, since it was told last, and leaves it `left` to hold. As `phase` other
    /// than live it is the last report: the lease is over. `spend` and `tokens` are what was used, `calls` the same by model.
    pub fn report(
        parties: &'a [Party<'a>],
        lease: &'a Hold,
        (spend, tokens): (i128, i128),
        left: Usage,
        phase: Phase,
        calls: &'a [Calls<'a>],
    ) -> Self {
        let before = lease.standing.usage;
        let held = |was: i128, is: i128| is.wrapping_sub(was);
        let step = Self::close(parties, lease, phase, left);
        Self {
            calls: Some(calls),
            spend: Delta { used: spend, held: held(before.cost.as_picos(), left.cost.as_picos()) },
            tokens: Delta { used: tokens, held: held(before.tokens.into(), left.tokens.into()) },
            ..step
        }
    }
}

impl Step<'_> {
    /// The hold that it is about.
    pub const fn id(&self) -> HoldId {
        self.hold.id
    }

    /// The revision the hold must have for the step to be taken; 0: it must not exist.
    pub const fn expected(&self) -> u32 {
        self.hold.standing.revision
    }

    /// The hold as it is to be kept once the step is taken.
    pub fn kept(&self) -> Hold {
        Hold { standing: self.becomes, ..self.hold.clone() }
    }

    /// What changes: each meter of each party, in the order of `parties` and of [`Meter::ALL`].
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let of = |(owner, party)| Meter::ALL.map(|meter| self.change(owner, party, meter));
        (0_u8..).zip(self.parties).flat_map(of)
    }

    /// What changes on one meter of one party, number `owner`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "six times in every call, each for a meter that is known there")]
    pub fn change(&self, owner: u8, party: &Party<'_>, meter: Meter) -> Change {
        let Delta { used, held } = match meter {
            Meter::DailySpend | Meter::MonthlySpend => self.spend,
            Meter::DailyTokens => self.tokens,
        };
        let bound = if self.asks { room(self.hold, meter, held, party.limits) } else { i128::MAX };
        let alarm = if used > 0 { alarm(party.limits, meter) } else { None };
        Change { owner, meter, window: party.windows.of(meter), used, held, bound, alarm }
    }
}
