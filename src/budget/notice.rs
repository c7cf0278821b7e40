//! Whom a charge is told to, and as what a ledger keeps it until its owner was told.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::step::{Alarm, Change, Moved, Step};
use super::{Limits, Meter, Threshold, Window};
use crate::id::KeyId;
use crate::time::Timestamp;

/// What an alert is called, the same however often and by whichever process it is told: its key, its meter, when the
/// window began and the threshold, as `key_…:daily_spend:2026-11-23T00:00:00Z:0.8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertId {
    /// Whose meter.
    pub key: KeyId,
    /// Which meter.
    pub meter: Meter,
    /// When the window began.
    pub window_start: Timestamp,
    /// The share of the limit that was reached.
    pub threshold: Threshold,
}

/// Why a text is not an [`AlertId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an alert id as it was given out")]
pub struct AlertIdError;

/// What an owner is to be told: a meter crossed its threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is called.
    pub id: AlertId,
    /// In which window.
    pub window: Window,
    /// What was used when it crossed, in the meter's unit.
    pub used: i128,
    /// The cap of then, in the meter's unit.
    pub cap: i128,
}

/// What the owners of a step that was taken are to be told.
#[inline]
pub fn notices(step: &Step<'_>, rows: &[Moved]) -> Vec<Notice> {
    if rows.iter().any(|moved| moved.told) { all_told(step, rows) } else { Vec::new() }
}

#[cold]
fn all_told(step: &Step<'_>, rows: &[Moved]) -> Vec<Notice> {
    let told = step.changes().zip(rows).filter_map(|(change, moved)| {
        let party = step.parties.get(usize::from(change.owner))?;
        Notice::of(party.owner.id(), &change, moved)
    });
    told.collect()
}

// The present limits decide who is told of a charge. A cap of zero never alerts: its owner meant it.
#[inline]
pub(super) fn alarm(limits: &Limits, meter: Meter) -> Option<Alarm> {
    let threshold = limits.alert_threshold?;
    let cap = limits.cap(meter).filter(|&cap| cap > 0)?;
    Some(Alarm { threshold, cap })
}

impl Notice {
    /// What `owner` is to be told of a change that was made; `None` where it crossed nothing. A ledger that keeps notices
    /// keeps it with the rows, in the same step.
    #[inline]
    pub fn of(owner: &KeyId, change: &Change, moved: &Moved) -> Option<Self> {
        if moved.told { Self::told(owner, change, moved) } else { None }
    }

    #[cold]
    fn told(owner: &KeyId, change: &Change, moved: &Moved) -> Option<Self> {
        let alarm = change.alarm?;
        let id = AlertId {
            key: owner.clone(),
            meter: change.meter,
            window_start: change.window.start,
            threshold: alarm.threshold,
        };
        Some(Self { id, window: change.window, used: moved.row.used, cap: alarm.cap })
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.key, self.meter, self.window_start, self.threshold)
    }
}

impl FromStr for AlertId {
    type Err = AlertIdError;

    // Only the time has colons of its own.
    fn from_str(text: &str) -> Result<Self, AlertIdError> {
        let (key, rest) = text.split_once(':').ok_or(AlertIdError)?;
        let (meter, rest) = rest.split_once(':').ok_or(AlertIdError)?;
        let (window_start, threshold) = rest.rsplit_once(':').ok_or(AlertIdError)?;
        let id = Self {
            key: key.parse().map_err(|_| AlertIdError)?,
            meter: Meter::ALL.into_iter().find(|known| known.as_str() == meter).ok_or(AlertIdError)?,
            window_start: window_start.parse().map_err(|_| AlertIdError)?,
            threshold: threshold.parse().map_err(|_| AlertIdError)?,
        };
        // One text for one alert, so that texts may be compared.
        if id.to_string() == text { Ok(id) } else { Err(AlertIdError) }
    }
}

impl Serialize for AlertId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alert_ids_read_back() {
        for text in [
            "prod-1:daily_spend:2026-11-23T00:00:00Z:0.8",
            "key_00000000000000000000000000:monthly_spend:2026-10-31T23:00:00Z:1",
            "a.b_c:daily_tokens:1970-01-01T00:00:00Z:0.0001",
        ] {
            assert_eq!(text.parse::<AlertId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_no_alert_id() {
        for bad in [
            "",
            "prod-1",
            "prod-1:daily_spend:2026-11-23T00:00:00Z",
            "prod-1:weekly_spend:2026-11-23T00:00:00Z:0.8",
            "prod 1:daily_spend:2026-11-23T00:00:00Z:0.8",
            "prod-1:daily_spend:2026-11-23T01:00:00+01:00:0.8",
            "prod-1:daily_spend:2026-11-23T00:00:00Z:0.80",
            "prod-1:daily_spend:2026-11-23T00:00:00Z:80",
        ] {
            assert_eq!(bad.parse::<AlertId>(), Err(AlertIdError), "{bad}");
        }
    }
}
