//! Key records in this process's memory.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashTable;

use super::{Changes, News, Store, StoreError, out_of_step};
use crate::id::KeyId;
use crate::key::{ById, Digest, Key};
use crate::sync::Mutex;
use crate::time::Timestamp;

/// Changes that are remembered one by one; a gate further behind is given everything.
const REMEMBERED: usize = 1_024;

/// Key records in this process's memory. Clones share them, so that several gates in one process can.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    keys: BTreeSet<ById>,
    // By the digest of each of their secrets.
    secrets: HashTable<Owned>,
    generation: u64,
    // The ids that the last generations changed, newest last.
    changed: VecDeque<KeyId>,
}

// A secret, by its digest, and whose it is.
#[derive(Debug)]
struct Owned {
    tag: u64,
    key: Arc<Key>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn news(&self, since: Option<u64>, _: Timestamp) -> Result<News, StoreError> {
        let records = self.0.records.lock();
        Ok(News { generation: records.generation, changes: records.since(since), unreadable: Vec::new() })
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        let mut records = self.0.records.lock();
        let kept = records.keys.get(key.id()).map(|ById(kept)| kept.revision());
        if kept != replaces {
            return Err(StoreError::Conflict(out_of_step(key.id(), kept, replaces)));
        }
        if let Some(other) = records.rival(key) {
            return Err(StoreError::Conflict(format!("key {other} already has this secret")));
        }
        records.leave(key.id());
        records.keep(key);
        records.note(key.id());
        Ok(())
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        let mut records = self.0.records.lock();
        let removed = records.leave(id);
        if removed {
            records.note(id);
        }
        Ok(removed)
    }

    fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Records {
    // Another key that has one of the secrets of `key`.
    fn rival(&self, key: &Key) -> Option<&KeyId> {
        let owner =
            |digest: &Digest| self.secrets.find(digest.tag(), |owned| owned.key.secret(digest).is_some());
        let owners = key.secrets().filter_map(|secret| owner(secret.hash().digest()));
        owners.map(|owned| owned.key.id()).find(|id| *id != key.id())
    }

    fn keep(&mut self, key: &Arc<Key>) {
        for secret in key.secrets() {
            let tag = secret.hash().digest().tag();
            self.secrets.insert_unique(tag, Owned { tag, key: Arc::clone(key) }, |owned| owned.tag);
        }
        self.keys.insert(ById(Arc::clone(key)));
    }

    // Whether there was such a key.
    fn leave(&mut self, id: &KeyId) -> bool {
        let Some(ById(key)) = self.keys.take(id) else { return false };
        for secret in key.secrets() {
            let tag = secret.hash().digest().tag();
            let entry =
                self.secrets.find_entry(tag, |owned| owned.tag == tag && Arc::ptr_eq(&owned.key, &key));
            if let Ok(entry) = entry {
                entry.remove();
            }
        }
        true
    }

    fn note(&mut self, id: &KeyId) {
        self.generation = self.generation.saturating_add(1);
        self.changed.push_back(id.clone());
        if self.changed.len() > REMEMBERED {
            self.changed.pop_front();
        }
    }

    fn since(&self, since: Option<u64>) -> Changes {
        let behind = since.and_then(|since| self.generation.checked_sub(since));
        match behind.and_then(|behind| usize::try_from(behind).ok()) {
            Some(0) => Changes::None,
            Some(behind) if behind <= self.changed.len() => {
                let (mut put, mut gone) = (Vec::new(), Vec::new());
                for id in self.changed.iter().rev().take(behind) {
                    match self.keys.get(id) {
                        Some(ById(key)) => put.push(Arc::clone(key)),
                        None => gone.push(id.clone()),
                    }
                }
                Changes::Some(put, gone)
            }
            _ => Changes::All(self.keys.iter().map(|ById(key)| Arc::clone(key)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, revision: u64, secret: u8) -> Arc<Key> {
        let json = format!(
            r#"{{"id":"{id}","name":"{id}","revision":{revision},"key_hash":"sha256:{secret:064x}"}}"#
        );
        Arc::new(Key::from_record_json(json).unwrap())
    }

    #[test]
    fn what_is_in_the_way_of_a_record_is_told() {
        let store = MemoryStore::new();
        let conflict = |message: &str| Err(StoreError::Conflict(message.into()));
        assert_eq!(store.put(&key("a", 2, 1), Some(1)), conflict("key a does not exist"));
        store.put(&key("a", 1, 1), None).unwrap();
        let taken = conflict("there is a key a already; choose another id");
        assert_eq!(store.put(&key("a", 1, 2), None), taken);
        assert_eq!(store.put(&key("a", 3, 1), Some(2)), conflict("key a is at revision 1"));
    }

    #[test]
    fn a_secret_is_one_keys_until_that_gives_it_up() {
        let store = MemoryStore::new();
        store.put(&key("a", 1, 1), None).unwrap();
        let taken = Err(StoreError::Conflict("key a already has this secret".into()));
        assert_eq!(store.put(&key("b", 1, 1), None), taken);
        store.put(&key("b", 1, 2), None).unwrap();
        assert_eq!(store.put(&key("b", 2, 1), Some(1)), taken);
        store.put(&key("a", 2, 3), Some(1)).unwrap();
        store.put(&key("b", 2, 1), Some(1)).unwrap();
        assert_eq!(store.remove(&"b".parse().unwrap()), Ok(true));
        store.put(&key("c", 1, 1), None).unwrap();
        assert_eq!(store.0.records.lock().secrets.len(), 2);
    }
}
