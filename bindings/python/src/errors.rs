//! Errors of the core as the exceptions of the package, which are defined in Python.

use std::fmt::Display;

use enclava_keys::key::InvalidRecord as CoreInvalidRecord;
use enclava_keys::{Denial as CoreDenial, Error};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::denial::Denial;
use crate::plugged::caused;
use crate::settlement::Settlement;
use crate::values;

import_exception!(enclava_keys.errors, AlreadySettled);
import_exception!(enclava_keys.errors, Conflict);
import_exception!(enclava_keys.errors, Denied);
import_exception!(enclava_keys.errors, InvalidRecord);
import_exception!(enclava_keys.errors, InvalidValue);
import_exception!(enclava_keys.errors, LedgerError);
import_exception!(enclava_keys.errors, NotFound);

/// An argument that is not valid.
pub(crate) fn invalid(field: &'static str, message: impl Display) -> PyErr {
    InvalidValue::new_err((field, message.to_string()))
}

/// The exception for an error of the core.
pub(crate) fn raised(py: Python<'_>, error: Error) -> PyErr {
    caused(py, exception(py, error))
}

fn exception(py: Python<'_>, error: Error) -> PyErr {
    match error {
        Error::InvalidRecord(record) => invalid_record(py, &record),
        Error::InvalidValue { field, message } => invalid(field, message),
        Error::NotFound(message) => NotFound::new_err(message),
        Error::Conflict(message) => Conflict::new_err(message),
        Error::AlreadySettled(first) => match Py::new(py, Settlement(*first)) {
            Ok(first) => AlreadySettled::new_err((
                "this permit was already settled or released; nothing was charged now",
                first,
            )),
            Err(error) => error,
        },
        Error::Denied(denial) => denial_of(py, denial),
        other => LedgerError::new_err(other.to_string()),
    }
}

/// The exception for a denial. An argument out of bounds, or a request id that stands for another request, is the
/// gateway's own mistake.
pub(crate) fn denied(py: Python<'_>, denial: CoreDenial) -> PyErr {
    caused(py, denial_of(py, denial))
}

fn denial_of(py: Python<'_>, denial: CoreDenial) -> PyErr {
    if let Some((field, message)) = denial.invalid_argument() {
        return invalid(field, message);
    }
    if denial.is_conflict() {
        return Conflict::new_err(denial.message());
    }
    match Py::new(py, Denial::new(denial)) {
        Ok(denial) => Denied::new_err((denial,)),
        Err(error) => error,
    }
}

/// The exception for a record that is not valid, with every fault.
pub(crate) fn invalid_record(py: Python<'_>, record: &CoreInvalidRecord) -> PyErr {
    let faults = record.errors.iter().map(|fault| values::fault(py, &fault.path, &fault.message));
    let faults = faults.collect::<PyResult<Vec<_>>>().and_then(|faults| PyList::new(py, faults));
    match faults {
        Ok(faults) => InvalidRecord::new_err((faults.unbind(),)),
        Err(error) => error,
    }
}
