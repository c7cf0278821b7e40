//! The gate: managing keys.

use enclava_keys::key::{Fault, InvalidRecord, Peppers, Value};
use enclava_keys::{Error, KeyEdit, KeySpec, Timestamp};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::amounts::{count, seconds};
use crate::arguments::{bytes, flag};
use crate::calls::key_named;
use crate::errors::{invalid_record, raised};
use crate::gate::Gate;
use crate::key::{Key, NewKey};
use crate::record;

#[pymethods]
impl Gate {
    /// Make a key. The fields are those of `KeyFields`; what is not named is the default: no limit, no
    /// restriction.
    ///
    /// Raises `InvalidRecord` with every fault at once, `Conflict` if its own id is taken.
    #[pyo3(signature = (name, /, **fields))]
    fn create_key(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<NewKey> {
        self.create(py, &spec(name, fields)?)
    }

    /// Make a key of a JSON object with the same fields and its `name`, as text or bytes. Its numbers are read
    /// as the decimal text they are.
    #[pyo3(signature = (body, /))]
    fn create_key_json(&self, py: Python<'_>, body: &Bound<'_, PyAny>) -> PyResult<NewKey> {
        self.create(py, &parsed(body)?)
    }

    /// Take in a key that exists already, by the text (`secret`) or the hash (`key_hash`) of its secret.
    ///
    /// Raises as `create_key`, and `Conflict` if another key has the secret.
    #[pyo3(signature = (name, /, **fields))]
    fn import_key(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Key> {
        self.import(py, &spec(name, fields)?)
    }

    /// Take in a key of a JSON object with the same fields and its `name`.
    #[pyo3(signature = (body, /))]
    fn import_key_json(&self, py: Python<'_>, body: &Bound<'_, PyAny>) -> PyResult<Key> {
        self.import(py, &parsed(body)?)
    }

    /// Tell the keys after the id `after`, at most `limit`, in the order of their ids: generated ids first, by their
    /// making, then ids of your own, by their text. They are as old as `key` says.
    #[pyo3(signature = (after = None, limit = None))]
    fn keys(
        &self,
        py: Python<'_>,
        after: Option<&Bound<'_, PyAny>>,
        limit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Key>> {
        let after = after.map(key_named).transpose()?;
        let limit = limit.map_or(Ok(u64::MAX), |limit| count("limit", limit))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let keys = self.run(py, self.open_core()?, |core| core.keys(after.as_ref(), limit));
        Ok(keys.into_iter().map(|key| Key::new(key, self)).collect())
    }

    /// Tell the key of this id, no older than for a call: a store that others write to is asked for news once in every
    /// refresh interval. While it does not answer, what is known is told. Raises `NotFound`.
    #[pyo3(signature = (key_id, /))]
    fn key(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>) -> PyResult<Key> {
        let id = key_named(key_id)?;
        let key = self.run(py, self.open_core()?, |core| core.key(&id));
        key.map(|key| Key::new(key, self)).map_err(|error| raised(py, error))
    }

    /// Edit a key: what the changes name is replaced, `None` goes back to the default, and the rest stays.
    ///
    /// Raises `InvalidRecord` with every fault, `Conflict` if the edit would let a request through that was
    /// refused before and does not say `widen`, or if the record is not at `revision`, where one is named.
    #[pyo3(signature = (key_id, /, *, widen = None, revision = None, **changes))]
    fn update_key(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        widen: Option<&Bound<'_, PyAny>>,
        revision: Option<&Bound<'_, PyAny>>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Key> {
        let (fields, faults) = record::fields(changes)?;
        if !faults.is_empty() {
            return Err(invalid_record(py, &InvalidRecord { errors: faults }));
        }
        let edit = fields.into_iter().fold(KeyEdit::new(), |edit, (name, value)| edit.set(name, value));
        self.edit(py, key_id, edit, widen, revision)
    }

    /// Edit a key by a JSON object of the same changes, `null` for the default.
    #[pyo3(signature = (key_id, body, /, *, widen = None, revision = None))]
    fn update_key_json(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
        widen: Option<&Bound<'_, PyAny>>,
        revision: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Key> {
        let body = bytes("body", body)?;
        let edit = KeyEdit::from_json(&*body).map_err(|record| invalid_record(py, &record))?;
        self.edit(py, key_id, edit, widen, revision)
    }

    /// Add a secret to a key. The present one ends after `overlap` seconds, at once by default; both spend one
    /// budget.
    ///
    /// Raises `Conflict` if the key is revoked, disabled or expired, or has five secrets in force, `InvalidValue` for
    /// an overlap of more than 90 days.
    #[pyo3(signature = (key_id, /, overlap = None))]
    fn rotate_key(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        overlap: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<NewKey> {
        let id = key_named(key_id)?;
        let overlap = overlap.map(|overlap| seconds("overlap", overlap)).transpose()?.unwrap_or_default();
        let made = self.run(py, self.open_core()?, |core| core.rotate_key(&id, overlap));
        NewKey::new(py, made.map_err(|error| raised(py, error))?, self)
    }

    /// Stop a key until it is enabled again. The next call is denied; calls in flight settle.
    #[pyo3(signature = (key_id, /))]
    fn disable_key(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>) -> PyResult<Key> {
        let id = key_named(key_id)?;
        let key = self.run(py, self.open_core()?, |core| core.disable_key(&id));
        key.map(|key| Key::new(key, self)).map_err(|error| raised(py, error))
    }

    /// Start a key that was disabled. Raises `Conflict` if it is revoked.
    #[pyo3(signature = (key_id, /))]
    fn enable_key(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>) -> PyResult<Key> {
        let id = key_named(key_id)?;
        let key = self.run(py, self.open_core()?, |core| core.enable_key(&id));
        key.map(|key| Key::new(key, self)).map_err(|error| raised(py, error))
    }

    /// End a key for good. The next call is denied; calls in flight settle. Revoking it again changes nothing.
    #[pyo3(signature = (key_id, /))]
    fn revoke_key(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>) -> PyResult<Key> {
        let id = key_named(key_id)?;
        let key = self.run(py, self.open_core()?, |core| core.revoke_key(&id));
        key.map(|key| Key::new(key, self)).map_err(|error| raised(py, error))
    }

    /// Remove a key and its record. Its secret is unknown from now on; calls in flight settle.
    ///
    /// Raises `LedgerError` if the store cannot be written (nothing was done), or if the ledger cannot forget the
    /// budgets: the key is gone all the same, and what it used stays, to count for a new key of the same id.
    #[pyo3(signature = (key_id, /))]
    fn delete_key(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>) -> PyResult<()> {
        let id = key_named(key_id)?;
        self.run(py, self.open_core()?, |core| core.delete_key(&id)).map_err(|error| raised(py, error))
    }
}

impl Gate {
    fn create(&self, py: Python<'_>, spec: &KeySpec) -> PyResult<NewKey> {
        let made = self.run(py, self.open_core()?, |core| core.create_key(spec));
        NewKey::new(py, made.map_err(|error| raised(py, error))?, self)
    }

    fn import(&self, py: Python<'_>, spec: &KeySpec) -> PyResult<Key> {
        let key = self.run(py, self.open_core()?, |core| core.import_key(spec));
        key.map(|key| Key::new(key, self)).map_err(|error| raised(py, error))
    }

    fn edit(
        &self,
        py: Python<'_>,
        key_id: &Bound<'_, PyAny>,
        mut edit: KeyEdit,
        widen: Option<&Bound<'_, PyAny>>,
        revision: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Key> {
        let id = key_named(key_id)?;
        if flag("widen", widen)? {
            edit = edit.widen();
        }
        if let Some(revision) = revision {
            edit = edit.at_revision(count("revision", revision)?);
        }
        let key = self.run(py, self.open_core()?, |core| core.update_key(&id, &edit));
        key.map(|key| Key::new(key, self)).map_err(|error| raised(py, error))
    }
}

fn parsed(body: &Bound<'_, PyAny>) -> PyResult<KeySpec> {
    let json = bytes("body", body)?;
    KeySpec::from_json(&*json).map_err(|record| invalid_record(body.py(), &record))
}

// What cannot stand in a record is told together with what the core finds wrong with the rest.
fn spec(name: &Bound<'_, PyAny>, fields: Option<&Bound<'_, PyDict>>) -> PyResult<KeySpec> {
    let py = name.py();
    let (fields, mut faults) = record::fields(fields)?;
    let name = record::value(name, 1)?.unwrap_or_else(|message| {
        faults.push(Fault { path: "/name".to_owned(), message });
        Value::from("name")
    });
    let spec = fields.into_iter().fold(KeySpec::new(name), |spec, (field, value)| spec.set(field, value));
    if faults.is_empty() {
        return Ok(spec);
    }
    let rest = spec.create(&Peppers::none(), Timestamp::EPOCH).err().map(Error::from);
    let rest = match rest {
        Some(Error::InvalidRecord(record)) => Some(record),
        _ => None,
    };
    Err(invalid_record(py, &record::joined(faults, rest)))
}
