//! Submitted calls: requests, and the gate itself.
//!
//! What can be told without the call is a status at once; all else is in the answer, as the call itself would tell it.

use std::ffi::c_void;
use std::sync::Arc;

use enclava_keys::{Gate, KeyId};

use crate::answer::{Given, enclava_answer};
use crate::authorize::read_allowed;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::guard;
use crate::handle::given;
use crate::key::enclava_key;
use crate::manage::read_id;
use crate::queue::{Place, enclava_done, enclava_queue};
use crate::request::enclava_request;
use crate::sized;
use crate::status::enclava_status;
use crate::text::{Kept, enclava_str, items};

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
            let secret = secret.lend();
            enclava_answer::decide(|| Ok(Given::Key(enclava_key(gate.verify(secret.bytes("secret")?)?))))
        });
        Ok(())
    })
}

/// Submits enclava_gate_allowed_models(). The answer says which of the models the key may use, or has the denial.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_allowed_models_submit(
    gate: Option<&enclava_gate>,
    secret: enclava_str,
    models: *const enclava_str,
    count: usize,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let (gate, secret) = (lasting(gate)?, secret.keep("secret")?);
        let models = items(models, count, "models")?.iter().map(|model| model.keep("models"));
        let models = models.collect::<Result<Vec<_>, _>>()?;
        place.submit(move || {
            enclava_answer::decide(|| {
                let models: Vec<enclava_str> = models.iter().map(Kept::lend).collect();
                Ok(Given::Allowed(read_allowed(&gate, secret.lend(), &models)?))
            })
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

/// The same about one key, whose id is the argument called `name`.
pub(crate) fn on_key(
    place: Place<'_>,
    gate: Option<&enclava_gate>,
    id: enclava_str,
    name: &'static str,
    call: impl FnOnce(&Gate, &KeyId) -> Result<Given, Fault> + Send + 'static,
) -> Result<(), Fault> {
    let id = id.keep(name)?;
    on_gate(place, gate, move |gate| call(gate, &read_id(id.lend().text(name)?, name)?))
}
