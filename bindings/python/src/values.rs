//! Values that are told rarely, as the dataclasses of the package.

use enclava_keys::budget::{AlertId, Amount, Meter};
use enclava_keys::engine::Health;
use enclava_keys::gate::{Balance, Balances, Decision as CoreDecision, Event, Stats};
use enclava_keys::ledger::{Lease, Tally};
use enclava_keys::{Alert, Denial as CoreDenial};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::amounts::{amount, decimal_of};
use crate::denial::Denial;
use crate::errors::invalid;
use crate::gate::Callback;
use crate::settlement::Usage;
use crate::{json, times};

const MODULE: &str = "enclava_keys.values";

/// What would be decided, and why.
#[pyclass(frozen, eq, module = "enclava_keys")]
#[derive(Debug, PartialEq)]
pub(crate) struct Decision(pub(crate) CoreDecision);

#[pymethods]
impl Decision {
    fn __bool__(&self) -> bool {
        self.0.is_allowed()
    }

    /// Whether the request would be admitted.
    #[getter]
    fn allowed(&self) -> bool {
        self.0.is_allowed()
    }

    /// Why not; `None` if it would be admitted.
    #[getter]
    fn reason(&self) -> Option<&'static str> {
        self.0.reason().map(enclava_keys::Reason::as_str)
    }

    /// The HTTP status of the denial.
    #[getter]
    fn status(&self) -> Option<u16> {
        self.0.denial().map(CoreDenial::status)
    }

    /// The denial that would be sent.
    #[getter]
    fn denial(&self) -> Option<Denial> {
        self.0.denial().cloned().map(Denial::new)
    }

    /// Every rule that was tried, in order; the refusing ones did not pass.
    #[getter]
    fn checks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        static CHECK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CHECK.import(py, MODULE, "Check")?;
        let checks = self
            .0
            .checks()
            .iter()
            .map(|check| class.call1((check.rule.as_str(), check.passed, check.note.as_str())));
        PyList::new(py, checks.collect::<PyResult<Vec<_>>>()?)
    }

    /// Tell every rule in a line of its own, for the operator.
    fn explain(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        match self.reason() {
            None => "Decision(allowed=True)".to_owned(),
            Some(reason) => format!("Decision(allowed=False, reason='{reason}')"),
        }
    }
}

/// One fault of a record.
pub(crate) fn fault<'py>(py: Python<'py>, path: &str, message: &str) -> PyResult<Bound<'py, PyAny>> {
    static FAULT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FAULT.import(py, MODULE, "Fault")?.call1((path, message))
}

/// Where the budgets of a key stand.
pub(crate) fn balances<'py>(py: Python<'py>, balances: &Balances) -> PyResult<Bound<'py, PyAny>> {
    static BALANCES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    BALANCES.import(py, MODULE, "Balances")?.call1((
        balance(py, &balances.daily_spend)?,
        balance(py, &balances.monthly_spend)?,
        balance(py, &balances.daily_tokens)?,
    ))
}

fn balance<'py>(py: Python<'py>, balance: &Balance) -> PyResult<Bound<'py, PyAny>> {
    static BALANCE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    BALANCE.import(py, MODULE, "Balance")?.call1((
        amount(py, balance.used)?,
        amount(py, balance.held)?,
        balance.limit.map(|limit| amount(py, limit)).transpose()?,
        balance.remaining.map(|remaining| amount(py, remaining)).transpose()?,
        times::datetime(py, balance.resets_at)?,
    ))
}

/// What a key used, by day and model.
pub(crate) fn tallies<'py>(py: Python<'py>, tallies: &[Tally]) -> PyResult<Bound<'py, PyList>> {
    static TALLY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = TALLY.import(py, MODULE, "Tally")?;
    let told = tallies.iter().map(|tally| {
        let day = times::datetime(py, tally.day)?;
        class.call1((day, tally.model.as_deref(), tally.calls, Usage(tally.usage)))
    });
    PyList::new(py, told.collect::<PyResult<Vec<_>>>()?)
}

/// Leases on the budgets of one key, as a ledger told them.
pub(crate) fn leases<'py>(py: Python<'py>, leases: &[Lease]) -> PyResult<Bound<'py, PyList>> {
    static LEASE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = LEASE.import(py, MODULE, "Lease")?;
    let told = leases.iter().map(|lease| {
        let opened_at = times::datetime(py, lease.opened_at)?;
        class.call1((lease.permit_id.to_string(), lease.process, opened_at, Usage(lease.holds)))
    });
    PyList::new(py, told.collect::<PyResult<Vec<_>>>()?)
}

/// What a gate counted.
pub(crate) fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyAny>> {
    static STATS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let counts = json::object(py, &serde_json::to_value(stats).unwrap_or_default())?;
    STATS.import(py, MODULE, "Stats")?.call((), Some(counts.cast::<PyDict>()?))
}

/// How a database is.
pub(crate) fn health<'py>(py: Python<'py>, health: &Health) -> PyResult<Bound<'py, PyAny>> {
    static HEALTH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let told = json::object(py, &serde_json::to_value(health).unwrap_or_default())?;
    HEALTH.import(py, MODULE, "Health")?.call((), Some(told.cast::<PyDict>()?))
}

/// Alerts, in order.
pub(crate) fn alerts<'py>(py: Python<'py>, alerts: &[Alert]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, alerts.iter().map(|told| alert(py, told)).collect::<PyResult<Vec<_>>>()?)
}

fn alert<'py>(py: Python<'py>, alert: &Alert) -> PyResult<Bound<'py, PyAny>> {
    static ALERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ALERT.import(py, MODULE, "Alert")?.call1((
        alert.id.to_string(),
        alert.key_id.to_string(),
        alert.key_name.as_str(),
        alert.meter.as_str(),
        decimal_of(py, &alert.threshold.to_string())?,
        amount(py, alert.used)?,
        amount(py, alert.limit)?,
        times::datetime(py, alert.window_start)?,
        times::datetime(py, alert.resets_at)?,
    ))
}

/// The alert that its plain value tells.
pub(crate) fn alert_told(alert: &Bound<'_, PyAny>) -> PyResult<Alert> {
    let wrong = || invalid("alerts", "must be what alerts told");
    let text = |name: &str| alert.getattr(name)?.str()?.extract::<String>();
    let id: AlertId = text("id")?.parse().map_err(|_| wrong())?;
    let amount = |name: &str| {
        let amount = alert.getattr(name)?;
        if id.meter == Meter::DailyTokens {
            return amount.extract().map(Amount::Tokens);
        }
        // Without an exponent, however small.
        let dollars: String = amount.call_method1("__format__", ("f",))?.extract()?;
        dollars.parse().map(Amount::Spend).map_err(|_| wrong())
    };
    Ok(Alert {
        key_id: id.key.clone(),
        key_name: text("key_name")?,
        meter: id.meter,
        threshold: id.threshold,
        used: amount("used")?,
        limit: amount("limit")?,
        window_start: times::timestamp("window_start", &alert.getattr("window_start")?)?,
        resets_at: times::timestamp("resets_at", &alert.getattr("resets_at")?)?,
        id,
    })
}

/// Events, in order.
pub(crate) fn events<'py>(py: Python<'py>, events: &[Event]) -> PyResult<Bound<'py, PyList>> {
    static EVENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = EVENT.import(py, MODULE, "Event")?;
    let events = events.iter().map(|event| {
        let key_id = event.key_id.as_ref().map(ToString::to_string);
        let at = times::datetime(py, event.at)?;
        class.call1((at, event.kind.as_str(), key_id, event.note.as_str(), event.times))
    });
    PyList::new(py, events.collect::<PyResult<Vec<_>>>()?)
}

/// An alert that nobody was told.
pub(crate) struct Unheard;

/// Tells the callback of an alert, on the core's own thread. What it raises is reported as Python reports errors that
/// nobody can catch.
pub(crate) fn tell(callback: &Callback, told: &Alert) -> Result<(), Unheard> {
    // None when the interpreter is on its way out.
    let heard = Python::try_attach(|py| {
        let callback = callback.lock().as_ref().map(|callback| callback.clone_ref(py)).ok_or(Unheard)?;
        let outcome = alert(py, told).and_then(|alert| callback.call1(py, (alert,)));
        outcome.map(drop).map_err(|error| {
            error.write_unraisable(py, Some(callback.bind(py)));
            Unheard
        })
    });
    heard.unwrap_or(Err(Unheard))
}
