//! Looking after a SQLite database while it is in use.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::Error;
use enclava_keys::engine::{Health, Sqlite};

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::fork;
use crate::guard::{explain, guard, or};
use crate::handle::{Slot, given};
use crate::status::enclava_status;
use crate::text::{Buffer, enclava_str};

/// How a database is.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_health(Health);

/// Copies the database at a URL such as "sqlite:////var/lib/enclava.db", as it is at one moment, to a new file whose path
/// is `to`, for its owner alone. Gates go on using it meanwhile. The copy is a database like the first.
///
/// Blocks. Callable from any threads at once.
/// @return ENCLAVA_STATUS_INVALID_VALUE for another URL or a path that is not stated; ENCLAVA_STATUS_LEDGER if it is not
/// there or cannot be copied, or `to` is there already.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_database_backup(
    url: enclava_str,
    to: enclava_str,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let to = to.text("to")?;
        if to.is_empty() {
            return Err(Fault::value("to", "must be the path of a new file"));
        }
        open(url)?.backup(to).map_err(|fault| Error::from(fault).into())
    })
}

/// Reads a whole database, counts everything in it again, and tells what does not fit. Gates go on using it meanwhile. Free
/// the answer with enclava_health_free().
///
/// Blocks, for as long as there is much to read. Callable from any threads at once.
/// @return ENCLAVA_STATUS_OK whatever was found, if it could be read; ENCLAVA_STATUS_INVALID_VALUE for another URL;
/// ENCLAVA_STATUS_LEDGER if it is not there or cannot be read.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_database_doctor(
    url: enclava_str,
    health: Option<&mut MaybeUninit<*mut enclava_health>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let health = Slot::required(health, "health")?;
        health.fill(enclava_health(open(url)?.doctor().map_err(Error::from)?));
        Ok(())
    })
}

/// How many things are wrong, at most a hundred. 0 is well; 1 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_health_fault_count(health: Option<&enclava_health>) -> usize {
    or(1, || health.map_or(1, |health| health.0.faults.len()))
}

/// All of it as a JSON object: `faults`, an array of texts, and what there is: `sqlite`, `schema`, `keys`, `accounts`,
/// `live`, `holds`, `alerts`, `bytes`, `journal_bytes`.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_health_json(
    health: Option<&enclava_health>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let json = serde_json::to_string(&given(health, "health")?.0).map_err(|_| Fault::Panic)?;
        Buffer::new(buffer, capacity, len).write(&json)
    })
}

/// Frees what was told of a database. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_health_free(health: Option<Box<enclava_health>>) {
    or((), || drop(health));
}

fn open(url: enclava_str) -> Result<Sqlite, Fault> {
    fork::watch();
    let url = url.text("url")?;
    Sqlite::existing(url).map_err(|fault| Error::from(fault).into())
}
