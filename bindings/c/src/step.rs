//! What a ledger of one's own is handed: a step, its changes, rows and holds, as C sees them.

use std::ffi::c_char;

use enclava_keys::Timestamp;
use enclava_keys::budget::{
    Alarm, Change, Hold, HoldId, Marks, Meter, Moved, Phase, Row, Standing, Threshold, Usage, Window, Windows,
};

use crate::alert::enclava_meter;
use crate::fault::Fault;
use crate::guard::guard;
use crate::handle::{Whole, given};
use crate::money::{enclava_money, enclava_usage};
use crate::status::enclava_status;
use crate::time::{enclava_time, read_time};

/// The most owners beside the first that one hold may have.
pub const ENCLAVA_HOLD_OTHERS: usize = 3;

const PART: i128 = 1_000_000_000_000;

/// An amount of what a meter counts, pico-dollars or tokens: `high` times 10^12, and `low` (0 to 999999999999) beyond.
/// Of dollars, `high` is the whole ones. It may be negative in a change. `high` at INT64_MAX is without bound.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_units {
    /// Times 10^12.
    pub high: i64,
    /// The rest.
    pub low: i64,
}

/// One meter in one window, as it is stored. One that was never written is all zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_row {
    /// Charged.
    pub used: enclava_units,
    /// Set aside.
    pub held: enclava_units,
    /// Which thresholds were told. Keep it as it is.
    pub marks: u64,
}

/// What a row became, or stands at.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_moved {
    /// The row.
    pub row: enclava_row,
    /// 1 if this change told a threshold.
    pub told: i32,
    /// Zero.
    pub reserved: u32,
}

/// What a step does to one row: that of `meter` in the window that begins at `window_start`, of the step's owner `owner`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_change {
    /// The place of its owner in the step.
    pub owner: u32,
    /// An enclava_meter.
    pub meter: i32,
    /// When the window begins.
    pub window_start: enclava_time,
    /// When it ends.
    pub window_end: enclava_time,
    /// Added to what is used.
    pub used: enclava_units,
    /// Added to what is held.
    pub held: enclava_units,
    /// What used and held may come to together.
    pub bound: enclava_units,
    /// What the threshold is a share of, where there is one.
    pub alarm_cap: enclava_units,
    /// The threshold in hundredths of a percent, 0 for none.
    pub alarm_threshold: u32,
    /// Zero.
    pub reserved: u32,
}

/// The day and the month that a call is charged to.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_windows {
    /// When the day begins.
    pub day_start: enclava_time,
    /// When it ends.
    pub day_end: enclava_time,
    /// When the month begins.
    pub month_start: enclava_time,
    /// When it ends.
    pub month_end: enclava_time,
}

/// Another owner of a hold, and its windows.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_hold_other {
    /// Its id, with a NUL behind it.
    pub owner: [c_char; 72],
    /// Its windows.
    pub windows: enclava_windows,
}

/// How far a hold has come.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_phase {
    /// The call is in flight.
    Live = 1,
    /// It was settled: for good.
    Settled = 2,
    /// It was released: for good.
    Released = 3,
    /// Its permit was dropped; it may still be settled.
    Dropped = 4,
    /// Its lifetime passed; it may still be settled.
    Lapsed = 5,
}

/// What is set aside for one call, or what became of it. Store it whole.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_hold {
    /// Its name, unique within its first owner.
    pub id: [u8; 16],
    /// What the request is, if the name stands for a request id.
    pub fingerprint: [u8; 16],
    /// Counts its states, from 1.
    pub revision: u32,
    /// An enclava_phase.
    pub phase: i32,
    /// What is set aside, or was charged.
    pub usage: enclava_usage,
    /// When it lapses if it is live.
    pub expires_at: enclava_time,
    /// The windows that it is charged to.
    pub windows: enclava_windows,
    /// A note of the ledger's own that comes back with the hold: where it is, for instance.
    pub seat: u32,
    /// How many of `others` there are.
    pub other_count: u32,
    /// Owners beside the first.
    pub others: [enclava_hold_other; ENCLAVA_HOLD_OTHERS],
}

/// Whether a row may take a change.
///
/// Callable from any thread.
/// @return 1 or 0; 0 if either is NULL or not one that the library made.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_change_is_admitted(
    change: Option<&enclava_change>,
    row: Option<&enclava_row>,
) -> i32 {
    crate::guard::or(0, || {
        let (Some(change), Some(row)) = (change, row) else { return 0 };
        change.read().is_ok_and(|change| change.is_admitted(&(*row).into())).into()
    })
}

/// Carries out a change that was admitted: `row` becomes what it is to be stored as, `moved` what to answer. `row` may
/// be the `row` of `moved`.
///
/// Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_change_carry_out(
    change: Option<&enclava_change>,
    row: *mut enclava_row,
    moved: *mut enclava_moved,
) -> enclava_status {
    guard(|| {
        let (row, moved) = (Whole::given(row, "row")?, Whole::given(moved, "moved")?);
        let mut stored = Row::from(row.read());
        let became = given(change, "change")?.read()?.carry_out(&mut stored);
        row.write(stored.into());
        moved.write(became.into());
        Ok(())
    })
}

impl From<i128> for enclava_units {
    fn from(units: i128) -> Self {
        match i64::try_from(units.div_euclid(PART)) {
            Ok(high) => Self { high, low: i64::try_from(units.rem_euclid(PART)).unwrap_or(0) },
            Err(_) if units < 0 => Self { high: i64::MIN, low: 0 },
            Err(_) => Self { high: i64::MAX, low: 0 },
        }
    }
}

impl From<enclava_units> for i128 {
    fn from(units: enclava_units) -> Self {
        if units.high == i64::MAX {
            return Self::MAX;
        }
        Self::from(units.high).saturating_mul(PART).saturating_add(units.low.into())
    }
}

impl From<Row> for enclava_row {
    fn from(row: Row) -> Self {
        Self { used: row.used.into(), held: row.held.into(), marks: row.marks.to_bits() }
    }
}

impl From<enclava_row> for Row {
    fn from(row: enclava_row) -> Self {
        Self { used: row.used.into(), held: row.held.into(), marks: Marks::from_bits(row.marks) }
    }
}

impl From<Moved> for enclava_moved {
    fn from(moved: Moved) -> Self {
        Self { row: moved.row.into(), told: moved.told.into(), reserved: 0 }
    }
}

impl From<enclava_moved> for Moved {
    fn from(moved: enclava_moved) -> Self {
        Self { row: moved.row.into(), told: moved.told != 0 }
    }
}

impl enclava_change {
    pub(crate) fn of(change: &Change) -> Self {
        Self {
            owner: change.owner.into(),
            meter: enclava_meter::number(change.meter),
            window_start: change.window.start.as_micros(),
            window_end: change.window.end.as_micros(),
            used: change.used.into(),
            held: change.held.into(),
            bound: change.bound.into(),
            alarm_cap: change.alarm.map_or(0, |alarm| alarm.cap).into(),
            alarm_threshold: change.alarm.map_or(0, |alarm| alarm.threshold.basis_points().into()),
            reserved: 0,
        }
    }

    fn read(&self) -> Result<Change, Fault> {
        let wrong = |field| Fault::value(field, "is none that the library made");
        let threshold = match self.alarm_threshold {
            0 => None,
            told => {
                let told = u16::try_from(told).map_err(|_| wrong("alarm_threshold"))?;
                Some(Threshold::from_basis_points(told).map_err(|_| wrong("alarm_threshold"))?)
            }
        };
        Ok(Change {
            owner: u8::try_from(self.owner).map_err(|_| wrong("owner"))?,
            meter: Meter::ALL
                .into_iter()
                .find(|meter| enclava_meter::number(*meter) == self.meter)
                .ok_or_else(|| wrong("meter"))?,
            window: Window {
                start: read_time(self.window_start, "window_start")?,
                end: read_time(self.window_end, "window_end")?,
            },
            used: self.used.into(),
            held: self.held.into(),
            bound: self.bound.into(),
            alarm: threshold.map(|threshold| Alarm { threshold, cap: self.alarm_cap.into() }),
        })
    }
}

impl From<Windows> for enclava_windows {
    fn from(windows: Windows) -> Self {
        Self {
            day_start: windows.day.start.as_micros(),
            day_end: windows.day.end.as_micros(),
            month_start: windows.month.start.as_micros(),
            month_end: windows.month.end.as_micros(),
        }
    }
}

impl enclava_windows {
    const ZERO: Self = Self { day_start: 0, day_end: 0, month_start: 0, month_end: 0 };

    fn read(self) -> Result<Windows, Fault> {
        let window = |start, end| -> Result<Window, Fault> {
            Ok(Window { start: read_time(start, "windows")?, end: read_time(end, "windows")? })
        };
        Ok(Windows {
            day: window(self.day_start, self.day_end)?,
            month: window(self.month_start, self.month_end)?,
        })
    }
}

impl enclava_hold {
    pub(crate) const ZERO: Self = Self {
        id: [0; 16],
        fingerprint: [0; 16],
        revision: 0,
        phase: 0,
        usage: enclava_usage { cost: enclava_money { usd: 0, pico: 0 }, tokens: 0 },
        expires_at: 0,
        windows: enclava_windows::ZERO,
        seat: 0,
        other_count: 0,
        others: [enclava_hold_other { owner: [0; 72], windows: enclava_windows::ZERO }; ENCLAVA_HOLD_OTHERS],
    };

    pub(crate) fn of(hold: &Hold) -> Result<Self, Fault> {
        let mut told = Self {
            id: hold.id.0.to_be_bytes(),
            fingerprint: hold.fingerprint.to_be_bytes(),
            revision: hold.standing.revision,
            phase: match hold.standing.phase {
                Phase::Live => 1,
                Phase::Settled => 2,
                Phase::Released => 3,
                Phase::Dropped => 4,
                Phase::Lapsed => 5,
            },
            usage: hold.standing.usage.into(),
            expires_at: hold.standing.expires_at.as_micros(),
            windows: hold.windows.into(),
            seat: hold.seat,
            other_count: u32::try_from(hold.others().len()).map_err(|_| Fault::Panic)?,
            ..Self::ZERO
        };
        if hold.others().len() > told.others.len() {
            return Err(Fault::value("hold", "has more owners than a ledger in C is handed"));
        }
        for (other, (owner, windows)) in told.others.iter_mut().zip(hold.others()) {
            for (place, byte) in other.owner.iter_mut().zip(owner.to_string().into_bytes()) {
                *place = c_char::from_ne_bytes([byte]);
            }
            other.windows = (*windows).into();
        }
        Ok(told)
    }

    pub(crate) fn read(&self) -> Result<Hold, Fault> {
        let wrong = |field| Fault::value(field, "is none that the library stored");
        let count = usize::try_from(self.other_count).map_err(|_| wrong("other_count"))?;
        let mut others = Vec::new();
        for other in self.others.get(..count).ok_or_else(|| wrong("other_count"))? {
            let bytes: Vec<u8> = other.owner.iter().flat_map(|byte| byte.to_ne_bytes()).collect();
            let id = bytes.split(|byte| *byte == 0).next().and_then(|id| std::str::from_utf8(id).ok());
            let id = id.and_then(|id| id.parse().ok()).ok_or_else(|| wrong("others"))?;
            others.push((id, other.windows.read()?));
        }
        Ok(Hold {
            id: HoldId(u128::from_be_bytes(self.id)),
            standing: Standing {
                usage: Usage::new(self.usage.cost.read("usage")?, self.usage.tokens),
                expires_at: Timestamp::from_micros(self.expires_at),
                revision: self.revision,
                phase: match self.phase {
                    1 => Phase::Live,
                    2 => Phase::Settled,
                    3 => Phase::Released,
                    4 => Phase::Dropped,
                    5 => Phase::Lapsed,
                    _ => return Err(wrong("phase")),
                },
            },
            windows: self.windows.read()?,
            others: (!others.is_empty()).then(|| Box::new(others)),
            fingerprint: u128::from_be_bytes(self.fingerprint),
            seat: self.seat,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_back() {
        for units in [0, 1, -1, PART, -PART, PART * 7 - 1, -PART * 7 + 1, (1 << 74) * 3] {
            let told = enclava_units::from(units);
            assert!((0..1_000_000_000_000).contains(&told.low), "{told:?}");
            assert_eq!(i128::from(told), units);
        }
        // Without bound stays without bound.
        assert_eq!(i128::from(enclava_units::from(i128::MAX)), i128::MAX);
    }
}
