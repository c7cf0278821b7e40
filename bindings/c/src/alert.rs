//! "This meter crossed its threshold in this window", decided exactly once.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use enclava_keys::budget::Meter;
use enclava_keys::{Alert, Gate};

use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::{guard, or};
use crate::handle::{Slot, Userdata, given};
use crate::money::enclava_usage;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::text::Buffer;
use crate::time::enclava_time;

/// One limit that is being counted.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_meter {
    /// US dollars in a day.
    DailySpend = 1,
    /// US dollars in a calendar month.
    MonthlySpend = 2,
    /// LLM tokens in a day.
    DailyTokens = 3,
}

impl enclava_meter {
    /// The number of a meter; 0 for one that this header does not have.
    pub(crate) fn number(meter: Meter) -> i32 {
        match meter {
            Meter::DailySpend => 1,
            Meter::MonthlySpend => 2,
            Meter::DailyTokens => 3,
            _ => 0,
        }
    }
}

/// What one alert says. Make an empty one with enclava_alert_info_init().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_alert_info {
    /// sizeof(enclava_alert_info).
    pub size: u32,
    /// The enclava_meter that crossed its threshold.
    pub meter: i32,
    /// The threshold, in hundredths of a percent of the limit: 8000 for 80 %.
    pub threshold: u32,
    /// Zero.
    pub reserved: u32,
    /// What is used: dollars or tokens, as the meter counts.
    pub used: enclava_usage,
    /// The limit, in the same unit.
    pub limit: enclava_usage,
    /// When the window began.
    pub window_start: enclava_time,
    /// When it ends, and the meter starts from zero.
    pub resets_at: enclava_time,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers only.
unsafe impl Growable for enclava_alert_info {
    const NAME: &'static str = "info";
    const FIRST: usize = 80;
}

/// One alert.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_alert(pub(crate) Alert);

/// What an alert says, but for its texts.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_alert_read(
    alert: Option<&enclava_alert>,
    info: *mut enclava_alert_info,
) -> enclava_status {
    guard(|| {
        let alert = &given(alert, "alert")?.0;
        let told = enclava_alert_info {
            size: 0,
            meter: enclava_meter::number(alert.meter),
            threshold: alert.threshold.basis_points().into(),
            reserved: 0,
            used: enclava_usage::counted(alert.used),
            limit: enclava_usage::counted(alert.limit),
            window_start: alert.window_start.as_micros(),
            resets_at: alert.resets_at.as_micros(),
        };
        sized::write(info, &told)
    })
}

/// The id of the alert, the same each time that it is told: the key, the meter, when the window began and the threshold.
///
/// In `memory:` an alert is told once. A ledger that outlives the process keeps it until it was told: it is told at least
/// once, whoever dies, and once to a receiver that remembers ids.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_alert_id(
    alert: Option<&enclava_alert>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(alert, "alert")?.0.id.to_string()))
}

/// The id of the key whose meter it is.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_alert_key_id(
    alert: Option<&enclava_alert>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(alert, "alert")?.0.key_id.to_string()))
}

/// The name of that key; empty if it is not known here any more.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_alert_key_name(
    alert: Option<&enclava_alert>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(alert, "alert")?.0.key_name))
}

/// Calls `callback` with every alert from now on; a second one replaces the first. The alert belongs to the library and
/// lives until the callback returns.
///
/// The callback runs on one thread of the library's own. It may be slow: alerts wait in a bounded queue and never delay a
/// request. It returns 0 if the alert was told. After anything else it is called again with the same alert after a while, if
/// the ledger outlives the process, as another process tells one that was cut off with its own; in `memory:` such an alert is
/// lost. It must not free the gate, or leave by longjmp or a C++ exception.
///
/// `userdata` must live until enclava_gate_free() has returned, even if another callback replaced this one: then neither
/// runs or is called again, whatever lives on of the gate. Alerts of the permits and calls that are left are in their
/// settlements, and stay in a ledger that outlives the process until another gate tells them.
///
/// Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_on_alert(
    gate: Option<&enclava_gate>,
    callback: Option<extern "C" fn(alert: *const enclava_alert, userdata: *mut c_void) -> i32>,
    userdata: *mut c_void,
) -> enclava_status {
    guard(|| {
        let gate = given(gate, "gate")?;
        let callback = given(callback, "callback")?;
        let userdata = Userdata::new(userdata);
        let ear = gate.1.open();
        gate.0.on_alert(move |alert| {
            ear.hear()?;
            let told = enclava_alert(alert.clone());
            if callback(&raw const told, userdata.get()) == 0 { Ok(()) } else { Err(Deaf) }
        });
        Ok(())
    })
}

/// Takes the oldest alert that nobody took yet; the last 1024 are kept. Free it with enclava_alert_free(). Taken is told: a
/// ledger that keeps alerts forgets it.
///
/// Callable from any thread. May block where the ledger may.
/// @return ENCLAVA_STATUS_NOT_FOUND if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_take_alert(
    gate: Option<&enclava_gate>,
    alert: Option<&mut MaybeUninit<*mut enclava_alert>>,
) -> enclava_status {
    guard(|| {
        let alert = Slot::required(alert, "alert")?;
        alert.fill(take(&given(gate, "gate")?.0)?);
        Ok(())
    })
}

pub(crate) fn take(gate: &Gate) -> Result<enclava_alert, Fault> {
    gate.take_alerts(1).pop().map(enclava_alert).ok_or(Fault::NotFound("alert"))
}

/// Frees an alert that was taken. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_alert_free(alert: Option<Box<enclava_alert>>) {
    or((), || drop(alert));
}

/// Whether callbacks may be called: while there is one, and the gate that it was given to. Permits and submitted calls keep
/// all else of the gate, so they may cross a threshold when nobody is to be called any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ear(Arc<AtomicBool>);

/// Nobody was told.
struct Deaf;

impl Ear {
    fn open(&self) -> Self {
        self.0.store(true, Ordering::SeqCst);
        self.clone()
    }

    fn hear(&self) -> Result<(), Deaf> {
        if self.0.load(Ordering::SeqCst) { Ok(()) } else { Err(Deaf) }
    }

    /// Has what waits told. Then no callback runs or is called again, but for one that this is called from.
    pub(crate) fn close(&self, gate: &Gate) {
        if self.0.load(Ordering::SeqCst) {
            let _ = gate.flush();
            self.0.store(false, Ordering::SeqCst);
            // An alert may have come in between. The gate knows best whether its callback runs, even in a child of fork().
            let _ = gate.flush();
        }
    }
}
