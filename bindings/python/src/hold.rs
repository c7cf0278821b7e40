//! One hold, as a ledger written in Python keeps it.

use std::str::FromStr;

use enclava_keys::budget::{Hold as CoreHold, Phase, Standing, Usage, Window, Windows};
use enclava_keys::{Money, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::invalid;
use crate::settlement;
use crate::times;

const PHASES: [(Phase, &str); 5] = [
    (Phase::Live, "live"),
    (Phase::Settled, "settled"),
    (Phase::Released, "released"),
    (Phase::Dropped, "dropped"),
    (Phase::Lapsed, "lapsed"),
];

/// What is set aside while a call is in flight, and what became of it.
#[pyclass(frozen, eq, module = "enclava_keys.ledger")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hold(pub(crate) CoreHold);

#[pymethods]
impl Hold {
    /// Its name.
    #[getter]
    fn id(&self) -> String {
        self.0.id.to_string()
    }

    /// Counts the steps it took, from 1.
    #[getter]
    fn revision(&self) -> u32 {
        self.0.standing.revision
    }

    /// Where it is in its life.
    #[getter]
    fn phase(&self) -> &'static str {
        PHASES.iter().find(|(phase, _)| *phase == self.0.standing.phase).map_or("live", |(_, name)| name)
    }

    /// Whether its call is in flight.
    #[getter]
    fn is_live(&self) -> bool {
        self.0.standing.phase == Phase::Live
    }

    /// The estimate while it is live; what was charged after.
    #[getter]
    fn usage(&self) -> settlement::Usage {
        settlement::Usage(self.0.standing.usage)
    }

    /// When it lapses.
    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        times::datetime(py, self.0.standing.expires_at)
    }

    /// All of it, as what JSON can hold; `from_dict` reads it back.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("id", self.id())?;
        dict.set_item("revision", self.0.standing.revision)?;
        dict.set_item("phase", self.phase())?;
        dict.set_item("cost", self.0.standing.usage.cost.to_string())?;
        dict.set_item("tokens", self.0.standing.usage.tokens)?;
        dict.set_item("expires_at", self.0.standing.expires_at.to_string())?;
        dict.set_item("windows", windows(self.0.windows))?;
        let others = self.0.others().iter().map(|(key, pinned)| (key.to_string(), windows(*pinned)));
        dict.set_item("others", PyList::new(py, others.collect::<Vec<_>>())?)?;
        dict.set_item("fingerprint", self.0.fingerprint.to_string())?;
        Ok(dict)
    }

    /// Reads what `to_dict` wrote.
    #[staticmethod]
    #[pyo3(signature = (kept, /))]
    fn from_dict(kept: &Bound<'_, PyDict>) -> PyResult<Self> {
        let text = |name: &'static str| -> PyResult<String> { member(kept, name)?.extract() };
        let phase = text("phase")?;
        let phase = PHASES.iter().find(|(_, name)| *name == phase);
        let usage = Usage::new(parsed::<Money>("cost", &text("cost")?)?, member(kept, "tokens")?.extract()?);
        let mut others = Vec::new();
        for other in member(kept, "others")?.try_iter()? {
            let (key, pinned): (String, [String; 4]) = other?.extract()?;
            others.push((parsed("others", &key)?, unpinned(&pinned)?));
        }
        Ok(Self(CoreHold {
            id: parsed("id", &text("id")?)?,
            standing: Standing {
                revision: member(kept, "revision")?.extract()?,
                phase: phase
                    .map(|(phase, _)| *phase)
                    .ok_or_else(|| invalid("phase", "must be a phase of a hold"))?,
                usage,
                expires_at: parsed("expires_at", &text("expires_at")?)?,
            },
            windows: unpinned(&member(kept, "windows")?.extract()?)?,
            others: if others.is_empty() { None } else { Some(Box::new(others)) },
            fingerprint: parsed("fingerprint", &text("fingerprint")?)?,
            seat: 0,
        }))
    }

    fn __repr__(&self) -> String {
        format!("Hold(id='{}', phase='{}', revision={})", self.0.id, self.phase(), self.0.standing.revision)
    }
}

// The day and the month: where each begins and ends.
fn windows(windows: Windows) -> [String; 4] {
    let Windows { day, month } = windows;
    [day.start, day.end, month.start, month.end].map(|time| time.to_string())
}

fn unpinned(texts: &[String; 4]) -> PyResult<Windows> {
    let [day_start, day_end, month_start, month_end] = texts;
    let window = |start: &str, end: &str| -> PyResult<Window> {
        Ok(Window { start: parsed::<Timestamp>("windows", start)?, end: parsed("windows", end)? })
    };
    Ok(Windows { day: window(day_start, day_end)?, month: window(month_start, month_end)? })
}

fn member<'py>(dict: &Bound<'py, PyDict>, name: &'static str) -> PyResult<Bound<'py, PyAny>> {
    dict.get_item(name)?.ok_or_else(|| invalid(name, "is missing from the hold"))
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(field: &'static str, text: &str) -> PyResult<T> {
    text.parse().map_err(|error| invalid(field, error))
}
