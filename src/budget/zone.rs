//! Time zones: which day and which month an instant belongs to.
//!
//! Wall dates are not monotone (clocks that go back just after midnight live a date twice), so a window is found
//! among instants: the latest midnight that is not after now. A date that a zone skipped has no window.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use parking_lot::Mutex;

use super::window::{Window, Windows};
use crate::time::Timestamp;

/// An IANA time zone, such as `UTC` or `Europe/Berlin`. The rules come with the library, so every machine agrees.
#[derive(Clone, Copy)]
pub struct Zone(&'static Place);

/// Why a text is not a [`Zone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone, such as UTC or Europe/Berlin")]
pub struct ZoneError;

struct Place {
    name: Box<str>,
    rules: TimeZone,
    // The windows last asked for. They are pure functions of time, so a stale value is only a miss.
    day: WindowCache,
    month: WindowCache,
}

// Every zone ever named, kept for the life of the process: at most one for each name in the zone database. In a tree, whose
// nodes a leak checker finds from here; a hash table is known by its middle, and reported.
static PLACES: LazyLock<Mutex<BTreeMap<Box<str>, &'static Place>>> = LazyLock::new(Mutex::default);
static UTC: OnceLock<Zone> = OnceLock::new();

impl Zone {
    /// Coordinated universal time, the default.
    pub fn utc() -> Self {
        *UTC.get_or_init(|| Self(intern("UTC", TimeZone::UTC)))
    }

    /// The zone of this IANA name.
    ///
    /// # Errors
    /// If the zone database has no such name. Case does not matter; the name is kept as the database spells it.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'-' | b'+');
        if !name.bytes().all(plain) {
            return Err(ZoneError);
        }
        let rules = TimeZone::get(name).map_err(|_| ZoneError)?;
        let name = rules.iana_name().ok_or(ZoneError)?.to_owned();
        Ok(if name == "UTC" { Self::utc() } else { Self(intern(&name, rules)) })
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    /// The day and the month that `now` lies in.
    #[inline]
    pub fn windows(self, now: Timestamp) -> Windows {
        Windows { day: self.day(now), month: self.month(now) }
    }

    /// The day that `now` lies in: from one midnight to the next, 23 to 25 hours as a rule.
    #[inline]
    pub fn day(self, now: Timestamp) -> Window {
        self.0.day.get(now).unwrap_or_else(|| self.0.day.put(self.find(now, 1.day(), |date| date)))
    }

    /// The calendar month that `now` lies in.
    #[inline]
    pub fn month(self, now: Timestamp) -> Window {
        self.0
            .month
            .get(now)
            .unwrap_or_else(|| self.0.month.put(self.find(now, 1.month(), Date::first_of_month)))
    }

    // The window around `now` among those that begin at midnight of `first(date)` and every `step` from there.
    #[cold]
    fn find(self, now: Timestamp, step: Span, first: fn(Date) -> Date) -> Window {
        let instant = jiff::Timestamp::from_second(now.as_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let today = first(self.0.rules.to_datetime(instant).date());
        let mut window = Window { start: Timestamp::EPOCH, end: Timestamp::MAX };
        // The wall date is at most a day off the window's (a date lived twice, or a date skipped).
        for steps in -2..=2 {
            let Some(date) = step.checked_mul(steps).ok().and_then(|span| today.checked_add(span).ok())
            else {
                continue;
            };
            let Ok(midnight) = self.0.rules.to_timestamp(date.at(0, 0, 0, 0)) else { continue };
            let midnight = Timestamp::from_seconds(midnight.as_second());
            if midnight <= now {
                window.start = window.start.max(midnight);
            } else {
                window.end = window.end.min(midnight);
            }
        }
        window
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Zone {}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn intern(name: &str, rules: TimeZone) -> &'static Place {
    PLACES.lock().entry(name.into()).or_insert_with(|| {
        let (day, month) = (WindowCache::default(), WindowCache::default());
        Box::leak(Box::new(Place { name: name.into(), rules, day, month }))
    })
}

// A window of whole seconds in one word, so that it is read and replaced whole: 38 bits of start, 22 of length.
#[derive(Default)]
struct WindowCache(AtomicU64);

impl WindowCache {
    const LENGTH_BITS: u32 = 22;
    const LENGTH_MASK: u64 = (1 << Self::LENGTH_BITS) - 1;

    #[inline]
    fn get(&self, now: Timestamp) -> Option<Window> {
        let packed = self.0.load(Ordering::Relaxed);
        let start = i64::try_from(packed >> Self::LENGTH_BITS).ok()?;
        let length = i64::try_from(packed & Self::LENGTH_MASK).ok()?;
        let window = Window {
            start: Timestamp::from_seconds(start),
            end: Timestamp::from_seconds(start.saturating_add(length)),
        };
        window.contains(now).then_some(window)
    }

    fn put(&self, window: Window) -> Window {
        let start = u64::try_from(window.start.as_seconds()).unwrap_or(0);
        let length = window.end.since(window.start).as_secs();
        if length <= Self::LENGTH_MASK {
            self.0.store((start << Self::LENGTH_BITS) | length, Ordering::Relaxed);
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(window: Window) -> u64 {
        window.end.since(window.start).as_secs() / 3_600
    }

    fn named(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    #[test]
    fn utc_days_and_months() {
        let Windows { day, month } = Zone::utc().windows(at("2028-02-29T12:00:00Z"));
        assert_eq!((day.start, day.end), (at("2028-02-29T00:00:00Z"), at("2028-03-01T00:00:00Z")));
        assert_eq!((month.start, month.end), (at("2028-02-01T00:00:00Z"), at("2028-03-01T00:00:00Z")));
        assert_eq!(Zone::utc().day(day.end).start, day.end, "midnight opens the next day");
    }

    #[test]
    fn month_ends_are_calendar_months() {
        for (now, start, end) in [
            ("2026-01-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-12-31T23:59:59.999999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-03-31T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ] {
            assert_eq!(Zone::utc().month(at(now)), Window { start: at(start), end: at(end) });
        }
    }

    #[test]
    fn days_of_23_and_25_hours() {
        let new_york = named("America/New_York");
        assert_eq!(hours(new_york.day(at("2026-03-08T12:00:00Z"))), 23);
        assert_eq!(hours(new_york.day(at("2026-11-01T12:00:00Z"))), 25);
        assert_eq!(hours(new_york.month(at("2026-03-15T12:00:00Z"))), 743);
        let lord_howe = named("Australia/Lord_Howe").day(at("2026-04-05T00:00:00Z"));
        assert_eq!(lord_howe.end.since(lord_howe.start).as_secs(), 24 * 3_600 + 1_800);
    }

    #[test]
    fn a_skipped_date_has_no_window() {
        // Samoa went from 2011-12-29 to 2011-12-31.
        let apia = named("Pacific/Apia");
        let before = apia.day(at("2011-12-30T09:59:59Z"));
        let after = apia.day(at("2011-12-30T10:00:00Z"));
        assert_eq!(before.end, after.start);
        assert_eq!((hours(before), hours(after)), (24, 24));
    }

    #[test]
    fn a_date_lived_twice_is_one_window() {
        // Newfoundland used to put the clock back at 00:01, so that 6 November came again after 7 November began.
        let st_johns = named("America/St_Johns");
        let midnight = at("2010-11-07T02:30:00Z");
        let first = st_johns.day(midnight);
        assert_eq!(first.start, midnight);
        for minutes in 0..120 {
            let later = Timestamp::from_seconds(midnight.as_seconds() + minutes * 60);
            assert_eq!(st_johns.day(later), first, "{minutes} minutes after midnight");
        }
    }

    #[test]
    fn names_are_checked_and_shared() {
        assert_eq!(named("europe/berlin"), named("Europe/Berlin"));
        assert_eq!(named("utc"), Zone::utc());
        for bad in ["", "Europe/Atlantis", "UTC+2", "../etc/passwd", "EST5EDT,M3.2.0,M11.1.0"] {
            assert_eq!(Zone::named(bad), Err(ZoneError), "{bad}");
        }
    }
}
