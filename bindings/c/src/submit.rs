//! Submitted calls: requests, permits, budgets.
//!
//! What can be told without the call is a status at once; all else is in the answer, as the call itself would tell it.

use std::ffi::c_void;
use std::sync::Arc;

use enclava_keys::Gate;

use crate::answer::{Given, enclava_answer};
use crate::books::{read_permit, read_usage};
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::guard;
use crate::handle::given;
use crate::history;
use crate::key::enclava_key;
use crate::lease;
use crate::manage::read_id;
use crate::money::enclava_usage;
use crate::permit::enclava_permit;
use crate::queue::{Place, enclava_done, enclava_queue};
use crate::request::enclava_request;
use crate::sized;
use crate::status::enclava_status;
use crate::text::enclava_str;

/// Submits enclava_gate_authorize(). The answer has the permit, to be taken, or the denial. A request with
/// `wait_milliseconds` keeps a thread of the queue for as long as it waits.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit(), and ENCLAVA_STATUS_STRUCT_SIZE.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_authorize_submit(
    gate: Option<&enclava_gate>,
    request: *const enclava_request,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let (gate, request) = (lasting(gate)?, sized::read(request)?.keep()?);
        place.submit(move || enclava_answer::admit(|| Ok(gate.authorize(&request.lend().read()?)?.into())));
        Ok(())
    })
}

/// Submits enclava_gate_authorize_request(). The answer has the permit, to be taken, or the denial.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit(), and ENCLAVA_STATUS_STRUCT_SIZE.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_authorize_request_submit(
    gate: Option<&enclava_gate>,
    request: *const enclava_request,
    body: enclava_str,
    floor: u64,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let (gate, request, body) = (lasting(gate)?, sized::read(request)?.keep()?, body.keep("body")?);
        let floor = (floor > 0).then_some(floor);
        place.submit(move || {
            enclava_answer::admit(|| {
                let (request, body) = (request.lend(), body.lend());
                Ok(gate.authorize_request(&request.read()?, body.bytes("body")?, floor)?.into())
            })
        });
        Ok(())
    })
}

/// Submits enclava_gate_verify(). The answer has the key or the denial.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_verify_submit(
    gate: Option<&enclava_gate>,
    secret: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let (gate, secret) = (lasting(gate)?, secret.keep("secret")?);
        place.submit(move || {
            enclava_answer::identify(|| Ok(enclava_key(gate.verify(secret.lend().bytes("secret")?)?)))
        });
        Ok(())
    })
}

/// Submits enclava_gate_check(). The answer has the decision or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit(), and ENCLAVA_STATUS_STRUCT_SIZE.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_check_submit(
    gate: Option<&enclava_gate>,
    request: *const enclava_request,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let request = sized::read(request)?.keep()?;
        on_gate(place, gate, move |gate| Ok(Given::Decision(gate.check(&request.lend().read()?).into())))
    })
}

/// Submits enclava_permit_extend(). The answer has the permit, to be taken whatever the status is: the call that it is for
/// goes on, or is to be stopped and settled.
///
/// `*permit` becomes NULL: until it comes back nobody uses the permit. Never blocks.
/// @return as enclava_queue_submit(); `*permit` is then as it was.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_extend_submit(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    more: enclava_usage,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let (place, permit) = with_permit(permit, queue, done, data)?;
        place.submit(move || {
            enclava_answer::go_on(permit, |permit| {
                let more = more.read()?;
                Ok(permit.held()?.extend(more)?)
            })
        });
        Ok(())
    })
}

/// Submits enclava_permit_settle(). The answer has the settlement; or the error, and the permit, to be taken and settled
/// again if the status is ENCLAVA_STATUS_LEDGER.
///
/// `*permit` becomes NULL: a permit that was settled is freed. Never blocks.
/// @return as enclava_queue_submit(); `*permit` is then as it was.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_settle_submit(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    usage: enclava_usage,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    end(permit, queue, done, data, move |permit| {
        let usage = usage.read()?;
        Ok(Given::Settlement(permit.held()?.settle(usage)?.into()))
    })
}

/// Submits enclava_permit_settle_response(). Everything else is as in enclava_permit_settle_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_settle_response_submit(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    body: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let body = body.keep("body")?;
        let (place, permit) = with_permit(permit, queue, done, data)?;
        place.submit(move || {
            enclava_answer::end(permit, |permit| {
                let settled = permit.held()?.settle_response(body.lend().bytes("body")?)?;
                Ok(Given::Settlement(settled.into()))
            })
        });
        Ok(())
    })
}

/// Submits enclava_permit_finish(). Everything else is as in enclava_permit_settle_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_finish_submit(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    end(permit, queue, done, data, |permit| Ok(Given::Settlement(permit.finish()?.into())))
}

/// Submits enclava_permit_release(). The answer has the permit again, beside the error, if it could not be released.
///
/// `*permit` becomes NULL: a permit that was released is freed. Never blocks.
/// @return as enclava_queue_submit(); `*permit` is then as it was.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_release_submit(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    end(permit, queue, done, data, |permit| {
        permit.held()?.release()?;
        Ok(Given::Nothing)
    })
}

/// Submits enclava_permit_free(): for a permit that was neither settled nor released, of a client that went away. Nobody is
/// told, and the queue has always room for it.
///
/// `*permit` becomes NULL; one that is NULL is nothing to free. Never blocks.
/// @return ENCLAVA_STATUS_NULL_ARGUMENT; ENCLAVA_STATUS_CONFLICT while the queue is freed, or in a child of fork(). `*permit`
/// is then as it was.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_free_submit(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    queue: Option<&enclava_queue>,
) -> enclava_status {
    guard(|| {
        let permit = given(permit, "permit")?;
        let place = Place::quietly_on(queue)?;
        if let Some(permit) = permit.take() {
            place.submit(move || {
                enclava_answer::explain(move || {
                    drop(permit);
                    Ok(Given::Nothing)
                })
            });
        }
        Ok(())
    })
}

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
        let (key_id, request_id) = (key_id.keep("key_id")?, request_id.keep("request_id")?);
        on_gate(place, gate, move |gate| {
            let id = read_id(key_id.lend().text("key_id")?, "key_id")?;
            let settled = gate.record(&id, usage.read()?, request_id.lend().stated("request_id")?)?;
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
        let place = Place::on(queue, done, data)?;
        let key_id = key_id.keep("key_id")?;
        on_gate(place, gate, move |gate| Ok(Given::Balances(Box::new(read_usage(gate, key_id.lend())?))))
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
        let place = Place::on(queue, done, data)?;
        let key_id = key_id.keep("key_id")?;
        on_gate(place, gate, move |gate| Ok(Given::History(history::read(gate, key_id.lend(), days)?)))
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
        let place = Place::on(queue, done, data)?;
        let key_id = key_id.keep("key_id")?;
        on_gate(place, gate, move |gate| Ok(Given::Leases(lease::read(gate, key_id.lend())?)))
    })
}

/// Submits enclava_gate_refresh(). The answer has the error if there is one.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_refresh_submit(
    gate: Option<&enclava_gate>,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_gate(Place::on(queue, done, data)?, gate, |gate| {
            gate.refresh()?;
            Ok(Given::Nothing)
        })
    })
}

/// Submits enclava_gate_flush(). The answer has the error if there is one.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_flush_submit(
    gate: Option<&enclava_gate>,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_gate(Place::on(queue, done, data)?, gate, |gate| {
            gate.flush()?;
            Ok(Given::Nothing)
        })
    })
}

/// The gate for a call that is made later: it lives until then, freed or not.
pub(crate) fn lasting(gate: Option<&enclava_gate>) -> Result<Arc<Gate>, Fault> {
    Ok(Arc::clone(&given(gate, "gate")?.0))
}

/// A call that does not decide.
pub(crate) fn on_gate(
    place: Place<'_>,
    gate: Option<&enclava_gate>,
    call: impl FnOnce(&Gate) -> Result<Given, Fault> + Send + 'static,
) -> Result<(), Fault> {
    let gate = lasting(gate)?;
    place.submit(move || enclava_answer::explain(|| call(&gate)));
    Ok(())
}

fn end(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
    call: impl FnOnce(&mut enclava_permit) -> Result<Given, Fault> + Send + 'static,
) -> enclava_status {
    guard(|| {
        let (place, permit) = with_permit(permit, queue, done, data)?;
        place.submit(move || enclava_answer::end(permit, call));
        Ok(())
    })
}

// A permit is given up once there is room for its call.
fn with_permit<'a>(
    permit: Option<&mut Option<Box<enclava_permit>>>,
    queue: Option<&'a enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> Result<(Place<'a>, Box<enclava_permit>), Fault> {
    let place = Place::on(queue, done, data)?;
    let permit = given(permit, "permit")?.take();
    Ok((place, given(permit, "permit")?))
}
