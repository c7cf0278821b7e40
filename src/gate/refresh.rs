//! Keeping up with a store that others write to.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::doubts;
use super::events::EventKind;
use crate::id::KeyId;
use crate::store::{Changes, Store, StoreError, Unreadable};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use crate::time::Timestamp;
use crate::wire::{Denial, Reason};

/// Asks the store for news, at least once in every interval in which there are calls.
///
/// There is no thread: the first call after the interval asks, and the others go on with what is known. A call that
/// finds the store silent for longer than the stale limit waits for the answer, and is denied without one.
#[derive(Debug)]
pub(super) struct Refresher {
    pub(super) store: Arc<dyn Store>,
    shared: bool,
    interval: Duration,
    stale_limit: Duration,
    // Held while asking.
    known: Mutex<Known>,
    // Microseconds: when the store was last asked, when it last answered, when an unknown secret last made us ask.
    asked: AtomicI64,
    answered: AtomicI64,
    asked_again: AtomicI64,
    failures: AtomicU64,
}

// What the store said last.
#[derive(Debug, Default)]
struct Known {
    generation: Option<u64>,
    fault: Option<StoreError>,
    // How others may get at it, as told.
    exposed: Option<String>,
}

impl Refresher {
    pub(super) fn new(store: Arc<dyn Store>, interval: Duration, stale_limit: Duration) -> Self {
        Self {
            // Whoever else holds it may give it to another gate.
            shared: store.is_shared() || Arc::strong_count(&store) > 1,
            store,
            interval,
            stale_limit,
            known: Mutex::default(),
            asked: AtomicI64::new(i64::MIN),
            answered: AtomicI64::new(i64::MIN),
            asked_again: AtomicI64::new(i64::MIN),
            failures: AtomicU64::new(0),
        }
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether there may be news at all.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Asks if the interval has passed.
    #[inline]
    pub(super) fn keep_up(&self, core: &Core, now: Timestamp) -> Result<(), Denial> {
        if self.shared { self.keep_up_shared(core, now) } else { Ok(()) }
    }

    fn keep_up_shared(&self, core: &Core, now: Timestamp) -> Result<(), Denial> {
        let silent = || apart(&self.answered, now) > self.stale_limit;
        if apart(&self.asked, now) >= self.interval
            && let Some(mut known) = self.known.try_lock()
        {
            // A failure counts once the store has been silent for too long.
            let _ = self.ask(core, &mut known, now);
        } else if silent() {
            // Somebody is asking at this moment: the answer decides.
            drop(self.known.lock());
        }
        if silent() { Err(Denial::new(Reason::LedgerUnavailable)) } else { Ok(()) }
    }

    /// Asks because a secret is not known here: it may be new. At most once in every interval.
    pub(super) fn look_again(&self, core: &Core, now: Timestamp) -> bool {
        if !self.shared || apart(&self.asked_again, now) < self.interval {
            return false;
        }
        let mut known = self.known.lock();
        self.asked_again.store(now.as_micros(), Ordering::Relaxed);
        self.ask(core, &mut known, now).is_ok()
    }

    /// Asks now if there is anybody else who writes.
    pub(super) fn catch_up(&self, core: &Core, now: Timestamp) -> Result<(), StoreError> {
        if self.shared { self.refresh(core, now) } else { Ok(()) }
    }

    /// Asks now.
    pub(super) fn refresh(&self, core: &Core, now: Timestamp) -> Result<(), StoreError> {
        self.ask(core, &mut self.known.lock(), now)
    }

    fn ask(&self, core: &Core, known: &mut Known, now: Timestamp) -> Result<(), StoreError> {
        let answer = self.ask_for_news(core, known, now);
        let fault = answer.as_ref().err();
        self.failures.fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
        if known.fault.as_ref() != fault {
            let kind = match fault {
                None => EventKind::StoreRecovered,
                Some(StoreError::Unavailable(_)) => EventKind::StoreUnavailable,
                Some(_) => EventKind::StoreRefused,
            };
            core.events.tell(now, kind, None, fault.map(ToString::to_string).unwrap_or_default());
            known.fault = fault.cloned();
        }
        answer
    }

    fn ask_for_news(&self, core: &Core, known: &mut Known, now: Timestamp) -> Result<(), StoreError> {
        self.asked.store(now.as_micros(), Ordering::Relaxed);
        let answered = || self.answered.store(now.as_micros(), Ordering::Relaxed);
        let news = match self.store.news(known.generation, now) {
            Err(unavailable @ StoreError::Unavailable(_)) => return Err(unavailable),
            Err(refused) => {
                // Records that cannot be read are an answer: the last good ones stay in force.
                answered();
                return Err(refused);
            }
            Ok(news) => news,
        };
        // News that cannot be taken in are none: whoever was revoked meanwhile may be among them.
        let changed = apply(core, news.changes, &news.unreadable, now)?;
        answered();
        doubts::tell_unreadable(core, &news.unreadable, now);
        // The first answer is how the gate begins.
        if changed != Changed::default() && known.generation.is_some() {
            let Changed { put, removed } = changed;
            core.events.tell(now, EventKind::StoreChanged, None, format!("{put} put, {removed} removed"));
        }
        known.generation = Some(news.generation);
        let exposed = self.store.exposed();
        if known.exposed != exposed {
            if let Some(how) = &exposed {
                core.events.tell(now, EventKind::StoreExposed, None, how);
            }
            known.exposed = exposed;
        }
        Ok(())
    }
}

// How many records the news changed: what this gate did itself is none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changed {
    put: usize,
    removed: usize,
}

fn apply(
    core: &Core,
    changes: Changes,
    unreadable: &[Unreadable],
    now: Timestamp,
) -> Result<Changed, StoreError> {
    let (put, gone) = match changes {
        Changes::None => return Ok(Changed::default()),
        Changes::Some(put, mut gone) => {
            gone.extend(unreadable.iter().filter_map(|record| record.id.clone()));
            (put, gone)
        }
        Changes::All(put) => {
            let gone = core.directory.others(&put);
            (put, gone)
        }
    };
    let taken =
        |one: &KeyId, other| StoreError::Conflict(format!("keys {one} and {other} have a secret in common"));
    if core.directory.len() > 0 {
        let taken_in = core.directory.take_in(&put, &gone);
        let (changed, removed) = taken_in.map_err(|[one, other]| taken(&one, other))?;
        if changed > 0 {
            doubts::tell(core, &put, now);
        }
        return Ok(Changed { put: changed, removed });
    }
    // Nobody is known yet, so nothing moves; and there may be a million.
    let mut changed = Changed::default();
    for key in &put {
        let is_new = core.directory.put(key).map_err(|other| taken(key.id(), other))?;
        changed.put = changed.put.saturating_add(usize::from(is_new));
    }
    doubts::tell(core, &put, now);
    Ok(changed)
}

// How far `now` is from what the clock said then: it may have stepped back.
fn apart(then: &AtomicI64, now: Timestamp) -> Duration {
    match then.load(Ordering::Relaxed) {
        i64::MIN => Duration::MAX,
        then => Duration::from_micros(then.abs_diff(now.as_micros())),
    }
}
