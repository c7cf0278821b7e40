//! A denial, ready to send.

use std::collections::HashMap;

use enclava_keys::wire::Dialect;
use pyo3::prelude::*;

use crate::errors::invalid;
use crate::{json, times};

/// Why a request was refused. `Denied` carries it.
#[pyclass(frozen, module = "enclava_keys", eq)]
#[derive(Debug, PartialEq)]
pub(crate) struct Denial(pub(crate) enclava_keys::Denial);

#[pymethods]
impl Denial {
    /// Why, in one word: `"model_not_allowed"`.
    #[getter]
    fn reason(&self) -> &'static str {
        self.0.reason().as_str()
    }

    /// The HTTP status to answer with.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status()
    }

    /// What happened and what to do about it, for the developer of the client.
    #[getter]
    fn message(&self) -> String {
        self.0.message()
    }

    /// The JSON body to answer with, as OpenAI's clients expect it.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::object(py, &self.0.body(Dialect::OpenAi))
    }

    /// The JSON body to answer with, as Anthropic's clients expect it.
    #[getter]
    fn anthropic_body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::object(py, &self.0.body(Dialect::Anthropic))
    }

    /// The headers to answer with; their names are in lower case.
    #[getter]
    fn headers(&self) -> HashMap<&'static str, String> {
        self.0.headers().into_iter().collect()
    }

    /// Whole seconds to wait before the request is worth repeating; `None` where waiting does not help.
    #[getter]
    fn retry_after(&self) -> Option<u64> {
        self.0.retry_after().map(|wait| wait.as_secs())
    }

    /// When the budget that refused starts from zero; `None` unless a budget refused.
    #[getter]
    fn resets_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        times::optional(py, self.0.resets_at())
    }

    /// Whether the same request may be admitted in a moment, with nothing changed by anyone.
    #[getter]
    fn transient(&self) -> bool {
        self.0.transient()
    }

    /// Tell the denial as a server-sent event, for a stream whose status has already gone out. End the stream
    /// after it.
    #[pyo3(signature = (dialect = "openai"))]
    fn sse_event(&self, dialect: &str) -> PyResult<String> {
        Ok(self.0.sse_event(match dialect {
            "openai" => Dialect::OpenAi,
            "anthropic" => Dialect::Anthropic,
            _ => return Err(invalid("dialect", "must be openai or anthropic")),
        }))
    }

    fn __repr__(&self) -> String {
        format!("Denial(reason='{}')", self.0.reason())
    }
}
