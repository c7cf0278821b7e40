//! Days and months as intervals of instants.

use std::fmt;

use super::Meter;
use crate::time::Timestamp;

/// A day or a month: the instants from `start` up to, but not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

impl Window {
    /// Whether `now` lies inside.
    pub fn contains(self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

/// The day and the month that a call is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// The day.
    pub day: Window,
    /// The calendar month.
    pub month: Window,
}

impl Windows {
    /// Of no call yet.
    pub(super) const NONE: Self = {
        let none = Window { start: Timestamp::EPOCH, end: Timestamp::EPOCH };
        Self { day: none, month: none }
    };

    /// The window that `meter` counts in.
    #[inline]
    pub const fn of(self, meter: Meter) -> Window {
        match meter {
            Meter::DailySpend | Meter::DailyTokens => self.day,
            Meter::MonthlySpend => self.month,
        }
    }
}
