//! Who is it, may they, and is there room: the calls that decide.

use std::mem::MaybeUninit;

use enclava_keys::Gate;

use crate::decision::enclava_decision;
use crate::denial::enclava_denial;
use crate::error::enclava_error;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::{decide, explain};
use crate::handle::{Slot, given};
use crate::key::enclava_key;
use crate::permit::enclava_permit;
use crate::request::enclava_request;
use crate::sized;
use crate::status::enclava_status;
use crate::text::{enclava_str, items, room};

/// Admits one call: the key is in force, its policy allows the request, and the estimate fits every budget and is now set
/// aside. Nothing is consumed unless all of it holds.
///
/// On success `permit` is the right to make the call: settle it or release it, then free it with enclava_permit_free().
/// On any failure it is NULL, and `denial` is an answer to send: free it with enclava_denial_free(). `denial` may be NULL.
///
/// Blocks for a ledger that does I/O, and for `wait_milliseconds`. Callable from any threads at once.
/// @return ENCLAVA_STATUS_DENIED with the denial; ENCLAVA_STATUS_CONFLICT for a request id that belongs to another request.
/// Any other failure is the gateway's own mistake: its denial is a 500, and enclava_denial_cause() says what is wrong.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_authorize(
    gate: Option<&enclava_gate>,
    request: *const enclava_request,
    permit: Option<&mut MaybeUninit<*mut enclava_permit>>,
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
) -> enclava_status {
    decide(denial, || {
        let permit = Slot::required(permit, "permit")?;
        let request = sized::read(request)?;
        permit.fill(given(gate, "gate")?.0.authorize(&request.read()?)?.into());
        Ok(())
    })
}

/// Admits one call by the body that the client sent: its model is checked, and the most that it may use is set aside, at
/// the prices that the gate has. The request's own model and estimate are not used.
///
/// `floor`: when the whole does not fit, admit the call with fewer output tokens, at least so many; 0 does not. Dispatch
/// what enclava_permit_body() makes of the body.
///
/// Everything else is as in enclava_gate_authorize().
/// @return besides, ENCLAVA_STATUS_INVALID_VALUE for a body that is none: answer 400 with the text of enclava_denial_cause(), and not
/// with the denial, which is of a gateway that made a mistake.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_authorize_request(
    gate: Option<&enclava_gate>,
    request: *const enclava_request,
    body: enclava_str,
    floor: u64,
    permit: Option<&mut MaybeUninit<*mut enclava_permit>>,
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
) -> enclava_status {
    decide(denial, || {
        let permit = Slot::required(permit, "permit")?;
        let request = sized::read(request)?;
        let floor = (floor > 0).then_some(floor);
        let admitted =
            given(gate, "gate")?.0.authorize_request(&request.read()?, body.bytes("body")?, floor)?;
        permit.fill(admitted.into());
        Ok(())
    })
}

/// Whose key it is, if it is in force: its shape, its hash and its state are checked, its policy and budget are not.
///
/// `key` may be NULL; free it with enclava_key_free(). `denial` is as in enclava_gate_authorize().
///
/// May block for a store that others write to. Callable from any threads at once.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_verify(
    gate: Option<&enclava_gate>,
    secret: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
) -> enclava_status {
    decide(denial, || {
        let key = Slot::wanted(key);
        let found = given(gate, "gate")?.0.verify(secret.bytes("secret")?)?;
        if let Some(key) = key {
            key.fill(enclava_key(found));
        }
        Ok(())
    })
}

/// Which of `count` models the key may use: `allowed` has a byte for each, which becomes 1 or 0. On any failure all are 0.
///
/// `denial` is as in enclava_gate_authorize(). May block for a store that others write to. Callable from any threads at
/// once.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_allowed_models(
    gate: Option<&enclava_gate>,
    secret: enclava_str,
    models: *const enclava_str,
    count: usize,
    allowed: *mut u8,
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
) -> enclava_status {
    decide(denial, || {
        let models = items(models, count, "models")?;
        let allowed = room(allowed, count, "allowed")?;
        allowed.fill(MaybeUninit::new(0));
        let told = read_allowed(&given(gate, "gate")?.0, secret, models)?;
        for (place, is_allowed) in allowed.iter_mut().zip(told) {
            place.write(is_allowed.into());
        }
        Ok(())
    })
}

/// Which of `models` the key may use.
pub(crate) fn read_allowed(
    gate: &Gate,
    secret: enclava_str,
    models: &[enclava_str],
) -> Result<Vec<bool>, Fault> {
    let models = models.iter().map(|model| model.text("models")).collect::<Result<Vec<_>, _>>()?;
    let key = gate.verify(secret.bytes("secret")?)?;
    Ok(models.into_iter().map(|model| key.models().permits(model)).collect())
}

/// What enclava_gate_authorize() would answer now, with every rule on the way. Consumes nothing, counts nothing, and ignores
/// `wait_milliseconds`. It does not look at the request id, and answers `ledger_unavailable` even where the gate would
/// admit. Free the decision with enclava_decision_free(); after a failure it is NULL, which denies.
///
/// May block for a ledger that does I/O. Callable from any threads at once.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_check(
    gate: Option<&enclava_gate>,
    request: *const enclava_request,
    decision: Option<&mut MaybeUninit<*mut enclava_decision>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let decision = Slot::required(decision, "decision")?;
        let request = sized::read(request)?;
        decision.fill(given(gate, "gate")?.0.check(&request.read()?).into());
        Ok(())
    })
}
