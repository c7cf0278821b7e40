//! The leases that are open on a key's budgets.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::ledger::Lease;
use enclava_keys::{Gate, KeyId};

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::{explain, guard, or};
use crate::handle::{Slot, given};
use crate::manage::read_id;
use crate::money::enclava_usage;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::text::{Buffer, enclava_str};
use crate::time::enclava_time;

/// What processes have taken of one key's budgets to hand out by themselves, where gates are opened with `leased`.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_leases(Vec<Lease>);

/// One lease. Make an empty one with enclava_lease_init().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_lease {
    /// sizeof(enclava_lease).
    pub size: u32,
    /// The process that took it, by its number on its host.
    pub process: u32,
    /// When it was taken, by the clock of that process.
    pub opened_at: enclava_time,
    /// What it holds: not reported as used, and not free for others.
    pub holds: enclava_usage,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers only.
unsafe impl Growable for enclava_lease {
    const NAME: &'static str = "lease";
    const FIRST: usize = 40;
}

/// The leases that are open on the budgets of a key, of whichever process. One whose process is dead stays held until
/// it is settled by its permit id (enclava_gate_settle()), with what that process used and had not reported. Free them
/// with enclava_leases_free().
///
/// May block for a ledger that does I/O. Callable from any threads at once.
/// @return ENCLAVA_STATUS_INVALID_VALUE for what is no id of a key; ENCLAVA_STATUS_LEDGER.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_leases(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    leases: Option<&mut MaybeUninit<*mut enclava_leases>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let leases = Slot::required(leases, "leases")?;
        let (gate, id) = (given(gate, "gate")?, read_id(key_id.text("key_id")?, "key_id")?);
        leases.fill(of(&gate.0, &id)?);
        Ok(())
    })
}

pub(crate) fn of(gate: &Gate, id: &KeyId) -> Result<enclava_leases, Fault> {
    Ok(enclava_leases(gate.leases(id)?))
}

/// How many leases there are. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_leases_count(leases: Option<&enclava_leases>) -> usize {
    or(0, || leases.map_or(0, |leases| leases.0.len()))
}

/// The lease at `index`, from 0 on, but for its permit id.
///
/// @return ENCLAVA_STATUS_NOT_FOUND past the last.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_leases_read(
    leases: Option<&enclava_leases>,
    index: usize,
    lease: *mut enclava_lease,
) -> enclava_status {
    guard(|| {
        let told = at(leases, index)?;
        let told = enclava_lease {
            size: 0,
            process: told.process,
            opened_at: told.opened_at.as_micros(),
            holds: told.holds.into(),
        };
        sized::write(lease, &told)
    })
}

/// The permit id of the lease at `index`, by which it is settled if its process is dead.
///
/// @return ENCLAVA_STATUS_NOT_FOUND past the last.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_leases_permit_id(
    leases: Option<&enclava_leases>,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&at(leases, index)?.permit_id.to_string()))
}

/// Frees leases that were told. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_leases_free(leases: Option<Box<enclava_leases>>) {
    or((), || drop(leases));
}

fn at(leases: Option<&enclava_leases>, index: usize) -> Result<&Lease, Fault> {
    given(leases, "leases")?.0.get(index).ok_or(Fault::NotFound("lease at this index"))
}
