//! Calls that wait for room that others hold.

use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex};

/// How long a waiting call goes without looking again, when nobody wakes it.
const GLANCE: Duration = Duration::from_millis(20);

/// How long to sit out a refusal, and who may end that before.
#[derive(Clone, Copy)]
pub(super) struct Wait<'a> {
    pub(super) length: Duration,
    pub(super) given_up: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl Wait<'_> {
    pub(super) const NONE: Self = Self { length: Duration::ZERO, given_up: None };

    fn is_given_up(&self) -> bool {
        self.given_up.is_some_and(|given_up| given_up())
    }
}

/// Callers that sit out a transient refusal.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    count: AtomicU32,
    turns: Mutex<u64>,
    changed: Condvar,
}

/// One of them, counted while it lives so that others know to wake it.
struct Waiter<'a>(&'a Waiting);

impl Waiting {
    /// Tries until `attempt` succeeds, fails for good, or `wait` is over or given up. Every attempt begins from the start, so that
    /// what is admitted after a wait is admitted by the record in force then.
    #[inline]
    pub(super) fn sit_out<T, E>(
        &self,
        wait: Wait<'_>,
        may_pass: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        if wait.length.is_zero() {
            return attempt();
        }
        let start = Instant::now();
        let waiter = self.enter();
        loop {
            let seen = waiter.turn();
            let outcome = attempt();
            let left = wait.length.saturating_sub(start.elapsed());
            if left.is_zero() || !outcome.as_ref().is_err_and(&may_pass) || wait.is_given_up() {
                return outcome;
            }
            waiter.wait(seen, left.min(GLANCE));
        }
    }

    fn enter(&self) -> Waiter<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Waiter(self)
    }

    /// Room may have been made. Costs one load when nobody waits.
    #[inline]
    pub(super) fn wake(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            let mut turns = self.turns.lock();
            *turns = turns.wrapping_add(1);
            self.changed.notify_all();
        }
    }
}

impl Waiter<'_> {
    // The turn before an attempt: room made after it is not missed.
    fn turn(&self) -> u64 {
        *self.0.turns.lock()
    }

    fn wait(&self, seen: u64, at_most: Duration) {
        let turns = self.0.turns.lock();
        if *turns == seen {
            drop(self.0.changed.wait_for(turns, at_most));
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}
