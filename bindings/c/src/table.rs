//! Tables of functions of the caller's, which stand for a ledger or a store: what they are lent, and what they answer.

use std::fmt;

use enclava_keys::ledger::LedgerError;
use enclava_keys::store::StoreError;

use crate::text::enclava_str;

/// Why a table gave no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// A function of it is missing.
    Missing,
    /// A function answered with this number.
    Code(i32),
}

/// What a function of a table answered.
pub(crate) fn answered(code: i32) -> Result<(), NoAnswer> {
    if code == 0 { Ok(()) } else { Err(NoAnswer::Code(code)) }
}

/// A text that a function is lent.
pub(crate) fn lent(text: &str) -> enclava_str {
    enclava_str { data: text.as_ptr().cast(), len: text.len() }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a function of its table is missing"),
            Self::Code(code) => write!(f, "it answered with error {code}"),
        }
    }
}

impl From<NoAnswer> for LedgerError {
    fn from(none: NoAnswer) -> Self {
        Self::new(none.to_string())
    }
}

impl From<NoAnswer> for StoreError {
    fn from(none: NoAnswer) -> Self {
        match none {
            // ENCLAVA_STATUS_CONFLICT.
            NoAnswer::Code(20) => {
                Self::Conflict("the record was changed by others, or its name is taken".into())
            }
            none => Self::Unavailable(none.to_string()),
        }
    }
}
