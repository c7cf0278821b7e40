//! What became of a call: settle, release, drop, lapse, record. Facts are never refused.

use super::hold::{Hold, Phase};
use super::step::{Alarm, Change, Changes, Moved};
use super::window::Windows;
use super::{Limits, Meter, Threshold, Usage};
use crate::id::KeyId;
use crate::time::Timestamp;

/// The state of `hold` once it is closed as `phase` with `usage` charged.
#[inline]
pub fn closed(hold: &Hold, phase: Phase, usage: Usage) -> Hold {
    Hold { phase, usage, revision: hold.revision.saturating_add(1), ..hold.clone() }
}

/// Puts into `changes` what takes `hold` from what it holds or has charged to `after`, in the windows that were pinned when it
/// was made. `limits` are the present ones of its owners, in order: they decide who is told of a charge.
#[inline]
pub fn close(hold: &Hold, after: &Hold, limits: &[Limits], changes: &mut Changes) {
    changes.clear();
    let moved = |meter| {
        let used = after.charged(meter).wrapping_sub(hold.charged(meter));
        (used, after.held(meter).wrapping_sub(hold.held(meter)))
    };
    let (spend, tokens) = (moved(Meter::DailySpend), moved(Meter::DailyTokens));
    for (owner, windows) in (0_u8..).zip(pinned(hold)) {
        let limits = limits.get(usize::from(owner));
        for meter in Meter::ALL {
            let (used, held) = if meter == Meter::DailyTokens { tokens } else { spend };
            let alarm = if used > 0 { limits.and_then(|limits| alarm(limits, meter)) } else { None };
            let window = windows.of(meter);
            changes.push(Change { owner, meter, window, used, held, bound: i128::MAX, alarm });
        }
    }
}

/// The windows that each owner of `hold` is charged in, the one that it lives with first.
#[inline]
pub fn pinned(hold: &Hold) -> impl Iterator<Item = Windows> {
    let others = hold.others.iter().flat_map(|others| others.iter().map(|(_, windows)| *windows));
    std::iter::once(hold.windows).chain(others)
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
    /// Which of the owners.
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

/// The other owners of `hold`, beyond the one that it lives with.
pub fn others(hold: &Hold) -> impl Iterator<Item = &KeyId> {
    hold.others.iter().flat_map(|others| others.iter().map(|(owner, _)| owner))
}
