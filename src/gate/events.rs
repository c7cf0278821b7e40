//! What happened to keys, the store and the ledger, for an operator's log: a bounded queue that somebody polls.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Gate;
use super::queue::Queue;
use crate::id::KeyId;
use crate::sync::Mutex;
use crate::time::Timestamp;

/// How far back an event looks for another of its kind to count with.
const ALIKE: usize = 16;

/// Something that an operator should be able to find out about later. None holds a secret.
///
/// What the gate decides about each call is counted by [`Gate::stats`] and is no event. What calls run into
/// ([`EventKind::LedgerUnavailable`], [`EventKind::AdmittedDegraded`], [`EventKind::EstimateOverrun`],
/// [`EventKind::ModelNearMiss`]) counts up an event of its kind and key that still waits to be taken, so that an outage does
/// not push out what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// When it happened, by the gate's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// Whose key, where it is about one.
    pub key_id: Option<KeyId>,
    /// What more there is to say, for people: which fields were widened, what is wrong with a policy file. Often empty.
    pub note: String,
    /// How often it happened, from 1; `at` is the first time.
    pub times: u64,
}

/// The kinds of events. The names ([`EventKind::as_str`]) are the same in every language and never change; new ones may
/// come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A key was made or imported through this gate.
    KeyCreated,
    /// A key was edited through this gate; the note names what the edit widened.
    KeyUpdated,
    /// A key was given a new secret through this gate.
    KeyRotated,
    /// A key was switched off through this gate.
    KeyDisabled,
    /// A key was switched on through this gate.
    KeyEnabled,
    /// A key was ended for good through this gate.
    KeyRevoked,
    /// A key was removed through this gate.
    KeyDeleted,
    /// Others changed keys in the store, or a new policy file is in force; the note counts them.
    StoreChanged,
    /// What the store holds is not valid, and the last good records stay in force; the note says what is wrong.
    StoreRefused,
    /// The store stopped answering.
    StoreUnavailable,
    /// The store answers again, or what it holds is valid again.
    StoreRecovered,
    /// Nobody can use a key here: the hashes of its secrets are keyed with peppers that this gate was not given, or its record
    /// cannot be read, because a newer release wrote it or other hands. The note says which peppers or what is wrong, and
    /// counts the other keys of that kind that came with it.
    KeyUnreadable,
    /// A list of a key's models holds a word that stands for every model, or for none, in the lists of other gateways, and is
    /// the name of one model here; the note says which, and counts the other keys of that kind that came with it.
    ModelWord,
    /// A call was denied a model that its key may use, written in another case; the note is the entry that was probably meant.
    ModelNearMiss,
    /// Others than its owner may write the policy file, and so make keys, or use the database; the note says how to end
    /// that.
    StoreExposed,
    /// A call found the ledger unable to answer.
    LedgerUnavailable,
    /// A call was admitted without a hold, because the ledger could not answer and the gate was opened to do so.
    AdmittedDegraded,
    /// Nobody settled a call within the lifetime of its hold; the note is the permit's id.
    HoldLapsed,
    /// A call came to more than the estimate that was stated for it.
    EstimateOverrun,
}

impl EventKind {
    /// The name used in every language: `key_created`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key_created",
            Self::KeyUpdated => "key_updated",
            Self::KeyRotated => "key_rotated",
            Self::KeyDisabled => "key_disabled",
            Self::KeyEnabled => "key_enabled",
            Self::KeyRevoked => "key_revoked",
            Self::KeyDeleted => "key_deleted",
            Self::StoreChanged => "store_changed",
            Self::StoreRefused => "store_refused",
            Self::StoreUnavailable => "store_unavailable",
            Self::StoreRecovered => "store_recovered",
            Self::KeyUnreadable => "key_unreadable",
            Self::ModelWord => "model_word",
            Self::ModelNearMiss => "model_near_miss",
            Self::StoreExposed => "store_exposed",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::AdmittedDegraded => "admitted_degraded",
            Self::HoldLapsed => "hold_lapsed",
            Self::EstimateOverrun => "estimate_overrun",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Gate {
    /// Takes at most `most` events that nobody took yet, oldest first. The last 1024 are kept; those that had to make
    /// room are counted by `events_lost` of [`Gate::stats`]. Never waits for anything but another caller of the queue.
    pub fn take_events(&self, most: usize) -> Vec<Event> {
        self.core.events.take(most)
    }
}

/// Where events go.
#[derive(Debug, Default)]
pub(super) struct EventDesk(Mutex<Queue<Event>>);

impl EventDesk {
    /// Takes down that something happened. Costs a lock, so only what is out of the ordinary comes here.
    #[cold]
    pub(super) fn tell(&self, at: Timestamp, kind: EventKind, key: Option<&KeyId>, note: impl Into<String>) {
        self.0.lock().push(Event { at, kind, key_id: key.cloned(), note: note.into(), times: 1 });
    }

    /// The same for what one call after another may run into.
    #[cold]
    pub(super) fn tell_again(&self, at: Timestamp, kind: EventKind, key: Option<&KeyId>, note: &str) {
        let mut queue = self.0.lock();
        let is_alike =
            |event: &Event| event.kind == kind && event.key_id.as_ref() == key && event.note == note;
        if let Some(event) = queue.newest(ALIKE).find(|event| is_alike(event)) {
            event.times = event.times.saturating_add(1);
            return;
        }
        queue.push(Event { at, kind, key_id: key.cloned(), note: note.to_owned(), times: 1 });
    }

    pub(super) fn take(&self, most: usize) -> Vec<Event> {
        self.0.lock().take(most)
    }

    pub(super) fn lost(&self) -> u64 {
        self.0.lock().lost()
    }
}
