//! Telling owners: alerts to a bounded queue, and to a callback on a thread of the library's own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;

use super::queue::Queue;
use crate::budget::{Amount, Meter, Threshold};
use crate::id::KeyId;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex};
use crate::time::Timestamp;

/// "This meter crossed its threshold in this window", told exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Whose meter.
    pub key_id: KeyId,
    /// The key's name.
    pub key_name: String,
    /// Which meter.
    pub meter: Meter,
    /// The share of the limit that was reached.
    pub threshold: Threshold,
    /// What is used.
    pub used: Amount,
    /// The limit.
    pub limit: Amount,
    /// When the window began.
    pub window_start: Timestamp,
    /// When it ends, and the meter starts from zero.
    pub resets_at: Timestamp,
}

type Callback = dyn Fn(&Alert) + Send + Sync;

/// Where alerts go. Nothing here ever waits for a callback.
pub(super) struct AlertDesk {
    shared: Arc<Shared>,
    worker: Mutex<Worker>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    // For whoever polls.
    polled: Queue<Alert>,
    // For the callback.
    waiting: Queue<Alert>,
    callback: Option<Arc<Callback>>,
    busy: bool,
    closing: bool,
}

#[derive(Default)]
struct Worker {
    thread: Option<JoinHandle<()>>,
    // The process that the thread runs in: a fork leaves it behind.
    process: u32,
}

impl AlertDesk {
    pub(super) fn new() -> Self {
        Self { shared: Arc::default(), worker: Mutex::default() }
    }

    /// Calls `callback` with every alert from now on, on a thread of the library's own.
    pub(super) fn on_alert(&self, callback: Arc<Callback>) {
        self.shared.state.lock().callback = Some(callback);
        self.start();
    }

    pub(super) fn tell(&self, alert: Alert) {
        let called = {
            let mut state = self.shared.state.lock();
            let called = state.callback.is_some();
            if called {
                state.waiting.push(alert.clone());
            }
            state.polled.push(alert);
            called
        };
        if called {
            self.start();
            self.shared.work.notify_one();
        }
    }

    /// At most `most` alerts that nobody took yet, oldest first.
    pub(super) fn take(&self, most: usize) -> Vec<Alert> {
        self.shared.state.lock().polled.take(most)
    }

    /// Alerts that were pushed out of a full queue.
    pub(super) fn lost(&self) -> u64 {
        let state = self.shared.state.lock();
        state.polled.lost().saturating_add(state.waiting.lost())
    }

    /// Waits until the callback has seen every alert told so far. Not to be called from the callback.
    pub(super) fn flush(&self) {
        if !self.start() {
            return;
        }
        let mut state = self.shared.state.lock();
        while state.callback.is_some() && (state.busy || !state.waiting.is_empty()) {
            state = self.shared.idle.wait(state);
        }
    }

    // Starts the thread if there is a callback and no thread in this process; answers whether one runs.
    fn start(&self) -> bool {
        let mut worker = self.worker.lock();
        let process = std::process::id();
        if worker.thread.is_none() || worker.process != process {
            if self.shared.state.lock().callback.is_none() {
                return false;
            }
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("enclava-alerts".into()).spawn(move || shared.run());
            // Without a thread the alerts wait in their queue, and the next one tries again.
            *worker = Worker { thread: thread.ok(), process };
        }
        worker.thread.is_some()
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let mut state = self.state.lock();
            state.busy = false;
            self.idle.notify_all();
            while state.waiting.is_empty() && !state.closing {
                state = self.work.wait(state);
            }
            let Some(alert) = state.waiting.pop() else { return };
            state.busy = true;
            let callback = state.callback.clone();
            drop(state);
            // A callback that panics loses its own alert and nothing else.
            let _ = catch_unwind(AssertUnwindSafe(|| callback.iter().for_each(|callback| callback(&alert))));
        }
    }
}

impl Drop for AlertDesk {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_all();
        let worker = std::mem::take(&mut *self.worker.lock());
        let here = worker.process == std::process::id();
        if let Some(thread) =
            worker.thread.filter(|thread| here && thread.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for AlertDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertDesk").finish_non_exhaustive()
    }
}
