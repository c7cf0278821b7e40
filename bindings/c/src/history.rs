//! What keys used on past days.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::ledger::Tally;
use enclava_keys::{Gate, KeyId};

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::{explain, guard, or};
use crate::handle::{Slot, given};
use crate::manage::read_id;
use crate::money::enclava_usage;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::text::{Buffer, enclava_str};
use crate::time::enclava_time;

/// What one key used on past days, by model: tallies in order, the last day first.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_history(Vec<Tally>);

/// What the calls of one key for one model came to on one day. Make an empty one with enclava_tally_init().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_tally {
    /// sizeof(enclava_tally).
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// When the day began, in the time zone that the key had then.
    pub day: enclava_time,
    /// How many calls were charged.
    pub calls: u64,
    /// What they were charged.
    pub usage: enclava_usage,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers only.
unsafe impl Growable for enclava_tally {
    const NAME: &'static str = "tally";
    const FIRST: usize = 48;
}

/// What a key used on each of the last `days` days on which it used anything, as far as the ledger keeps a history:
/// "sqlite:" does for 400 of them, "memory:" keeps none. Free it with enclava_history_free().
///
/// May block for a ledger that does I/O. Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND without such a key; ENCLAVA_STATUS_LEDGER.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_history(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    days: usize,
    history: Option<&mut MaybeUninit<*mut enclava_history>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let history = Slot::required(history, "history")?;
        let (gate, id) = (given(gate, "gate")?, read_id(key_id.text("key_id")?, "key_id")?);
        history.fill(of(&gate.0, &id, days)?);
        Ok(())
    })
}

pub(crate) fn of(gate: &Gate, id: &KeyId, days: usize) -> Result<enclava_history, Fault> {
    Ok(enclava_history(gate.history(id, days)?))
}

/// How many tallies there are: one for each day and model. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_history_count(history: Option<&enclava_history>) -> usize {
    or(0, || history.map_or(0, |history| history.0.len()))
}

/// The tally at `index`, from 0 on, but for its model.
///
/// @return ENCLAVA_STATUS_NOT_FOUND past the last.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_history_read(
    history: Option<&enclava_history>,
    index: usize,
    tally: *mut enclava_tally,
) -> enclava_status {
    guard(|| {
        let told = at(history, index)?;
        let told = enclava_tally {
            size: 0,
            reserved: 0,
            day: told.day.as_micros(),
            calls: told.calls,
            usage: told.usage.into(),
        };
        sized::write(tally, &told)
    })
}

/// The model of the tally at `index`. Empty for what was charged without naming one.
///
/// @return ENCLAVA_STATUS_NOT_FOUND past the last.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_history_model(
    history: Option<&enclava_history>,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let model = at(history, index)?.model.as_deref().unwrap_or_default();
        Buffer::new(buffer, capacity, len).write(model)
    })
}

/// Frees a history. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_history_free(history: Option<Box<enclava_history>>) {
    or((), || drop(history));
}

fn at(history: Option<&enclava_history>, index: usize) -> Result<&Tally, Fault> {
    given(history, "history")?.0.get(index).ok_or(Fault::NotFound("tally at this index"))
}
