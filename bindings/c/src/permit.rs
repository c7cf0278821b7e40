//! The right to make one call.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;

use enclava_keys::budget::PermitId;
use enclava_keys::gate::Stream;
use enclava_keys::wire::{Rewrite, dispatch_body};
use enclava_keys::{Error, Permit, Settlement, Usage};

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::guard::{explain, guard, or};
use crate::handle::{Slot, given};
use crate::key::enclava_key;
use crate::money::enclava_usage;
use crate::settlement::enclava_settlement;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::text::{Buffer, enclava_str};

/// Room for the id of any permit and its NUL.
pub const ENCLAVA_PERMIT_ID_TEXT: usize = 92;

/// Ask for the usage at the end of a streamed answer, where the API tells it only when asked.
pub const ENCLAVA_BODY_INCLUDE_USAGE: u32 = 1;

/// The right to make one call, with its estimate set aside.
///
/// Exactly one of settling and releasing ends it. One that is freed before enclava_permit_dispatched() lets its hold go;
/// after, it charges the progress told so far, or else the estimate, which one later enclava_gate_settle() may replace.
///
/// It may be handed from thread to thread, and is used by one at a time. It lives on when the gate is freed. In a child of
/// fork() the parent's permits are the parent's: freeing one there frees memory and nothing else.
#[derive(Debug)]
pub struct enclava_permit(Call);

// How far the handle has come.
#[derive(Debug)]
enum Call {
    Held(Permit),
    /// Somebody else ends it, by its id.
    Detached(Permit),
    Streaming(Box<Stream>),
    /// A stream that was finished: all that is left of it.
    Finished(Option<Box<(PermitId, Settlement)>>),
}

impl From<Permit> for enclava_permit {
    fn from(permit: Permit) -> Self {
        Self(Call::Held(permit))
    }
}

// Detached, it is ended by its id and not by going.
impl Drop for enclava_permit {
    fn drop(&mut self) {
        if let Call::Detached(permit) = std::mem::replace(&mut self.0, Call::Finished(None)) {
            permit.detach();
        }
    }
}

impl enclava_permit {
    /// The permit, while this handle may end it.
    pub(crate) fn held(&mut self) -> Result<&mut Permit, Fault> {
        match &mut self.0 {
            Call::Held(permit) => Ok(permit),
            other => Err(other.refusal()),
        }
    }

    fn permit(&self) -> Result<&Permit, Fault> {
        match &self.0 {
            Call::Held(permit) | Call::Detached(permit) => Some(permit),
            Call::Streaming(stream) => stream.permit(),
            Call::Finished(_) => None,
        }
        .ok_or(Fault::NotFound("call under way: the stream was finished"))
    }

    fn id(&self) -> Result<PermitId, Fault> {
        match &self.0 {
            Call::Finished(Some(end)) => Ok(end.0.clone()),
            _ => self.permit().map(Permit::id),
        }
    }

    // The stream that the call is followed by from now on.
    fn stream(&mut self) -> Result<&mut Stream, Fault> {
        if matches!(self.0, Call::Held(_))
            && let Call::Held(permit) = std::mem::replace(&mut self.0, Call::Finished(None))
        {
            self.0 = Call::Streaming(Box::new(permit.stream()));
        }
        match &mut self.0 {
            Call::Streaming(stream) => Ok(stream),
            other => Err(other.refusal()),
        }
    }

    /// Settles by the stream that was followed.
    pub(crate) fn finish(&mut self) -> Result<Settlement, Fault> {
        let id = self.id();
        let settled = self.stream()?.finish()?;
        self.0 = Call::Finished(id.ok().map(|id| Box::new((id, settled.clone()))));
        Ok(settled)
    }
}

impl Call {
    // Why a call in this state is not ended, or followed, as it was asked.
    fn refusal(&self) -> Fault {
        let conflict = |message: &str| Error::Conflict(message.to_owned()).into();
        match self {
            Self::Finished(Some(end)) => Error::AlreadySettled(Box::new(end.1.clone())).into(),
            Self::Streaming(_) => {
                conflict("this permit follows a stream; finish it, or free it to charge what was seen")
            }
            Self::Detached(_) => conflict("this permit was detached; settle it by its id"),
            Self::Held(_) | Self::Finished(None) => conflict("this permit cannot be used any more"),
        }
    }
}

/// What a permit is for, in numbers. Make an empty one with enclava_permit_info_init().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_permit_info {
    /// sizeof(enclava_permit_info).
    pub size: u32,
    /// 1 if its request id found a live hold of the same request: freeing this permit then does nothing.
    pub is_view: i32,
    /// 1 if the ledger could not answer and the gate admits such calls: nothing is set aside.
    pub is_degraded: i32,
    /// 1 if the gate priced the request itself, and `max_tokens` counts.
    pub has_max_tokens: i32,
    /// The most output tokens that the call may be allowed; enclava_permit_body() sees to it.
    pub max_tokens: u64,
    /// What is set aside now.
    pub estimate: enclava_usage,
    /// 1 if it was granted fewer output tokens than the request asks for, or than the model can write: only then does the
    /// body need another limit than it has.
    pub is_reduced: i32,
    /// 1 if the request asks for a streamed answer, where the gate read its body.
    pub is_streamed: i32,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers only.
unsafe impl Growable for enclava_permit_info {
    const NAME: &'static str = "info";
    const FIRST: usize = 48;
}

/// Its name, by which any worker that shares the ledger can settle it. ENCLAVA_PERMIT_ID_TEXT bytes are always enough.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_id(
    permit: Option<&enclava_permit>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(permit, "permit")?.id()?.to_string()))
}

/// The model to dispatch: the one that was checked. Dispatch this text, never one read again from the request. Empty if
/// none was stated.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_model(
    permit: Option<&enclava_permit>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let model = given(permit, "permit")?.permit()?.model().unwrap_or_default();
        Buffer::new(buffer, capacity, len).write(model)
    })
}

/// What the permit is for, in numbers.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_read(
    permit: Option<&enclava_permit>,
    info: *mut enclava_permit_info,
) -> enclava_status {
    guard(|| {
        let permit = given(permit, "permit")?.permit()?;
        let told = enclava_permit_info {
            size: 0,
            is_view: permit.is_view().into(),
            is_degraded: permit.is_degraded().into(),
            has_max_tokens: permit.max_tokens().is_some().into(),
            max_tokens: permit.max_tokens().unwrap_or(0),
            estimate: permit.estimate().into(),
            is_reduced: permit.is_reduced().into(),
            is_streamed: permit.is_streamed().into(),
        };
        sized::write(info, &told)
    })
}

/// The key that it was given to, as the record stood then. Free it with enclava_key_free().
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_key(
    permit: Option<&enclava_permit>,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
) -> enclava_status {
    guard(|| {
        let key = Slot::required(key, "key")?;
        key.fill(enclava_key(Arc::clone(given(permit, "permit")?.permit()?.key())));
        Ok(())
    })
}

/// The body to dispatch instead of the client's: with the model that was checked, and the limit that was granted where it is
/// less than the request asks for or the model can write; otherwise byte for byte the same. `flags` is 0 or ENCLAVA_BODY_INCLUDE_USAGE.
///
/// @return ENCLAVA_STATUS_INVALID_VALUE for a body that is none.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_body(
    permit: Option<&enclava_permit>,
    body: enclava_str,
    flags: u32,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let permit = given(permit, "permit")?.permit()?;
        let rewrite = Rewrite {
            model: permit.model(),
            max_tokens: permit.max_tokens().filter(|_| permit.is_reduced()),
            include_usage: match flags {
                0 => false,
                ENCLAVA_BODY_INCLUDE_USAGE => true,
                _ => return Err(Fault::value("flags", "must be 0 or ENCLAVA_BODY_INCLUDE_USAGE")),
            },
            ..Rewrite::default()
        };
        let body =
            dispatch_body(body.bytes("body")?, &rewrite).map_err(|error| Fault::value("body", error))?;
        let body = std::str::from_utf8(&body).map_err(|_| Fault::NotUtf8("body"))?;
        Buffer::new(buffer, capacity, len).write(body)
    })
}

/// Says that the call is on its way to the model: from now on freeing the permit charges.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_dispatched(permit: Option<&mut enclava_permit>) -> enclava_status {
    guard(|| {
        given(permit, "permit")?.held()?.dispatched();
        Ok(())
    })
}

/// Says what is known of the usage so far, which is what freeing the permit then charges.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_progress(
    permit: Option<&mut enclava_permit>,
    usage: enclava_usage,
) -> enclava_status {
    guard(|| {
        let usage = usage.read()?;
        given(permit, "permit")?.held()?.progress(usage);
        Ok(())
    })
}

/// Sets `more` aside beyond the estimate, by the same atomic rule, and gives the hold a new lifetime.
///
/// May block for a ledger that does I/O.
/// @return ENCLAVA_STATUS_DENIED if it does not fit: stop the call. ENCLAVA_STATUS_CONFLICT if the permit was ended.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_extend(
    permit: Option<&mut enclava_permit>,
    more: enclava_usage,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let more = more.read()?;
        Ok(given(permit, "permit")?.held()?.extend(more)?)
    })
}

/// Charges what the call came to and ends the permit. Facts are never refused: more than the estimate, a limit passed, a
/// key revoked meanwhile, or midnight gone by are all recorded, in the windows of the reservation.
///
/// `settlement` may be NULL; free it with enclava_settlement_free(). The permit is still to be freed.
///
/// May block for a ledger that does I/O.
/// @return ENCLAVA_STATUS_ALREADY_SETTLED with the first settlement in the error; ENCLAVA_STATUS_LEDGER if the ledger cannot
/// answer: the permit stays as it was, and this may be called again.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_settle(
    permit: Option<&mut enclava_permit>,
    usage: enclava_usage,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    settle(permit, settlement, error, |permit| {
        let usage: Usage = usage.read()?;
        Ok(permit.held()?.settle(usage)?)
    })
}

/// Settles by what the model answered: the whole body of a response that was not streamed. One that tells no usage is
/// charged the estimate; for a call that failed, release instead.
///
/// Everything else is as in enclava_permit_settle().
/// @return besides, ENCLAVA_STATUS_INVALID_VALUE if the body or its usage cannot be read: the hold stays.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_settle_response(
    permit: Option<&mut enclava_permit>,
    body: enclava_str,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    settle(permit, settlement, error, |permit| {
        let body = body.bytes("body")?;
        Ok(permit.held()?.settle_response(body)?)
    })
}

/// Takes in the next bytes of a streamed answer, cut anywhere, to settle by what they say: end with
/// enclava_permit_finish(). The first call counts as dispatched; from then on the permit follows the stream, and freeing it
/// charges what was seen. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_feed(
    permit: Option<&mut enclava_permit>,
    chunk: enclava_str,
) -> enclava_status {
    guard(|| {
        let chunk = chunk.bytes("chunk")?;
        given(permit, "permit")?.stream()?.feed(chunk);
        Ok(())
    })
}

/// What the streamed answer may have used so far.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_seen(
    permit: Option<&enclava_permit>,
    usage: Option<&mut MaybeUninit<enclava_usage>>,
) -> enclava_status {
    guard(|| {
        let usage = given(usage, "usage")?;
        let seen = match &given(permit, "permit")?.0 {
            Call::Streaming(stream) => stream.progress(),
            _ => None,
        };
        usage.write(seen.ok_or(Fault::NotFound("stream that is followed"))?.into());
        Ok(())
    })
}

/// Settles by the usage that the stream told; by what was seen of it if it told none. Where it told a usage that cannot
/// be, it is charged no less than its estimate.
///
/// Everything else is as in enclava_permit_settle().
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_finish(
    permit: Option<&mut enclava_permit>,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    settle(permit, settlement, error, enclava_permit::finish)
}

/// Lets the hold go without a charge and ends the permit: the call was not made, or cost nothing.
///
/// May block for a ledger that does I/O.
/// @return as enclava_permit_settle().
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_release(
    permit: Option<&mut enclava_permit>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || Ok(given(permit, "permit")?.held()?.release()?))
}

/// Leaves the hold to be ended by its id, with enclava_gate_settle() or enclava_gate_release(), here or in another worker
/// that shares the ledger. Freeing the permit then does nothing more.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_detach(permit: Option<&mut enclava_permit>) -> enclava_status {
    guard(|| {
        let permit = given(permit, "permit")?;
        permit.held()?;
        if let Call::Held(held) = std::mem::replace(&mut permit.0, Call::Finished(None)) {
            permit.0 = Call::Detached(held);
        }
        Ok(())
    })
}

/// Frees a permit. One that was neither settled nor released lets its hold go if the call was not dispatched, and else
/// charges what is known of it. NULL is nothing to free.
///
/// May block for a ledger that does I/O, unless the permit was ended.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_permit_free(permit: Option<Box<enclava_permit>>) {
    or((), || drop(permit));
}

fn settle(
    permit: Option<&mut enclava_permit>,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
    end: impl FnOnce(&mut enclava_permit) -> Result<Settlement, Fault>,
) -> enclava_status {
    explain(error, || {
        let settlement = Slot::wanted(settlement);
        let settled = end(given(permit, "permit")?)?;
        if let Some(settlement) = settlement {
            settlement.fill(settled.into());
        }
        Ok(())
    })
}
