//! Every key, by the digests of its secrets and by its id.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::id::KeyId;
use crate::key::{Digest, Key};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::time::Timestamp;

const SHARDS: u64 = 256;

/// The records in force. A lookup takes one uncontended read lock and touches one table entry and one record.
#[derive(Debug)]
pub(super) struct Directory {
    shards: Box<[Padded]>,
    // Whoever changes keys holds this for writing, so changes are made one by one.
    by_id: RwLock<BTreeSet<ById>>,
    edits: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(RwLock<HashTable<Entry>>);

// The first eight bytes of a digest find the entry; the record holds all 32, which are compared.
#[derive(Debug)]
struct Entry {
    tag: u64,
    key: Arc<Key>,
}

impl Directory {
    pub(super) fn new() -> Self {
        let shards =
            std::iter::repeat_with(Padded::default).take(usize::try_from(SHARDS).unwrap_or(1)).collect();
        Self { shards, by_id: RwLock::default(), edits: AtomicU64::new(0) }
    }

    /// The key that has a secret of this digest, and whether that secret is retired at `now`.
    #[inline]
    pub(super) fn find(&self, digest: &Digest, now: Timestamp) -> Option<(Arc<Key>, bool)> {
        let tag = digest.tag();
        let shard = self.shard(tag)?.read();
        let mut retired = false;
        let entry = shard.find(tag, |entry| {
            let secret = if entry.tag == tag { entry.key.secret(digest) } else { None };
            retired = secret.is_some_and(|secret| secret.is_retired_at(now));
            secret.is_some()
        })?;
        Some((Arc::clone(&entry.key), retired))
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<Arc<Key>> {
        self.by_id.read().get(id).map(|by_id| Arc::clone(&by_id.0))
    }

    /// The keys after `after` in the order of their ids, at most `limit`.
    pub(super) fn list(&self, after: Option<&KeyId>, limit: usize) -> Vec<Arc<Key>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let by_id = self.by_id.read();
        by_id
            .range::<KeyId, _>((start, Bound::Unbounded))
            .take(limit)
            .map(|by_id| Arc::clone(&by_id.0))
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.read().len()
    }

    /// Moves on with every change, so that a permit can tell whether its record is still the present one.
    #[inline]
    pub(super) fn edits(&self) -> u64 {
        self.edits.load(Ordering::Acquire)
    }

    /// Another key that has one of the secrets of `key`.
    pub(super) fn rival(&self, key: &Key) -> Option<KeyId> {
        let owner =
            |digest: &Digest| self.find(digest, Timestamp::EPOCH).map(|(other, _)| other.id().clone());
        key.secrets().filter_map(|secret| owner(secret.hash().digest())).find(|other| other != key.id())
    }

    /// Puts `key` in the place of the record of the same id, unless that is as new or newer: news may come late. Answers
    /// whether it did; or the id of another key that has one of its secrets, and changes nothing then.
    pub(super) fn put(&self, key: &Arc<Key>) -> Result<bool, KeyId> {
        let mut by_id = self.by_id.write();
        if let Some(ById(known)) = by_id.get(key.id())
            && known.created_at() == key.created_at()
            && known.revision() >= key.revision()
        {
            return Ok(false);
        }
        if let Some(rival) = self.rival(key) {
            return Err(rival);
        }
        let before = by_id.replace(ById(Arc::clone(key)));
        for secret in key.secrets() {
            self.insert(secret.hash().digest(), key);
        }
        for secret in before.iter().flat_map(|before| before.0.secrets()) {
            if key.secret(secret.hash().digest()).is_none() {
                self.erase(secret.hash().digest(), key.id());
            }
        }
        self.edits.fetch_add(1, Ordering::Release);
        Ok(true)
    }

    pub(super) fn remove(&self, id: &KeyId) -> Option<Arc<Key>> {
        let mut by_id = self.by_id.write();
        let ById(key) = by_id.take(id)?;
        key.secrets().for_each(|secret| self.erase(secret.hash().digest(), id));
        self.edits.fetch_add(1, Ordering::Release);
        Some(key)
    }

    /// Keeps only the keys whose ids those of `kept` have; answers those that are gone.
    pub(super) fn retain(&self, kept: &[Arc<Key>]) -> Vec<Arc<Key>> {
        if self.len() == 0 {
            return Vec::new();
        }
        let ids: HashSet<&KeyId> = kept.iter().map(|key| key.id()).collect();
        let gone: Vec<KeyId> = self
            .by_id
            .read()
            .iter()
            .map(|by_id| by_id.0.id())
            .filter(|id| !ids.contains(id))
            .cloned()
            .collect();
        gone.iter().filter_map(|id| self.remove(id)).collect()
    }

    fn insert(&self, digest: &Digest, key: &Arc<Key>) {
        let tag = digest.tag();
        let Some(shard) = self.shard(tag) else { return };
        let mut shard = shard.write();
        let entry = Entry { tag, key: Arc::clone(key) };
        match shard.find_mut(tag, |entry| entry.tag == tag && entry.key.id() == key.id()) {
            Some(kept) => *kept = entry,
            None => drop(shard.insert_unique(tag, entry, |entry| entry.tag)),
        }
    }

    fn erase(&self, digest: &Digest, id: &KeyId) {
        let tag = digest.tag();
        let Some(shard) = self.shard(tag) else { return };
        if let Ok(entry) = shard.write().find_entry(tag, |entry| entry.tag == tag && entry.key.id() == id) {
            entry.remove();
        }
    }

    // Tables take the low and the top bits of a tag; shards take ones in between.
    #[inline]
    fn shard(&self, tag: u64) -> Option<&RwLock<HashTable<Entry>>> {
        let place = usize::try_from((tag >> 40).rem_euclid(SHARDS)).unwrap_or(0);
        self.shards.get(place).map(|padded| &padded.0)
    }
}

// A record in the order of its id.
#[derive(Debug)]
struct ById(Arc<Key>);

impl Borrow<KeyId> for ById {
    fn borrow(&self) -> &KeyId {
        self.0.id()
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> Order {
        self.0.id().cmp(other.0.id())
    }
}
