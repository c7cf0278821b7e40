//! What can go wrong with a file, said so that whoever reads it knows what to do.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use super::connection::PATIENCE;
use crate::ledger::LedgerError;
use crate::store::StoreError;
use crate::text::spoken;

/// Why a database was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not right: what would be.
    #[error("{0}")]
    Url(String),
    /// There is something in the way, and what to do about it.
    #[error("{0}")]
    Failed(String),
}

/// Something that SQLite or the file system said.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    /// Told in full.
    Told(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    pub(super) fn told(message: impl Into<String>) -> Self {
        Self::Told(message.into())
    }

    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => "; this process may not use it",
            io::ErrorKind::ReadOnlyFilesystem => "; its file system is read-only",
            io::ErrorKind::StorageFull => "; the disk is full",
            _ => "",
        };
        Self::Told(format!("{}: {}{advice}", path.display(), spoken(error)))
    }

    /// Whether a connection that met this is better opened again.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Told(_) => false,
            Self::Sqlite(error) => !matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::ConstraintViolation)
            ),
        }
    }

    /// Whether the transaction that met this may be half done.
    pub(super) fn may_have_written(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Whether any other step would meet it as well.
    pub(super) fn is_everybodys(&self) -> bool {
        match self {
            Self::Told(_) => true,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::CannotOpen
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DiskFull
                        | ErrorCode::NotADatabase
                        | ErrorCode::ReadOnly
                        | ErrorCode::SystemIoFailure
                )
            ),
        }
    }

    /// The fault in words.
    pub(super) fn tell(&self, path: &Path) -> String {
        let path = path.display();
        let error = match self {
            Self::Told(message) => return message.clone(),
            Self::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => format!("{path}: the disk is full; nothing was changed"),
            Some(ErrorCode::ReadOnly) => {
                format!(
                    "{path}: the file or its directory is read-only for this process; nothing was changed"
                )
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                format!("{path}: the file is damaged ({error}); put a backup in its place")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                format!("{path}: another program has kept the file locked for {} s", PATIENCE.as_secs())
            }
            Some(ErrorCode::CannotOpen) => {
                format!(
                    "{path}: cannot be opened ({error}); the directory must exist and be writable, and the process may \
                     have no more files open than it is allowed"
                )
            }
            _ => format!("{path}: {error}"),
        }
    }

    pub(super) fn open_error(&self, path: &Path) -> OpenError {
        OpenError::Failed(self.tell(path))
    }

    pub(super) fn ledger_error(&self, path: &Path) -> LedgerError {
        LedgerError::new(self.tell(path))
    }

    pub(super) fn store_error(&self, path: &Path) -> StoreError {
        StoreError::Unavailable(self.tell(path))
    }
}
