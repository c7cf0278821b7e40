//! Keys as people see them, and secrets, which are shown once.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use enclava_keys::policy::Purpose;
use enclava_keys::{Clock, Key as CoreKey, Money};
use pyo3::prelude::*;

use crate::amounts::{decimal, decimal_of};
use crate::gate::Gate;
use crate::{json, times};

/// A key as it stood when it was read: its name, what it may do, how much it may spend.
#[pyclass(frozen, eq, module = "enclava_keys")]
pub(crate) struct Key {
    core: Arc<CoreKey>,
    // The gate's, by which its state is told.
    clock: Arc<dyn Clock>,
}

/// The text of a key. It prints as its hint.
#[pyclass(frozen, module = "enclava_keys")]
#[derive(Debug)]
pub(crate) struct Secret(enclava_keys::Secret);

/// A key that was just made or rotated, and its secret.
#[pyclass(frozen, module = "enclava_keys")]
pub(crate) struct NewKey {
    /// The record.
    #[pyo3(get)]
    key: Py<Key>,
    /// The secret, shown this once: `reveal()` it to whoever will use it.
    #[pyo3(get)]
    secret: Py<Secret>,
}

impl Key {
    pub(crate) fn new(core: Arc<CoreKey>, gate: &Gate) -> Self {
        Self { core, clock: Arc::clone(&gate.clock) }
    }

    pub(crate) fn permits(&self, model: &str) -> bool {
        self.core.models().permits(model)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.core == other.core
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl NewKey {
    pub(crate) fn new(py: Python<'_>, made: enclava_keys::gate::NewKey, gate: &Gate) -> PyResult<Self> {
        Ok(Self { key: Py::new(py, Key::new(made.key, gate))?, secret: Py::new(py, Secret(made.secret))? })
    }
}

type Any<'py> = Bound<'py, PyAny>;

#[pymethods]
impl Key {
    /// The id, which never changes.
    #[getter]
    fn id(&self) -> String {
        self.core.id().to_string()
    }

    /// What people call it. Two keys may have the same name.
    #[getter]
    fn name(&self) -> &str {
        self.core.name()
    }

    /// What people say about it.
    #[getter]
    fn description(&self) -> &str {
        self.core.description()
    }

    /// What its secrets start with.
    #[getter]
    fn prefix(&self) -> String {
        self.core.prefix().as_str().to_owned()
    }

    /// How its secrets are written: those that a rotation makes, too.
    #[getter]
    fn secret_format(&self) -> &'static str {
        self.core.secret_format().as_str()
    }

    /// How much of its secrets their hints show.
    #[getter]
    fn hint_style(&self) -> &'static str {
        self.core.hint_style().as_str()
    }

    /// What may be shown of its newest secret, if anything.
    #[getter]
    fn hint(&self) -> Option<String> {
        self.core.hint().map(|hint| hint.to_string())
    }

    /// Whether it works now, whatever the request.
    #[getter]
    fn state(&self) -> &'static str {
        use enclava_keys::key::State;
        match self.core.state_at(self.clock.now()) {
            State::Active => "active",
            State::Revoked => "revoked",
            State::Disabled => "disabled",
            State::NotYetValid => "not_yet_valid",
            _ => "expired",
        }
    }

    /// The models it may use, as exact names or with one trailing `*`; none listed is every model.
    #[getter]
    fn allowed_models(&self) -> Vec<&str> {
        self.core.allowed_models().collect()
    }

    /// The models it may not use, whatever it is allowed.
    #[getter]
    fn denied_models(&self) -> Vec<&str> {
        self.core.denied_models().collect()
    }

    /// The one purpose it serves.
    #[getter]
    fn purpose(&self) -> Option<&str> {
        self.core.purpose().map(Purpose::as_str)
    }

    /// The most it may spend in a day, in US dollars. `None` is no limit, 0 is nothing.
    #[getter]
    fn daily_spend_limit<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        limit(py, self.core.daily_spend_limit())
    }

    /// The most it may spend in a calendar month, in US dollars.
    #[getter]
    fn monthly_spend_limit<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        limit(py, self.core.monthly_spend_limit())
    }

    /// The most tokens it may use in a day.
    #[getter]
    fn daily_token_limit(&self) -> Option<u64> {
        self.core.daily_token_limit()
    }

    /// The share of each limit at which an alert is sent: `Decimal("0.8")` is 80 %.
    #[getter]
    fn alert_threshold<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        let threshold = self.core.alert_threshold();
        threshold.map(|threshold| decimal_of(py, &threshold.to_string())).transpose()
    }

    /// The addresses and networks it may be used from; `None` is everywhere.
    #[getter]
    fn allowed_ips(&self) -> Option<Vec<String>> {
        let restricted = self.core.policy().addresses().is_restricted();
        restricted.then(|| self.core.allowed_ips().collect())
    }

    /// The endpoints it may call; `None` is every one.
    #[getter]
    fn allowed_endpoints(&self) -> Option<Vec<&str>> {
        let restricted = self.core.policy().endpoints().is_restricted();
        restricted.then(|| self.core.allowed_endpoints().collect())
    }

    /// The instant before which it is refused.
    #[getter]
    fn not_before<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        times::optional(py, self.core.not_before())
    }

    /// The instant from which on it is refused.
    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        times::optional(py, self.core.expires_at())
    }

    /// The IANA time zone whose midnight ends its day.
    #[getter]
    fn timezone(&self) -> &str {
        self.core.timezone()
    }

    /// The caller's own data.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        json::read(py, self.core.metadata())
    }

    /// The caller's own labels.
    #[getter]
    fn tags(&self) -> Vec<&str> {
        self.core.tags().collect()
    }

    /// Whether it is switched on.
    #[getter]
    fn enabled(&self) -> bool {
        self.core.enabled()
    }

    /// Since when it is revoked.
    #[getter]
    fn revoked_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        times::optional(py, self.core.revoked_at())
    }

    /// When it was made.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        times::datetime(py, self.core.created_at())
    }

    /// When it was last changed.
    #[getter]
    fn updated_at<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        times::datetime(py, self.core.updated_at())
    }

    /// How often it was changed, from 1.
    #[getter]
    fn revision(&self) -> u64 {
        self.core.revision()
    }

    /// How many secrets work now.
    #[getter]
    fn live_secrets(&self) -> usize {
        let now = self.clock.now();
        self.core.secrets().filter(|secret| !secret.is_retired_at(now)).count()
    }

    /// Tell every field as JSON text, without secret or hash. Money is decimal text.
    fn to_json(&self) -> String {
        self.core.to_json()
    }

    /// Tell every field as `json.loads` reads `to_json`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        json::read(py, &self.core.to_json())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.core.id(), self.core.revision()).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = self.name().into_pyobject(py)?.repr()?;
        let hint = self.hint().map_or("None".to_owned(), |hint| format!("'{hint}'"));
        Ok(format!("Key(id='{}', name={name}, hint={hint}, state='{}')", self.id(), self.state()))
    }
}

#[pymethods]
impl Secret {
    /// Tell the secret itself, to whoever will use it. It is wiped from the library's memory with this object.
    fn reveal(&self) -> &str {
        self.0.reveal()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Secret('{}')", self.0)
    }
}

#[pymethods]
impl NewKey {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("NewKey(key={}, secret={})", self.key.get().__repr__(py)?, self.secret.get().__repr__()))
    }
}

fn limit(py: Python<'_>, limit: Option<Money>) -> PyResult<Option<Any<'_>>> {
    limit.map(|limit| decimal(py, limit)).transpose()
}
