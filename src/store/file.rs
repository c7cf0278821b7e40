//! Key records in a JSON file that people and machines write: the policy file.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{Changes, News, Store, StoreError};
use crate::id::KeyId;
use crate::key::{InvalidRecord, Key, LARGEST_POLICY, policy_too_large, read_policy};
use crate::sync::Mutex;
use crate::text::spoken;
use crate::time::Timestamp;

/// A policy file: `{"version": 1, "keys": [ … ]}`, each key a record with the hashes of its secrets, never their text.
///
/// The gate reads it again when it changes. A file that is not valid, in whole or in part, changes nothing: every fault
/// is told with its JSON pointer, and the last good records stay in force. Replace the file by renaming another over it.
///
/// A time zone that is edited counts from the end of the windows that are current when the edit is read. One that was edited
/// while nobody read the file counts at once, and so does that of a key that left the file and came back.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    refuse_widening: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // What the file looked like when it was last read, good or not.
    seen: Option<Stamp>,
    // Its permissions, where others may write it.
    exposed: Option<u32>,
    // What was wrong with it then.
    fault: Option<InvalidRecord>,
    keys: BTreeMap<KeyId, Arc<Key>>,
    generation: u64,
    last: Option<Reload>,
}

// The keys of a version, and how they differ from those in force, if they do.
type Version = (BTreeMap<KeyId, Arc<Key>>, Option<Reload>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    node: u64,
    // The time that nobody sets: an edit in place may keep the other one.
    changed: (i64, i64),
}

/// How one reading of a policy file changed the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reload {
    /// Counts the readings that changed something, from 1.
    pub generation: u64,
    /// Keys that are new.
    pub added: Vec<KeyId>,
    /// Keys that are gone.
    pub removed: Vec<KeyId>,
    /// Keys whose record changed.
    pub changed: Vec<KeyId>,
    /// Those of them that now let a request through that was refused before, and by which fields. A key that is in force
    /// again counts, and so does a secret that retires later; a secret or a key that is new does not.
    pub widened: Vec<(KeyId, Vec<&'static str>)>,
}

impl PolicyFile {
    /// The policy file at `path`. It is read when a gate opens it.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), refuse_widening: false, state: Mutex::default() }
    }

    /// Refuses a new version that would let a request of a known key through that was refused before.
    pub fn refuse_widening(self) -> Self {
        Self { refuse_widening: true, ..self }
    }

    /// How the last reading that changed something changed the keys.
    pub fn last_reload(&self) -> Option<Reload> {
        self.state.lock().last.clone()
    }

    // Reads the file if it looks different from the last time.
    fn read(&self, state: &mut State, now: Timestamp) -> Result<(), StoreError> {
        let unavailable = |error: std::io::Error| {
            StoreError::Unavailable(format!("policy file {}: {}", self.path.display(), spoken(&error)))
        };
        let mut file = File::open(&self.path).map_err(unavailable)?;
        let metadata = file.metadata().map_err(unavailable)?;
        state.exposed = exposed(&metadata);
        let stamp = Stamp::of(&metadata);
        if state.seen == Some(stamp) {
            return state.fault.clone().map_or(Ok(()), |fault| Err(fault.into()));
        }
        let largest = u64::try_from(LARGEST_POLICY).unwrap_or(u64::MAX);
        let keys = if stamp.length > largest {
            Err(policy_too_large())
        } else {
            let mut text = Vec::new();
            // One that grows meanwhile is not cut short, but found too large.
            file.by_ref().take(largest.saturating_add(1)).read_to_end(&mut text).map_err(unavailable)?;
            read_policy(&text)
        };
        let keys = keys.and_then(|keys| self.accept(state, keys, now));
        state.seen = Some(stamp);
        state.fault = keys.as_ref().err().cloned();
        let (keys, reload) = keys?;
        if let Some(reload) = reload {
            state.generation = reload.generation;
            state.last = Some(reload);
            state.keys = keys;
        }
        Ok(())
    }

    // Compares a good version with the one in force; the records that did not change keep their revision. The file does
    // not say since when a key is in its time zone: what is in force knows which windows are being counted.
    fn accept(&self, state: &State, keys: Vec<Key>, now: Timestamp) -> Result<Version, InvalidRecord> {
        let mut reload = Reload {
            generation: state.generation.saturating_add(1),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            widened: Vec::new(),
        };
        let mut next = BTreeMap::new();
        for key in keys {
            let id = key.id().clone();
            let kept = match state.keys.get(&id) {
                None => {
                    reload.added.push(id.clone());
                    // Above any revision that a key of this id had: gates that still know that one let it go.
                    Arc::new(key.with_revision(reload.generation))
                }
                Some(known) => {
                    let key = key.following(known, now);
                    if key == **known {
                        Arc::clone(known)
                    } else {
                        let mut widened = known.widened_by(&key);
                        // Whoever enables a key says so; an edit of a file may be an old copy of it.
                        widened.extend(known.revived_by(&key));
                        if !widened.is_empty() {
                            reload.widened.push((id.clone(), widened));
                        }
                        reload.changed.push(id.clone());
                        Arc::new(key.with_revision(known.revision().saturating_add(1)))
                    }
                }
            };
            next.insert(id, kept);
        }
        reload.removed = state.keys.keys().filter(|id| !next.contains_key(*id)).cloned().collect();
        if self.refuse_widening && !reload.widened.is_empty() {
            let names = reload.widened.iter().map(|(id, fields)| format!("{id} ({})", fields.join(", ")));
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(InvalidRecord::new("/keys", format!("would widen {names}, which this gate refuses")));
        }
        let same = reload.added.is_empty() && reload.removed.is_empty() && reload.changed.is_empty();
        Ok((next, (!same || state.generation == 0).then_some(reload)))
    }
}

impl Store for PolicyFile {
    fn news(&self, since: Option<u64>, now: Timestamp) -> Result<News, StoreError> {
        let mut state = self.state.lock();
        self.read(&mut state, now)?;
        let changes = if since == Some(state.generation) {
            Changes::None
        } else {
            Changes::All(state.keys.values().cloned().collect())
        };
        Ok(News { generation: state.generation, changes, unreadable: Vec::new() })
    }

    fn put(&self, _: &Arc<Key>, _: Option<u64>) -> Result<(), StoreError> {
        Err(self.read_only())
    }

    fn remove(&self, _: &KeyId) -> Result<bool, StoreError> {
        Err(self.read_only())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn exposed(&self) -> Option<String> {
        let mode = self.state.lock().exposed?;
        Some(format!("{}: others may write the file (mode {mode:o}): chmod go-w", self.path.display()))
    }
}

impl PolicyFile {
    fn read_only(&self) -> StoreError {
        StoreError::ReadOnly(format!("keys come from the policy file {}: edit that", self.path.display()))
    }
}

// Whoever writes it makes keys. Whoever reads it learns no secret, and files are often handed out to be read.
#[cfg(unix)]
fn exposed(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o022 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_: &Metadata) -> Option<u32> {
    None
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (node, changed) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), (metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (node, changed) = (0, (0, 0));
        Self { length: metadata.len(), modified: metadata.modified().ok(), node, changed }
    }
}
