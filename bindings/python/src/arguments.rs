//! What callers hand in: text, secrets, bodies.

use std::borrow::Cow;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyMemoryView, PyString, PyType};

use crate::errors::invalid;

/// No text at all is a missing key; what no header can carry is a malformed one.
const UNPRINTABLE: &[u8] = b"\0";

/// The text of a required argument.
pub(crate) fn text<'a>(field: &'static str, value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(field, "str", value))?;
    text.to_str().map_err(|_| invalid(field, "must be text without lone surrogates"))
}

/// The text of an optional argument.
pub(crate) fn optional_text<'a>(
    field: &'static str,
    value: Option<&'a Bound<'_, PyAny>>,
) -> PyResult<Option<&'a str>> {
    value.map(|value| text(field, value)).transpose()
}

/// Whether an argument says so; one that is not given does not. What is merely true to Python was meant as something else.
pub(crate) fn flag(field: &'static str, value: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let Some(value) = value else { return Ok(false) };
    let truth = value.cast::<PyBool>().map_err(|_| wrong_type(field, "True or False", value))?;
    Ok(truth.is_true())
}

/// A secret as it was presented. What cannot be one is for the gate to deny.
pub(crate) fn secret<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str().map_or(UNPRINTABLE, str::as_bytes));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes());
    }
    if value.is_none() { Ok(&[]) } else { Err(wrong_type("secret", "str, bytes or None", value)) }
}

/// Bytes that pass by: of a body or of a piece of one.
pub(crate) fn bytes<'a>(field: &'static str, value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if value.is_instance_of::<PyString>() {
        return text(field, value).map(|text| Cow::Borrowed(text.as_bytes()));
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let copy = value.py().get_type::<PyBytes>().call1((value,))?;
        return Ok(Cow::Owned(copy.cast::<PyBytes>()?.as_bytes().to_vec()));
    }
    Err(wrong_type(field, "bytes or str", value))
}

/// A body: JSON as bytes or text, or a dict to be written as JSON.
pub(crate) fn body<'a>(field: &'static str, value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if value.is_instance_of::<PyDict>() {
        return crate::json::write(field, value).map(|text| Cow::Owned(text.into_bytes()));
    }
    bytes(field, value)
}

/// "must be str, not int".
pub(crate) fn wrong_type(field: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{field}: must be {wanted}, not {}", type_name(value)))
}

/// What to call the type of a value in a message.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    if value.is_none() {
        return "None".to_owned();
    }
    name_of(&value.get_type()).unwrap_or_else(|| "an object".to_owned())
}

fn name_of(of: &Bound<'_, PyType>) -> Option<String> {
    Some(of.qualname().ok()?.to_str().ok()?.to_owned())
}
