//! Submitted calls: permits and streams.

use std::ffi::c_void;

use crate::answer::{Given, enclava_answer};
use crate::fault::Fault;
use crate::guard::guard;
use crate::handle::given;
use crate::money::enclava_usage;
use crate::permit::enclava_permit;
use crate::queue::{Place, enclava_done, enclava_queue};
use crate::status::enclava_status;
use crate::text::enclava_str;

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
