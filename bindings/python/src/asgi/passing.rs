//! What stands between a server and an application: the body handed over again, the answer followed on its way out.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList};
use pyo3::{PyTraverseError, intern};

use super::call::Call;
use super::{dict, item};
use crate::arguments::text;
use crate::headers;

/// The `receive` of an application: hands the body over as the whole request; after it, tells what the server tells.
#[pyclass(frozen, module = "enclava_keys._native")]
pub(crate) struct Replay {
    body: Py<PyBytes>,
    receive: Py<PyAny>,
    told: AtomicBool,
}

impl Replay {
    pub(super) fn new(body: Py<PyBytes>, receive: Py<PyAny>) -> Self {
        Self { body, receive, told: AtomicBool::new(false) }
    }
}

#[pymethods]
impl Replay {
    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.told.swap(true, Ordering::AcqRel) {
            return self.receive.bind(py).call0();
        }
        let message = PyDict::new(py);
        message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
        message.set_item(intern!(py, "body"), &self.body)?;
        message.set_item(intern!(py, "more_body"), false)?;
        told(message.as_any())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.receive)
    }
}

/// The `send` of an application: passes an answer on, piece by piece and as it comes, and settles its call.
// It answers what the server's `send` answers, so that nothing stands in between while that is awaited.
#[pyclass(frozen, module = "enclava_keys._native")]
pub(crate) struct Tap {
    call: Py<Call>,
    send: Py<PyAny>,
    // Takes the usage out of a stream, if its client did not ask for it.
    hider: OnceLock<Py<PyAny>>,
}

impl Tap {
    pub(super) fn new(call: Py<Call>, send: Py<PyAny>) -> Self {
        Self { call, send, hider: OnceLock::new() }
    }

    // The message that goes on as the start of the answer.
    fn start<'py>(&self, message: Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        static HIDER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = message.py();
        let call = self.call.get();
        if !call.begin(&message)? || !call.hides_usage() {
            return Ok(message);
        }
        let hider = HIDER.import(py, "enclava_keys.asgi.hiding", "UsageHider")?.call0()?;
        // An answer begins once.
        let _ = self.hider.set(hider.unbind());
        // What is hidden is missing from the length.
        let sent = item(&message, intern!(py, "headers"))?;
        let kept = PyList::empty(py);
        headers::each(&sent, |pair, name, _| {
            if name.eq_ignore_ascii_case(b"content-length") { Ok(()) } else { kept.append(pair) }
        })?;
        let message = message.copy()?;
        message.set_item(intern!(py, "headers"), kept)?;
        Ok(message)
    }

    // The message that goes on as a piece of the answer, if one does, and whether it is the last.
    fn piece<'py>(&self, message: Bound<'py, PyDict>) -> PyResult<(Option<Bound<'py, PyDict>>, bool)> {
        let py = message.py();
        let body = message.get_item(intern!(py, "body"))?;
        let is_last = match message.get_item(intern!(py, "more_body"))? {
            Some(more) => !more.is_truthy()?,
            None => true,
        };
        let body = match body {
            Some(body) if body.is_truthy()? => Some(body),
            _ => None,
        };
        if let Some(body) = &body {
            self.call.get().take(body)?;
        }
        let Some(hider) = self.hider.get() else { return Ok((Some(message), is_last)) };
        let (hider, has_body) = (hider.bind(py), body.is_some());
        let body = body.unwrap_or_else(|| PyBytes::new(py, b"").into_any());
        let mut shown = hider.call_method1(intern!(py, "feed"), (body,))?;
        if is_last {
            shown = shown.add(hider.call_method0(intern!(py, "finish"))?)?;
        } else if has_body && !shown.is_truthy()? {
            return Ok((None, false));
        }
        let message = message.copy()?;
        message.set_item(intern!(py, "body"), shown)?;
        Ok((Some(message), is_last))
    }
}

#[pymethods]
impl Tap {
    #[pyo3(signature = (message, /))]
    fn __call__<'py>(&self, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static LAST: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = message.py();
        let (call, send) = (self.call.bind(py), self.send.bind(py));
        let fields = dict(message)?;
        let kind = item(&fields, intern!(py, "type"))?;
        match text("type", &kind)? {
            "http.response.start" => return send.call1((self.start(fields)?,)),
            "http.response.body" => {}
            _ => return send.call1((message,)),
        }
        let (Some(message), is_last) = self.piece(fields)? else { return told(py.None().bind(py)) };
        if is_last {
            // Who has the whole answer finds it in the budget as well.
            if call.get().may_block() {
                let last = LAST.import(py, "enclava_keys.asgi.tap", "send_last")?;
                return last.call1((call, send, message));
            }
            Call::end_at_once(call)?;
        }
        send.call1((message,))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.send)
    }
}

// A coroutine that answers `what` at once. One of Python's own: some libraries take nothing else.
fn told<'py>(what: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static TOLD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    TOLD.import(what.py(), "enclava_keys.asgi.tap", "told")?.call1((what,))
}
