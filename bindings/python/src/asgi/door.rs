//! The door: what is asked of every request, and whose it is.

use enclava_keys::policy::{self, AddressRules};
use enclava_keys::wire::BearerOptions;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use pyo3::{PyTraverseError, import_exception, intern};

use super::call::{Call, Place};
use super::{dict, item};
use crate::amounts::count;
use crate::arguments::{optional_text, text};
use crate::gate::Gate;
use crate::{headers, wire};

import_exception!(enclava_keys.asgi.inbound, TooLarge);

// Of the request that goes on, which states its own: its body's length, and an answer that can be read on its way.
const REPLACED: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"accept-encoding"];

/// What a middleware asks of every request: read once, and told at once if it makes no sense.
#[pyclass(frozen, module = "enclava_keys._native")]
pub(crate) struct Door {
    pub(super) gate: Py<Gate>,
    pub(super) floor: Option<u64>,
    pub(super) limit_name: Option<String>,
    also: BearerOptions,
    // `None` trusts nobody: the peer is the client.
    trusted: Option<AddressRules>,
    max_body: u64,
}

impl Door {
    /// Refuses a body that is longer than what is read.
    pub(super) fn bound(&self, length: usize) -> PyResult<()> {
        if u64::try_from(length).is_ok_and(|length| length > self.max_body) {
            return Err(TooLarge::new_err(()));
        }
        Ok(())
    }

    // Whether a stated length is more than is read. One that is no number is the server's to judge.
    fn is_longer(&self, stated: &[u8]) -> bool {
        let is_number = !stated.is_empty() && stated.iter().all(u8::is_ascii_digit);
        // What does not fit the type is longer than anything.
        is_number && str::from_utf8(stated).is_ok_and(|text| text.parse().unwrap_or(u64::MAX) > self.max_body)
    }

    fn ip<'py>(
        &self,
        scope: &Bound<'py, PyDict>,
        headers: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let client = match scope.get_item(intern!(scope.py(), "client"))? {
            Some(client) if client.is_truthy()? => client.get_item(0)?,
            _ => return Ok(None),
        };
        let Some(trusted) = &self.trusted else { return Ok(Some(client)) };
        let Ok(peer) = text("client", &client)?.parse() else { return Ok(None) };
        let mut forwarded: Vec<String> = Vec::new();
        headers::each(headers, |_, name, value| {
            if name.eq_ignore_ascii_case(b"x-forwarded-for") {
                forwarded.push(headers::bytes(value)?.iter().map(|&byte| char::from(byte)).collect());
            }
            Ok(())
        })?;
        let client = policy::resolve_client_ip(peer, forwarded.iter().map(String::as_str), trusted);
        Ok(client.ok().map(|ip| PyString::new(scope.py(), &ip.to_string()).into_any()))
    }
}

#[pymethods]
impl Door {
    #[new]
    #[pyo3(signature = (gate, *, also = None, trusted_proxies = None, max_body = None, floor = None,
        limit_name = None))]
    fn new(
        gate: Py<Gate>,
        also: Option<&Bound<'_, PyAny>>,
        trusted_proxies: Option<&Bound<'_, PyAny>>,
        max_body: Option<&Bound<'_, PyAny>>,
        floor: Option<&Bound<'_, PyAny>>,
        limit_name: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let trusted = trusted_proxies.filter(|list| !list.len().is_ok_and(|count| count == 0));
        Ok(Self {
            gate,
            floor: floor.map(|floor| count("floor", floor)).transpose()?,
            limit_name: optional_text("limit_name", limit_name)?.map(str::to_owned),
            also: wire::bearer_options(also)?,
            trusted: trusted.map(|list| wire::networks("trusted_proxies", list)).transpose()?,
            max_body: max_body.map_or(Ok(u64::MAX), |most| count("max_body", most))?,
        })
    }

    /// The key that a request shows.
    ///
    /// Raises `Denied` if it shows none.
    #[pyo3(signature = (scope, /))]
    fn secret<'py>(&self, scope: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
        let sent = item(&dict(scope)?, intern!(scope.py(), "headers"))?;
        let secret = wire::bearer_among(&sent, self.also, |_, _, _| Ok(()))?;
        Ok(PyString::new(scope.py(), &secret))
    }

    /// The client's address; behind proxies that are trusted, the one that they name. `None` where it cannot be told:
    /// keys that are bound to addresses refuse such a request.
    #[pyo3(signature = (scope, /))]
    fn client_ip<'py>(&self, scope: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let scope = dict(scope)?;
        self.ip(&scope, &item(&scope, intern!(scope.py(), "headers"))?)
    }

    /// Read who makes a call and where, before its body is read. `purpose` is what calls of its path are for.
    ///
    /// Raises `Denied` if it shows no key, and `TooLarge` if it says that its body is.
    #[pyo3(signature = (scope, purpose, /))]
    fn call(
        slf: &Bound<'_, Self>,
        scope: &Bound<'_, PyAny>,
        purpose: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Call> {
        let (py, this) = (slf.py(), slf.get());
        let scope = dict(scope)?;
        let sent = item(&scope, intern!(py, "headers"))?;
        let mut is_longer = false;
        let kept = PyList::empty(py);
        let secret = wire::bearer_among(&sent, this.also, |pair, name, value| {
            is_longer |= name.eq_ignore_ascii_case(b"content-length") && this.is_longer(value);
            if REPLACED.iter().any(|own| name.eq_ignore_ascii_case(own)) { Ok(()) } else { kept.append(pair) }
        })?;
        if is_longer {
            return Err(TooLarge::new_err(()));
        }
        let (path, method) = (item(&scope, intern!(py, "path"))?, item(&scope, intern!(py, "method"))?);
        let place = Place {
            endpoint: [text("method", &method)?, text("path", &path)?].join(" "),
            ip: this.ip(&scope, &sent)?.map(Bound::unbind),
            purpose: purpose.cloned().map(Bound::unbind),
        };
        Ok(Call::new(slf.clone().unbind(), secret, place, kept.unbind()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.gate)
    }
}
