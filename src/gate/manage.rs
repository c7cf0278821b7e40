//! Managing keys: create, edit, rotate, disable, revoke, delete.

use std::sync::Arc;
use std::time::Duration;

use super::events::EventKind;
use super::{Error, Gate, doubts};
use crate::budget::Owner;
use crate::id::KeyId;
use crate::key::{
    ChangeError, CreateError, Created, Digest, InvalidRecord, Key, KeyEdit, KeySpec, NewSecret, Secret,
};
use crate::time::Timestamp;

/// A key that was just made or rotated, and its secret, which is shown this once.
#[derive(Debug)]
pub struct NewKey {
    /// The record.
    pub key: Arc<Key>,
    /// The secret: [`Secret::reveal`] it once, to whoever will use it. It is wiped when this is dropped.
    pub secret: Secret,
}

// A record that was changed, and the revision that it had before.
struct Change {
    before: u64,
    key: Arc<Key>,
}

impl Gate {
    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] with every fault of the spec, [`Error::Conflict`] if its own id is taken, or another key has the
    /// secret that it brings.
    pub fn create_key(&self, spec: &KeySpec) -> Result<NewKey, Error> {
        let made = spec.create(&self.core.peppers, self.core.clock.now())?;
        let unseen = "is for import_key: of a hash there is no secret to show";
        let secret = made.secret.ok_or_else(|| InvalidRecord::new("/key_hash", unseen))?;
        let key = self.begin(spec, made.key, Some(&secret))?;
        Ok(NewKey { key, secret })
    }

    /// Takes in a key that exists already, by the text ([`KeySpec::secret`]) or the hash ([`KeySpec::key_hash`]) of its
    /// secret.
    ///
    /// # Errors
    /// As [`Gate::create_key`], also where neither is given, and [`Error::Conflict`] if another key has the secret.
    pub fn import_key(&self, spec: &KeySpec) -> Result<Arc<Key>, Error> {
        let made = spec.create(&self.core.peppers, self.core.clock.now());
        if !spec.brings_its_secret() {
            return Err(without_a_secret(made));
        }
        let made = made?;
        self.begin(spec, made.key, made.secret.as_ref())
    }

    /// The key of this id, no older than for a call: a store that others write to is asked for news once in every refresh
    /// interval. While it does not answer, what is known is told.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn key(&self, id: &KeyId) -> Result<Arc<Key>, Error> {
        self.look_up(|keys| keys.get(id)).ok_or_else(|| Error::no_key(id))
    }

    /// The keys after `after`, at most `limit`, in the order of their ids: generated ones first, by their making, then ids of
    /// one's own, by their text. They are as old as [`Gate::key`] says.
    pub fn keys(&self, after: Option<&KeyId>, limit: usize) -> Vec<Arc<Key>> {
        self.look_up(|keys| Some(keys.list(after, limit))).unwrap_or_default()
    }

    /// Edits a key: what the edit does not name stays, what it clears is gone.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] with every fault, [`Error::Conflict`] if the edit would let a request through that was refused
    /// before and does not say [`KeyEdit::widen`], or if the record has moved on from the revision that the edit names.
    pub fn update_key(&self, id: &KeyId, edit: &KeyEdit) -> Result<Arc<Key>, Error> {
        let mut widened = String::new();
        let change = self.change(id, edit.expected_revision(), |key, now| {
            let edited = key.edited(edit, now)?;
            widened = edited.widened.join(", ");
            if !widened.is_empty() && !edit.widens() {
                return Err(Error::Conflict(format!("this edit would widen {widened}; say widen to let it")));
            }
            Ok(edited.key)
        })?;
        let note = if widened.is_empty() { String::new() } else { format!("widened {widened}") };
        let key = self.changed(EventKind::KeyUpdated, change, &note);
        self.doubt(&key);
        Ok(key)
    }

    /// Adds a secret to a key, of the format and with the hint that the key was made with. The present one ends after `overlap`,
    /// at once for zero; both spend one budget.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the key is revoked, disabled or expired, or has five secrets in force, [`Error::InvalidValue`] for an overlap of more
    /// than 90 days.
    pub fn rotate_key(&self, id: &KeyId, overlap: Duration) -> Result<NewKey, Error> {
        let mut made = None;
        let change = self.change(id, None, |key, now| {
            let secret = Secret::generate(key.prefix(), key.secret_format()).map_err(CreateError::Random)?;
            let new = NewSecret::of(&secret, &self.core.peppers, key.hint_style());
            made = Some(secret);
            key.rotated(new, overlap, now).map_err(|error| match error {
                // The overlap is all that a rotation is asked for, and is no field of a record.
                ChangeError::Invalid(InvalidRecord { errors }) => Error::invalid(
                    "overlap",
                    errors.into_iter().map(|fault| fault.message).collect::<String>(),
                ),
                conflict @ ChangeError::Conflict(_) => conflict.into(),
            })
        })?;
        let key = self.changed(EventKind::KeyRotated, change, "");
        made.map(|secret| NewKey { key, secret }).ok_or_else(|| Error::no_key(id))
    }

    /// Stops a key until it is enabled again. The next call is denied; calls in flight settle.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ledger`] if the store cannot be written.
    pub fn disable_key(&self, id: &KeyId) -> Result<Arc<Key>, Error> {
        let change = self.change(id, None, |key, now| Ok(key.disable(now)))?;
        Ok(self.changed(EventKind::KeyDisabled, change, ""))
    }

    /// Starts a key that was disabled.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is revoked.
    pub fn enable_key(&self, id: &KeyId) -> Result<Arc<Key>, Error> {
        let change = self.change(id, None, |key, now| Ok(key.enable(now).map_err(ChangeError::from)?))?;
        Ok(self.changed(EventKind::KeyEnabled, change, ""))
    }

    /// Ends a key for good. The next call is denied; calls in flight settle. Revoking it again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ledger`] if the store cannot be written.
    pub fn revoke_key(&self, id: &KeyId) -> Result<Arc<Key>, Error> {
        let change = self.change(id, None, |key, now| Ok(key.revoke(now)))?;
        Ok(self.changed(EventKind::KeyRevoked, change, ""))
    }

    /// Removes a key and its record. Its secret is unknown from now on; calls in flight settle.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Ledger`] if the store cannot be written (nothing was done), or if the ledger cannot forget
    /// the budgets: the key is gone all the same, and what it used stays, to count for a new key of the same id.
    pub fn delete_key(&self, id: &KeyId) -> Result<(), Error> {
        // The store has the last word: others may have made the key just now, and a record that cannot be read can go.
        let removed = self.core.refresher.store.remove(id)?;
        let known = self.core.directory.remove(id);
        if !removed && known.is_none() {
            return Err(Error::no_key(id));
        }
        self.core.events.tell(self.core.clock.now(), EventKind::KeyDeleted, Some(id), "");
        let owner = known.map_or_else(|| Owner::new(id.clone()), |key| key.owner().clone());
        Ok(self.core.books.ledger().forget(&owner)?)
    }

    // Keeps a new key, whose secret is `secret` where that is known.
    fn begin(&self, spec: &KeySpec, key: Key, secret: Option<&Secret>) -> Result<Arc<Key>, Error> {
        if spec.brings_its_secret() {
            // What another gate took in counts, however recent.
            self.core.refresher.catch_up(&self.core, self.core.clock.now())?;
            // Under another pepper its hash is another one, and the secret the same.
            let owner = |digest: &Digest| self.core.directory.owner(digest);
            let find = |secret: &Secret| self.core.peppers.find(secret.reveal().as_bytes(), owner);
            if let Some(other) = secret.and_then(find) {
                return Err(taken(&other));
            }
        }
        let key = Arc::new(key);
        self.keep(&key, None)?;
        self.happened(EventKind::KeyCreated, &key, "");
        self.doubt(&key);
        Ok(key)
    }

    fn happened(&self, kind: EventKind, key: &Key, note: &str) {
        self.core.events.tell(self.core.clock.now(), kind, Some(key.id()), note);
    }

    fn doubt(&self, key: &Arc<Key>) {
        doubts::tell(&self.core, std::slice::from_ref(key), self.core.clock.now());
    }

    // Takes down a change, unless it left everything as it was.
    fn changed(&self, kind: EventKind, change: Change, note: &str) -> Arc<Key> {
        if change.before != change.key.revision() {
            self.happened(kind, &change.key, note);
        }
        change.key
    }

    // Reads, changes and keeps a record. Somebody else's change in between is met again unless a revision was named.
    fn change(
        &self,
        id: &KeyId,
        expected: Option<u64>,
        mut change: impl FnMut(&Key, Timestamp) -> Result<Key, Error>,
    ) -> Result<Change, Error> {
        const ATTEMPTS: usize = 8;
        let now = self.core.clock.now();
        // What others did to the record counts, however recent.
        self.core.refresher.catch_up(&self.core, now)?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let key = self.core.directory.get(id).ok_or_else(|| Error::no_key(id))?;
            if let Some(expected) = expected.filter(|&expected| expected != key.revision()) {
                let revision = key.revision();
                return Err(Error::Conflict(format!(
                    "key {id} is at revision {revision}, not {expected}; read it again"
                )));
            }
            let changed = Arc::new(change(&key, now)?);
            match self.keep(&changed, Some(key.revision())) {
                Err(Error::Conflict(message)) => last = Some(Error::Conflict(message)),
                Err(error) => return Err(error),
                Ok(()) => return Ok(Change { before: key.revision(), key: changed }),
            }
            self.refresh()?;
        }
        Err(last.unwrap_or_else(|| Error::Conflict(format!("key {id} is being changed by others"))))
    }

    fn keep(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), Error> {
        if let Some(other) = self.core.directory.rival(key) {
            return Err(taken(&other));
        }
        self.core.refresher.store.put(key, replaces)?;
        self.core.directory.put(key).map(drop).map_err(|other| taken(&other))
    }
}

fn taken(other: &KeyId) -> Error {
    Error::Conflict(format!("key {other} already has this secret"))
}

// That, and all else that is wrong.
fn without_a_secret(made: Result<Created, CreateError>) -> Error {
    let mut invalid = InvalidRecord::new("/secret", "is required, or key_hash; create_key makes a new one");
    if let Err(CreateError::Invalid(more)) = made {
        invalid.errors.extend(more.errors);
    }
    invalid.into()
}
