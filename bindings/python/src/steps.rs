//! What a ledger written in Python is asked, and what it answers with.

use enclava_keys::KeyId;
use enclava_keys::budget::{self, Outcome as CoreOutcome};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::arguments::flag;
use crate::errors::invalid;
use crate::hold::Hold;
use crate::times;

/// Names a row: owner, meter, and when its window begins.
pub(crate) type RowKey = (String, &'static str, String);

/// One hold's next state, and what it does to the meters.
#[pyclass(frozen, module = "enclava_keys.ledger")]
#[derive(Debug)]
pub(crate) struct Step {
    owners: Vec<KeyId>,
    expected: u32,
    becomes: budget::Hold,
    changes: Vec<budget::Change>,
    most_live: Option<u32>,
    current: bool,
}

/// What a step does to one row.
#[pyclass(frozen, module = "enclava_keys.ledger")]
#[derive(Debug)]
pub(crate) struct Change {
    core: budget::Change,
    owner: KeyId,
}

/// One meter in one window: pico-dollars or tokens.
#[pyclass(frozen, eq, module = "enclava_keys.ledger")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row(pub(crate) budget::Row);

/// A row as a step left it.
#[pyclass(frozen, eq, module = "enclava_keys.ledger")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moved(pub(crate) budget::Moved);

/// What came of a step.
#[pyclass(frozen, module = "enclava_keys.ledger")]
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) core: CoreOutcome,
    pub(crate) rows: Vec<budget::Moved>,
}

impl Step {
    pub(crate) fn of(step: &budget::Step<'_>) -> Self {
        Self {
            owners: step.parties.iter().map(|party| party.owner.id().clone()).collect(),
            expected: step.expected(),
            becomes: step.kept(),
            changes: step.changes().collect(),
            most_live: step.most_live,
            current: step.current,
        }
    }
}

#[pymethods]
impl Step {
    /// The owner that the hold lives with.
    #[getter]
    fn owner(&self) -> Option<String> {
        self.owners.first().map(ToString::to_string)
    }

    /// Every owner whose rows change, the first included.
    #[getter]
    fn owners(&self) -> Vec<String> {
        self.owners.iter().map(ToString::to_string).collect()
    }

    /// The revision that the hold must have for the step to be taken; 0: it must not exist.
    #[getter]
    fn expected(&self) -> u32 {
        self.expected
    }

    /// The hold as it is to be kept.
    #[getter]
    fn becomes(&self) -> Hold {
        Hold(self.becomes.clone())
    }

    /// What changes, at most once for each row.
    #[getter]
    fn changes(&self) -> Vec<Change> {
        let owner = |change: &budget::Change| self.owners.get(usize::from(change.owner)).cloned();
        let changes =
            self.changes.iter().filter_map(|core| Some(Change { core: *core, owner: owner(core)? }));
        changes.collect()
    }

    /// The most live holds that the owner may have with this one; `None` where the step makes no hold live.
    #[getter]
    fn most_live(&self) -> Option<u32> {
        self.most_live
    }

    /// Whether the windows must be the current ones. A ledger with a clock of its own then answers
    /// `Outcome.elsewhen` when its clock is outside them.
    #[getter]
    fn current(&self) -> bool {
        self.current
    }

    fn __repr__(&self) -> String {
        format!("Step(hold='{}', expected={})", self.becomes.id, self.expected)
    }
}

#[pymethods]
impl Change {
    /// The row that changes: owner, meter, and when its window begins.
    #[getter]
    fn row(&self) -> RowKey {
        row_key(&self.owner, self.core.meter, self.core.window.start)
    }

    /// When the window of the row ends.
    #[getter]
    fn window_end<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        times::datetime(py, self.core.window.end)
    }

    /// Whether its bound lets this change happen to `row`.
    #[pyo3(signature = (row, /))]
    fn is_admitted(&self, row: &Bound<'_, Row>) -> bool {
        self.core.is_admitted(&row.get().0)
    }

    /// What `row` becomes by this change.
    #[pyo3(signature = (row, /))]
    fn carry_out(&self, row: &Bound<'_, Row>) -> Moved {
        let mut row = row.get().0;
        Moved(self.core.carry_out(&mut row))
    }

    fn __repr__(&self) -> String {
        let budget::Change { used, held, .. } = self.core;
        format!("Change(row={:?}, used={used}, held={held})", self.row())
    }
}

#[pymethods]
impl Row {
    #[new]
    #[pyo3(signature = (used = Wide(0), held = Wide(0), marks = Wide(0)), text_signature = "(used=0, held=0, marks=0)")]
    fn new(used: Wide, held: Wide, marks: Wide) -> PyResult<Self> {
        let marks = u64::try_from(marks.0).map_err(|_| invalid("marks", "must be a number below 2**56"))?;
        Ok(Self(budget::Row { used: used.0, held: held.0, marks: budget::Marks::from_bits(marks) }))
    }

    /// Charged so far.
    #[getter]
    fn used(&self) -> i128 {
        self.0.used
    }

    /// Set aside for calls in flight.
    #[getter]
    fn held(&self) -> i128 {
        self.0.held
    }

    /// The thresholds told so far, as one number below 2**56.
    #[getter]
    fn marks(&self) -> u64 {
        self.0.marks.to_bits()
    }

    fn __getnewargs__(&self) -> (i128, i128, u64) {
        (self.used(), self.held(), self.marks())
    }

    fn __repr__(&self) -> String {
        format!("Row(used={}, held={}, marks={})", self.used(), self.held(), self.marks())
    }
}

#[pymethods]
impl Moved {
    #[new]
    #[pyo3(signature = (row, told = None))]
    fn new(row: &Bound<'_, Row>, told: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self(budget::Moved { row: row.get().0, told: flag("told", told)? }))
    }

    /// The row as it is now.
    #[getter]
    fn row(&self) -> Row {
        Row(self.0.row)
    }

    /// Whether the step reached the alarm and marked it.
    #[getter]
    fn told(&self) -> bool {
        self.0.told
    }

    fn __repr__(&self) -> String {
        let told = if self.0.told { "True" } else { "False" };
        format!("Moved({}, told={told})", self.row().__repr__())
    }
}

#[pymethods]
impl Outcome {
    /// The step was taken: what each of its rows became, in order; and, where it is known, a time before which no live
    /// hold of the owner lapses.
    #[staticmethod]
    #[pyo3(signature = (rows, /, next_lapse = None))]
    fn taken(rows: &Bound<'_, PyAny>, next_lapse: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let next_lapse = next_lapse.map(|time| times::timestamp("next_lapse", time)).transpose()?;
        // Unknown is always: then the gate asks what is due.
        let core = CoreOutcome::Taken { next_lapse: next_lapse.unwrap_or_default(), seat: 0 };
        let rows = rows.try_iter()?.map(|row| Ok(row?.cast::<Moved>()?.get().0));
        Ok(Self { core, rows: rows.collect::<PyResult<_>>()? })
    }

    /// A row would have passed its bound: the rows as they stand, unchanged.
    #[staticmethod]
    #[pyo3(signature = (rows, /))]
    fn refused(rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        let unmoved =
            |row: Bound<'_, PyAny>| Ok(budget::Moved { row: row.cast::<Row>()?.get().0, told: false });
        let rows = rows.try_iter()?.map(|row| unmoved(row?)).collect::<PyResult<_>>()?;
        Ok(Self { core: CoreOutcome::Refused, rows })
    }

    /// The owner has as many live holds as it may.
    #[staticmethod]
    fn crowded() -> Self {
        Self { core: CoreOutcome::Crowded, rows: Vec::new() }
    }

    /// The hold is not at the revision expected: its present state, or `None` if it does not exist.
    #[staticmethod]
    #[pyo3(signature = (hold, /))]
    fn unexpected(hold: Option<&Bound<'_, Hold>>) -> Self {
        let hold = hold.map(|hold| Box::new(hold.get().0.clone()));
        Self { core: CoreOutcome::Unexpected(hold), rows: Vec::new() }
    }

    /// The ledger's own clock is outside the windows of the step.
    #[staticmethod]
    #[pyo3(signature = (now, /))]
    fn elsewhen(now: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { core: CoreOutcome::Elsewhen(times::timestamp("now", now)?), rows: Vec::new() })
    }

    fn __repr__(&self) -> &'static str {
        match self.core {
            CoreOutcome::Taken { .. } => "Outcome.taken(...)",
            CoreOutcome::Refused => "Outcome.refused(...)",
            CoreOutcome::Crowded => "Outcome.crowded()",
            CoreOutcome::Unexpected(_) => "Outcome.unexpected(...)",
            CoreOutcome::Elsewhen(_) => "Outcome.elsewhen(...)",
        }
    }
}

// A number of a row: 128 bits are more than it can take.
#[derive(Clone, Copy)]
struct Wide(i128);

impl FromPyObject<'_, '_> for Wide {
    type Error = PyErr;

    fn extract(number: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let wide = |error: PyErr| {
            let too_large = error.is_instance_of::<PyOverflowError>(number.py());
            if too_large { invalid("row", "must be of numbers below 2**127") } else { error }
        };
        number.extract().map(Self).map_err(wide)
    }
}

/// Names a row.
pub(crate) fn row_key(owner: &KeyId, meter: budget::Meter, start: enclava_keys::Timestamp) -> RowKey {
    (owner.to_string(), meter.as_str(), start.to_string())
}
