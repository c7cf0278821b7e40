//! Instants, and a clock for tests.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::{ManualClock, Timestamp};

use crate::fault::Fault;
use crate::guard::guard;
use crate::handle::{Slot, given};
use crate::status::enclava_status;

/// An instant: microseconds since 1970-01-01T00:00:00Z, up to the year 9999.
pub type enclava_time = i64;

/// A clock that stands still until it is told to go on: for tests and replays. A gate that was opened with it keeps what
/// it needs of it, so the clock may be freed first.
#[derive(Debug)]
pub struct enclava_clock(pub(crate) Arc<ManualClock>);

/// Makes a clock that says `now`. Free it with enclava_clock_free().
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE for an instant before 1970 or after the year 9999.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_clock_new(
    now: enclava_time,
    clock: Option<&mut MaybeUninit<*mut enclava_clock>>,
) -> enclava_status {
    guard(|| {
        let clock = Slot::required(clock, "clock")?;
        clock.fill(enclava_clock(Arc::new(ManualClock::new(read_time(now, "now")?))));
        Ok(())
    })
}

/// Sets the clock, earlier or later.
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE for an instant before 1970 or after the year 9999.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_clock_set(clock: Option<&enclava_clock>, now: enclava_time) -> enclava_status {
    guard(|| {
        given(clock, "clock")?.0.set(read_time(now, "now")?);
        Ok(())
    })
}

/// Moves the clock forward by so many milliseconds, at most to the end of the year 9999.
///
/// Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_clock_advance(clock: Option<&enclava_clock>, milliseconds: u64) -> enclava_status {
    guard(|| {
        given(clock, "clock")?.0.advance(Duration::from_millis(milliseconds));
        Ok(())
    })
}

/// Frees a clock. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_clock_free(clock: Option<Box<enclava_clock>>) {
    crate::guard::or((), || drop(clock));
}

/// An instant that must be one.
pub(crate) fn read_time(time: enclava_time, field: &'static str) -> Result<Timestamp, Fault> {
    let read = Timestamp::from_micros(time);
    if read.as_micros() == time {
        return Ok(read);
    }
    Err(Fault::value(field, "must be microseconds since 1970 and before the year 10000"))
}
