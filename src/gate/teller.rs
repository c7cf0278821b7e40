//! The thread that tells alerts to the callback, and asks the ledger for those that nobody was told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Alert;
use super::outbox::{Outbox, Told};
use super::queue::Queue;
use crate::sync::{Condvar, Mutex, MutexGuard, ThreadMark, this_thread};

/// Answers whether somebody was told.
pub(super) type Callback = dyn Fn(&Alert) -> bool + Send + Sync;

/// How many alerts the ledger is asked for at once: they wait for the callback one by one.
const MOST_ASKED: usize = 64;
/// And how often at most, whatever the refresh interval is.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// What the desk and its thread have in common.
pub(super) struct Shared {
    outbox: Arc<Outbox>,
    told: Told,
    // How long an alert may wait here, and how often the ledger is asked, where the ledger keeps what was not told.
    patience: Option<Duration>,
    interval: Option<Duration>,
    state: Mutex<State>,
    work: Condvar,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    // For whoever polls.
    polled: Queue<Waiting>,
    // For the callback.
    waiting: Queue<Waiting>,
    callback: Option<Arc<Callback>>,
    doing: Doing,
    // Whether the ledger is to be asked at once.
    ask: bool,
    stage: Stage,
    runs_on: Option<ThreadMark>,
}

/// What the thread is at.
#[derive(Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Nothing,
    Telling,
    Asking,
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The gate is gone, and some of its permits may be left.
    Retired,
    /// The thread ends when nothing waits.
    Closing,
}

#[derive(Clone)]
struct Waiting {
    alert: Alert,
    since: Instant,
}

enum Work {
    Tell(Alert, Option<Arc<Callback>>),
    Ask,
    End,
}

impl Shared {
    pub(super) fn new(outbox: Arc<Outbox>, interval: Duration) -> Self {
        let claim = outbox.claim();
        // What was left by processes that are gone is told first.
        let state = State { ask: claim.is_some(), ..State::default() };
        Self {
            outbox,
            told: Told::default(),
            // The other half of the claim is for the callback.
            patience: claim.and_then(|claim| claim.checked_div(2)),
            interval: claim.map(|_| interval.max(SHORTEST_INTERVAL)),
            state: Mutex::new(state),
            work: Condvar::default(),
            idle: Condvar::default(),
        }
    }

    pub(super) fn call(&self, callback: Arc<Callback>) {
        self.state.lock().callback = Some(callback);
    }

    /// Puts an alert where it is polled, and where it waits for the callback if it is `called`.
    pub(super) fn push(&self, alert: Alert, called: bool) {
        self.push_all(std::iter::once(alert), called);
    }

    fn push_all(&self, alerts: impl Iterator<Item = Alert>, called: bool) {
        let mut state = self.state.lock();
        for alert in alerts {
            let waiting = Waiting { alert, since: Instant::now() };
            if called {
                state.waiting.push(waiting.clone());
            }
            state.polled.push(waiting);
        }
        drop(state);
        if called {
            self.work.notify_one();
        }
    }

    /// At most `most` alerts that nobody took yet, oldest first; then those that the ledger has and nobody else.
    pub(super) fn take(&self, most: usize) -> Vec<Alert> {
        let mut taken = self.take_polled(most);
        if let Some(more) = most.checked_sub(taken.len()).filter(|more| *more > 0) {
            taken.extend(self.outbox.ask(&self.told, more));
        }
        self.outbox.told(&self.told, taken.iter().map(|alert| alert.id.clone()));
        taken
    }

    fn take_polled(&self, most: usize) -> Vec<Alert> {
        let mut state = self.state.lock();
        state.polled.skip_while(|waiting| self.is_stale(waiting));
        state.polled.take(most).into_iter().map(|waiting| waiting.alert).collect()
    }

    pub(super) fn lost(&self) -> u64 {
        // What the ledger keeps is handed out again.
        if self.patience.is_some() {
            return 0;
        }
        let state = self.state.lock();
        // Whoever has a callback need not poll.
        if state.callback.is_some() { state.waiting.lost() } else { state.polled.lost() }
    }

    pub(super) fn flush(&self) {
        let mut state = self.state.lock();
        state.ask = true;
        self.work.notify_one();
        // The callback would wait for itself.
        let own = state.runs_on == Some(this_thread());
        while state.callback.is_some()
            && !own
            && (state.doing != Doing::Nothing || state.ask || !state.waiting.is_empty())
        {
            state = self.idle.wait(state);
        }
    }

    pub(super) fn retire(&self) {
        let mut state = self.state.lock();
        state.stage = Stage::Retired;
        while state.doing == Doing::Asking && state.runs_on != Some(this_thread()) {
            state = self.idle.wait(state);
        }
    }

    /// Has the thread end when nothing waits; answers whether that is this thread.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state.lock();
        state.stage = Stage::Closing;
        let own = state.runs_on == Some(this_thread());
        drop(state);
        self.work.notify_all();
        own
    }

    pub(super) fn run(&self) {
        self.state.lock().runs_on = Some(this_thread());
        let mut asked = Instant::now();
        loop {
            // Whatever panics has told nobody its own alert, and nothing else is lost. A ledger that keeps alerts hands it out again.
            let guarded = |work: &dyn Fn() -> bool| catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
            match self.next(asked) {
                Work::Tell(alert, callback) => {
                    guarded(&|| {
                        let heard = callback.as_ref().is_some_and(|callback| callback(&alert));
                        if heard {
                            self.outbox.told(&self.told, std::iter::once(alert.id.clone()));
                        }
                        heard
                    });
                }
                Work::Ask => {
                    asked = Instant::now();
                    if guarded(&|| self.ask()) {
                        self.state.lock().ask = true;
                    }
                }
                Work::End => return,
            }
        }
    }

    // Whether there may be more.
    fn ask(&self) -> bool {
        let alerts = self.outbox.ask(&self.told, MOST_ASKED);
        let full = alerts.len() >= MOST_ASKED;
        self.push_all(alerts.into_iter(), true);
        full
    }

    fn next(&self, asked: Instant) -> Work {
        let mut state = self.state.lock();
        state.doing = Doing::Nothing;
        loop {
            // Whoever waits for it looks when this thread has said what it does next.
            self.idle.notify_all();
            state.waiting.skip_while(|waiting| self.is_stale(waiting));
            let asks = state.stage == Stage::Open && self.interval.is_some();
            state.ask &= asks;
            if let Some(Waiting { alert, .. }) = state.waiting.pop() {
                state.doing = Doing::Telling;
                return Work::Tell(alert, state.callback.clone());
            }
            if state.stage == Stage::Closing {
                return Work::End;
            }
            let interval = self.interval.filter(|_| asks);
            let left = interval.map(|interval| interval.saturating_sub(asked.elapsed()));
            if state.ask || left.is_some_and(|left| left.is_zero()) {
                (state.ask, state.doing) = (false, Doing::Asking);
                return Work::Ask;
            }
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Option<Duration>) -> MutexGuard<'a, State> {
        match at_most {
            Some(at_most) => self.work.wait_for(state, at_most),
            None => self.work.wait(state),
        }
    }

    // Whether an alert waited so long that the ledger may hand it to somebody else: it is left to whoever gets it.
    fn is_stale(&self, waiting: &Waiting) -> bool {
        self.patience.is_some_and(|patience| waiting.since.elapsed() > patience)
    }
}
