//! What happened to keys, the store and the ledger, for an operator's log.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::gate::Event;

use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::{guard, or};
use crate::handle::{Slot, given};
use crate::status::enclava_status;
use crate::text::Buffer;

/// Something that happened. It holds no secret.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_event(Event);

/// Takes the oldest event that nobody took yet; the last 1024 are kept. Free it with enclava_event_free().
///
/// Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_take_event(
    gate: Option<&enclava_gate>,
    event: Option<&mut MaybeUninit<*mut enclava_event>>,
) -> enclava_status {
    guard(|| {
        let event = Slot::required(event, "event")?;
        let taken = given(gate, "gate")?.0.take_events(1).pop();
        event.fill(enclava_event(taken.ok_or(Fault::NotFound("event"))?));
        Ok(())
    })
}

/// The event as a JSON object: `at`, `kind` (such as "key_created" or "ledger_unavailable"), `key_id` or null, `note` for
/// people, and `times` it happened.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_event_json(
    event: Option<&enclava_event>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let json = serde_json::to_string(&given(event, "event")?.0).map_err(|_| Fault::Panic)?;
        Buffer::new(buffer, capacity, len).write(&json)
    })
}

/// Frees an event. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_event_free(event: Option<Box<enclava_event>>) {
    or((), || drop(event));
}
