//! What travels: the key among headers, the client's address, the body to dispatch.

use std::net::IpAddr;

use enclava_keys::policy::AddressRules;
use enclava_keys::wire::{BearerOptions, RequestKind, Rewrite};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::amounts::count;
use crate::arguments::{self, optional_text, text};
use crate::errors::{denied, invalid};

/// The key among the headers of a request.
#[pyfunction]
#[pyo3(signature = (headers, /, *, also = None))]
pub(crate) fn bearer(headers: &Bound<'_, PyAny>, also: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
    let mut options = BearerOptions::default();
    for name in names("also", also)? {
        match name.as_str() {
            "x-api-key" => options.x_api_key = true,
            "api-key" => options.api_key = true,
            "x-goog-api-key" => options.x_goog_api_key = true,
            _ => return Err(invalid("also", "may list x-api-key, api-key and x-goog-api-key")),
        }
    }
    let mut pairs = Vec::new();
    for pair in headers.try_iter()? {
        let pair = pair?;
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
            pair.extract().map_err(|_| arguments::wrong_type("headers", "pairs of name and value", &pair))?;
        // A name that is not text is no header of ours.
        let name = String::from_utf8_lossy(&header(&name)?).into_owned();
        pairs.push((name, header(&value)?.into_owned()));
    }
    let found = enclava_keys::wire::bearer(
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice())),
        &options,
    );
    match found {
        Ok(key) => Ok(String::from_utf8_lossy(key).into_owned()),
        Err(denial) => Err(denied(headers.py(), denial)),
    }
}

/// The client's address behind proxies.
#[pyfunction]
#[pyo3(signature = (peer, forwarded, trusted))]
pub(crate) fn resolve_client_ip(
    peer: &Bound<'_, PyAny>,
    forwarded: &Bound<'_, PyAny>,
    trusted: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let peer: IpAddr = text("peer", peer)?.parse().map_err(|error| invalid("peer", error))?;
    let forwarded = names("forwarded", Some(forwarded))?;
    let trusted = names("trusted", Some(trusted))?;
    let networks = trusted.iter().map(|entry| AddressRules::parse_entry(entry));
    let networks = networks.collect::<Result<Vec<_>, _>>().map_err(|error| invalid("trusted", error))?;
    let forwarded = forwarded.iter().map(String::as_str);
    let client = enclava_keys::policy::resolve_client_ip(peer, forwarded, &AddressRules::new(networks));
    client.map(|ip| ip.to_string()).map_err(|error| invalid("forwarded", error))
}

/// The body to dispatch instead of the client's.
#[pyfunction]
#[pyo3(signature = (body, /, *, model = None, max_tokens = None, limit_name = None, include_usage = false,
    endpoint = None))]
pub(crate) fn dispatch_body<'py>(
    py: Python<'py>,
    body: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    max_tokens: Option<&Bound<'py, PyAny>>,
    limit_name: Option<&Bound<'py, PyAny>>,
    include_usage: bool,
    endpoint: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let path = optional_text("endpoint", endpoint)?;
    let rewrite = Rewrite {
        kind: path
            .map(|path| path.split_once(' ').map_or(path, |(_, path)| path))
            .and_then(RequestKind::from_path),
        model: optional_text("model", model)?,
        max_tokens: max_tokens.map(|limit| count("max_tokens", limit)).transpose()?,
        limit_name: optional_text("limit_name", limit_name)?,
        include_usage,
    };
    let body = arguments::body("body", body)?;
    let body = enclava_keys::wire::dispatch_body(&body, &rewrite).map_err(|error| invalid("body", error))?;
    Ok(PyBytes::new(py, &body))
}

// Bytes as an ASGI server hands them over, or text as a WSGI server does. What is not text in UTF-8 is nobody's key.
fn header<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<std::borrow::Cow<'a, [u8]>> {
    match value.cast::<PyString>() {
        Ok(text) => Ok(text.to_str().map_or(&b"\0"[..], str::as_bytes).into()),
        Err(_) => arguments::bytes("headers", value),
    }
}

fn names(field: &'static str, list: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.is_instance_of::<PyString>() {
        return Err(arguments::wrong_type(field, "a list of texts", list));
    }
    list.try_iter()?.map(|item| Ok(text(field, &item?)?.to_owned())).collect()
}
