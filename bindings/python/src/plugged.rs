//! Ledgers and stores written in Python.
//!
//! What they raise is told in the log and becomes a ledger or a store that cannot answer: nothing is admitted meanwhile.
//! Whoever made the call finds it as the cause of the exception that came of it.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use enclava_keys::budget::{
    Hold as CoreHold, HoldId, Meter, Moved, Outcome as CoreOutcome, Owner, Step as CoreStep,
};
use enclava_keys::ledger::LedgerError;
use enclava_keys::store::{Changes, News, StoreError};
use enclava_keys::{Key, KeyId, Ledger, Store, Timestamp};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::Conflict;
use crate::hold::Hold;
use crate::steps::{Outcome, Row, Step, row_key};
use crate::times;

thread_local! {
    // What a plugged-in object raised last, in the call that this thread is making.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Does `work` as a call of its own, without the interpreter.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    // What was raised before is no cause of what comes.
    RAISED.with_borrow_mut(|raised| *raised = None);
    py.detach(work)
}

/// The exception for what came of a call, with what was raised during the call as its cause.
pub(crate) fn caused(py: Python<'_>, error: PyErr) -> PyErr {
    match RAISED.with_borrow_mut(Option::take) {
        // An interrupt is not the ledger's to swallow.
        Some(cause) if !cause.is_instance_of::<pyo3::exceptions::PyException>(py) => cause,
        Some(cause) => {
            error.set_cause(py, Some(cause));
            error
        }
        None => error,
    }
}

/// An object that does what a ledger does.
pub(crate) struct PythonLedger(pub(crate) Py<PyAny>);

/// An object that does what a store does.
pub(crate) struct PythonStore(pub(crate) Py<PyAny>);

impl Ledger for PythonLedger {
    fn apply(&self, step: &CoreStep<'_>, rows: &mut [Moved]) -> Result<CoreOutcome, LedgerError> {
        self.call(|_, ledger| {
            let answer = ledger.call_method1("apply", (Step::of(step),))?;
            let outcome = answer.cast_into::<Outcome>()?;
            let Outcome { core, rows: told } = outcome.get();
            if matches!(core, CoreOutcome::Taken { .. } | CoreOutcome::Refused) {
                if told.len() != rows.len() {
                    let message = "an outcome must tell the row of every change of the step";
                    return Err(PyValueError::new_err(message));
                }
                rows.copy_from_slice(told);
            }
            Ok(core.clone())
        })
    }

    fn row(
        &self,
        owner: &Owner,
        meter: Meter,
        start: Timestamp,
    ) -> Result<enclava_keys::budget::Row, LedgerError> {
        self.call(|_, ledger| {
            let row = ledger.call_method1("row", (row_key(owner.id(), meter, start),))?;
            Ok(row.cast_into::<Row>()?.get().0)
        })
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<CoreHold>, LedgerError> {
        self.call(|_, ledger| {
            let hold = ledger.call_method1("hold", (owner.id().to_string(), id.to_string()))?;
            if hold.is_none() { Ok(None) } else { Ok(Some(hold.cast_into::<Hold>()?.get().0.clone())) }
        })
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<CoreHold>, LedgerError> {
        self.call(|py, ledger| {
            let now = times::datetime(py, now)?;
            let due = ledger.call_method1("due", (owner.id().to_string(), now, most))?;
            let due = due.try_iter()?.take(most);
            due.map(|hold| Ok(hold?.cast_into::<Hold>()?.get().0.clone())).collect()
        })
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.call(|_, ledger| ledger.call_method1("forget", (owner.id().to_string(),)).map(drop))
    }

    fn flush(&self) -> Result<(), LedgerError> {
        self.call(|_, ledger| match ledger.getattr_opt("flush")? {
            Some(flush) => flush.call0().map(drop),
            None => Ok(()),
        })
    }
}

impl PythonLedger {
    fn call<T>(
        &self,
        ask: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, LedgerError> {
        ask_of(&self.0, "ledger", ask).map_err(|trouble| LedgerError::new(trouble.message))
    }
}

impl Store for PythonStore {
    fn news(&self, since: Option<u64>, _: Timestamp) -> Result<News, StoreError> {
        let read = self.call(|_, store| {
            let news = store.call_method1("news", (since,))?;
            let records: Vec<String> = news.getattr("records")?.extract()?;
            let removed: Vec<String> = news.getattr("removed")?.extract()?;
            let whole: bool = news.getattr("whole")?.extract()?;
            Ok((news.getattr("generation")?.extract::<u64>()?, records, removed, whole))
        });
        let (generation, records, removed, whole) = read?;
        let keys = records.iter().map(|record| Ok(Arc::new(Key::from_record_json(record)?)));
        let keys = keys.collect::<Result<Vec<_>, StoreError>>()?;
        let changes = if whole {
            Changes::All(keys)
        } else {
            let gone = removed.iter().map(|id| id.parse().map_err(|_| no_id())).collect::<Result<_, _>>()?;
            Changes::Some(keys, gone)
        };
        Ok(News { generation, changes, unreadable: Vec::new() })
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        self.call(|_, store| {
            let record = (key.id().to_string(), key.to_record_json(), key.revision(), replaces);
            store.call_method1("put", record).map(drop)
        })
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        self.call(|_, store| store.call_method1("remove", (id.to_string(),))?.is_truthy())
    }

    fn is_shared(&self) -> bool {
        // Unless it says that nobody else writes to it.
        let told = Python::try_attach(|py| {
            self.0.bind(py).getattr_opt("is_shared").ok().flatten()?.is_truthy().ok()
        });
        told.flatten().unwrap_or(true)
    }
}

impl PythonStore {
    fn call<T>(
        &self,
        ask: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, StoreError> {
        ask_of(&self.0, "store", ask).map_err(|trouble| {
            if trouble.conflict {
                StoreError::Conflict(trouble.message)
            } else {
                StoreError::Unavailable(trouble.message)
            }
        })
    }
}

struct Trouble {
    message: String,
    // The object says that somebody else was first: nothing is wrong with it.
    conflict: bool,
}

fn ask_of<T>(
    object: &Py<PyAny>,
    what: &str,
    ask: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
) -> Result<T, Trouble> {
    let asked = Python::try_attach(|py| ask(py, object.bind(py)).map_err(|error| trouble(py, what, error)));
    asked.unwrap_or_else(|| {
        Err(Trouble { message: "the interpreter is on its way out".to_owned(), conflict: false })
    })
}

fn trouble(py: Python<'_>, what: &str, error: PyErr) -> Trouble {
    let message =
        error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    if error.is_instance_of::<Conflict>(py) {
        return Trouble { message, conflict: true };
    }
    let named = error.get_type(py).qualname().map_or_else(|_| "an error".to_owned(), |name| name.to_string());
    // A log that fails must not hide what it was to tell.
    let log =
        py.import("enclava_keys._log").and_then(|log| log.call_method1("trouble", (what, error.value(py))));
    if let Err(failed) = log {
        failed.write_unraisable(py, None);
    }
    RAISED.with_borrow_mut(|raised| *raised = Some(error));
    Trouble { message: format!("{named}: {message}"), conflict: false }
}

fn no_id() -> StoreError {
    StoreError::Unavailable("the store told an id that is none".to_owned())
}

impl fmt::Debug for PythonLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonLedger")
    }
}

impl fmt::Debug for PythonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonStore")
    }
}
