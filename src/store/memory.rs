//! Key records in this process's memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Changes, News, Store, StoreError};
use crate::id::KeyId;
use crate::key::Key;
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
    keys: BTreeMap<KeyId, Arc<Key>>,
    generation: u64,
    // The ids that the last generations changed, newest last.
    changed: VecDeque<KeyId>,
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
        Ok(News { generation: records.generation, changes: records.since(since) })
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        let mut records = self.0.records.lock();
        let kept = records.keys.get(key.id()).map(|kept| kept.revision());
        if kept != replaces {
            return Err(StoreError::Conflict(match kept {
                Some(kept) => format!("key {} is at revision {kept}", key.id()),
                None => format!("key {} does not exist", key.id()),
            }));
        }
        records.keys.insert(key.id().clone(), Arc::clone(key));
        records.note(key.id());
        Ok(())
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        let mut records = self.0.records.lock();
        let removed = records.keys.remove(id).is_some();
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
                        Some(key) => put.push(Arc::clone(key)),
                        None => gone.push(id.clone()),
                    }
                }
                Changes::Some(put, gone)
            }
            _ => Changes::All(self.keys.values().cloned().collect()),
        }
    }
}
