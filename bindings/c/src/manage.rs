//! Managing keys: create, import, edit, rotate, switch, delete.
//!
//! All of these may write to the store, and so may block.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::{Error, Gate, Key, KeyEdit, KeyId, KeySpec};

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::explain;
use crate::handle::{Slot, given};
use crate::key::{enclava_key, enclava_key_page};
use crate::secret::enclava_secret;
use crate::status::enclava_status;
use crate::text::enclava_str;

/// An edit may let requests through that were refused before. Without it such an edit is a conflict.
pub const ENCLAVA_UPDATE_WIDEN: u32 = 1;

/// Makes a key of a JSON object: `{"name": "Production App", "allowed_models": ["gpt-4"], "daily_spend_limit": "50.00",
/// "monthly_spend_limit": 1500, "daily_token_limit": 500000, "alert_threshold": 0.8}`. Only `name` is required.
///
/// `secret` is the one chance to see the key's text: free it with enclava_secret_free(). `key` may be NULL.
///
/// May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_INVALID_RECORD with every fault of the spec; ENCLAVA_STATUS_CONFLICT if its own id is taken.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_create(
    gate: Option<&enclava_gate>,
    spec: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    secret: Option<&mut MaybeUninit<*mut enclava_secret>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let key = Slot::wanted(key);
        let secret = Slot::required(secret, "secret")?;
        let spec = read_spec(spec)?;
        let made = given(gate, "gate")?.0.create_key(&spec)?;
        secret.fill((&made.secret).into());
        hand_out(key, made.key);
        Ok(())
    })
}

/// Takes in a key that exists already: a spec as for enclava_key_create(), with the text of its `secret` or the `key_hash`.
///
/// `key` may be NULL. May block. Callable from any threads at once.
/// @return as enclava_key_create(), and ENCLAVA_STATUS_CONFLICT if another key has the secret.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_import(
    gate: Option<&enclava_gate>,
    spec: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let key = Slot::wanted(key);
        let spec = read_spec(spec)?;
        hand_out(key, given(gate, "gate")?.0.import_key(&spec)?);
        Ok(())
    })
}

/// The record of a key, no older than for a call: a store that others write to may be asked for news. Free it with
/// enclava_key_free().
///
/// May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_get(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    change(gate, id, key, error, Gate::key)
}

/// At most `limit` keys after the one with the id `after`; from the first if that is not stated. They are as old as those of
/// enclava_key_get(). Free the list with enclava_key_page_free().
///
/// May block. Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_list(
    gate: Option<&enclava_gate>,
    after: enclava_str,
    limit: usize,
    page: Option<&mut MaybeUninit<*mut enclava_key_page>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let page = Slot::required(page, "page")?;
        page.fill(page_of(&given(gate, "gate")?.0, after, limit)?);
        Ok(())
    })
}

pub(crate) fn page_of(gate: &Gate, after: enclava_str, limit: usize) -> Result<enclava_key_page, Fault> {
    let after = after.stated("after")?.map(|id| read_id(id, "after")).transpose()?;
    Ok(enclava_key_page(gate.keys(after.as_ref(), limit).into_iter().map(enclava_key).collect()))
}

/// Edits a key by a JSON object: what it does not name stays, what it sets to null is gone.
///
/// `revision` is the one that the edit is meant for, 0 for any. `flags` is 0 or ENCLAVA_UPDATE_WIDEN. `key` may be NULL.
///
/// May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_INVALID_RECORD with every fault; ENCLAVA_STATUS_CONFLICT if the record has moved on from
/// `revision`, or if the edit would let a request through that was refused before and `flags` does not say so.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_update(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    changes: enclava_str,
    revision: u64,
    flags: u32,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    change(gate, id, key, error, |gate, id| {
        Ok::<_, Fault>(gate.update_key(id, &read_edit(changes, revision, flags)?)?)
    })
}

/// Adds a secret to a key. The present one ends after `overlap` seconds, at once for 0; both spend one budget.
///
/// `secret` is the one chance to see the new text: free it with enclava_secret_free(). `key` may be NULL.
///
/// May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_CONFLICT if the key is revoked, disabled or expired, or has five secrets in force;
/// ENCLAVA_STATUS_INVALID_VALUE for an overlap of more than 90 days.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_rotate(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    overlap: u64,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    secret: Option<&mut MaybeUninit<*mut enclava_secret>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let key = Slot::wanted(key);
        let secret = Slot::required(secret, "secret")?;
        let id = read_id(id.text("id")?, "id")?;
        let made = given(gate, "gate")?.0.rotate_key(&id, Duration::from_secs(overlap))?;
        secret.fill((&made.secret).into());
        hand_out(key, made.key);
        Ok(())
    })
}

/// Stops a key until it is enabled again. The next call is denied; calls in flight settle.
///
/// `key` may be NULL. May block. Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_disable(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    change(gate, id, key, error, Gate::disable_key)
}

/// Starts a key that was disabled.
///
/// `key` may be NULL. May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_CONFLICT if it is revoked.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_enable(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    change(gate, id, key, error, Gate::enable_key)
}

/// Ends a key for good. The next call is denied; calls in flight settle. Revoking it again changes nothing.
///
/// `key` may be NULL. May block. Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_revoke(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    change(gate, id, key, error, Gate::revoke_key)
}

/// Removes a key and its record. Its secret is unknown from now on; calls in flight settle.
///
/// May block. Callable from any threads at once.
///
/// @return ENCLAVA_STATUS_NOT_FOUND; ENCLAVA_STATUS_LEDGER if the store cannot be written (nothing was done), or if the ledger
/// cannot forget the budgets: the key is gone all the same, and what it used stays, to count for a new key of the same id.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_delete(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let id = read_id(id.text("id")?, "id")?;
        Ok(given(gate, "gate")?.0.delete_key(&id)?)
    })
}

// A call that answers with the record of the key of `id`.
fn change<E: Into<Fault>>(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    key: Option<&mut MaybeUninit<*mut enclava_key>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
    call: impl FnOnce(&Gate, &KeyId) -> Result<Arc<Key>, E>,
) -> enclava_status {
    explain(error, || {
        let key = Slot::wanted(key);
        let id = read_id(id.text("id")?, "id")?;
        let record = call(&given(gate, "gate")?.0, &id).map_err(Into::into)?;
        hand_out(key, record);
        Ok(())
    })
}

pub(crate) fn read_spec(spec: enclava_str) -> Result<KeySpec, Fault> {
    Ok(KeySpec::from_json(spec.bytes("spec")?).map_err(Error::from)?)
}

pub(crate) fn read_edit(changes: enclava_str, revision: u64, flags: u32) -> Result<KeyEdit, Fault> {
    let mut edit = KeyEdit::from_json(changes.bytes("changes")?).map_err(Error::from)?;
    edit = match flags {
        0 => edit,
        ENCLAVA_UPDATE_WIDEN => edit.widen(),
        _ => return Err(Fault::value("flags", "must be 0 or ENCLAVA_UPDATE_WIDEN")),
    };
    Ok(if revision > 0 { edit.at_revision(revision) } else { edit })
}

pub(crate) fn read_id(id: &str, field: &'static str) -> Result<KeyId, Fault> {
    id.parse().map_err(|error| Fault::value(field, error))
}

fn hand_out(key: Option<Slot<'_, enclava_key>>, record: Arc<Key>) {
    if let Some(key) = key {
        key.fill(enclava_key(record));
    }
}
