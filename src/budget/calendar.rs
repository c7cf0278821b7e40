//! The time zones that one key has been counted in.

use super::window::{Window, Windows};
use super::zone::Zone;
use crate::time::Timestamp;

/// A key's time zone, and the zones it had before.
///
/// A change takes effect when the current window ends, for the day and for the month each on its own, so that no
/// window is cut short and none starts from zero twice. The first window in the new zone begins where the last one
/// in the old zone ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    zone: Zone,
    // Almost every key has none, and a million keys are kept.
    earlier: Option<Box<Earlier>>,
}

/// The zones before the present one, oldest first, each with the instant at which it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Earlier {
    /// For days.
    pub days: Vec<(Zone, Timestamp)>,
    /// For months.
    pub months: Vec<(Zone, Timestamp)>,
}

// Zones that ended longer ago than any window that is kept are forgotten.
const REMEMBERED: usize = 4;

impl Calendar {
    /// A calendar that has always been in `zone`.
    pub const fn new(zone: Zone) -> Self {
        Self { zone, earlier: None }
    }

    /// A calendar as it was kept.
    pub fn restored(zone: Zone, earlier: Earlier) -> Self {
        let none = earlier.days.is_empty() && earlier.months.is_empty();
        Self { zone, earlier: (!none).then(|| Box::new(earlier)) }
    }

    /// The time zone that was asked for last.
    pub const fn zone(&self) -> Zone {
        self.zone
    }

    /// The zones before it, if it was ever changed.
    pub fn earlier(&self) -> Option<&Earlier> {
        self.earlier.as_deref()
    }

    /// The same calendar in `zone` from the end of the windows that are current at `now`.
    pub fn changed(&self, zone: Zone, now: Timestamp) -> Self {
        if zone == self.zone {
            return self.clone();
        }
        let Windows { day, month } = self.windows(now);
        let earlier = self.earlier.as_deref().cloned().unwrap_or_default();
        let until = |spans: Vec<(Zone, Timestamp)>, window: Window| {
            // The zone that rules `now` ends with its window; changes that had not taken effect never will.
            let ruling = spans.iter().find(|(_, end)| now < *end).map_or(self.zone, |(zone, _)| *zone);
            let mut spans: Vec<_> = spans.into_iter().filter(|(_, end)| *end <= now).collect();
            spans.push((ruling, window.end));
            spans.drain(..spans.len().saturating_sub(REMEMBERED));
            spans
        };
        let earlier = Earlier { days: until(earlier.days, day), months: until(earlier.months, month) };
        Self::restored(zone, earlier)
    }

    /// The day and the month that `now` lies in.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "what a function hands back in memory waits there before it is copied on"
    )]
    pub fn windows(&self, now: Timestamp) -> Windows {
        match &self.earlier {
            None => self.zone.windows(now),
            Some(earlier) => Windows {
                day: within(&earlier.days, self.zone, now, Zone::day),
                month: within(&earlier.months, self.zone, now, Zone::month),
            },
        }
    }
}

// The window around `now` in the zone that rules it, cut to the time that zone rules.
fn within(
    spans: &[(Zone, Timestamp)],
    last: Zone,
    now: Timestamp,
    window: fn(Zone, Timestamp) -> Window,
) -> Window {
    let next = spans.iter().position(|(_, end)| now < *end).unwrap_or(spans.len());
    let (zone, end) = spans.get(next).copied().unwrap_or((last, Timestamp::MAX));
    let start =
        next.checked_sub(1).and_then(|before| spans.get(before)).map_or(Timestamp::EPOCH, |(_, end)| *end);
    let whole = window(zone, now);
    Window { start: whole.start.max(start), end: whole.end.min(end) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_change_waits_for_the_window_to_end() {
        let utc = Calendar::default();
        let now = at("2026-11-23T12:00:00Z");
        let tokyo = utc.changed(Zone::named("Asia/Tokyo").unwrap(), now);
        assert_eq!(tokyo.windows(now), utc.windows(now));
        // At 00:00 UTC it is 09:00 in Tokyo: the first day in the new zone has 15 hours left.
        let first = tokyo.windows(at("2026-11-24T00:00:00Z")).day;
        assert_eq!((first.start, first.end), (at("2026-11-24T00:00:00Z"), at("2026-11-24T15:00:00Z")));
        let month = tokyo.windows(at("2026-12-01T00:00:00Z")).month;
        assert_eq!((month.start, month.end), (at("2026-12-01T00:00:00Z"), at("2026-12-31T15:00:00Z")));
    }

    #[test]
    fn changing_back_before_it_took_effect_changes_nothing() {
        let now = at("2026-11-23T12:00:00Z");
        let utc = Calendar::default();
        let back = utc.changed(Zone::named("Asia/Tokyo").unwrap(), now).changed(Zone::utc(), now);
        for hours in 0..100 {
            let later = Timestamp::from_seconds(now.as_seconds() + hours * 3_600);
            assert_eq!(back.windows(later), utc.windows(later), "{later}");
        }
    }

    proptest! {
        // However often the zone changes, windows tile time: no gap, no overlap, so nothing starts from zero twice.
        #[test]
        fn windows_tile_time(changes in prop::collection::vec((0_usize..5, 0_i64..2_000_000), 0..6)) {
            let names = ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "America/St_Johns"];
            let mut calendar = Calendar::default();
            let mut now = at("2010-10-20T00:00:00Z");
            let mut days = vec![calendar.windows(now).day];
            let mut months = vec![calendar.windows(now).month];
            for (name, seconds) in changes {
                calendar = calendar.changed(Zone::named(names[name]).unwrap(), now);
                let until = Timestamp::from_seconds(now.as_seconds() + seconds);
                while now < until {
                    now = Timestamp::from_seconds((now.as_seconds() + 1_799).min(until.as_seconds()));
                    let windows = calendar.windows(now);
                    prop_assert!(windows.day.contains(now) && windows.month.contains(now));
                    for (seen, window) in [(&mut days, windows.day), (&mut months, windows.month)] {
                        let last = *seen.last().unwrap();
                        if window != last {
                            prop_assert_eq!(window.start, last.end, "{:?} follows {:?}", window, last);
                            seen.push(window);
                        }
                    }
                }
            }
        }
    }
}
