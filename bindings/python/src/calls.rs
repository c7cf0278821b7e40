//! The gate: one call's way through it, and where budgets stand.

use std::borrow::Cow;

use enclava_keys::KeyId;
use enclava_keys::budget::PermitId;
use enclava_keys::gate::Request;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::amounts::{count, seconds, usage};
use crate::arguments::{self, optional_text, text, type_name, wrong_type};
use crate::errors::{NotFound, denied, invalid, raised};
use crate::gate::Gate;
use crate::interrupts::waiting;
use crate::key::Key;
use crate::permit::Permit;
use crate::settlement::{Settlement, Usage};
use crate::values::{self, Decision};

#[pymethods]
impl Gate {
    /// Admit one call: the key is in force, its policy allows the request, and the estimate fits every budget
    /// and is now set aside.
    ///
    /// `cost` (US dollars) and `tokens` are the most that the call may take; what is absent is none.
    /// `request_id` is the gateway's own name for the request, 1 to 256 bytes, never the client's: asked again
    /// while the call is in flight, the same request finds the same hold. `wait` sits out, for at most so many
    /// seconds, a denial that calls in flight alone are the cause of; other threads and handlers of signals run
    /// meanwhile.
    ///
    /// Raises `Denied` with all there is to send, `Conflict` if the request id stands for another request,
    /// `InvalidValue` for an argument that is none.
    #[pyo3(signature = (secret, *, model = None, cost = None, tokens = None, purpose = None, endpoint = None,
        ip = None, request_id = None, wait = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn authorize(
        slf: &Bound<'_, Self>,
        secret: &Bound<'_, PyAny>,
        model: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        purpose: Option<&Bound<'_, PyAny>>,
        endpoint: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
        request_id: Option<&Bound<'_, PyAny>>,
        wait: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Permit> {
        let (py, this) = (slf.py(), slf.get());
        let ip = ip.map(address).transpose()?;
        let mut request = Request::new(arguments::secret(secret)?).ip(ip.as_deref());
        if let Some(model) = optional_text("model", model)? {
            request = request.model(model);
        }
        request = placed(request, purpose, endpoint, request_id, wait)?;
        let estimate = usage(cost, tokens)?;
        request = request.cost(estimate.cost).tokens(estimate.tokens);
        let core = this.open_core()?;
        let admitted = if wait.is_some() {
            waiting(py, |given_up| core.authorize(&request.wait_unless(given_up)))?
        } else {
            this.run(py, core, |core| core.authorize(&request))
        };
        admitted.map(|permit| Permit::new(permit, slf.clone().unbind())).map_err(|denial| denied(py, denial))
    }

    /// Admit one call by the body that the client sent: its model is checked, and the most that it may use is
    /// set aside, at the prices that the gate was given.
    ///
    /// `endpoint`, if stated, says which API the body is for. `floor`: when the whole does not fit, admit the
    /// call with fewer output tokens, at least so many. What to dispatch is then `permit.model` and
    /// `permit.max_tokens`, see `dispatch_body`.
    ///
    /// Raises as `authorize` does, besides `Denied` with `model_not_priced` when the key has a limit and the
    /// price book cannot say what the call may use, and `InvalidValue` for a body that is none.
    #[pyo3(signature = (secret, body, *, floor = None, purpose = None, endpoint = None, ip = None,
        request_id = None, wait = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn authorize_request(
        slf: &Bound<'_, Self>,
        secret: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
        floor: Option<&Bound<'_, PyAny>>,
        purpose: Option<&Bound<'_, PyAny>>,
        endpoint: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
        request_id: Option<&Bound<'_, PyAny>>,
        wait: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Permit> {
        let (py, this) = (slf.py(), slf.get());
        let ip = ip.map(address).transpose()?;
        let request = Request::new(arguments::secret(secret)?).ip(ip.as_deref());
        let request = placed(request, purpose, endpoint, request_id, wait)?;
        let body = arguments::body("body", body)?;
        let floor = floor.map(|floor| count("floor", floor)).transpose()?;
        let core = this.open_core()?;
        let admitted = if wait.is_some() {
            waiting(py, |given_up| core.authorize_request(&request.wait_unless(given_up), &body, floor))?
        } else {
            this.run(py, core, |core| core.authorize_request(&request, &body, floor))
        };
        admitted.map(|permit| Permit::new(permit, slf.clone().unbind())).map_err(|error| raised(py, error))
    }

    /// Tell what `authorize` would answer now, with every rule on the way. Consumes nothing, counts nothing and
    /// never raises `Denied`. It does not look at the request id, and answers `ledger_unavailable` even where the
    /// gate would admit.
    #[pyo3(signature = (secret, *, model = None, cost = None, tokens = None, purpose = None, endpoint = None,
        ip = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn check(
        &self,
        py: Python<'_>,
        secret: &Bound<'_, PyAny>,
        model: Option<&Bound<'_, PyAny>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        purpose: Option<&Bound<'_, PyAny>>,
        endpoint: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Decision> {
        let ip = ip.map(address).transpose()?;
        let mut request = Request::new(arguments::secret(secret)?).ip(ip.as_deref());
        if let Some(model) = optional_text("model", model)? {
            request = request.model(model);
        }
        request = placed(request, purpose, endpoint, None, None)?;
        let estimate = usage(cost, tokens)?;
        request = request.cost(estimate.cost).tokens(estimate.tokens);
        let decision = self.run(py, self.open_core()?, |core| core.check(&request));
        Ok(Decision(decision))
    }

    /// Tell whose secret it is: its shape, its digest and the state of its key are checked, its policy and
    /// budget are not.
    ///
    /// Raises `Denied`.
    fn verify(&self, py: Python<'_>, secret: &Bound<'_, PyAny>) -> PyResult<Key> {
        let secret = arguments::secret(secret)?;
        let found = self.run(py, self.open_core()?, |core| core.verify(secret));
        found.map(|key| Key::new(key, self)).map_err(|denial| denied(py, denial))
    }

    /// Tell which of `models` the key may use, in their order.
    ///
    /// Raises `Denied` if the key is not in force.
    fn allowed_models<'py>(
        &self,
        py: Python<'py>,
        secret: &Bound<'py, PyAny>,
        models: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        if models.is_instance_of::<PyString>() {
            return Err(wrong_type("models", "a list of names", models));
        }
        let key = self.verify(py, secret)?;
        let allowed = PyList::empty(py);
        for model in models.try_iter()? {
            let model = model?;
            if key.permits(text("models", &model)?) {
                allowed.append(model)?;
            }
        }
        Ok(allowed)
    }

    /// Settle a permit by its id: from another worker, a callback, or after it was detached or dropped.
    ///
    /// Raises `NotFound` if it is unknown or was resolved too long ago to be remembered, else as
    /// `Permit.settle`.
    #[pyo3(signature = (permit_id, usage = None, /, *, cost = None, tokens = None))]
    fn settle(
        &self,
        py: Python<'_>,
        permit_id: &Bound<'_, PyAny>,
        usage: Option<&Bound<'_, Usage>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Settlement> {
        let usage = Usage::stated(usage, cost, tokens)?;
        self.settle_by(py, &named(permit_id)?, usage)
    }

    /// Release a permit by its id, as `Permit.release` does.
    #[pyo3(signature = (permit_id, /))]
    fn release(&self, py: Python<'_>, permit_id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.release_by(py, &named(permit_id)?)
    }

    /// Charge usage that was made elsewhere and never reserved, in the current windows. With a `request_id` the
    /// same usage is not charged twice for as long as the ledger remembers it: in memory, until seven later calls of the
    /// key have ended.
    ///
    /// Raises `NotFound` without such a key, `Conflict` if the request id was used before, `LedgerError`.
    #[pyo3(signature = (key_id, usage = None, /, *, cost = None, tokens = None, request_id = None))]
    fn record(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        usage: Option<&Bound<'_, Usage>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        request_id: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Settlement> {
        let usage = Usage::stated(usage, cost, tokens)?;
        let id = key_named(key_id)?;
        let request_id = optional_text("request_id", request_id)?;
        let recorded = self.run(py, self.open_core()?, |core| core.record(&id, usage, request_id));
        recorded.map(Settlement).map_err(|error| raised(py, error))
    }

    /// Tell where the budgets of a key stand now.
    ///
    /// Raises `NotFound` without such a key, `LedgerError`.
    #[pyo3(signature = (key_id, /))]
    fn usage<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let id = key_named(key_id)?;
        let balances = self.run(py, self.open_core()?, |core| core.usage(&id));
        values::balances(py, &balances.map_err(|error| raised(py, error))?)
    }

    /// Tell what a key used on each of the last `days` days on which it used anything, by model, the last day
    /// first: as far as the ledger keeps a history, which `sqlite:` does and `memory:` does not.
    ///
    /// Raises `NotFound` without such a key, `LedgerError`.
    #[pyo3(signature = (key_id, /, days))]
    fn history<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        days: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let id = key_named(key_id)?;
        let days = usize::try_from(count("days", days)?).unwrap_or(usize::MAX);
        let tallies = self.run(py, self.open_core()?, |core| core.history(&id, days));
        values::tallies(py, &tallies.map_err(|error| raised(py, error))?)
    }

    /// Tell the leases that are open on the budgets of a key, of whichever process (`Gate.open(leased=True)`). One whose
    /// process is dead stays held until `settle` is called with its `permit_id` and what that process used and had
    /// not reported. A process that is alive notices that its lease was settled, takes another, and charges
    /// what it used itself.
    ///
    /// Raises `LedgerError`.
    #[pyo3(signature = (key_id, /))]
    fn leases<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let id = key_named(key_id)?;
        let leases = self.run(py, self.open_core()?, |core| core.leases(&id));
        values::leases(py, &leases.map_err(|error| raised(py, error))?)
    }
}

impl Gate {
    /// Settles the hold of this name.
    pub(crate) fn settle_by(
        &self,
        py: Python<'_>,
        id: &PermitId,
        usage: enclava_keys::Usage,
    ) -> PyResult<Settlement> {
        let settled = self.run(py, self.core()?, |core| core.settle(id, usage));
        settled.map(Settlement).map_err(|error| raised(py, error))
    }

    /// Releases the hold of this name.
    pub(crate) fn release_by(&self, py: Python<'_>, id: &PermitId) -> PyResult<()> {
        self.run(py, self.core()?, |core| core.release(id)).map_err(|error| raised(py, error))
    }
}

/// The id that an argument names: one that cannot be is one that nobody has.
pub(crate) fn key_named(value: &Bound<'_, PyAny>) -> PyResult<KeyId> {
    let id = text("key_id", value)?;
    id.parse().map_err(|_| {
        NotFound::new_err("there is no such key: an id looks like key_01h455vb4pex5vsknk084sn02q")
    })
}

fn named(value: &Bound<'_, PyAny>) -> PyResult<PermitId> {
    let id = text("permit_id", value)?;
    id.parse().map_err(|error| invalid("permit_id", format!("{error}")))
}

// Text as it is; an `ipaddress` object as its text.
fn address<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, str>> {
    if value.is_instance_of::<PyString>() {
        return text("ip", value).map(Into::into);
    }
    let kind = type_name(value);
    if kind == "IPv4Address" || kind == "IPv6Address" {
        return Ok(value.str()?.to_str()?.to_owned().into());
    }
    Err(wrong_type("ip", "str or an ipaddress", value))
}

#[inline]
fn placed<'a>(
    mut request: Request<'a>,
    purpose: Option<&'a Bound<'_, PyAny>>,
    endpoint: Option<&'a Bound<'_, PyAny>>,
    request_id: Option<&'a Bound<'_, PyAny>>,
    wait: Option<&Bound<'_, PyAny>>,
) -> PyResult<Request<'a>> {
    if let Some(purpose) = optional_text("purpose", purpose)? {
        request = request.purpose(purpose);
    }
    if let Some(endpoint) = optional_text("endpoint", endpoint)? {
        request = request.endpoint(endpoint);
    }
    if let Some(id) = optional_text("request_id", request_id)? {
        request = request.request_id(id);
    }
    if let Some(wait) = wait {
        request = request.wait(seconds("wait", wait)?);
    }
    Ok(request)
}
