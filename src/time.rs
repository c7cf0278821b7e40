//! Instants: microseconds since 1970-01-01T00:00:00Z, read and written as RFC 3339.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// An instant on the wall clock, to the microsecond.
///
/// Text is RFC 3339 with an offset (`2026-11-23T23:59:00Z`); a timestamp without one is refused, because
/// guessing a zone moves money between days. From [`Timestamp::EPOCH`] to [`Timestamp::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is not a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// Not RFC 3339, or without an offset.
    #[error("must be an RFC 3339 time with an offset, such as 2026-11-23T23:59:00Z")]
    Syntax,
    /// Finer than a microsecond.
    #[error("must not be finer than a microsecond")]
    TooFine,
    /// Before [`Timestamp::EPOCH`] or after [`Timestamp::MAX`].
    #[error("must lie between 1970-01-01T00:00:00Z and 9999-12-30T22:00:00Z")]
    OutOfRange,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The latest instant that can be held, near the end of the year 9999.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// The instant `seconds` after 1970-01-01T00:00:00Z, clamped to the range of the type.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z, clamped to the range of the type.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < 0 {
            Self::EPOCH
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// The instant `duration` later, at most [`Timestamp::MAX`].
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// The instant `duration` earlier, at least [`Timestamp::EPOCH`].
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| misread(text))?;
        if instant.subsec_nanosecond().rem_euclid(1_000) != 0 {
            return Err(TimestampError::TooFine);
        }
        let micros = instant.as_microsecond();
        if (0..=Self::MAX.0).contains(&micros) { Ok(Self(micros)) } else { Err(TimestampError::OutOfRange) }
    }
}

// The last hours of the year 9999 are well written, and still too late to be read.
fn misread(text: &str) -> TimestampError {
    let pieces = jiff::fmt::temporal::Pieces::parse(text);
    let is_whole = pieces.is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some());
    if is_whole { TimestampError::OutOfRange } else { TimestampError::Syntax }
}

impl From<SystemTime> for Timestamp {
    /// Clamped to the range of the type and rounded down to a microsecond.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::EPOCH.saturating_add(since)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        Self::UNIX_EPOCH.checked_add(time.since(Timestamp::EPOCH)).unwrap_or(Self::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => fmt::Display::fmt(&instant, f),
            Err(_) => f.write_str("out-of-range"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["1970-01-01T00:00:00Z", "2026-11-23T23:59:00Z", "2026-11-23T23:59:00.000001Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!(
            "2026-11-24T01:59:00+02:00".parse::<Timestamp>().unwrap().to_string(),
            "2026-11-23T23:59:00Z"
        );
    }

    #[test]
    fn naive_fine_and_far_times_are_refused() {
        assert_eq!("2026-11-23T23:59:00".parse::<Timestamp>(), Err(TimestampError::Syntax));
        assert_eq!("2026-11-23".parse::<Timestamp>(), Err(TimestampError::Syntax));
        assert_eq!("2026-11-23T23:59:00.0000001Z".parse::<Timestamp>(), Err(TimestampError::TooFine));
        for text in [
            "1969-12-31T23:59:59Z",
            "1960-01-01T00:00:00+02:00",
            "0000-01-01T00:00:00+23:59",
            "9999-12-30T22:00:00.000001Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59-23:59",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::OutOfRange), "{text}");
        }
        for text in ["9999-12-31T23:59:59", "9999-12-32T00:00:00Z", "9999-12-31", "10000-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Syntax), "{text}");
        }
        let range = format!("must lie between {} and {}", Timestamp::EPOCH, Timestamp::MAX);
        assert_eq!(TimestampError::OutOfRange.to_string(), range);
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.saturating_sub(Duration::MAX), Timestamp::EPOCH);
        assert_ne!(Timestamp::MAX.to_string(), "out-of-range");
    }
}
