//! Money and counts: in from whatever people have at hand, out as `Decimal`.

use std::time::Duration;

use enclava_keys::budget::{Amount, MoneyError};
use enclava_keys::{Money, Usage};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDelta, PyFloat, PyInt, PyString, PyType};
use zmij::Buffer;

use crate::arguments::type_name;
use crate::errors::invalid;

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// `decimal.Decimal`.
pub(crate) fn decimal_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    DECIMAL.import(py, "decimal", "Decimal")
}

/// A cost: `Decimal`, `int`, `str`, or `float` by its shortest text. Rounded up to a pico-dollar.
pub(crate) fn cost(field: &'static str, value: &Bound<'_, PyAny>) -> PyResult<Money> {
    let read = if let Ok(text) = value.cast::<PyString>() {
        Money::parse_rounded_up(text.to_str().unwrap_or_default())
    } else if let Ok(float) = value.cast::<PyFloat>() {
        let float = float.value();
        if !float.is_finite() {
            return Err(invalid(field, "must be a finite number"));
        }
        Money::parse_rounded_up(shortest(float, &mut Buffer::new()))
    } else if let Ok(int) = value.cast::<PyInt>() {
        whole_dollars(field, int)?
    } else if value.is_instance(decimal_type(value.py())?)? {
        let text = value.str()?;
        let text = text.to_str().unwrap_or_default();
        // NaN and Infinity are the only ones with other letters than that of an exponent.
        if text.contains(['N', 'I']) {
            return Err(invalid(field, "must be a finite number"));
        }
        Money::parse_rounded_up(text)
    } else {
        let found = type_name(value);
        return Err(invalid(field, format!("must be a Decimal, int, str or float, not {found}")));
    };
    read.map_err(|error| invalid(field, error))
}

fn whole_dollars(field: &'static str, int: &Bound<'_, PyInt>) -> PyResult<Result<Money, MoneyError>> {
    if int.is_instance_of::<PyBool>() {
        return Err(invalid(field, "must be an amount, not bool"));
    }
    Ok(match int.extract::<i64>() {
        Ok(usd) => Money::from_parts(usd, 0),
        Err(_) if int.lt(0)? => Err(MoneyError::Negative),
        Err(_) => Err(MoneyError::TooLarge),
    })
}

/// The shortest text that reads back as this finite float: `0.05` is five cents.
pub(crate) fn shortest(float: f64, buffer: &mut Buffer) -> &str {
    let text = buffer.format_finite(float);
    text.strip_suffix(".0").unwrap_or(text)
}

/// A count of tokens.
pub(crate) fn count(field: &'static str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let int = match value.cast::<PyInt>() {
        Ok(int) if !value.is_instance_of::<PyBool>() => int,
        _ => return Err(invalid(field, format!("must be an int, not {}", type_name(value)))),
    };
    match int.extract::<u64>() {
        Ok(count) => Ok(count),
        Err(_) if int.lt(0)? => Err(invalid(field, "must not be negative")),
        Err(_) => Err(invalid(field, "must be less than 2**64")),
    }
}

/// Cost and tokens as a caller states them: what is absent is none.
pub(crate) fn usage(cost: Option<&Bound<'_, PyAny>>, tokens: Option<&Bound<'_, PyAny>>) -> PyResult<Usage> {
    let cost = cost.map_or(Ok(Money::ZERO), |value| self::cost("cost", value))?;
    let tokens = tokens.map_or(Ok(0), |value| count("tokens", value))?;
    Ok(Usage::new(cost, tokens))
}

/// Reads a `wait` as the plain calls do, for their `_async` twins.
#[pyfunction]
#[pyo3(signature = (wait, /))]
pub(crate) fn wait_seconds(wait: &Bound<'_, PyAny>) -> PyResult<f64> {
    seconds("wait", wait).map(|length| length.as_secs_f64())
}

/// A length of time: seconds as `int` or `float`, or a `timedelta`.
pub(crate) fn seconds(field: &'static str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let fault = || invalid(field, "must be a number of seconds, zero or more");
    if value.is_instance_of::<PyBool>() {
        return Err(fault());
    }
    if value.is_instance_of::<PyDelta>() {
        return value.extract().map_err(|_| fault());
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract().map(Duration::from_secs).map_err(|_| fault());
    }
    let float = value.cast::<PyFloat>().map_err(|_| fault())?;
    Duration::try_from_secs_f64(float.value()).map_err(|_| fault())
}

/// Money as a `Decimal`.
pub(crate) fn decimal(py: Python<'_>, money: Money) -> PyResult<Bound<'_, PyAny>> {
    decimal_of(py, &money.to_string())
}

/// Decimal text as a `Decimal`.
pub(crate) fn decimal_of<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    decimal_type(py)?.call1((text,))
}

/// An amount in the unit of its meter: a `Decimal` or an `int`.
pub(crate) fn amount(py: Python<'_>, amount: Amount) -> PyResult<Bound<'_, PyAny>> {
    match amount {
        Amount::Spend(money) => decimal(py, money),
        Amount::Tokens(tokens) => Ok(tokens.into_pyobject(py)?.into_any()),
    }
}

/// Two ways to say one thing.
pub(crate) fn both(what: &str) -> PyErr {
    PyTypeError::new_err(format!("give {what}, not both"))
}
