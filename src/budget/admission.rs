//! May this owner use so much more? Reservations, extensions, and why they are refused.

use super::hold::Hold;
use super::step::{Change, Moved, Owner, Part, Row, for_each_meter};
use super::window::{Window, Windows};
use super::{Limits, Meter, Usage};

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

/// What sets `estimate` aside for `party`, which is the step's owner number `owner`.
///
/// A meter admits when `used + held + estimate <= cap`; one whose unit has no estimate admits when `used + held < cap`,
/// so that a spent budget refuses a call that says nothing of its cost.
#[inline]
pub fn reserve(owner: u8, party: &Party<'_>, estimate: Usage) -> Part {
    for_each_meter(|meter| {
        let (held, cap) = (estimate.on(meter), party.limits.cap(meter).unwrap_or(i128::MAX));
        let bound = if held == 0 { cap.wrapping_sub(1) } else { cap };
        set_aside(owner, party, meter, held, bound)
    })
}

/// What sets `more` aside beyond what `hold` has. A meter that has something and is asked for nothing more is not asked
/// again.
pub fn extend(owner: u8, party: &Party<'_>, hold: &Hold, more: Usage) -> Part {
    for_each_meter(|meter| {
        let cap = party.limits.cap(meter).unwrap_or(i128::MAX);
        let bound = match (hold.held(meter), more.on(meter)) {
            (0, 0) => cap.saturating_sub(1),
            (_, 0) => i128::MAX,
            _ => cap,
        };
        set_aside(owner, party, meter, more.on(meter), bound)
    })
}

#[inline]
fn set_aside(owner: u8, party: &Party<'_>, meter: Meter, held: i128, bound: i128) -> Change {
    Change { owner, meter, window: party.windows.of(meter), used: 0, held, bound, alarm: None }
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
pub fn refusal(changes: &[Change], rows: &[Moved]) -> Option<Refusal> {
    let refusing = changes.iter().zip(rows).filter_map(|(change, moved)| {
        let bound = change.bound;
        let row = moved.row;
        let fits = |held: i128| row.used.saturating_add(held).saturating_add(change.held) <= bound;
        // The bound of a change that asks for nothing stands one below the cap.
        let limit = if change.held == 0 { bound.saturating_add(1) } else { bound };
        (!fits(row.held)).then(|| Refusal {
            party: change.owner,
            meter: change.meter,
            limit,
            used: row.used,
            held: row.held,
            requested: change.held,
            window: change.window,
            transient: fits(0),
        })
    });
    refusing.min_by_key(|refusal| {
        (refusal.transient, std::cmp::Reverse(refusal.window.end), refusal.meter, refusal.party)
    })
}

/// Whether `usage` would be admitted with the meters as they stand in `rows`: what a grant of less than was asked for
/// is measured with, before it is reserved.
pub fn fits(party: &Party<'_>, rows: &[Row], usage: Usage) -> bool {
    reserve(0, party, usage).iter().zip(rows).all(|(change, row)| change.is_admitted(row))
}
