//! Every key, by the digests of its secrets and by its id.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use hashbrown::HashTable;

use crate::id::KeyId;
use crate::key::{Digest, Key};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::time::Timestamp;

const SHARDS: usize = 256;

/// The records in force. A lookup takes one read lock and touches one table entry and one record.
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

// Four bytes of a digest find the entry; the record holds all 32, which are compared.
#[derive(Debug)]
struct Entry {
    tag: u32,
    // Where the ledger noted that the owner's account is, for whoever has not read the record yet.
    seat: AtomicU32,
    key: Arc<Key>,
}

impl Directory {
    pub(super) fn new() -> Self {
        let shards = std::iter::repeat_with(Padded::default).take(SHARDS).collect();
        Self { shards, by_id: RwLock::default(), edits: AtomicU64::new(0) }
    }

    /// The key that has a secret of this digest, and whether that secret is retired at `now`. `expect` is told where the
    /// account of its owner is, so that it is fetched while the record is: both may be far away.
    #[inline]
    pub(super) fn find(
        &self,
        digest: &Digest,
        now: Timestamp,
        expect: impl Fn(u32),
    ) -> Option<(Arc<Key>, bool)> {
        let (shard, tag) = self.place(digest)?;
        let shard = shard.read();
        let mut retired = false;
        let entry = shard.find(hash(tag), |entry| {
            if entry.tag != tag {
                return false;
            }
            expect(entry.seat.load(Ordering::Relaxed));
            let secret = entry.key.secret(digest);
            retired = secret.is_some_and(|secret| secret.is_retired_at(now));
            secret.is_some()
        })?;
        let seat = entry.key.owner().seat();
        if entry.seat.load(Ordering::Relaxed) != seat {
            entry.seat.store(seat, Ordering::Relaxed);
        }
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
        let owner = |digest: &Digest| {
            self.find(digest, Timestamp::EPOCH, |_| {}).map(|(other, _)| other.id().clone())
        };
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
        let Some((shard, tag)) = self.place(digest) else { return };
        let mut shard = shard.write();
        let entry = Entry { tag, seat: AtomicU32::new(key.owner().seat()), key: Arc::clone(key) };
        match shard.find_mut(hash(tag), |entry| entry.tag == tag && entry.key.id() == key.id()) {
            Some(kept) => *kept = entry,
            None => drop(shard.insert_unique(hash(tag), entry, |entry| hash(entry.tag))),
        }
    }

    fn erase(&self, digest: &Digest, id: &KeyId) {
        let Some((shard, tag)) = self.place(digest) else { return };
        let mut shard = shard.write();
        if let Ok(entry) = shard.find_entry(hash(tag), |entry| entry.tag == tag && entry.key.id() == id) {
            entry.remove();
        }
    }

    // The shard and the tag come from different bytes of the digest.
    #[inline]
    fn place(&self, digest: &Digest) -> Option<(&RwLock<HashTable<Entry>>, u32)> {
        let [a, b, c, d, shard, ..] = *digest.as_bytes();
        let padded = self.shards.get(usize::from(shard))?;
        Some((&padded.0, u32::from_le_bytes([a, b, c, d])))
    }
}

// Tables take the low and the top bits.
#[inline]
fn hash(tag: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(tag)
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
