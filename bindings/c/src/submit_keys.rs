//! Submitted calls: keys.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::Key;
use enclava_keys::gate::NewKey;

use crate::answer::Given;
use crate::gate::enclava_gate;
use crate::guard::guard;
use crate::key::enclava_key;
use crate::manage::{page_of, read_edit, read_spec};
use crate::queue::{Place, enclava_done, enclava_queue};
use crate::status::enclava_status;
use crate::submit::{on_gate, on_key};
use crate::text::enclava_str;

/// Submits enclava_key_create(). The answer has the key and its secret, or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_create_submit(
    gate: Option<&enclava_gate>,
    spec: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let spec = spec.keep("spec")?;
        on_gate(place, gate, move |gate| Ok(made(gate.create_key(&read_spec(spec.lend())?)?)))
    })
}

/// Submits enclava_key_import(). The answer has the key or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_import_submit(
    gate: Option<&enclava_gate>,
    spec: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let spec = spec.keep("spec")?;
        on_gate(place, gate, move |gate| Ok(record(gate.import_key(&read_spec(spec.lend())?)?)))
    })
}

/// Submits enclava_key_get(). The answer has the key or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_get_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| on_key(Place::on(queue, done, data)?, gate, id, "id", |gate, id| Ok(record(gate.key(id)?))))
}

/// Submits enclava_key_list(). The answer has the keys (enclava_answer_keys()) or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_list_submit(
    gate: Option<&enclava_gate>,
    after: enclava_str,
    limit: usize,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let after = after.keep("after")?;
        on_gate(place, gate, move |gate| Ok(Given::Page(page_of(gate, after.lend(), limit)?)))
    })
}

/// Submits enclava_key_update(). The answer has the key or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_update_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    changes: enclava_str,
    revision: u64,
    flags: u32,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let changes = changes.keep("changes")?;
        on_key(place, gate, id, "id", move |gate, id| {
            Ok(record(gate.update_key(id, &read_edit(changes.lend(), revision, flags)?)?))
        })
    })
}

/// Submits enclava_key_rotate(). The answer has the key and its new secret, or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_rotate_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    overlap: u64,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, id, "id", move |gate, id| {
            Ok(made(gate.rotate_key(id, Duration::from_secs(overlap))?))
        })
    })
}

/// Submits enclava_key_disable(). The answer has the key or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_disable_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, id, "id", |gate, id| Ok(record(gate.disable_key(id)?)))
    })
}

/// Submits enclava_key_enable(). The answer has the key or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_enable_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, id, "id", |gate, id| Ok(record(gate.enable_key(id)?)))
    })
}

/// Submits enclava_key_revoke(). The answer has the key or the error.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_revoke_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, id, "id", |gate, id| Ok(record(gate.revoke_key(id)?)))
    })
}

/// Submits enclava_key_delete(). The answer has the error if there is one.
///
/// Never blocks. Callable from any threads at once.
/// @return as enclava_queue_submit().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_key_delete_submit(
    gate: Option<&enclava_gate>,
    id: enclava_str,
    queue: Option<&enclava_queue>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        on_key(Place::on(queue, done, data)?, gate, id, "id", |gate, id| {
            gate.delete_key(id)?;
            Ok(Given::Nothing)
        })
    })
}

fn record(key: Arc<Key>) -> Given {
    Given::Key(enclava_key(key))
}

fn made(made: NewKey) -> Given {
    Given::NewKey(enclava_key(made.key), (&made.secret).into())
}
