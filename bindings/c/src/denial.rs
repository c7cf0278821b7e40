//! An answer that is ready to send: status, headers, body.

use std::ffi::c_char;
use std::fmt::Write;
use std::mem::MaybeUninit;

use enclava_keys::wire::Dialect;
use enclava_keys::{Denial, Error, Reason, Timestamp};

use crate::fault::Fault;
use crate::guard::{guard, or};
use crate::handle::given;
use crate::reason::enclava_reason;
use crate::status::enclava_status;
use crate::text::Buffer;
use crate::time::enclava_time;

/// Whose error bodies a client expects.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum enclava_dialect {
    /// OpenAI and everyone who is compatible with it.
    Openai = 0,
    /// Anthropic.
    Anthropic = 1,
}

/// Why a request was not admitted: a finished HTTP answer. It holds no secret and does not say which models a key may
/// use.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_denial {
    denial: Denial,
    // The gateway's own mistake, for its log.
    cause: Option<Fault>,
}

impl From<Denial> for enclava_denial {
    fn from(denial: Denial) -> Self {
        Self { denial, cause: None }
    }
}

impl enclava_denial {
    /// The answer to a request that was not admitted because of this.
    pub(crate) fn of(fault: Fault) -> Self {
        match fault {
            Fault::Core(Error::Denied(denial)) => denial.into(),
            fault => Self { denial: Denial::new(Reason::InternalError), cause: Some(fault) },
        }
    }
}

/// Why. ENCLAVA_REASON_NONE for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_reason(denial: Option<&enclava_denial>) -> enclava_reason {
    or(enclava_reason::InternalError, || {
        denial.map_or(enclava_reason::None, |denial| denial.denial.reason().into())
    })
}

/// The HTTP status to answer with, 400 to 599. 500 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_status(denial: Option<&enclava_denial>) -> i32 {
    or(500, || denial.map_or(500, |denial| denial.denial.status().into()))
}

/// The JSON body to answer with, in the words of an enclava_dialect.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_body(
    denial: Option<&enclava_denial>,
    dialect: i32,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let body = given(denial, "denial")?.denial.body(read_dialect(dialect)?);
        Buffer::new(buffer, capacity, len).write(&body.to_string())
    })
}

/// The same as a server-sent event, for a stream whose status has gone out already. End the stream after it.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_sse_event(
    denial: Option<&enclava_denial>,
    dialect: i32,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let event = given(denial, "denial")?.denial.sse_event(read_dialect(dialect)?);
        Buffer::new(buffer, capacity, len).write(&event)
    })
}

/// The headers to answer with, as lines of HTTP/1.1: "content-type: application/json\r\nx-should-retry: false\r\n".
/// `x-should-retry` is what keeps clients from repeating a request that is denied for good.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_headers(
    denial: Option<&enclava_denial>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let mut lines = String::new();
        for (name, value) in given(denial, "denial")?.denial.headers() {
            write!(lines, "{name}: {value}\r\n").map_err(|_| Fault::Panic)?;
        }
        Buffer::new(buffer, capacity, len).write(&lines)
    })
}

/// What happened and what to do about it, for the developer of the client; the message of the body.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_message(
    denial: Option<&enclava_denial>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(denial, "denial")?.denial.message()))
}

/// What the gateway did wrong, such as "model: must be UTF-8": for its log, not for the client. Empty if the request was denied
/// by the rules. Only a body that enclava_gate_authorize_request() cannot read is the client's fault, and this tells it which.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_cause(
    denial: Option<&enclava_denial>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let cause = given(denial, "denial")?.cause.as_ref().map(ToString::to_string);
        Buffer::new(buffer, capacity, len).write(&cause.unwrap_or_default())
    })
}

/// Whether the same request may be admitted in a moment with nothing changed by anyone: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_is_transient(denial: Option<&enclava_denial>) -> i32 {
    or(0, || denial.is_some_and(|denial| denial.denial.transient()).into())
}

/// How many seconds to wait before the request is worth repeating; 0 where waiting does not help.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_retry_after(denial: Option<&enclava_denial>) -> u64 {
    or(0, || denial.and_then(|denial| denial.denial.retry_after()).map_or(0, |wait| wait.as_secs()))
}

/// When the budget that refused starts from zero; 0 unless a budget refused.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_resets_at(denial: Option<&enclava_denial>) -> enclava_time {
    or(0, || denial.and_then(|denial| denial.denial.resets_at()).map_or(0, Timestamp::as_micros))
}

/// Frees a denial. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_denial_free(denial: Option<Box<enclava_denial>>) {
    or((), || drop(denial));
}

fn read_dialect(dialect: i32) -> Result<Dialect, Fault> {
    match dialect {
        0 => Ok(Dialect::OpenAi),
        1 => Ok(Dialect::Anthropic),
        _ => Err(Fault::value("dialect", "must be one of enclava_dialect")),
    }
}
