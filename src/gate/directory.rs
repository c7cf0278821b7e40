//! Every key, by the digests of its secrets and by its id.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use hashbrown::HashTable;

use crate::id::KeyId;
use crate::key::{ById, Digest, Key};
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
        key.secrets().filter_map(|secret| self.owner(secret.hash().digest())).find(|other| other != key.id())
    }

    /// The key that has a secret of this digest, retired or not.
    pub(super) fn owner(&self, digest: &Digest) -> Option<KeyId> {
        self.find(digest, Timestamp::EPOCH, |_| {}).map(|(key, _)| key.id().clone())
    }

    /// Puts `key` in the place of the record of the same id, unless that is as new or newer: news may come late. Answers
    /// whether it did; or the id of another key that has one of its secrets, and changes nothing then.
    pub(super) fn put(&self, key: &Arc<Key>) -> Result<bool, KeyId> {
        let mut by_id = self.by_id.write();
        if by_id.get(key.id()).is_some_and(|ById(known)| !is_news(key, known)) {
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

    /// The ids of the keys here that are not among `kept`.
    pub(super) fn others(&self, kept: &[Arc<Key>]) -> Vec<KeyId> {
        if self.len() == 0 {
            return Vec::new();
        }
        let ids: HashSet<&KeyId> = kept.iter().map(|key| key.id()).collect();
        let by_id = self.by_id.read();
        by_id.iter().map(|by_id| by_id.0.id()).filter(|id| !ids.contains(id)).cloned().collect()
    }

    /// Puts the records `put` as [`Directory::put`] does and removes the keys `gone`, all at once: a secret may move from
    /// one key to another. Answers how many it put and removed; or two keys that would have a secret in common, and changes
    /// nothing then.
    pub(super) fn take_in(&self, put: &[Arc<Key>], gone: &[KeyId]) -> Result<(usize, usize), [KeyId; 2]> {
        let gone: HashSet<&KeyId> = gone.iter().collect();
        // A key that was removed in between is not the one that is known.
        let is_due = |key: &Key, known: Option<&ById>| {
            gone.contains(key.id()) || known.is_none_or(|ById(known)| is_news(key, known))
        };
        let mut news = BTreeMap::<&KeyId, &Arc<Key>>::new();
        // Most of a long list is known already, which is found out beside those who read.
        {
            let by_id = self.by_id.read();
            for key in put.iter().filter(|key| is_due(key, by_id.get(key.id()))) {
                if news.get(key.id()).is_none_or(|other| is_news(key, other)) {
                    news.insert(key.id(), key);
                }
            }
        }
        let mut by_id = self.by_id.write();
        news.retain(|_, key| is_due(key, by_id.get(key.id())));
        self.check(&news, &gone)?;
        // Whoever asks meanwhile finds a key as it was or as it will be: what is new comes before what is old goes.
        let mut old = Vec::new();
        for key in news.values() {
            old.extend(by_id.replace(ById(Arc::clone(key))));
            key.secrets().for_each(|secret| self.insert(secret.hash().digest(), key));
        }
        let left = gone.iter().filter(|id| !news.contains_key(**id)).filter_map(|id| by_id.take::<KeyId>(id));
        let left: Vec<ById> = left.collect();
        for ById(key) in old.iter().chain(&left) {
            let next = news.get(key.id());
            for secret in key.secrets() {
                let digest = secret.hash().digest();
                if next.is_none_or(|next| next.secret(digest).is_none()) {
                    self.erase(digest, key.id());
                }
            }
        }
        if !news.is_empty() || !left.is_empty() {
            self.edits.fetch_add(1, Ordering::Release);
        }
        Ok((news.len(), left.len()))
    }

    // No two keys have a secret in common once `news` are here and `gone` are not.
    fn check(&self, news: &BTreeMap<&KeyId, &Arc<Key>>, gone: &HashSet<&KeyId>) -> Result<(), [KeyId; 2]> {
        let mut owners = HashMap::<Digest, &KeyId>::new();
        for key in news.values() {
            for secret in key.secrets() {
                let digest = *secret.hash().digest();
                if let Some(other) = owners.insert(digest, key.id()).filter(|other| *other != key.id()) {
                    return Err([other.clone(), key.id().clone()]);
                }
                let stays = |other: &KeyId| !news.contains_key(other) && !gone.contains(other);
                if let Some(other) = self.owner(&digest).filter(stays) {
                    return Err([key.id().clone(), other]);
                }
            }
        }
        Ok(())
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
        // A record that has the tag by another secret stays.
        let is_old =
            |entry: &Entry| entry.tag == tag && entry.key.id() == id && entry.key.secret(digest).is_some();
        if let Ok(entry) = shard.find_entry(hash(tag), is_old) {
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

// Whether `key` is another record than `known`, and not an older one of the same key.
fn is_news(key: &Key, known: &Key) -> bool {
    known.created_at() != key.created_at() || known.revision() < key.revision()
}

// Tables take the low and the top bits.
#[inline]
fn hash(tag: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    // All of one tag.
    fn key(id: &str, revision: u64, secret: u8) -> Arc<Key> {
        let json = format!(
            r#"{{"id":"{id}","name":"{id}","revision":{revision},"key_hash":"sha256:{secret:064x}"}}"#
        );
        Arc::new(Key::from_record_json(json).unwrap())
    }

    fn owners(directory: &Directory) -> Vec<(u8, String)> {
        let owner = |n: u8| {
            let digest = *key("x", 1, n).secrets().next().unwrap().hash().digest();
            directory.owner(&digest).map(|id| (n, id.to_string()))
        };
        (0..9).filter_map(owner).collect()
    }

    #[test]
    fn news_are_taken_in_whole_or_not_at_all() {
        let directory = Directory::new();
        for known in [key("a", 1, 1), key("b", 1, 2), key("c", 1, 3)] {
            directory.put(&known).unwrap();
        }
        let before = owners(&directory);
        let gone: KeyId = "c".parse().unwrap();
        for (put, fault) in [
            // Of a key that stays as it is, of one whose newer record is known, and of another one in the news.
            (vec![key("a", 2, 2)], ["a", "b"]),
            (vec![key("a", 2, 2), key("b", 1, 4)], ["a", "b"]),
            (vec![key("a", 2, 4), key("d", 1, 4)], ["a", "d"]),
        ] {
            let refused = directory.take_in(&put, std::slice::from_ref(&gone)).unwrap_err();
            assert_eq!(refused.map(|id| id.to_string()), fault);
            assert_eq!((owners(&directory), directory.len(), directory.edits()), (before.clone(), 3, 3));
        }
        // Each takes what another leaves, and a name that was removed in between begins anew.
        let put = [key("a", 2, 2), key("d", 1, 1), key("b", 2, 3), key("b", 1, 7), key("c", 1, 5)];
        assert_eq!(directory.take_in(&put, &[gone]), Ok((4, 0)));
        let after = [(1, "d"), (2, "a"), (3, "b"), (5, "c")].map(|(n, id)| (n, id.to_owned()));
        assert_eq!((owners(&directory), directory.len()), (after.to_vec(), 4));
        assert_eq!(directory.take_in(&put, &[]), Ok((0, 0)));
        assert_eq!(directory.edits(), 4);
    }
}
