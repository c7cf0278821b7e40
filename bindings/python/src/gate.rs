//! The gate: one call's way through it, and where budgets stand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use enclava_keys::budget::PermitId;
use enclava_keys::gate::Request;
use enclava_keys::{Clock, Gate as CoreGate, KeyId};
use parking_lot::Mutex;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::amounts::{count, seconds, usage};
use crate::arguments::{self, optional_text, text, wrong_type};
use crate::errors::{Conflict, NotFound, denied, invalid, raised};
use crate::key::Key;
use crate::permit::Permit;
use crate::settlement::{Settlement, Usage};
use crate::values::{self, Decision};
use crate::{plugged, prices};

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
    #[pyo3(signature = (secret, *, model = None, purpose = None, endpoint = None, ip = None, cost = None,
        tokens = None, request_id = None, wait = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn authorize(
        slf: &Bound<'_, Self>,
        secret: &Bound<'_, PyAny>,
        model: Option<&Bound<'_, PyAny>>,
        purpose: Option<&Bound<'_, PyAny>>,
        endpoint: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        request_id: Option<&Bound<'_, PyAny>>,
        wait: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Permit> {
        let (py, this) = (slf.py(), slf.get());
        let ip = ip.map(address).transpose()?;
        let mut request = Request::new(arguments::secret(secret)?).ip(ip.as_deref());
        if let Some(model) = optional_text("model", model)? {
            request = request.model(model);
        }
        request = placed(request, purpose, endpoint, request_id, wait)?;
        let estimate = usage(cost, tokens)?;
        request = request.cost(estimate.cost).tokens(estimate.tokens);
        let core = this.open_core()?;
        let admitted = if wait.is_some() {
            plugged::detached(py, || core.authorize(&request))
        } else {
            this.run(py, core, |core| core.authorize(&request))
        };
        admitted.map(|permit| Permit::new(permit, slf.clone().unbind())).map_err(|denial| denied(py, denial))
    }

    #[pyo3(signature = (secret, body, *, floor = None, purpose = None, endpoint = None, ip = None,
        request_id = None, wait = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn authorize_request(
        slf: &Bound<'_, Self>,
        secret: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
        floor: Option<&Bound<'_, PyAny>>,
        purpose: Option<&Bound<'_, PyAny>>,
        endpoint: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
        request_id: Option<&Bound<'_, PyAny>>,
        wait: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Permit> {
        let (py, this) = (slf.py(), slf.get());
        let ip = ip.map(address).transpose()?;
        let request = Request::new(arguments::secret(secret)?).ip(ip.as_deref());
        let request = placed(request, purpose, endpoint, request_id, wait)?;
        let body = arguments::body("body", body)?;
        let floor = floor.map(|floor| count("floor", floor)).transpose()?;
        let core = this.open_core()?;
        let admitted = if wait.is_some() {
            plugged::detached(py, || core.authorize_request(&request, &body, floor))
        } else {
            this.run(py, core, |core| core.authorize_request(&request, &body, floor))
        };
        admitted.map(|permit| Permit::new(permit, slf.clone().unbind())).map_err(|error| raised(py, error))
    }

    #[pyo3(signature = (secret, *, model = None, purpose = None, endpoint = None, ip = None, cost = None,
        tokens = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn check(
        &self,
        py: Python<'_>,
        secret: &Bound<'_, PyAny>,
        model: Option<&Bound<'_, PyAny>>,
        purpose: Option<&Bound<'_, PyAny>>,
        endpoint: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Decision> {
        let ip = ip.map(address).transpose()?;
        let mut request = Request::new(arguments::secret(secret)?).ip(ip.as_deref());
        if let Some(model) = optional_text("model", model)? {
            request = request.model(model);
        }
        request = placed(request, purpose, endpoint, None, None)?;
        let estimate = usage(cost, tokens)?;
        request = request.cost(estimate.cost).tokens(estimate.tokens);
        let decision = self.run(py, self.open_core()?, |core| core.check(&request));
        Ok(Decision(decision))
    }

    fn verify(&self, py: Python<'_>, secret: &Bound<'_, PyAny>) -> PyResult<Key> {
        let secret = arguments::secret(secret)?;
        let found = self.run(py, self.open_core()?, |core| core.verify(secret));
        found.map(|key| Key::new(key, self)).map_err(|denial| denied(py, denial))
    }

    fn allowed_models<'py>(
        &self,
        py: Python<'py>,
        secret: &Bound<'py, PyAny>,
        models: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        if models.is_instance_of::<PyString>() {
            return Err(wrong_type("models", "a list of names", models));
        }
        let key = self.verify(py, secret)?;
        let allowed = PyList::empty(py);
        for model in models.try_iter()? {
            let model = model?;
            if key.permits(text("models", &model)?) {
                allowed.append(model)?;
            }
        }
        Ok(allowed)
    }

    #[pyo3(signature = (permit_id, usage = None, /, *, cost = None, tokens = None))]
    fn settle(
        &self,
        py: Python<'_>,
        permit_id: &Bound<'_, PyAny>,
        usage: Option<&Bound<'_, Usage>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Settlement> {
        let usage = Usage::stated(usage, cost, tokens)?;
        self.settle_by(py, &named(permit_id)?, usage)
    }

    #[pyo3(signature = (permit_id, /))]
    fn release(&self, py: Python<'_>, permit_id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.release_by(py, &named(permit_id)?)
    }

    #[pyo3(signature = (key_id, usage = None, /, *, cost = None, tokens = None, request_id = None))]
    fn record(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        usage: Option<&Bound<'_, Usage>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        request_id: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Settlement> {
        let usage = Usage::stated(usage, cost, tokens)?;
        let id = key_named(key_id)?;
        let request_id = optional_text("request_id", request_id)?;
        let recorded = self.run(py, self.open_core()?, |core| core.record(&id, usage, request_id));
        recorded.map(Settlement).map_err(|error| raised(py, error))
    }

    #[pyo3(signature = (key_id, /))]
    fn usage<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let id = key_named(key_id)?;
        let balances = self.run(py, self.open_core()?, |core| core.usage(&id));
        values::balances(py, &balances.map_err(|error| raised(py, error))?)
    }

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

    #[pyo3(signature = (most = None))]
    fn take_alerts<'py>(&self, py: Python<'py>, most: Option<usize>) -> PyResult<Bound<'py, PyList>> {
        let taken = self.open_core()?.take_alerts(most.unwrap_or(usize::MAX));
        values::alerts(py, &taken)
    }

    #[pyo3(signature = (most = None))]
    fn take_events<'py>(&self, py: Python<'py>, most: Option<usize>) -> PyResult<Bound<'py, PyList>> {
        let taken = self.open_core()?.take_events(most.unwrap_or(usize::MAX));
        values::events(py, &taken)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        values::stats(py, &self.open_core()?.stats())
    }

    #[pyo3(signature = (prices, /))]
    fn set_prices(&self, prices: &Bound<'_, PyAny>) -> PyResult<()> {
        self.open_core()?.set_prices(prices::book(prices)?);
        Ok(())
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.open_core()?;
        plugged::detached(py, || core.refresh()).map_err(|error| raised(py, error))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.open_core()?;
        plugged::detached(py, || core.flush()).map_err(|error| raised(py, error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
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

impl Gate {
    /// Settles the hold of this name.
    pub(crate) fn settle_by(
        &self,
        py: Python<'_>,
        id: &PermitId,
        usage: enclava_keys::Usage,
    ) -> PyResult<Settlement> {
        let settled = self.run(py, self.core()?, |core| core.settle(id, usage));
        settled.map(Settlement).map_err(|error| raised(py, error))
    }

    /// Releases the hold of this name.
    pub(crate) fn release_by(&self, py: Python<'_>, id: &PermitId) -> PyResult<()> {
        self.run(py, self.core()?, |core| core.release(id)).map_err(|error| raised(py, error))
    }
}

/// Tells the core that this process is a child of a fork.
#[pyfunction]
pub(crate) fn after_fork() {
    enclava_keys::after_fork();
}

/// The id that an argument names: one that cannot be is one that nobody has.
pub(crate) fn key_named(value: &Bound<'_, PyAny>) -> PyResult<KeyId> {
    let id = text("key_id", value)?;
    id.parse().map_err(|_| {
        NotFound::new_err("there is no such key: an id looks like key_01h455vb4pex5vsknk084sn02q")
    })
}

fn named(value: &Bound<'_, PyAny>) -> PyResult<PermitId> {
    let id = text("permit_id", value)?;
    id.parse().map_err(|error| invalid("permit_id", format!("{error}")))
}

// Text as it is; an `ipaddress` object as its text.
fn address<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<std::borrow::Cow<'a, str>> {
    if value.is_instance_of::<PyString>() {
        return text("ip", value).map(Into::into);
    }
    let kind = arguments::type_name(value);
    if kind == "IPv4Address" || kind == "IPv6Address" {
        return Ok(value.str()?.to_str()?.to_owned().into());
    }
    Err(PyTypeError::new_err(format!("ip: must be str or an ipaddress, not {kind}")))
}

fn placed<'a>(
    mut request: Request<'a>,
    purpose: Option<&'a Bound<'_, PyAny>>,
    endpoint: Option<&'a Bound<'_, PyAny>>,
    request_id: Option<&'a Bound<'_, PyAny>>,
    wait: Option<&Bound<'_, PyAny>>,
) -> PyResult<Request<'a>> {
    if let Some(purpose) = optional_text("purpose", purpose)? {
        request = request.purpose(purpose);
    }
    if let Some(endpoint) = optional_text("endpoint", endpoint)? {
        request = request.endpoint(endpoint);
    }
    if let Some(id) = optional_text("request_id", request_id)? {
        request = request.request_id(id);
    }
    if let Some(wait) = wait {
        request = request.wait(seconds("wait", wait)?);
    }
    Ok(request)
}
