//! Headers, of requests and of answers.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::arguments;

/// Shows each pair of `headers` to `look`: the pair itself, its name and its value.
pub(crate) fn each<'py>(
    headers: &Bound<'py, PyAny>,
    mut look: impl FnMut(Bound<'py, PyAny>, &[u8], &Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    for pair in headers.try_iter()? {
        let pair = pair?;
        let (name, value) = parts(&pair)?;
        look(pair, &bytes(&name)?, &value)?;
    }
    Ok(())
}

/// Bytes as an ASGI server hands them over, or text as a WSGI server does. What is not text in UTF-8 is nobody's key.
pub(crate) fn bytes<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().into());
    }
    match value.cast::<PyString>() {
        Ok(text) => Ok(text.to_str().map_or(&b"\0"[..], str::as_bytes).into()),
        Err(_) => arguments::bytes("headers", value),
    }
}

fn parts<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(tuple) = pair.cast::<PyTuple>()
        && tuple.len() == 2
    {
        return Ok((tuple.get_item(0)?, tuple.get_item(1)?));
    }
    if let Ok(list) = pair.cast::<PyList>()
        && list.len() == 2
    {
        return Ok((list.get_item(0)?, list.get_item(1)?));
    }
    Err(arguments::wrong_type("headers", "pairs of name and value", pair))
}
