//! What went wrong with a call that does not decide.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::Error;

use crate::denial::enclava_denial;
use crate::fault::Fault;
use crate::guard::{guard, or};
use crate::handle::given;
use crate::settlement::enclava_settlement;
use crate::status::enclava_status;
use crate::text::Buffer;

/// Why a call failed. It holds no secret: it may be logged.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_error {
    fault: Fault,
    denial: Option<enclava_denial>,
    first: Option<enclava_settlement>,
}

impl enclava_error {
    pub(crate) fn new(fault: Fault) -> Self {
        let (denial, first) = match &fault {
            Fault::Core(Error::Denied(denial)) => (Some(enclava_denial::from(denial.clone())), None),
            Fault::Core(Error::AlreadySettled(first)) => {
                (None, Some(enclava_settlement::from((**first).clone())))
            }
            _ => (None, None),
        };
        Self { fault, denial, first }
    }
}

/// The status that the failed call returned. ENCLAVA_STATUS_OK for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_status(error: Option<&enclava_error>) -> enclava_status {
    or(enclava_status::Panic, || error.map_or(enclava_status::Ok, |error| enclava_status::of(&error.fault)))
}

/// What went wrong and what to do about it, all faults of a record included.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_message(
    error: Option<&enclava_error>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(error, "error")?.fault.to_string()))
}

/// The argument or the field that is at fault, such as "cost" or "/allowed_models/0"; empty if it is not one.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_field(
    error: Option<&enclava_error>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(given(error, "error")?.fault.field()))
}

/// All faults of a record as a JSON array of objects with `path` (a JSON pointer) and `message`. Empty, "[]", unless the
/// status is ENCLAVA_STATUS_INVALID_RECORD.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_faults(
    error: Option<&enclava_error>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let faults = match &given(error, "error")?.fault {
            Fault::Core(Error::InvalidRecord(record)) => {
                serde_json::to_string(&record.errors).map_err(|_| Fault::Panic)?
            }
            _ => "[]".to_owned(),
        };
        Buffer::new(buffer, capacity, len).write(&faults)
    })
}

/// The denial to send if the status is ENCLAVA_STATUS_DENIED, else NULL. It belongs to the error and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_denial(error: Option<&enclava_error>) -> Option<&enclava_denial> {
    or(None, || error?.denial.as_ref())
}

/// The first settlement if the status is ENCLAVA_STATUS_ALREADY_SETTLED, else NULL. Its usage is always remembered; all
/// else may be empty. It belongs to the error and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_settlement(error: Option<&enclava_error>) -> Option<&enclava_settlement> {
    or(None, || error?.first.as_ref())
}

/// Frees an error. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_error_free(error: Option<Box<enclava_error>>) {
    or((), || drop(error));
}
