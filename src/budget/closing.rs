//! What became of a call: settle, release, drop, lapse, record. Facts are never refused.

use super::hold::{Hold, Phase};
use super::step::{Alarm, Change, Moved, Part, for_each_meter};
use super::window::Windows;
use super::{Limits, Meter, Threshold, Usage};
use crate::time::Timestamp;

/// The state of `hold` once it is closed as `phase` with `usage` charged.
#[inline]
pub fn closed(hold: &Hold, phase: Phase, usage: Usage) -> Hold {
    Hold { phase, usage, revision: hold.revision.saturating_add(1), ..hold.clone() }
}

/// What takes `hold` from what it holds or has charged to `after`, for the step's owner number `owner` in the windows
/// that were pinned for it when the hold was made. `limits` are its present ones: they decide who is told of a charge.
#[inline]
pub fn close(owner: u8, windows: Windows, hold: &Hold, after: &Hold, limits: &Limits) -> Part {
    for_each_meter(|meter| {
        let used = after.charged(meter).wrapping_sub(hold.charged(meter));
        let held = after.held(meter).wrapping_sub(hold.held(meter));
        let alarm = if used > 0 { alarm(limits, meter) } else { None };
        Change { owner, meter, window: windows.of(meter), used, held, bound: i128::MAX, alarm }
    })
}

// A cap of zero never alerts: its owner meant it.
fn alarm(limits: &Limits, meter: Meter) -> Option<Alarm> {
    let threshold = limits.alert_threshold?;
    let cap = limits.cap(meter).filter(|&cap| cap > 0)?;
    Some(Alarm { threshold, at: threshold.of(cap) })
}

/// A meter reached its owner's threshold. Told once for each meter, threshold and window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Which of the step's owners.
    pub owner: u8,
    /// Which of its meters.
    pub meter: Meter,
    /// The threshold.
    pub threshold: Threshold,
    /// What is used now, in the meter's unit.
    pub used: i128,
    /// The first instant of the window, which names it.
    pub window_start: Timestamp,
}

/// The alarms that a step which was taken told.
pub fn crossings(changes: &[Change], rows: &[Moved]) -> impl Iterator<Item = Crossing> {
    changes.iter().zip(rows).filter(|(_, moved)| moved.told).filter_map(|(change, moved)| {
        let threshold = change.alarm?.threshold;
        let (owner, meter, window_start) = (change.owner, change.meter, change.window.start);
        Some(Crossing { owner, meter, threshold, used: moved.row.used, window_start })
    })
}
