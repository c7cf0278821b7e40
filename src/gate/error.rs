//! What can go wrong besides a denial.

#[cfg(feature = "sqlite")]
use crate::engine::OpenError;
use crate::id::KeyId;
use crate::key::{ChangeError, CreateError, InvalidRecord};
use crate::ledger::LedgerError;
use crate::store::StoreError;
use crate::wire::Denial;

use super::Settlement;

/// Bytes of an id that are repeated in a message: as long as a generated one, and shorter than a secret.
const LONGEST_SHOWN: usize = 30;

/// Why a call other than `authorize` did not do as it was asked. The message says what to do; none holds a secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record or an edit that is not valid, with every fault at once.
    #[error(transparent)]
    InvalidRecord(#[from] InvalidRecord),
    /// An argument that is not valid.
    #[error("{field}: {message}")]
    InvalidValue {
        /// The argument.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        message: String,
    },
    /// There is no such key or permit.
    #[error("{0}")]
    NotFound(String),
    /// The state of things forbids it: a revision that moved on, an edit that would widen, a sixth secret.
    #[error("{0}")]
    Conflict(String),
    /// The permit was settled or released before; nothing was charged now. This is what it came to then. Only `usage` is
    /// remembered; the other fields are empty.
    #[error("this permit was already settled or released; nothing was charged now")]
    AlreadySettled(Box<Settlement>),
    /// A request or an extension was denied.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The ledger or the store cannot answer. What was asked may be asked again.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Error {
    pub(super) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidValue { field, message: message.into() }
    }

    /// Nobody has this id. A long one is not repeated: somebody may have pasted a secret where an id belongs.
    pub(super) fn no_key(id: &KeyId) -> Self {
        let id = id.to_string();
        let shown = if id.len() <= LONGEST_SHOWN { &id } else { "of this id" };
        Self::NotFound(format!("there is no key {shown}"))
    }
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(invalid) => Self::InvalidRecord(invalid),
            CreateError::Random(error) => Self::Ledger(LedgerError::new(error.to_string())),
        }
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(invalid) => Self::InvalidRecord(invalid),
            ChangeError::Conflict(conflict) => Self::Conflict(conflict.to_string()),
        }
    }
}

#[cfg(feature = "sqlite")]
impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Url(message) => Self::invalid("url", message),
            OpenError::Failed(message) => Self::Ledger(LedgerError::new(message)),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(message) | StoreError::ReadOnly(message) => Self::Conflict(message),
            StoreError::Invalid(invalid) => Self::InvalidRecord(invalid),
            StoreError::Unavailable(message) => Self::Ledger(LedgerError::of_store(message)),
        }
    }
}
