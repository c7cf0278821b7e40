//! What the ASGI middleware does for every request. The package decides who handles what and does the waiting; all else is
//! here, because frames of the interpreter cost more than all that the gate does.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod door;
pub(crate) mod passing;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

/// A scope or a message. All servers hand over a dict; a framework may wrap it.
fn dict<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    if let Ok(dict) = mapping.cast::<PyDict>() {
        return Ok(dict.clone());
    }
    let dict = PyDict::new(mapping.py());
    dict.update(mapping.cast::<PyMapping>()?)?;
    Ok(dict)
}

/// What must be in it.
fn item<'py>(dict: &Bound<'py, PyDict>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    dict.as_any().get_item(name)
}
