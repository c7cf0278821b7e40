//! Records of keys, as they stood at one moment.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;

use enclava_keys::Key;
use enclava_keys::key::State;

use crate::fault::Fault;
use crate::guard::{guard, or};
use crate::handle::given;
use crate::status::enclava_status;
use crate::text::Buffer;
use crate::time::{enclava_time, read_time};

/// Room for the id of any key and its NUL.
pub const ENCLAVA_KEY_ID_TEXT: usize = 65;

/// What a key is at an instant. 0 is a state that this header does not have yet.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_key_state {
    /// It is in force.
    Active = 1,
    /// It was revoked for good.
    Revoked = 2,
    /// It is switched off.
    Disabled = 3,
    /// Its first instant has not come yet.
    NotYetValid = 4,
    /// Its last instant has passed.
    Expired = 5,
}

/// The record of a key as it stood when it was read. It holds no secret.
///
/// Immutable: any threads may read it at once. It lives on when the gate is freed.
#[derive(Debug)]
pub struct enclava_key(pub(crate) Arc<Key>);

/// Keys in the order of their ids: generated ids first, by their making, then ids of your own, by their text.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_key_page(pub(crate) Vec<enclava_key>);

/// The id, such as "key_01kav…". ENCLAVA_KEY_ID_TEXT bytes are always enough.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_id(
    key: Option<&enclava_key>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(key, "key")?.0.id().to_string()))
}

/// The name.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_name(
    key: Option<&enclava_key>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(given(key, "key")?.0.name()))
}

/// The whole record as JSON: every field under its name, no secret and no hash.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_json(
    key: Option<&enclava_key>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(key, "key")?.0.to_json()))
}

/// Counts the edits of the record, from 1: what enclava_key_update() may be told to expect. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_revision(key: Option<&enclava_key>) -> u64 {
    or(0, || key.map_or(0, |key| key.0.revision()))
}

/// What the key is at `now`, an enclava_key_state, and how many of its secrets are in force or will be. Either may be NULL.
///
/// @return ENCLAVA_STATUS_INVALID_VALUE for an instant before 1970 or after the year 9999.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_state_at(
    key: Option<&enclava_key>,
    now: enclava_time,
    state: Option<&mut MaybeUninit<i32>>,
    live_secrets: Option<&mut MaybeUninit<u32>>,
) -> enclava_status {
    guard(|| {
        let key = &given(key, "key")?.0;
        let now = read_time(now, "now")?;
        let live = key.secrets().filter(|secret| !secret.is_retired_at(now)).count();
        if let Some(state) = state {
            state.write(number(key.state_at(now)));
        }
        if let Some(live_secrets) = live_secrets {
            live_secrets.write(u32::try_from(live).map_err(|_| Fault::Panic)?);
        }
        Ok(())
    })
}

/// Frees a record. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_free(key: Option<Box<enclava_key>>) {
    or((), || drop(key));
}

/// How many keys there are in a list. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_page_count(page: Option<&enclava_key_page>) -> usize {
    or(0, || page.map_or(0, |page| page.0.len()))
}

/// The key at `index`, from 0 on; NULL past the last. It belongs to the list and lives as long: do not free it.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_page_at(page: Option<&enclava_key_page>, index: usize) -> Option<&enclava_key> {
    or(None, || page?.0.get(index))
}

/// Frees a list and its records. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_page_free(page: Option<Box<enclava_key_page>>) {
    or((), || drop(page));
}

fn number(state: State) -> i32 {
    match state {
        State::Active => 1,
        State::Revoked => 2,
        State::Disabled => 3,
        State::NotYetValid => 4,
        State::Expired => 5,
        _ => 0,
    }
}
