//! What happens to a key without anybody setting it: secrets that come and go, revisions, its end.

use super::digest::SecretHash;
use super::hint::Shown;
use crate::Timestamp;
use crate::budget::{Calendar, Owner};

/// The hash of a secret, since when it counts, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSecret {
    pub(super) hash: SecretHash,
    pub(super) shown: Shown,
    pub(super) created_at: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
}

impl StoredSecret {
    /// The hash.
    pub const fn hash(&self) -> &SecretHash {
        &self.hash
    }

    /// When it was made or taken in.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The instant from which on it is refused, if an end is set.
    pub const fn retires_at(&self) -> Option<Timestamp> {
        self.retires_at
    }

    /// Whether it is refused at `now`.
    pub fn is_retired_at(&self, now: Timestamp) -> bool {
        self.retires_at.is_some_and(|end| now >= end)
    }
}

/// What callers do not set: who a key is, and what has happened to it.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) owner: Owner,
    // As it was before; the zone that is asked for takes over when the current windows end.
    pub(super) calendar: Calendar,
    pub(super) newest: StoredSecret,
    // Newest first.
    pub(super) older: Vec<StoredSecret>,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) revision: u64,
}
