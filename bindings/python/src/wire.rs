//! What travels: the key among headers, the client's address, the body to dispatch.

use std::net::IpAddr;

use enclava_keys::policy::AddressRules;
use enclava_keys::wire::{BearerOptions, RequestKind, Rewrite};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zeroize::Zeroizing;

use crate::amounts::count;
use crate::arguments::{self, optional_text, text};
use crate::errors::{denied, invalid};
use crate::headers;

// Every header that a key may be in.
const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// The key among the headers of a request.
#[pyfunction]
#[pyo3(signature = (headers, /, *, also = None))]
pub(crate) fn bearer<'py>(
    headers: &Bound<'py, PyAny>,
    also: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyString>> {
    let key = bearer_among(headers, bearer_options(also)?, |_, _, _| Ok(()))?;
    Ok(PyString::new(headers.py(), &key))
}

/// Where else a key may be.
pub(crate) fn bearer_options(also: Option<&Bound<'_, PyAny>>) -> PyResult<BearerOptions> {
    let mut options = BearerOptions::default();
    for name in names("also", also)? {
        match name.as_str() {
            "x-api-key" => options.x_api_key = true,
            "api-key" => options.api_key = true,
            "x-goog-api-key" => options.x_goog_api_key = true,
            _ => return Err(invalid("also", "may list x-api-key, api-key and x-goog-api-key")),
        }
    }
    Ok(options)
}

/// The key among `headers`, each of which is shown to `look` on the way: the pair, its name and its value. What is copied of
/// them is wiped when it goes.
pub(crate) fn bearer_among<'py>(
    headers: &Bound<'py, PyAny>,
    options: BearerOptions,
    mut look: impl FnMut(Bound<'py, PyAny>, &[u8], &[u8]) -> PyResult<()>,
) -> PyResult<Zeroizing<String>> {
    // Seldom more than one of them, which needs no list.
    let (mut first, mut others) = (None, Vec::new());
    headers::each(headers, |pair, name, value| {
        let value = headers::bytes(value)?;
        look(pair, name, &value)?;
        // Which of them counts is the core's to say; most are none of these, and are not copied.
        if let Some(&name) = KEY_HEADERS.iter().find(|own| name.eq_ignore_ascii_case(own.as_bytes())) {
            let shown = (name, Zeroizing::new(value.into_owned()));
            if first.is_none() { first = Some(shown) } else { others.push(shown) }
        }
        Ok(())
    })?;
    let shown = first.iter().chain(&others).map(|(name, value)| (*name, value.as_slice()));
    let found = enclava_keys::wire::bearer(shown, &options);
    match found {
        Ok(key) => Ok(Zeroizing::new(String::from_utf8_lossy(key).into_owned())),
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
    let trusted = networks("trusted", trusted)?;
    let forwarded = forwarded.iter().map(String::as_str);
    let client = enclava_keys::policy::resolve_client_ip(peer, forwarded, &trusted);
    client.map(|ip| ip.to_string()).map_err(|error| invalid("forwarded", error))
}

/// The body to dispatch instead of the client's.
#[pyfunction]
#[pyo3(signature = (body, /, *, model = None, max_tokens = None, limit_name = None, include_usage = None,
    endpoint = None))]
pub(crate) fn dispatch_body<'py>(
    py: Python<'py>,
    body: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    max_tokens: Option<&Bound<'py, PyAny>>,
    limit_name: Option<&Bound<'py, PyAny>>,
    include_usage: Option<&Bound<'py, PyAny>>,
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
        include_usage: arguments::flag("include_usage", include_usage)?,
    };
    let body = arguments::body("body", body)?;
    let body = enclava_keys::wire::dispatch_body(&body, &rewrite).map_err(|error| invalid("body", error))?;
    Ok(PyBytes::new(py, &body))
}

/// Addresses and networks.
pub(crate) fn networks(field: &'static str, list: &Bound<'_, PyAny>) -> PyResult<AddressRules> {
    let entries = names(field, Some(list))?;
    let networks = entries.iter().map(|entry| AddressRules::parse_entry(entry));
    networks.collect::<Result<Vec<_>, _>>().map(AddressRules::new).map_err(|error| invalid(field, error))
}

fn names(field: &'static str, list: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.is_instance_of::<PyString>() {
        return Err(arguments::wrong_type(field, "a list of texts", list));
    }
    list.try_iter()?.map(|item| Ok(text(field, &item?)?.to_owned())).collect()
}
