//! A SQLite file of keys and budgets: is it sound, and a copy of it.

use std::path::PathBuf;

use enclava_keys::engine::Sqlite as CoreSqlite;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::arguments::{text, type_name};
use crate::errors::raised;
use crate::values;

/// The SQLite file of keys and budgets at a URL, to look after: gates may use it meanwhile.
#[pyclass(frozen, module = "enclava_keys")]
pub(crate) struct Sqlite {
    core: CoreSqlite,
    url: String,
}

#[pymethods]
impl Sqlite {
    /// Open the file at `url`, as `Gate.open` reads it. It must be there: a gate makes one, this does not.
    ///
    /// Raises `InvalidValue` for another URL, `LedgerError` if the file is not there or cannot be used.
    #[new]
    #[pyo3(signature = (url, /))]
    fn new(py: Python<'_>, url: &Bound<'_, PyAny>) -> PyResult<Self> {
        let url = text("url", url)?;
        let core = py.detach(|| CoreSqlite::existing(url)).map_err(|error| raised(py, error.into()))?;
        Ok(Self { core, url: url.to_owned() })
    }

    /// Read the whole file, count everything again, and tell what does not fit. Calls go on meanwhile.
    ///
    /// Raises `LedgerError` if it cannot be read at all.
    fn doctor<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let health = py.detach(|| self.core.doctor()).map_err(|error| raised(py, error.into()))?;
        values::health(py, &health)
    }

    /// Copy the file, as it is at one moment, to the new file `to`, for its owner alone. Calls go on meanwhile. Put the
    /// copy in the place of a damaged file while no process uses that.
    ///
    /// Raises `LedgerError`, if `to` is there already among others.
    #[pyo3(signature = (to, /))]
    fn backup(&self, py: Python<'_>, to: &Bound<'_, PyAny>) -> PyResult<()> {
        let path: PathBuf = to
            .extract()
            .map_err(|_| PyTypeError::new_err(format!("to: must be a path, not {}", type_name(to))))?;
        py.detach(|| self.core.backup(path)).map_err(|error| raised(py, error.into()))
    }

    fn __repr__(&self) -> String {
        format!("Sqlite({:?})", self.url)
    }
}
