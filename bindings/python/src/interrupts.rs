//! Signals that arrive while a call waits: Python runs their handlers only when it is asked to.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::plugged;

/// How long a handler may have to wait for its turn.
const PATIENCE: Duration = Duration::from_millis(100);

/// What handlers of signals said while a call waited.
struct Interrupts(Mutex<State>);

struct State {
    asked: Instant,
    // By a handler, as that of Ctrl-C does.
    raised: Option<PyErr>,
}

impl Interrupts {
    // Whether a handler raised something. Handlers run on the main thread; on others nothing happens.
    fn came(&self) -> bool {
        let mut state = self.0.lock();
        if state.asked.elapsed() < PATIENCE {
            return false;
        }
        state.asked = Instant::now();
        state.raised = Python::try_attach(|py| py.check_signals().err()).flatten();
        state.raised.is_some()
    }
}

/// Does `work`, which may wait as long as nobody gives it up, without the interpreter. Handlers of signals run meanwhile, and what
/// they raise ends the wait.
pub(crate) fn waiting<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> T + Send,
) -> PyResult<T> {
    let interrupts = Interrupts(Mutex::new(State { asked: Instant::now(), raised: None }));
    let outcome = plugged::detached(py, || work(&|| interrupts.came()));
    interrupts.0.into_inner().raised.map_or(Ok(outcome), Err)
}
