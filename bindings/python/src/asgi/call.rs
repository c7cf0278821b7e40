//! A call on its way: from the door to the application, and back as its answer.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use enclava_keys::Permit as CorePermit;
use enclava_keys::gate::Request;
use enclava_keys::wire::{RequestBody, RequestKind, Rewrite};
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::dict;
use super::door::Door;
use super::passing::{Replay, Tap};
use crate::arguments::{self, optional_text};
use crate::errors::{AlreadySettled, Conflict, LedgerError, NotFound, invalid, raised};
use crate::gate::Gate;
use crate::permit::Permit;

// Where the package finds it in the scope of a request.
const PLACE: &str = "enclava";

/// A call of a model, from the door to its end. It ends once, whoever comes first: the last piece of its answer, or the
/// end of its request.
// It stays in the scope, so it holds nothing that holds the scope.
#[pyclass(frozen, module = "enclava_keys._native")]
pub(crate) struct Call {
    door: Py<Door>,
    secret: Zeroizing<String>,
    place: Place,
    // Of the request that goes on, but for what its body decides.
    headers: Py<PyList>,
    admitted: OnceLock<Admitted>,
    answer: Mutex<Answer>,
    ended: AtomicBool,
}

/// Where a call is made.
pub(super) struct Place {
    /// Its method, a blank, and its path.
    pub(super) endpoint: String,
    pub(super) ip: Option<Py<PyAny>>,
    pub(super) purpose: Option<Py<PyAny>>,
}

struct Admitted {
    permit: Py<Permit>,
    dispatched: Dispatched,
}

// What goes on instead of the client's body.
struct Dispatched {
    body: Py<PyBytes>,
    // Whether the answer is asked for its usage, and the client did not ask.
    hides_usage: bool,
}

impl Call {
    pub(super) fn new(door: Py<Door>, secret: Zeroizing<String>, place: Place, headers: Py<PyList>) -> Self {
        let (admitted, answer, ended) = (OnceLock::new(), Mutex::default(), AtomicBool::new(false));
        Self { door, secret, place, headers, admitted, answer, ended }
    }

    pub(crate) fn may_block(&self) -> bool {
        self.door.get().gate.get().blocks
    }

    /// Whether its client did not ask for the usage that its stream tells.
    pub(super) fn hides_usage(&self) -> bool {
        self.admitted.get().is_some_and(|admitted| admitted.dispatched.hides_usage)
    }

    fn admitted(&self) -> PyResult<&Admitted> {
        self.admitted.get().ok_or_else(|| Conflict::new_err("this call was not admitted"))
    }

    // The model that was checked, the answer that was granted, a stream that tells its usage.
    fn dispatched(
        &self,
        body: &Bound<'_, PyAny>,
        sent: &RequestBody<'_>,
        permit: &CorePermit,
    ) -> PyResult<Dispatched> {
        let py = body.py();
        let rewrite = Rewrite {
            kind: self.place.endpoint.split_once(' ').and_then(|(_, path)| RequestKind::from_path(path)),
            model: permit.model(),
            max_tokens: permit.max_tokens().filter(|_| permit.is_reduced()),
            limit_name: self.door.get().limit_name.as_deref(),
            include_usage: true,
        };
        let dispatch = |rewrite| sent.dispatch(rewrite).map_err(|error| invalid("body", error));
        if let Cow::Owned(asking) = dispatch(&rewrite)? {
            let hides_usage = asking != *dispatch(&Rewrite { include_usage: false, ..rewrite })?;
            return Ok(Dispatched { body: PyBytes::new(py, &asking).unbind(), hides_usage });
        }
        let body = body.cast::<PyBytes>().cloned().unwrap_or_else(|_| PyBytes::new(py, sent.bytes()));
        Ok(Dispatched { body: body.unbind(), hides_usage: false })
    }

    /// Takes in how the answer begins; whether it is a stream of events.
    pub(super) fn begin(&self, message: &Bound<'_, PyDict>) -> PyResult<bool> {
        if self.is_ended() {
            return Ok(false);
        }
        let permit = self.admitted()?.permit.get();
        self.answer.lock_py_attached(message.py()).begin(message, permit)
    }

    /// Takes in the next piece of the answer.
    pub(super) fn take(&self, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.is_ended() {
            return Ok(());
        }
        self.answer.lock_py_attached(piece.py()).take(piece)
    }

    // What comes after the end is not looked at: the answer may be locked for as long as the ledger takes.
    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends it where nothing is waited for, so that nothing can come in between, a cancellation neither.
    pub(super) fn end_at_once(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if !this.ended.swap(true, Ordering::AcqRel) && !this.settle(py)? {
            static LATER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            LATER.import(py, "enclava_keys.asgi.tap", "settle_later")?.call1((slf,))?;
        }
        Ok(())
    }
}

#[pymethods]
impl Call {
    /// The gate that it is asked of.
    #[getter]
    fn gate(&self, py: Python<'_>) -> Py<Gate> {
        self.door.get().gate.clone_ref(py)
    }

    /// The key that it shows.
    #[getter]
    fn secret(&self) -> &str {
        &self.secret
    }

    /// Its permit, once it is admitted. A handler may settle it.
    #[getter]
    fn permit(&self, py: Python<'_>) -> PyResult<Py<Permit>> {
        Ok(self.admitted()?.permit.clone_ref(py))
    }

    /// Admit it by its body. The request is given no id: one of the client's could name another call.
    ///
    /// Raises as `Gate.authorize_request` does, and `TooLarge`.
    #[pyo3(signature = (body, /))]
    fn admit(&self, body: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, door) = (body.py(), self.door.get());
        let sent = arguments::bytes("body", body)?;
        door.bound(sent.len())?;
        let Place { endpoint, ip, purpose } = &self.place;
        let (ip, purpose) =
            (ip.as_ref().map(|ip| ip.bind(py)), purpose.as_ref().map(|purpose| purpose.bind(py)));
        let ip = optional_text("client", ip)?;
        let mut request = Request::new(self.secret.as_str()).endpoint(endpoint).ip(ip);
        if let Some(purpose) = optional_text("purpose", purpose)? {
            request = request.purpose(purpose);
        }
        let gate = door.gate.get();
        let sent = RequestBody::new(&sent);
        let permit = gate
            .run(py, gate.open_core()?, |core| core.authorize_body(&request, &sent, door.floor))
            .map_err(|error| raised(py, error))?;
        let dispatched = self.dispatched(body, &sent, &permit);
        // From here on it is let go of as a permit of Python's is.
        let permit = Py::new(py, Permit::new(permit, door.gate.clone_ref(py)))?;
        let admitted = Admitted { permit, dispatched: dispatched? };
        self.admitted.set(admitted).map_err(|_| Conflict::new_err("this call was admitted before"))
    }

    /// Send it on its way, from now on to be charged: the scope, `receive` and `send` of what the application handles.
    #[pyo3(signature = (scope, receive, send, /))]
    fn onward<'py>(
        slf: &Bound<'py, Self>,
        scope: &Bound<'py, PyAny>,
        receive: Py<PyAny>,
        send: Py<PyAny>,
    ) -> PyResult<(Bound<'py, PyDict>, Replay, Tap)> {
        let (py, this) = (slf.py(), slf.get());
        let Admitted { permit, dispatched } = this.admitted()?;
        let length = dispatched.body.as_bytes(py).len().to_string();
        let headers = this.headers.bind(py);
        let (name, identity) = stated(py)?;
        headers.append((name, PyBytes::new(py, length.as_bytes())))?;
        headers.append(identity)?;
        scope.set_item(intern!(py, PLACE), slf)?;
        let scope = dict(scope)?.copy()?;
        scope.set_item(intern!(py, "headers"), headers)?;
        permit.get().dispatched(py)?;
        let replay = Replay::new(dispatched.body.clone_ref(py), receive);
        Ok((scope, replay, Tap::new(slf.clone().unbind(), send)))
    }

    /// End the hold, unless that was done: by what the answer told, else by what was seen of it. Where that may block,
    /// answers the task that does it.
    pub(crate) fn end<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        static APART: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let (py, this) = (slf.py(), slf.get());
        if !this.may_block() {
            return Self::end_at_once(slf).map(|()| None);
        }
        if this.ended.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        APART.import(py, "enclava_keys.asgi.tap", "settle_apart")?.call1((slf,)).map(Some)
    }

    /// Settle it by what was seen; false if the ledger did not answer.
    fn settle(&self, py: Python<'_>) -> PyResult<bool> {
        let permit = &self.admitted()?.permit;
        let settled = self.answer.lock_py_attached(py).settle(py, permit.get());
        let Err(error) = settled else { return Ok(true) };
        if error.is_instance_of::<LedgerError>(py) {
            return Ok(false);
        }
        // The handler knew better.
        if error.is_instance_of::<AlreadySettled>(py) {
            return Ok(true);
        }
        if error.is_instance_of::<Conflict>(py) || error.is_instance_of::<NotFound>(py) {
            static WARN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            WARN.import(py, "enclava_keys.asgi.tap", "warn")?.call1((permit, error))?;
            return Ok(true);
        }
        Err(error)
    }
}

// The headers that the request which goes on states for itself: the name of one, and the other, which is always the same.
fn stated(py: Python<'_>) -> PyResult<&(Py<PyBytes>, Py<PyTuple>)> {
    static STATED: PyOnceLock<(Py<PyBytes>, Py<PyTuple>)> = PyOnceLock::new();
    STATED.get_or_try_init(py, || {
        let name = PyBytes::new(py, b"content-length").unbind();
        let identity = (PyBytes::new(py, b"accept-encoding"), PyBytes::new(py, b"identity"));
        Ok((name, identity.into_pyobject(py)?.unbind()))
    })
}
