//! What calls come to.

use std::hash::{DefaultHasher, Hash, Hasher};

use enclava_keys::{Settlement as CoreSettlement, Usage as CoreUsage};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;

use crate::amounts::{both, decimal, usage};
use crate::errors::invalid;
use crate::values;

/// The cost and the tokens of one call.
#[pyclass(frozen, eq, module = "enclava_keys")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage(pub(crate) CoreUsage);

/// What a settled call came to.
#[pyclass(frozen, eq, module = "enclava_keys")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settlement(pub(crate) CoreSettlement);

/// A settlement, as it is pickled.
type Parts<'py> = (Bound<'py, Usage>, Bound<'py, Usage>, bool, Bound<'py, PyAny>);

impl Usage {
    /// What a caller states: a usage, or cost and tokens. Nothing at all is not taken for nothing.
    pub(crate) fn stated(
        whole: Option<&Bound<'_, Self>>,
        cost: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<CoreUsage> {
        match (whole, cost, tokens) {
            (Some(whole), None, None) => Ok(whole.get().0),
            (Some(_), _, _) => Err(both("a Usage or cost and tokens")),
            (None, None, None) => {
                Err(invalid("cost", "must be stated, or tokens, or both; 0 is what a free call costs"))
            }
            (None, _, _) => usage(cost, tokens),
        }
    }
}

#[pymethods]
impl Usage {
    #[new]
    #[pyo3(signature = (cost = None, tokens = None))]
    fn new(cost: Option<&Bound<'_, PyAny>>, tokens: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        usage(cost, tokens).map(Self)
    }

    /// US dollars.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decimal(py, self.0.cost)
    }

    /// LLM tokens, input and output together.
    #[getter]
    fn tokens(&self) -> u64 {
        self.0.tokens
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, u64)> {
        Ok((self.cost(py)?, self.0.tokens))
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.0.cost, self.0.tokens).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        shown(self.0)
    }
}

#[pymethods]
impl Settlement {
    /// What was charged.
    #[getter]
    fn usage(&self) -> Usage {
        Usage(self.0.usage)
    }

    /// What was charged beyond the estimate: the part that may have passed a limit.
    #[getter]
    fn overrun(&self) -> Usage {
        Usage(self.0.overrun)
    }

    /// Whether it replaced what a drop or a lapse had decided.
    #[getter]
    fn late(&self) -> bool {
        self.0.late
    }

    /// The alerts that this charge set off.
    #[getter]
    fn alerts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        values::alerts(py, &self.0.alerts)
    }

    // It is bound to no process and holds no secret: a worker may answer it, or raise it in `AlreadySettled`.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Parts<'py>)> {
        static TOLD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let told = TOLD.import(py, "enclava_keys._native", "settlement_told")?.clone();
        let alerts = self.alerts(py)?.into_any();
        Ok((told, (Bound::new(py, self.usage())?, Bound::new(py, self.overrun())?, self.late(), alerts)))
    }

    fn __repr__(&self) -> String {
        let late = if self.0.late { "True" } else { "False" };
        format!("Settlement(usage={}, late={late}, alerts={})", shown(self.0.usage), self.0.alerts.len())
    }
}

/// A settlement of another process, of what it told there: how one is unpickled.
#[pyfunction]
#[pyo3(signature = (usage, overrun, late, alerts, /))]
pub(crate) fn settlement_told(
    usage: &Bound<'_, Usage>,
    overrun: &Bound<'_, Usage>,
    late: bool,
    alerts: &Bound<'_, PyAny>,
) -> PyResult<Settlement> {
    let alerts = alerts.try_iter()?.map(|alert| values::alert_told(&alert?)).collect::<PyResult<_>>()?;
    Ok(Settlement(CoreSettlement { usage: usage.get().0, overrun: overrun.get().0, late, alerts }))
}

fn shown(usage: CoreUsage) -> String {
    format!("Usage(cost=Decimal('{}'), tokens={})", usage.cost, usage.tokens)
}
