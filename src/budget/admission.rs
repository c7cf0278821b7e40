//! May this owner use so much more? How much room there is, and which meter to name when there is none.

use super::hold::{Hold, HoldId};
use super::notice::alarm;
use super::step::{Moved, Owner, Row, Step};
use super::window::{Window, Windows};
use super::{Limits, Meter, Usage};
use crate::time::Timestamp;

/// One owner's part of a call.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// Who it is.
    pub owner: &'a Owner,
    /// What it may use.
    pub limits: &'a Limits,
    /// The windows that the call is charged to.
    pub windows: Windows,
}

/// What used and held together may come to on a meter that is asked for `more` for `hold`.
///
/// A meter admits when `used + held + more <= cap`; one whose unit has no estimate admits when `used + held < cap`, so
/// that a spent budget refuses a call that says nothing of its cost. One that holds something and is asked for nothing
/// more is not asked again.
#[inline]
pub(super) fn room(hold: &Hold, meter: Meter, more: i128, limits: &Limits) -> i128 {
    match limits.cap(meter) {
        Some(cap) if more > 0 => cap,
        Some(cap) if hold.standing.usage.on(meter) == 0 => cap.saturating_sub(1),
        _ => i128::MAX,
    }
}

/// How much more a meter may come to before it is full or its owner is to be told; `None` where nothing bounds it.
pub(crate) fn quiet_room(limits: &Limits, meter: Meter, row: &Row) -> Option<i128> {
    let cap = limits.cap(meter)?;
    let untold = alarm(limits, meter).filter(|alarm| !row.marks.has(alarm.threshold));
    let most = untold.map_or(cap, |alarm| alarm.at().saturating_sub(1));
    Some(most.saturating_sub(row.used).saturating_sub(row.held))
}

/// Why there was no room: the one meter to name, as it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the parties.
    pub party: u8,
    /// Which of its meters.
    pub meter: Meter,
    /// Its cap, in its unit.
    pub limit: i128,
    /// What was used.
    pub used: i128,
    /// What calls in flight held.
    pub held: i128,
    /// What was asked for.
    pub requested: i128,
    /// The window, whose end is the reset.
    pub window: Window,
    /// Whether calls in flight are all that stands in the way, so that asking again may succeed.
    pub transient: bool,
}

/// Reads from the rows of a refused step which meter to name: a final one before a transient one, then the latest
/// reset, then the order of [`Meter`]. `None` if no row refuses.
pub fn refusal(step: &Step<'_>, rows: &[Moved]) -> Option<Refusal> {
    let refusing = step.changes().zip(rows).filter_map(|(change, moved)| {
        let bound = change.bound;
        let row = moved.row;
        let fits = |held: i128| row.used.saturating_add(held).saturating_add(change.held) <= bound;
        // The bound of a change that asks for nothing stands one below the cap.
        let limit = if change.held == 0 { bound.saturating_add(1) } else { bound };
        // What the hold has already is not let go while more is asked for it.
        let own = step.hold.standing.usage.on(change.meter);
        (!fits(row.held)).then(|| Refusal {
            party: change.owner,
            meter: change.meter,
            limit,
            used: row.used,
            held: row.held,
            requested: change.held,
            window: change.window,
            transient: fits(own),
        })
    });
    refusing.min_by_key(|refusal| {
        (refusal.transient, std::cmp::Reverse(refusal.window.end), refusal.meter, refusal.party)
    })
}

/// Whether `usage` would be admitted with the meters as they stand in `rows`: what a grant of less than was asked for
/// is measured with, before it is reserved.
pub fn fits(party: Party<'_>, rows: &[Row], usage: Usage) -> bool {
    let (parties, hold) = ([party], Hold::new(HoldId(0), 0));
    let step = Step::reserve(&parties, &hold, usage, None, Timestamp::MAX, 1, u32::MAX);
    step.changes().zip(rows).all(|(change, row)| change.is_admitted(row))
}
