//! Where key records live: the [`Store`] trait, the store in memory, and the policy file.

mod file;
mod memory;

use std::fmt;
use std::sync::Arc;

use crate::id::KeyId;
use crate::key::{InvalidRecord, Key};
use crate::time::Timestamp;

pub use file::{PolicyFile, Reload};
pub use memory::MemoryStore;

/// A place that keeps key records.
///
/// The gate holds every record in memory and asks the store only for news, so a store may be slow. It judges nothing:
/// records come to it valid and leave it as they were. Calls may come from any threads at once.
pub trait Store: Send + Sync + fmt::Debug {
    /// What changed since `since`, the generation of an earlier answer; everything for `None`. `now` is what the gate's
    /// clock says: a store that finds its records changed by other hands carries a new time zone over from then.
    ///
    /// # Errors
    /// When the store cannot tell.
    fn news(&self, since: Option<u64>, now: Timestamp) -> Result<News, StoreError>;

    /// Keeps `key`. `replaces` is the revision of the record that it replaces, `None` for a new key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the record kept is not of that revision, if a new key's id is taken, or if another key
    /// has one of its secrets.
    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError>;

    /// Removes the key of this id; false if there is none.
    ///
    /// # Errors
    /// When the store cannot do so.
    fn remove(&self, id: &KeyId) -> Result<bool, StoreError>;

    /// How others than its owner may change what is kept here, in words that say how to end it. Asked after each answer.
    fn exposed(&self) -> Option<String> {
        None
    }

    /// Whether records may change without this gate: then it asks for news at least once in every refresh interval.
    fn is_shared(&self) -> bool;
}

/// What changed in a store.
#[derive(Debug, Clone)]
pub struct News {
    /// Names the state of the store after these changes.
    pub generation: u64,
    /// What it consists of.
    pub changes: Changes,
    /// Records that are among the changes and cannot be read. Their keys are unknown, as if they were removed, until they
    /// can be; all else goes on.
    pub unreadable: Vec<Unreadable>,
}

/// A record that is kept and cannot be read: a newer release wrote it, or other hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose it is; `None` where that cannot be read either.
    pub id: Option<KeyId>,
    /// Why not.
    pub fault: InvalidRecord,
}

/// How the records changed.
#[derive(Debug, Clone)]
pub enum Changes {
    /// Not at all.
    None,
    /// These records were put, and these keys removed.
    Some(Vec<Arc<Key>>, Vec<KeyId>),
    /// These are all the records.
    All(Vec<Arc<Key>>),
}

/// Why a record is not put in the place of that of revision `kept`, when it `replaces` another one.
pub(crate) fn out_of_step(id: &KeyId, kept: Option<u64>, replaces: Option<u64>) -> String {
    match (kept, replaces) {
        (None, _) => format!("key {id} does not exist"),
        (Some(_), None) => format!("there is a key {id} already; choose another id"),
        (Some(kept), Some(_)) => format!("key {id} is at revision {kept}"),
    }
}

/// Why a store did not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else changed the record first, or a name or a secret is taken.
    #[error("{0}")]
    Conflict(String),
    /// The store cannot be written through the gate.
    #[error("{0}")]
    ReadOnly(String),
    /// What is kept cannot be read as records.
    #[error(transparent)]
    Invalid(#[from] InvalidRecord),
    /// The store cannot answer: it is down, cut off, full or damaged.
    #[error("the store cannot answer: {0}")]
    Unavailable(String),
}
