//! The right to make one call.

use std::sync::OnceLock;

use enclava_keys::Permit as CorePermit;
use enclava_keys::Usage as CoreUsage;
use enclava_keys::budget::PermitId;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::amounts::usage;
use crate::arguments;
use crate::errors::{Conflict, raised};
use crate::gate::Gate;
use crate::key::Key;
use crate::settlement::{Settlement, Usage};
use crate::stream::Stream;

/// The right to make one call, with its estimate set aside.
#[pyclass(frozen, module = "enclava_keys")]
pub(crate) struct Permit {
    // Dropped before the gate: the core that it was given by must not end with it.
    core: Mutex<Option<CorePermit>>,
    // What it was, once it was given up to a stream, to a name, or at the end of a `with`.
    was: OnceLock<Box<Facts>>,
    gate: Py<Gate>,
}

// What may be read of a permit whoever holds it.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
struct Facts {
    id: PermitId,
    key: std::sync::Arc<enclava_keys::Key>,
    model: Option<String>,
    max_tokens: Option<u64>,
    reduced: bool,
    streamed: bool,
    estimate: CoreUsage,
    view: bool,
    degraded: bool,
}

impl Facts {
    fn of(permit: &CorePermit) -> Self {
        Self {
            id: permit.id(),
            key: std::sync::Arc::clone(permit.key()),
            model: permit.model().map(str::to_owned),
            max_tokens: permit.max_tokens(),
            reduced: permit.is_reduced(),
            streamed: permit.is_streamed(),
            estimate: permit.estimate(),
            view: permit.is_view(),
            degraded: permit.is_degraded(),
        }
    }
}

impl Permit {
    pub(crate) fn may_block(&self) -> bool {
        self.gate.get().blocks
    }

    pub(crate) fn new(core: CorePermit, gate: Py<Gate>) -> Self {
        Self { core: Mutex::new(Some(core)), was: OnceLock::new(), gate }
    }

    /// Whether somebody took it into his own hands: to a name, or to a stream.
    pub(crate) fn is_given_up(&self) -> bool {
        self.was.get().is_some()
    }

    /// Settles by the most that the call can have used.
    pub(crate) fn settle_estimate(&self, py: Python<'_>) -> PyResult<Settlement> {
        let estimate = self.ask(py, |permit| permit.estimate(), |facts| facts.estimate)?;
        self.settle_usage(py, estimate)
    }

    /// Settles by the whole body of an answer.
    pub(crate) fn settle_by_body(&self, py: Python<'_>, body: &[u8]) -> PyResult<Settlement> {
        self.here(py, |permit| permit.settle_response(body))
            .ok_or_else(given_up)?
            .map(Settlement)
            .map_err(|error| raised(py, error))
    }

    fn settle_usage(&self, py: Python<'_>, usage: CoreUsage) -> PyResult<Settlement> {
        match self.here(py, |permit| permit.settle(usage)) {
            Some(settled) => settled.map(Settlement).map_err(|error| raised(py, error)),
            None => self.gate.get().settle_by(py, &self.was()?.id, usage),
        }
    }

    // Asks the permit, if it is still here.
    #[inline]
    fn here<T: Send>(&self, py: Python<'_>, ask: impl FnOnce(&mut CorePermit) -> T + Send) -> Option<T> {
        let gate = self.gate.get();
        if gate.blocks {
            gate.attend(py, || self.core.lock().as_mut().map(ask))
        } else {
            self.core.lock_py_attached(py).as_mut().map(ask)
        }
    }

    // Asks the permit, or what is known of it since it was given up.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        here: impl FnOnce(&mut CorePermit) -> T + Send,
        given_up: impl FnOnce(&Facts) -> T,
    ) -> PyResult<T> {
        self.here(py, here).map_or_else(|| self.was().map(given_up), Ok)
    }

    fn was(&self) -> PyResult<&Facts> {
        self.was.get().map(|facts| &**facts).ok_or_else(|| Conflict::new_err("this permit is gone"))
    }

    // Takes the permit out of the hands of whoever has this object. `None` if it was taken before.
    fn give_up(&self, py: Python<'_>) -> Option<CorePermit> {
        let mut core = self.core.lock_py_attached(py);
        let permit = core.take()?;
        let _ = self.was.set(Box::new(Facts::of(&permit)));
        Some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.gate.get().blocks
            && let Some(permit) = self.core.get_mut().take()
        {
            Python::attach(|py| self.gate.get().let_go(py, permit));
        }
    }
}

#[pymethods]
impl Permit {
    /// Its name: any worker that shares the ledger can settle by it.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |permit| permit.id().to_string(), |facts| facts.id.to_string())
    }

    /// The key that it was given to, as the record stood then.
    #[getter]
    fn key(&self, py: Python<'_>) -> PyResult<Key> {
        let key = self.ask(
            py,
            |permit| std::sync::Arc::clone(permit.key()),
            |facts| std::sync::Arc::clone(&facts.key),
        )?;
        Ok(Key::new(key, self.gate.get()))
    }

    /// The model to dispatch: the one that was checked. Dispatch this text, never one read again from the
    /// request.
    #[getter]
    fn model(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.ask(py, |permit| permit.model().map(str::to_owned), |facts| facts.model.clone())
    }

    /// The most output tokens that the call may be allowed, where the gate priced the request; dispatch it.
    #[getter]
    fn max_tokens(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.ask(py, |permit| permit.max_tokens(), |facts| facts.max_tokens)
    }

    /// Whether it was granted fewer output tokens than the request asks for, or than the model can write: only then
    /// does the body need another limit than it has.
    #[getter]
    fn is_reduced(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |permit| permit.is_reduced(), |facts| facts.reduced)
    }

    /// Whether the request asks for a streamed answer, where the gate read its body.
    #[getter]
    fn is_streamed(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |permit| permit.is_streamed(), |facts| facts.streamed)
    }

    /// What is set aside.
    #[getter]
    fn estimate(&self, py: Python<'_>) -> PyResult<Usage> {
        self.ask(py, |permit| permit.estimate(), |facts| facts.estimate).map(Usage)
    }

    /// Whether the request id found a live hold of the same request: dropping this permit then does nothing.
    #[getter]
    fn is_view(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |permit| permit.is_view(), |facts| facts.view)
    }

    /// Whether the ledger could not answer and the gate was set to admit such calls: nothing is set aside.
    #[getter]
    fn is_degraded(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |permit| permit.is_degraded(), |facts| facts.degraded)
    }

    /// Say that the call is on its way to the model: from now on a drop charges.
    pub(crate) fn dispatched(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, CorePermit::dispatched, |_| ())
    }

    /// Say what is known of the usage so far, which is what a drop then charges.
    #[pyo3(signature = (usage = None, /, *, cost = None, tokens = None))]
    fn progress(
        &self,
        py: Python<'_>,
        usage: Option<&Bound<'_, Usage>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let usage = Usage::stated(usage, cost, tokens)?;
        self.here(py, |permit| permit.progress(usage)).ok_or_else(given_up)
    }

    /// Set more aside beyond the estimate, by the same atomic rule, and give the hold a new lifetime.
    ///
    /// Raises `Denied` if it does not fit: stop the call. `Conflict` if the permit was ended.
    #[pyo3(signature = (*, cost = None, tokens = None))]
    fn extend(
        &self,
        py: Python<'_>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let more = usage(cost, tokens)?;
        self.here(py, |permit| permit.extend(more)).ok_or_else(given_up)?.map_err(|error| raised(py, error))
    }

    /// Charge what the call came to, as a `Usage` or as `cost` and `tokens`, and end the permit. Facts are
    /// never refused: more than the estimate, a limit passed, a key revoked meanwhile, or midnight gone by are
    /// all recorded.
    ///
    /// Raises `AlreadySettled` with the first settlement if it was ended before, `InvalidValue` or
    /// `LedgerError` with the hold still live: then this may be called again.
    #[pyo3(signature = (usage = None, /, *, cost = None, tokens = None))]
    fn settle(
        &self,
        py: Python<'_>,
        usage: Option<&Bound<'_, Usage>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Settlement> {
        self.settle_usage(py, Usage::stated(usage, cost, tokens)?)
    }

    /// Settle by what the model answered: the whole body of a response that was not streamed. One that tells no
    /// usage is charged the estimate; for a call that failed, `release` instead.
    ///
    /// Raises `InvalidValue` if the usage cannot be read: the hold stays, settle it otherwise. Else as
    /// `settle`.
    #[pyo3(signature = (body, /))]
    fn settle_response(&self, py: Python<'_>, body: &Bound<'_, PyAny>) -> PyResult<Settlement> {
        self.settle_by_body(py, &arguments::body("response", body)?)
    }

    /// Let the hold go without a charge and end the permit: the call was not made, or cost nothing.
    pub(crate) fn release(&self, py: Python<'_>) -> PyResult<()> {
        match self.here(py, CorePermit::release) {
            Some(released) => released.map_err(|error| raised(py, error)),
            None => self.gate.get().release_by(py, &self.was()?.id),
        }
    }

    /// Give up the permit without ending its hold, and answer its id; some `gate.settle` will end it, or it
    /// lapses.
    fn detach(&self, py: Python<'_>) -> PyResult<String> {
        if let Some(permit) = self.give_up(py) {
            // Disarms it; its name was noted.
            permit.detach();
        }
        self.id(py)
    }

    /// Follow the answer as it streams, to settle by what it says of its usage. The permit is dispatched, and
    /// its stream's to settle from now on.
    pub(crate) fn stream(&self, py: Python<'_>) -> PyResult<Stream> {
        let permit = self.give_up(py).ok_or_else(given_up)?;
        Ok(Stream::new(permit.stream(), self.gate.clone_ref(py)))
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
    ) {
        let permit = self.give_up(py);
        self.gate.get().let_go(py, permit);
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let model = self.model(py)?.into_pyobject(py)?.repr()?;
        Ok(format!("Permit(id='{}', model={model})", self.id(py)?))
    }
}

fn given_up() -> PyErr {
    Conflict::new_err("this permit was given up; only its id is left of it")
}
