//! Telling owners: alerts to a bounded queue, and to a callback on a thread of the library's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Gate;
use super::outbox::Outbox;
use super::teller::{Callback, Shared};
use crate::budget::{AlertId, Amount, Meter, Notice, Threshold};
use crate::id::KeyId;
use crate::own_thread::OwnThread;
use crate::sync::{Mutex, MutexGuard};
use crate::time::Timestamp;

/// "This meter crossed its threshold in this window", decided exactly once.
///
/// In `memory:` it is told once. A ledger that outlives the process keeps it until it was told: it is told at least
/// once, whoever dies, and once to a receiver that remembers [`Alert::id`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// The same each time that it is told.
    pub id: AlertId,
    /// Whose meter.
    pub key_id: KeyId,
    /// The key's name; empty if the key is not known here any more.
    pub key_name: String,
    /// Which meter.
    pub meter: Meter,
    /// The share of the limit that was reached.
    pub threshold: Threshold,
    /// What was used when it was.
    pub used: Amount,
    /// The limit of then.
    pub limit: Amount,
    /// When the window began.
    pub window_start: Timestamp,
    /// When it ends, and the meter starts from zero.
    pub resets_at: Timestamp,
}

impl Alert {
    /// What `notice` says of the key that is called `name`.
    pub(super) fn of(notice: Notice, name: &str) -> Self {
        let Notice { id, window, used, cap } = notice;
        Self {
            key_id: id.key.clone(),
            key_name: name.to_owned(),
            meter: id.meter,
            threshold: id.threshold,
            used: Amount::of(id.meter, used),
            limit: Amount::of(id.meter, cap),
            window_start: id.window_start,
            resets_at: window.end,
            id,
        }
    }
}

/// What a callback answers to an alert: `()`, or a `Result` whose error says that nobody was told.
pub trait Heard {
    /// Whether somebody was told.
    fn is_heard(&self) -> bool;
}

impl Heard for () {
    fn is_heard(&self) -> bool {
        true
    }
}

impl<T, E> Heard for Result<T, E> {
    fn is_heard(&self) -> bool {
        self.is_ok()
    }
}

impl Gate {
    /// Calls `callback` with every alert from now on, on a thread of the library's own: it may be slow, and alerts wait for
    /// it in a bounded queue. A second callback replaces the first.
    ///
    /// Where the ledger outlives the process (`sqlite:` does), so does an alert until it was told: one whose callback panics,
    /// answers `Err` or is cut off with its process is told again after a while, under the same [`Alert::id`], by
    /// this gate or another one on that ledger that has a callback or takes alerts. A callback that takes longer than 15
    /// seconds may find that its alert was told elsewhere as well. In `memory:` an alert that failed is lost.
    pub fn on_alert<H: Heard>(&self, callback: impl Fn(&Alert) -> H + Send + Sync + 'static) {
        self.core.alerts.on_alert(Arc::new(move |alert| callback(alert).is_heard()));
    }

    /// Takes at most `most` alerts that nobody took yet, oldest first; the last 1024 are kept. Taken is told: the ledger is
    /// asked for what nobody else has and told to forget what is taken, so that this may block where calls may.
    pub fn take_alerts(&self, most: usize) -> Vec<Alert> {
        self.core.alerts.take(most)
    }
}

/// Where alerts go. Nothing here ever waits for a callback.
pub(super) struct AlertDesk {
    outbox: Arc<Outbox>,
    // How often the ledger is asked for alerts that nobody was told.
    interval: Duration,
    worker: Mutex<Worker>,
}

struct Worker {
    shared: Arc<Shared>,
    // Also in the state, which a fork may leave locked.
    callback: Option<Arc<Callback>>,
    thread: Option<OwnThread>,
    process: u32,
}

impl AlertDesk {
    pub(super) fn new(outbox: Outbox, interval: Duration) -> Self {
        let outbox = Arc::new(outbox);
        let worker = Mutex::new(Worker::new(&outbox, interval, None));
        Self { outbox, interval, worker }
    }

    /// Calls `callback` with every alert from now on, on a thread of the library's own.
    pub(super) fn on_alert(&self, callback: Arc<Callback>) {
        let mut worker = self.here();
        worker.callback = Some(Arc::clone(&callback));
        worker.shared.call(callback);
        worker.start();
    }

    pub(super) fn tell(&self, alert: Alert) {
        let mut worker = self.here();
        let called = worker.callback.is_some();
        if called {
            worker.start();
        }
        worker.shared.push(alert, called);
    }

    /// At most `most` alerts that nobody took yet, oldest first; then those that the ledger has and nobody else.
    pub(super) fn take(&self, most: usize) -> Vec<Alert> {
        let shared = Arc::clone(&self.here().shared);
        shared.take(most)
    }

    /// Alerts that were pushed out of a full queue.
    pub(super) fn lost(&self) -> u64 {
        self.here().shared.lost()
    }

    /// Waits until the callback has seen every alert told so far, here or in the ledger. From the callback it does not wait.
    pub(super) fn flush(&self) {
        let shared = {
            let mut worker = self.here();
            if !worker.start() {
                return;
            }
            Arc::clone(&worker.shared)
        };
        shared.flush();
    }

    /// The gate is gone: the ledger is asked no more, and what the permits that are left cross is still told.
    pub(super) fn retire(&self) {
        let shared = Arc::clone(&self.here().shared);
        shared.retire();
    }

    // The worker of this process. What a fork brings along is the parent's: its alerts to tell, its thread, which does not
    // run here, and locks that this thread may have held.
    fn here(&self) -> MutexGuard<'_, Worker> {
        let mut worker = self.worker.lock();
        if worker.process != std::process::id() {
            let callback = worker.callback.take();
            *worker = Worker::new(&self.outbox, self.interval, callback);
        }
        worker
    }
}

impl Worker {
    fn new(outbox: &Arc<Outbox>, interval: Duration, callback: Option<Arc<Callback>>) -> Self {
        let shared = Arc::new(Shared::new(Arc::clone(outbox), interval));
        if let Some(callback) = &callback {
            shared.call(Arc::clone(callback));
        }
        Self { shared, callback, thread: None, process: std::process::id() }
    }

    // Starts the thread if there is a callback and no thread yet; answers whether one runs.
    fn start(&mut self) -> bool {
        if self.thread.is_none() && self.callback.is_some() {
            let shared = Arc::clone(&self.shared);
            // Without a thread the alerts wait in their queue, and the next one tries again.
            self.thread = OwnThread::start("enclava-alerts", move || shared.run());
        }
        self.thread.is_some()
    }
}

impl Drop for AlertDesk {
    fn drop(&mut self) {
        let (shared, thread) = {
            let mut worker = self.here();
            (Arc::clone(&worker.shared), worker.thread.take())
        };
        let own = shared.close();
        if let Some(thread) = thread.filter(|_| !own) {
            thread.join();
        }
    }
}

impl fmt::Debug for AlertDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertDesk").finish_non_exhaustive()
    }
}
