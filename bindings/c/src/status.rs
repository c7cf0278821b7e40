//! What became of a call, as a number that never changes.

use std::ffi::{CStr, c_char};

use enclava_keys::Error;

use crate::fault::Fault;
use crate::guard::or;

/// What became of a call. Numbers are never reused: a status that this header does not know is a failure.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_status {
    /// It did as it was asked.
    Ok = 0,
    /// A pointer that must not be NULL is NULL.
    NullArgument = 1,
    /// A text is not UTF-8.
    NotUtf8 = 2,
    /// The `size` of a struct is none that this library knows, or a field that it does not know is set.
    StructSize = 3,
    /// The buffer does not hold the text and its NUL; `len` says how long the text is.
    BufferTooSmall = 4,
    /// The queue holds as many calls as it may. Call enclava_queue_run(), then submit again.
    Busy = 5,
    /// The request is denied. Send the denial.
    Denied = 16,
    /// A value is not what it may be. The error says which, and what would be right.
    InvalidValue = 17,
    /// A record is not valid. The error lists every fault with its place.
    InvalidRecord = 18,
    /// There is no such key, permit or item.
    NotFound = 19,
    /// The state of things forbids it: a revision that moved on, an edit that would widen, a request id used before.
    Conflict = 20,
    /// The permit was settled or released before. Nothing was charged now; the error has the first settlement.
    AlreadySettled = 21,
    /// The ledger or the store cannot answer. Nothing is lost: the same call may be made again.
    Ledger = 64,
    /// A fault of the library. Nothing was admitted.
    Panic = 255,
}

impl enclava_status {
    /// The status that a fault comes to.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Null(_) => Self::NullArgument,
            Fault::NotUtf8(_) => Self::NotUtf8,
            Fault::StructSize(..) => Self::StructSize,
            Fault::BufferTooSmall => Self::BufferTooSmall,
            Fault::Busy => Self::Busy,
            Fault::Value { .. } => Self::InvalidValue,
            Fault::NotFound(_) => Self::NotFound,
            Fault::Panic => Self::Panic,
            Fault::Core(error) => match error {
                Error::Denied(denial) if denial.is_conflict() => Self::Conflict,
                Error::Denied(_) => Self::Denied,
                Error::InvalidValue { .. } => Self::InvalidValue,
                Error::InvalidRecord(_) => Self::InvalidRecord,
                Error::NotFound(_) => Self::NotFound,
                Error::Conflict(_) => Self::Conflict,
                Error::AlreadySettled(_) => Self::AlreadySettled,
                Error::Ledger(_) => Self::Ledger,
                // A kind that this binding does not know yet is nobody's success.
                _ => Self::Panic,
            },
        }
    }
}

/// The name of a status, such as "conflict". "unknown status" for a number that is none.
///
/// The text is static: never free it. Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_status_text(status: i32) -> *const c_char {
    or(c"unknown status", || name(status)).as_ptr()
}

fn name(status: i32) -> &'static CStr {
    match status {
        0 => c"ok",
        1 => c"null argument",
        2 => c"not UTF-8",
        3 => c"struct size",
        4 => c"buffer too small",
        5 => c"busy",
        16 => c"denied",
        17 => c"invalid value",
        18 => c"invalid record",
        19 => c"not found",
        20 => c"conflict",
        21 => c"already settled",
        64 => c"ledger unavailable",
        255 => c"panic",
        _ => c"unknown status",
    }
}
