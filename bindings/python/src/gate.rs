//! The gate: what it is made of, and how it is watched and closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use enclava_keys::{Clock, Gate as CoreGate};
use parking_lot::Mutex;
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::amounts::count;
use crate::arguments::wrong_type;
use crate::errors::{Conflict, raised};
use crate::{plugged, prices, values};

/// The one object that a gateway holds: it manages keys and authorizes requests.
#[pyclass(frozen, weakref, module = "enclava_keys")]
pub(crate) struct Gate {
    // Taken when it is dropped.
    pub(crate) core: Option<CoreGate>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether its ledger or its store may block: then no call holds the interpreter meanwhile.
    pub(crate) blocks: bool,
    pub(crate) closed: AtomicBool,
    pub(crate) callback: Arc<Callback>,
}

/// Whom to tell of alerts. Kept apart from the core, so that the garbage collector finds it.
pub(crate) type Callback = Mutex<Option<Py<PyAny>>>;

impl Gate {
    /// The gate of the core, while it is open.
    pub(crate) fn open_core(&self) -> PyResult<&CoreGate> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Conflict::new_err("this gate is closed"));
        }
        self.core()
    }

    /// The gate of the core: what was admitted may be settled when it is closed.
    pub(crate) fn core(&self) -> PyResult<&CoreGate> {
        self.core.as_ref().ok_or_else(|| Conflict::new_err("this gate is gone"))
    }

    pub(crate) fn may_block(&self) -> bool {
        self.blocks
    }

    /// Does `work`, without the interpreter where it may block.
    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        core: &CoreGate,
        work: impl FnOnce(&CoreGate) -> T + Send,
    ) -> T {
        self.attend(py, || work(core))
    }

    /// Does `work` as a call of its own, without the interpreter where it may block.
    pub(crate) fn attend<T: Send>(&self, py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
        if !self.blocks {
            return work();
        }
        plugged::detached(py, work)
    }

    /// Lets go of a permit or a stream: what that comes to is the core's to decide.
    pub(crate) fn let_go<T: Send>(&self, py: Python<'_>, of: T) {
        if !self.blocks {
            return drop(of);
        }
        // An exception on its way must not meet what a ledger written in Python does.
        let raised = PyErr::take(py);
        py.detach(|| drop(of));
        if let Some(raised) = raised {
            raised.restore(py);
        }
    }
}

/// Ends a gate without the interpreter: the thread that tells alerts may be waiting for it.
impl Drop for Gate {
    fn drop(&mut self) {
        let core = self.core.take();
        Python::attach(|py| py.detach(|| drop(core)));
    }
}

#[pymethods]
impl Gate {
    /// Call `callback` with every alert from now on, on a thread of the library's own: it may be slow, and what
    /// it raises is told by `sys.unraisablehook`. A second callback replaces the first. Answers the callback,
    /// so that this is a decorator as well.
    ///
    /// Where the ledger outlives the process (`sqlite:` does), so does an alert until it was told: one whose callback
    /// raises, or is cut off with its process, is told again after a while, under the same `id`, by this gate or
    /// another one on that ledger that has a callback or takes alerts. A callback that takes longer than 15 seconds may
    /// find that its alert was told elsewhere as well. In `memory:` an alert that failed is lost.
    #[pyo3(signature = (callback, /))]
    fn on_alert<'py>(&self, callback: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if !callback.is_callable() {
            return Err(wrong_type("callback", "callable", &callback));
        }
        let core = self.open_core()?;
        *self.callback.lock() = Some(callback.clone().unbind());
        let slot = Arc::clone(&self.callback);
        callback.py().detach(|| core.on_alert(move |alert| values::tell(&slot, alert)));
        Ok(callback)
    }

    /// Take at most `most` alerts that nobody took yet, oldest first; the last 1024 are kept. Taken is told: a ledger
    /// that keeps alerts forgets them.
    #[pyo3(signature = (most = None))]
    fn take_alerts<'py>(
        &self,
        py: Python<'py>,
        most: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let most = at_most(most)?;
        let taken = self.run(py, self.open_core()?, |core| core.take_alerts(most));
        values::alerts(py, &taken)
    }

    /// Take at most `most` events that nobody took yet, oldest first: what happened to keys, the store and the ledger. The
    /// last 1024 are kept.
    #[pyo3(signature = (most = None))]
    fn take_events<'py>(
        &self,
        py: Python<'py>,
        most: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let taken = self.open_core()?.take_events(at_most(most)?);
        values::events(py, &taken)
    }

    /// Tell what this gate counted since it was opened.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        values::stats(py, &self.open_core()?.stats())
    }

    /// Price calls by `prices` from now on.
    #[pyo3(signature = (prices, /))]
    fn set_prices(&self, prices: &Bound<'_, PyAny>) -> PyResult<()> {
        self.open_core()?.set_prices(prices::book(prices)?);
        Ok(())
    }

    /// Ask the store for news now, instead of within the refresh interval.
    ///
    /// Raises `LedgerError` or `InvalidRecord`; the records in force stay in force.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.open_core()?;
        plugged::detached(py, || core.refresh()).map_err(|error| raised(py, error))
    }

    /// Wait until everything is where it is kept and every alert was told to the callback, if there is one. From the
    /// callback it does not wait for alerts.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.open_core()?;
        plugged::detached(py, || core.flush()).map_err(|error| raised(py, error))
    }

    /// Flush, and admit nothing from now on. What was admitted may still be settled. Closing again does nothing; a gate
    /// that nobody closed is closed when the process ends.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.closed() {
            return Ok(());
        }
        // Callbacks may use the gate until the last alert is told.
        self.flush(py)?;
        self.closed.store(true, Ordering::Relaxed);
        let core = self.core()?;
        plugged::detached(py, || core.flush()).map_err(|error| raised(py, error))
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether calls may block, so that an event loop should await their `_async` twins.
    #[getter]
    fn blocks(&self) -> bool {
        self.blocks
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let keys = self.core.as_ref().map_or(0, |core| core.stats().keys);
        let closed = if self.closed() { ", closed" } else { "" };
        format!("Gate(keys={keys}{closed})")
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The collector must not wait for a lock; what is locked is in use.
        match self.callback.try_lock().as_deref() {
            Some(Some(callback)) => visit.call(callback),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        if let Some(mut callback) = self.callback.try_lock() {
            *callback = None;
        }
    }
}

/// A count that bounds what is told, if there is one.
pub(crate) fn at_most(most: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    let most = most.map_or(Ok(u64::MAX), |most| count("most", most))?;
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

/// Make ready for a fork: what is being written is written. The package registers it with `os.register_at_fork`.
#[pyfunction]
pub(crate) fn before_fork() {
    // With the interpreter, so that no other thread forks in between. Nobody who has a database open needs it.
    enclava_keys::before_fork();
}

/// Go on after a fork, in the parent.
#[pyfunction]
pub(crate) fn after_fork_in_parent() {
    enclava_keys::after_fork_in_parent();
}

/// Begin anew after a fork, in the child.
#[pyfunction]
pub(crate) fn after_fork() {
    enclava_keys::after_fork();
}
