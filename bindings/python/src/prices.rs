//! What models cost.

use enclava_keys::PriceBook as CoreBook;
use enclava_keys::wire::PriceError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arguments::{text, wrong_type};
use crate::errors::InvalidRecord;
use crate::{json, values};

/// Prices of models, read once and handed to gates.
#[pyclass(frozen, module = "enclava_keys")]
#[derive(Debug)]
pub(crate) struct PriceBook(CoreBook);

#[pymethods]
impl PriceBook {
    /// Read prices from TOML, as the README shows them. Raises `InvalidRecord` with every fault.
    #[staticmethod]
    #[pyo3(signature = (toml, /))]
    fn from_toml(toml: &Bound<'_, PyAny>) -> PyResult<Self> {
        CoreBook::from_toml(text("toml", toml)?).map(Self).map_err(|error| faults(toml.py(), &error))
    }

    /// Read the same from JSON.
    #[staticmethod]
    #[pyo3(signature = (json, /))]
    fn from_json(json: &Bound<'_, PyAny>) -> PyResult<Self> {
        CoreBook::from_json(text("json", json)?).map(Self).map_err(|error| faults(json.py(), &error))
    }

    /// Read the text of LiteLLM's `model_prices_and_context_window.json` as it is. An entry that cannot be read
    /// is left out.
    #[staticmethod]
    #[pyo3(signature = (json, /))]
    fn from_litellm(json: &Bound<'_, PyAny>) -> PyResult<Self> {
        let read = CoreBook::from_litellm(text("json", json)?);
        read.map(|(book, _)| Self(book)).map_err(|error| faults(json.py(), &error))
    }

    /// Tell the names of the models that have a price.
    fn models(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __or__(&self, other: &Bound<'_, Self>) -> Self {
        let mut book = self.0.clone();
        book.extend(other.get().0.clone());
        Self(book)
    }

    fn __contains__(&self, model: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.get(text("model", model)?).is_some())
    }

    fn __repr__(&self) -> String {
        format!("PriceBook(models={})", self.0.len())
    }
}

/// The prices that an argument states: a book, or a dict as `PriceBook.from_json` reads its text.
pub(crate) fn book(prices: &Bound<'_, PyAny>) -> PyResult<CoreBook> {
    if let Ok(book) = prices.cast::<PriceBook>() {
        return Ok(book.get().0.clone());
    }
    if prices.is_instance_of::<PyDict>() {
        let text = json::write("prices", prices)?;
        return CoreBook::from_json(&text).map_err(|error| faults(prices.py(), &error));
    }
    Err(wrong_type("prices", "a PriceBook or a dict", prices))
}

fn faults(py: Python<'_>, error: &PriceError) -> PyErr {
    let faults = error.faults().iter().map(|fault| values::fault(py, &fault.path, &fault.message));
    match faults.collect::<PyResult<Vec<_>>>().and_then(|faults| PyList::new(py, faults)) {
        Ok(faults) => InvalidRecord::new_err((faults.unbind(),)),
        Err(error) => error,
    }
}
