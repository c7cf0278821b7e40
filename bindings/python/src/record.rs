//! Fields of a record, from Python's own objects.

use std::borrow::Cow;

use enclava_keys::key::{Fault, InvalidRecord, Value};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDate, PyDateTime, PyDict, PyFloat, PyFrozenSet, PyInt, PyMapping,
    PyMemoryView, PySequence, PySet, PyString,
};
use zmij::Buffer;

use crate::amounts::{decimal_type, shortest};
use crate::arguments::type_name;
use crate::times::{WANTED, of_datetime};

/// Deeper than any record may nest, so that the core says so, and not so deep as to hurt.
const DEEPEST: usize = 32;

/// Fields, and the faults of those that cannot stand in a record.
pub(crate) type Stated = (Vec<(String, Value<'static>)>, Vec<Fault>);

/// What keywords state.
pub(crate) fn fields(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Stated> {
    let (mut fields, mut faults) = (Vec::new(), Vec::new());
    for (name, given) in keywords.into_iter().flatten() {
        let Some(name) = plain(&name) else {
            faults
                .push(Fault { path: String::new(), message: "the name of a field must be text".to_owned() });
            continue;
        };
        match value(&given, DEEPEST)? {
            Ok(value) => fields.push((name, value)),
            Err(message) => faults.push(Fault { path: format!("/{name}"), message }),
        }
    }
    Ok((fields, faults))
}

/// The faults of the record and those found on the way to it, or nothing.
pub(crate) fn joined(mut found: Vec<Fault>, record: Option<InvalidRecord>) -> InvalidRecord {
    found.extend(record.into_iter().flat_map(|record| record.errors));
    InvalidRecord { errors: found }
}

/// A value, or why it cannot be one.
pub(crate) fn value(given: &Bound<'_, PyAny>, depth: usize) -> PyResult<Result<Value<'static>, String>> {
    let Some(deeper) = depth.checked_sub(1) else { return Ok(Err("nests too deep".to_owned())) };
    let number = |text: String| Ok(Ok(Value::Number(Cow::Owned(text))));
    if given.is_none() {
        return Ok(Ok(Value::Null));
    }
    if given.is_instance_of::<PyString>() {
        return Ok(plain(given)
            .map(Value::from)
            .ok_or_else(|| "must be text without lone surrogates".to_owned()));
    }
    if let Ok(truth) = given.cast::<PyBool>() {
        return Ok(Ok(Value::Bool(truth.is_true())));
    }
    if given.is_instance_of::<PyInt>() {
        // The text of a subclass may be anything: an int is told as an int. Python refuses to write very long ones.
        let int = given.call_method0("__index__")?;
        return match int.extract::<i64>() {
            Ok(int) => number(int.to_string()),
            Err(_) => match int.str() {
                Ok(text) => number(text.to_str()?.to_owned()),
                Err(_) => Ok(Err("has too many digits".to_owned())),
            },
        };
    }
    if let Ok(float) = given.cast::<PyFloat>() {
        let float = float.value();
        return if float.is_finite() {
            number(shortest(float, &mut Buffer::new()).to_owned())
        } else {
            Ok(Err("must be a finite number".to_owned()))
        };
    }
    if given.is_instance(decimal_type(given.py())?)? {
        // As `Decimal` writes it, whatever a subclass does.
        let text = decimal_type(given.py())?.call_method1("__str__", (given,))?;
        let text = text.extract::<String>()?;
        return if text.contains(['N', 'I']) {
            Ok(Err("must be a finite number".to_owned()))
        } else {
            number(text)
        };
    }
    if given.is_instance_of::<PyDateTime>() {
        return Ok(of_datetime(given).map(Value::from));
    }
    if given.is_instance_of::<PyDate>() {
        return Ok(Err(format!("{WANTED}, not a date")));
    }
    if let Ok(members) = given.cast::<PyDict>() {
        return object(members.iter().map(Ok), deeper);
    }
    if let Ok(members) = given.cast::<PyMapping>() {
        let pairs = members.items()?;
        return object(pairs.iter().map(|pair| pair.extract()), deeper);
    }
    if is_list(given) {
        return list(given, deeper);
    }
    Ok(Err(format!("cannot be {}", article(&type_name(given)))))
}

fn object<'py>(
    members: impl Iterator<Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>>,
    depth: usize,
) -> PyResult<Result<Value<'static>, String>> {
    let mut object = Vec::new();
    for member in members {
        let (name, given) = member?;
        let Some(name) = plain(&name) else { return Ok(Err("has a name that is not text".to_owned())) };
        match value(&given, depth)? {
            Ok(value) => object.push((Cow::Owned(name), value)),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(Value::Object(object)))
}

fn list(items: &Bound<'_, PyAny>, depth: usize) -> PyResult<Result<Value<'static>, String>> {
    let mut list = Vec::new();
    for item in items.try_iter()? {
        match value(&item?, depth)? {
            Ok(value) => list.push(value),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(Value::List(list)))
}

// Any sequence, but for bytes, which are no list of numbers to anybody; and sets, whose order is nobody's.
fn is_list(given: &Bound<'_, PyAny>) -> bool {
    let is_bytes = given.is_instance_of::<PyBytes>()
        || given.is_instance_of::<PyByteArray>()
        || given.is_instance_of::<PyMemoryView>();
    !is_bytes
        && (given.cast::<PySequence>().is_ok()
            || given.is_instance_of::<PySet>()
            || given.is_instance_of::<PyFrozenSet>())
}

fn plain(text: &Bound<'_, PyAny>) -> Option<String> {
    text.cast::<PyString>().ok()?.to_str().ok().map(str::to_owned)
}

fn article(name: &str) -> String {
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) { format!("an {name}") } else { format!("a {name}") }
}
