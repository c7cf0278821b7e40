//! Instants: in as RFC 3339 text or an aware `datetime`, out as a `datetime` in UTC.

use std::time::SystemTime;

use enclava_keys::{Timestamp, TimestampError};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyString};

use crate::arguments::{text, type_name};
use crate::errors::invalid;

pub(crate) const WANTED: &str =
    "must be RFC 3339 text such as 2026-11-23T23:59:00Z, or a datetime with a time zone";

/// The instant that an argument names.
pub(crate) fn timestamp(field: &'static str, value: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    if value.is_instance_of::<PyString>() {
        return text(field, value)?.parse().map_err(|error: TimestampError| invalid(field, error));
    }
    if !value.is_instance_of::<PyDateTime>() {
        return Err(invalid(field, format!("{WANTED}, not {}", type_name(value))));
    }
    of_datetime(value).map_err(|fault| invalid(field, fault))
}

/// The instant of a `datetime`, or what is wrong with it.
pub(crate) fn of_datetime(value: &Bound<'_, PyAny>) -> Result<Timestamp, String> {
    // Without a time zone Python itself refuses to say which instant it is.
    let offset = value.call_method0("utcoffset").map_err(|_| WANTED.to_owned())?;
    if offset.is_none() {
        return Err(WANTED.to_owned());
    }
    let time: SystemTime = value.extract().map_err(|_| TimestampError::OutOfRange.to_string())?;
    let instant = Timestamp::from(time);
    if SystemTime::from(instant) == time { Ok(instant) } else { Err(TimestampError::OutOfRange.to_string()) }
}

/// The instant as a `datetime` in UTC.
pub(crate) fn datetime(py: Python<'_>, instant: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    Ok(SystemTime::from(instant).into_pyobject(py)?.into_any())
}

/// The same, where there may be none.
pub(crate) fn optional(py: Python<'_>, instant: Option<Timestamp>) -> PyResult<Option<Bound<'_, PyAny>>> {
    instant.map(|instant| datetime(py, instant)).transpose()
}
