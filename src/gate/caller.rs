//! Who calls: the key behind a secret, and where a thread finds again those that it met lately.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use thread_local::ThreadLocal;

use super::Gate;
use super::core::{Core, Subject};
use crate::key::{Digest, State, check_shape};
use crate::time::Timestamp;
use crate::wire::{Denial, Reason};

/// So many keys a thread finds again without asking the directory.
const PLACES: usize = 64;

/// Whose call it is, and what its permit needs of the gate.
///
/// A thread has one of its own for a key that it meets again and again, so that permits are given and ended without
/// writing where other threads read.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) core: Arc<Tie>,
    pub(super) subject: Subject,
}

impl Deref for Caller {
    type Target = Subject;

    #[inline]
    fn deref(&self) -> &Subject {
        &self.subject
    }
}

/// A thread's reference to the core, which its callers count up and down.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tie(Arc<Core>);

impl Deref for Tie {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.0
    }
}

/// Whom each thread met lately.
#[derive(Debug, Default)]
pub(super) struct Acquaintances(ThreadLocal<Met>);

// On cache lines of its own: those of other threads may lie beside it.
#[derive(Debug)]
#[repr(align(128))]
struct Met {
    tie: Arc<Tie>,
    lately: RefCell<Lately>,
}

struct Lately {
    // The state of the directory that they are of.
    edits: u64,
    places: [Place; PLACES],
}

// Given to whoever comes twice before anybody else does: one call of each of many keys changes no place.
#[derive(Default)]
struct Place {
    tag: u64,
    caller: Option<Arc<Caller>>,
    candidate: u64,
}

impl Gate {
    /// The key that `secret` belongs to, if it is in force at `now`: shape, digest, state.
    pub(super) fn identify(&self, secret: &[u8], now: Timestamp) -> Result<Arc<Caller>, Denial> {
        if secret.is_empty() {
            return Err(Denial::new(Reason::MissingKey));
        }
        check_shape(secret).map_err(|_| Denial::new(Reason::MalformedKey))?;
        let core = &*self.core;
        core.refresher.keep_up(core, now)?;
        let found = match self.find(secret, now) {
            None if core.refresher.look_again(core, now) => self.find(secret, now),
            found => found,
        };
        let (caller, retired) = found.ok_or_else(|| Denial::new(Reason::UnknownKey))?;
        let reason = match caller.key.state_at(now) {
            _ if retired => Reason::SecretRetired,
            State::Active => return Ok(caller),
            State::Revoked => Reason::KeyRevoked,
            State::Disabled => Reason::KeyDisabled,
            State::NotYetValid => Reason::KeyNotYetValid,
            State::Expired => Reason::KeyExpired,
        };
        Err(Denial::new(reason))
    }

    // And whether the secret is retired.
    #[inline]
    fn find(&self, secret: &[u8], now: Timestamp) -> Option<(Arc<Caller>, bool)> {
        let core = &*self.core;
        // Read before the records: an edit in between is noticed, never missed.
        let edits = core.directory.edits();
        let met = self.acquaintances.0.get_or(|| Met::nobody(&self.core));
        core.peppers.find(secret, |digest| {
            met.find(digest, edits, now).or_else(|| {
                let expect = |seat| core.books.ledger().expect(seat);
                let (key, retired) = core.directory.find(digest, now, expect)?;
                Some((met.greet(digest, Subject::new(key, edits)), retired))
            })
        })
    }
}

impl Met {
    fn nobody(core: &Arc<Core>) -> Self {
        let places = std::array::from_fn(|_| Place::default());
        let lately = RefCell::new(Lately { edits: 0, places });
        Self { tie: Arc::new(Tie(Arc::clone(core))), lately }
    }

    #[inline]
    fn find(&self, digest: &Digest, edits: u64, now: Timestamp) -> Option<(Arc<Caller>, bool)> {
        let mut lately = self.lately.try_borrow_mut().ok()?;
        if lately.edits != edits {
            lately.forget(edits);
        }
        let place = lately.place(digest)?;
        let caller = place.caller.as_ref().filter(|_| place.tag == digest.tag())?;
        let secret = caller.key.secret(digest)?;
        Some((Arc::clone(caller), secret.is_retired_at(now)))
    }

    #[inline]
    fn greet(&self, digest: &Digest, subject: Subject) -> Arc<Caller> {
        let edits = subject.edits;
        let caller = Arc::new(Caller { core: Arc::clone(&self.tie), subject });
        if let Ok(mut lately) = self.lately.try_borrow_mut()
            && lately.edits == edits
            && let Some(place) = lately.place(digest)
        {
            if place.candidate == digest.tag() {
                (place.tag, place.caller) = (digest.tag(), Some(Arc::clone(&caller)));
            }
            place.candidate = digest.tag();
        }
        caller
    }
}

impl Lately {
    // Records were changed: it may be any of these.
    #[cold]
    fn forget(&mut self, edits: u64) {
        self.edits = edits;
        self.places.iter_mut().for_each(|place| place.caller = None);
    }

    #[inline]
    fn place(&mut self, digest: &Digest) -> Option<&mut Place> {
        let [first, ..] = digest.as_bytes();
        self.places.get_mut(usize::from(*first).rem_euclid(PLACES))
    }
}

impl fmt::Debug for Lately {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lately").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyEdit, KeySpec};

    fn met(gate: &Gate, secret: &str) -> Arc<Caller> {
        gate.identify(secret.as_bytes(), gate.core.clock.now()).unwrap()
    }

    fn key(gate: &Gate, number: u32) -> String {
        let secret = format!("en_{number:032x}");
        gate.import_key(&KeySpec::new("app").secret(&secret)).unwrap();
        secret
    }

    #[test]
    fn who_comes_again_is_known_until_a_record_changes() {
        let gate = Gate::open("memory:").unwrap();
        let secret = key(&gate, 1);
        let strangers: Vec<String> = (2..400).map(|number| key(&gate, number)).collect();
        met(&gate, &secret);
        let known = met(&gate, &secret);
        for stranger in &strangers {
            met(&gate, stranger);
        }
        assert!(Arc::ptr_eq(&known, &met(&gate, &secret)), "each stranger came once");

        let id = known.key.id();
        gate.update_key(id, &KeyEdit::new().name("other")).unwrap();
        let now = met(&gate, &secret);
        assert_eq!((now.key.name(), known.key.name()), ("other", "app"));
        gate.delete_key(id).unwrap();
        let denied = gate.identify(secret.as_bytes(), gate.core.clock.now()).unwrap_err();
        assert_eq!(denied.reason(), Reason::UnknownKey);
    }

    #[test]
    fn a_thread_that_ends_leaves_nobody_behind_who_keeps_the_gate() {
        let gate = Gate::open("memory:").unwrap();
        let secret = key(&gate, 1);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|_| drop(met(&gate, &secret))));
        });
        let core = Arc::downgrade(&gate.core);
        drop(gate);
        assert!(core.upgrade().is_none());
    }
}
