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
    #[getter]
    fn reason(&self) -> &'static str {
        self.0.reason().as_str()
    }

    #[getter]
    fn status(&self) -> u16 {
        self.0.status()
    }

    #[getter]
    fn message(&self) -> String {
        self.0.message()
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::object(py, &self.0.body(Dialect::OpenAi))
    }

    #[getter]
    fn anthropic_body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::object(py, &self.0.body(Dialect::Anthropic))
    }

    #[getter]
    fn headers(&self) -> HashMap<&'static str, String> {
        self.0.headers().into_iter().collect()
    }

    #[getter]
    fn retry_after(&self) -> Option<u64> {
        self.0.retry_after().map(|wait| wait.as_secs())
    }

    #[getter]
    fn resets_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        times::optional(py, self.0.resets_at())
    }

    #[getter]
    fn transient(&self) -> bool {
        self.0.transient()
    }

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
