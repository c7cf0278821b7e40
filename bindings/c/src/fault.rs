//! Why a call did not do as it was asked: a mistake of the caller's, or what the core says.

use std::fmt;

use enclava_keys::{Denial, Error};

/// A failure with all that there is to say about it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// This argument is NULL.
    Null(&'static str),
    /// This text is not UTF-8.
    NotUtf8(&'static str),
    /// This struct has a size, or behind it fields, that are not known.
    StructSize(&'static str, &'static str),
    BufferTooSmall,
    Busy,
    /// This value is not what it may be.
    Value {
        field: &'static str,
        message: String,
    },
    /// There is no such thing.
    NotFound(&'static str),
    Core(Error),
    Panic,
}

impl Fault {
    pub(crate) fn value(field: &'static str, message: impl fmt::Display) -> Self {
        Self::Value { field, message: message.to_string() }
    }

    /// The argument or field that is at fault, if it is one.
    pub(crate) fn field(&self) -> &str {
        match self {
            Self::Null(field)
            | Self::NotUtf8(field)
            | Self::StructSize(field, _)
            | Self::Value { field, .. }
            | Self::Core(Error::InvalidValue { field, .. }) => field,
            Self::Core(Error::InvalidRecord(record)) => {
                record.errors.first().map_or("", |fault| fault.path.as_str())
            }
            _ => "",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(field) => write!(f, "{field}: must not be NULL"),
            Self::NotUtf8(field) => write!(f, "{field}: must be UTF-8"),
            Self::StructSize(field, message) => write!(f, "{field}: {message}"),
            Self::BufferTooSmall => f.write_str("the buffer does not hold the text and its NUL"),
            Self::Busy => f.write_str(
                "the queue holds as many calls as it may; call enclava_queue_run(), then submit again",
            ),
            Self::Value { field, message } => write!(f, "{field}: {message}"),
            Self::NotFound(what) => write!(f, "there is no {what}"),
            Self::Core(error) => fmt::Display::fmt(error, f),
            Self::Panic => f.write_str("a fault of the library; nothing was admitted"),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(denial) => denial.into(),
            error => Self::Core(error),
        }
    }
}

impl From<Denial> for Fault {
    fn from(denial: Denial) -> Self {
        match denial.invalid_argument() {
            Some((field, what)) => Self::value(field, what),
            None => Self::Core(Error::Denied(denial)),
        }
    }
}
