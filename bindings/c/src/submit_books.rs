//! Submitted calls: budgets and alerts.

use std::ffi::c_void;

use crate::alert;
use crate::answer::Given;
use crate::books::{read_permit, usage_of};
use crate::gate::enclava_gate;
use crate::guard::guard;
use crate::history;
use crate::lease;
use crate::money::enclava_usage;
use crate::queue::{Place, enclava_done, enclava_queue};
use crate::status::enclava_status;
use crate::submit::{on_gate, on_key};
use crate::text::enclava_str;

/// Submits enclava_gate_settle(). The answer has the settlement or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_settle_submit(
    gate: Option<&enclava_gate>,
    permit_id: enclava_str,
    usage: enclava_usage,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let permit_id = permit_id.keep("permit_id")?;
        on_gate(place, gate, move |gate| {
            let settled = gate.settle(&read_permit(permit_id.lend())?, usage.read()?)?;
            Ok(Given::Settlement(settled.into()))
        })
    })
}

/// Submits enclava_gate_release(). The answer has the error if there is one.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_release_submit(
    gate: Option<&enclava_gate>,
    permit_id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let permit_id = permit_id.keep("permit_id")?;
        on_gate(place, gate, move |gate| {
            gate.release(&read_permit(permit_id.lend())?)?;
            Ok(Given::Nothing)
        })
    })
}

/// Submits enclava_gate_record(). The answer has the settlement or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_record_submit(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    usage: enclava_usage,
    request_id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let request_id = request_id.keep("request_id")?;
        on_key(place, gate, key_id, "key_id", move |gate, id| {
            let settled = gate.record(id, usage.read()?, request_id.lend().stated("request_id")?)?;
            Ok(Given::Settlement(settled.into()))
        })
    })
}

/// Submits enclava_gate_usage(). The answer has the balances or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_usage_submit(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, key_id, "key_id", |gate, id| {
            Ok(Given::Balances(Box::new(usage_of(gate, id)?)))
        })
    })
}

/// Submits enclava_gate_history(). The answer has the history or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_history_submit(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    days: usize,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, key_id, "key_id", move |gate, id| {
            Ok(Given::History(history::of(gate, id, days)?))
        })
    })
}

/// Submits enclava_gate_leases(). The answer has the leases or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_leases_submit(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, key_id, "key_id", |gate, id| {
            Ok(Given::Leases(lease::of(gate, id)?))
        })
    })
}

/// Submits enclava_gate_take_alert(). The answer has the alert; its status is ENCLAVA_STATUS_NOT_FOUND if there is none.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_take_alert_submit(
    gate: Option<&enclava_gate>,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| on_gate(Place::on(queue, done, data)?, gate, |gate| Ok(Given::Alert(alert::take(gate)?))))
}
