//! A clock for tests and replays.

use std::sync::Arc;

use enclava_keys::Clock;
use pyo3::prelude::*;

use crate::amounts::seconds;
use crate::times;

/// A clock that moves only when it is told to.
#[pyclass(frozen, module = "enclava_keys")]
#[derive(Debug)]
pub(crate) struct ManualClock(pub(crate) Arc<enclava_keys::ManualClock>);

#[pymethods]
impl ManualClock {
    #[new]
    fn new(now: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(enclava_keys::ManualClock::new(times::timestamp("now", now)?))))
    }

    /// What it says, in UTC.
    #[getter]
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        times::datetime(py, self.0.now())
    }

    /// Put the clock to `now`, earlier or later.
    fn set(&self, now: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.set(times::timestamp("now", now)?);
        Ok(())
    }

    /// Move the clock forward.
    #[pyo3(signature = (seconds))]
    #[expect(clippy::needless_pass_by_value, reason = "the name of the argument is Python's")]
    fn advance(&self, seconds: Bound<'_, PyAny>) -> PyResult<()> {
        self.0.advance(self::seconds("seconds", &seconds)?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("ManualClock('{}')", self.0.now())
    }
}
