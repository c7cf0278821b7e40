//! Telling owners: alerts to a bounded queue, and to a callback on a thread of the library's own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;

use super::queue::Queue;
use crate::budget::{Amount, Meter, Threshold};
use crate::id::KeyId;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard, ThreadMark, this_thread};
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
    runs_on: Option<ThreadMark>,
}

#[derive(Default)]
struct Worker {
    shared: Arc<Shared>,
    // Also in the state, which a fork may leave locked.
    callback: Option<Arc<Callback>>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl AlertDesk {
    pub(super) fn new() -> Self {
        Self { worker: Mutex::default() }
    }

    /// Calls `callback` with every alert from now on, on a thread of the library's own.
    pub(super) fn on_alert(&self, callback: Arc<Callback>) {
        let mut worker = self.here();
        worker.callback = Some(Arc::clone(&callback));
        worker.shared.state.lock().callback = Some(callback);
        worker.start();
    }

    pub(super) fn tell(&self, alert: Alert) {
        let mut worker = self.here();
        let called = worker.callback.is_some();
        {
            let mut state = worker.shared.state.lock();
            if called {
                state.waiting.push(alert.clone());
            }
            state.polled.push(alert);
        }
        if called {
            worker.start();
            worker.shared.work.notify_one();
        }
    }

    /// At most `most` alerts that nobody took yet, oldest first.
    pub(super) fn take(&self, most: usize) -> Vec<Alert> {
        self.here().shared.state.lock().polled.take(most)
    }

    /// Alerts that were pushed out of a full queue.
    pub(super) fn lost(&self) -> u64 {
        let worker = self.here();
        let state = worker.shared.state.lock();
        state.polled.lost().saturating_add(state.waiting.lost())
    }

    /// Waits until the callback has seen every alert told so far. Not to be called from the callback.
    pub(super) fn flush(&self) {
        let shared = {
            let mut worker = self.here();
            if !worker.start() {
                return;
            }
            Arc::clone(&worker.shared)
        };
        let mut state = shared.state.lock();
        while state.callback.is_some() && (state.busy || !state.waiting.is_empty()) {
            state = shared.idle.wait(state);
        }
    }

    // The worker of this process. What a fork brings along is the parent's: its alerts to tell, its thread, which does not
    // run here, and locks that this thread may have held.
    fn here(&self) -> MutexGuard<'_, Worker> {
        let mut worker = self.worker.lock();
        let process = std::process::id();
        if worker.process != process {
            let callback = worker.callback.take();
            let shared = Arc::<Shared>::default();
            shared.state.lock().callback.clone_from(&callback);
            *worker = Worker { shared, callback, thread: None, process };
        }
        worker
    }
}

impl Worker {
    // Starts the thread if there is a callback and no thread yet; answers whether one runs.
    fn start(&mut self) -> bool {
        if self.thread.is_none() && self.callback.is_some() {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("enclava-alerts".into()).spawn(move || shared.run());
            // Without a thread the alerts wait in their queue, and the next one tries again.
            self.thread = thread.ok();
        }
        self.thread.is_some()
    }
}

impl Shared {
    fn run(&self) {
        self.state.lock().runs_on = Some(this_thread());
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
        let Worker { shared, thread, .. } = std::mem::take(&mut *self.here());
        let mut state = shared.state.lock();
        state.closing = true;
        let own = state.runs_on == Some(this_thread());
        drop(state);
        shared.work.notify_all();
        if let Some(thread) = thread.filter(|_| !own) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for AlertDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertDesk").finish_non_exhaustive()
    }
}
