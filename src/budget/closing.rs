//! What became of a call: whom its charge is told to. Facts are never refused.

use super::step::{Alarm, Moved, Step};
use super::{Limits, Meter, Threshold};
use crate::time::Timestamp;

// The present limits decide who is told of a charge. A cap of zero never alerts: its owner meant it.
#[inline]
pub(super) fn alarm(limits: &Limits, meter: Meter) -> Option<Alarm> {
    let threshold = limits.alert_threshold?;
    let cap = limits.cap(meter).filter(|&cap| cap > 0)?;
    Some(Alarm { threshold, cap })
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
#[inline]
pub fn crossings(step: &Step<'_>, rows: &[Moved]) -> Vec<Crossing> {
    if rows.iter().any(|moved| moved.told) { told(step, rows) } else { Vec::new() }
}

#[cold]
fn told(step: &Step<'_>, rows: &[Moved]) -> Vec<Crossing> {
    let told = step.changes().zip(rows).filter(|(_, moved)| moved.told);
    let crossing = |(change, moved): (super::Change, &Moved)| {
        let threshold = change.alarm?.threshold;
        let (owner, meter, window_start) = (change.owner, change.meter, change.window.start);
        Some(Crossing { owner, meter, threshold, used: moved.row.used, window_start })
    };
    told.filter_map(crossing).collect()
}
