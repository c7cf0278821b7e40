//! A ledger written in C: a table of functions over one primitive.

use std::ffi::c_void;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use enclava_keys::Timestamp;
use enclava_keys::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Row, Step};
use enclava_keys::ledger::{Ledger, LedgerError};

use crate::alert::enclava_meter;
use crate::fault::Fault;
use crate::guard::guard;
use crate::handle::{Userdata, given};
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::step::{enclava_change, enclava_hold, enclava_moved, enclava_row, enclava_units};
use crate::table::{NoAnswer, answered, lent};
use crate::text::enclava_str;
use crate::time::{enclava_time, read_time};

/// What became of a step. Zero is no answer: the ledger then counts as one that cannot tell.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_outcome_kind {
    /// It was taken. Tell `next_lapse` and `seat`.
    Taken = 1,
    /// A change was not admitted. Nothing changed.
    Refused = 2,
    /// The first owner has as many live holds as it may. Nothing changed.
    Crowded = 3,
    /// The hold is at another revision. Nothing changed. Tell the hold if there is one.
    Unexpected = 4,
    /// By the ledger's own clock the windows are not the current ones. Nothing changed. Tell `now`.
    Elsewhen = 5,
}

/// One step: takes one hold from the revision it is expected to have to its next state, and moves rows with it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_step {
    /// Whose rows move. The hold lives with the first.
    pub owners: *const enclava_str,
    /// How many.
    pub owner_count: usize,
    /// What to do to which rows.
    pub changes: *const enclava_change,
    /// How many.
    pub change_count: usize,
    /// What the hold becomes. Its `id` names it.
    pub becomes: *const enclava_hold,
    /// The revision that it is expected to have; 0 if there is no such hold.
    pub expected: u32,
    /// The most live holds that the first owner may have with this one, where `is_bounded` is 1.
    pub most_live: u32,
    /// 1 if `most_live` counts.
    pub is_bounded: i32,
    /// 1 if the windows must be the current ones by the ledger's own clock, should it have one.
    pub is_current: i32,
}

/// What a ledger answers to a step. It comes all zero.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_outcome {
    /// An enclava_outcome_kind.
    pub kind: i32,
    /// Taken: the ledger's own note of where the hold is, or 0.
    pub seat: u32,
    /// Taken: not after the first instant at which a live hold of the first owner lapses; 0 always has the ledger asked.
    pub next_lapse: enclava_time,
    /// Elsewhen: what the ledger's clock says.
    pub now: enclava_time,
    /// Unexpected: 1 if there is a hold.
    pub has_hold: i32,
    /// Zero.
    pub reserved: u32,
    /// Unexpected: the hold as it stands.
    pub hold: enclava_hold,
}

/// Holds that a ledger tells, see `due` in enclava_ledger_vtable.
#[derive(Debug)]
pub struct enclava_holds(Vec<Hold>);

/// A ledger of your own: where rows and holds live. Begin with enclava_ledger_vtable_init().
///
/// Each function is called from any threads at once and may block; it must not call the gate, or leave by longjmp or a C++
/// exception. It returns 0, or another number when the ledger cannot tell: nothing is admitted then. What it is handed is
/// lent for the call; `data` is what the gate was opened with.
///
/// It is right when each `apply` happens whole or not at all, as if alone:
/// 1. If the hold's revision is not `step->expected` (0: no such hold), answer ENCLAVA_OUTCOME_KIND_UNEXPECTED.
/// 2. If `step->is_bounded` and the first owner has `step->most_live` live holds, answer ENCLAVA_OUTCOME_KIND_CROWDED.
/// 3. Ask enclava_change_is_admitted() for every change and its row; a row never written is zero. If any is not, write the
///    rows as they stand to `rows` and answer ENCLAVA_OUTCOME_KIND_REFUSED.
/// 4. Otherwise enclava_change_carry_out() every change, store the rows and `*step->becomes`, and answer
///    ENCLAVA_OUTCOME_KIND_TAKEN. `rows` has a place for each change, in order.
///
/// A row is never reset: another window is another row. Keep the rows of the last two windows, and those that a hold was
/// pinned to which is live, dropped or lapsed. Live holds are kept; of the others a bounded number for each owner, oldest
/// forgotten first. After a failure the same step may come again: its revision says whether it was taken.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_ledger_vtable {
    /// sizeof(enclava_ledger_vtable).
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Takes one step, or says why not.
    pub apply: Option<
        extern "C" fn(
            step: *const enclava_step,
            rows: *mut enclava_moved,
            outcome: *mut enclava_outcome,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Writes the row of `meter` in the window that begins at `window_start`; it comes zero, as one never written.
    pub row: Option<
        extern "C" fn(
            owner: enclava_str,
            meter: i32,
            window_start: enclava_time,
            row: *mut enclava_row,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Writes the hold of the 16 bytes at `id` that lives with `owner`, and 1 to `found`, which comes 0.
    pub hold: Option<
        extern "C" fn(
            owner: enclava_str,
            id: *const u8,
            hold: *mut enclava_hold,
            found: *mut i32,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Calls enclava_holds_add() for at most `most` live holds of `owner` with an `expires_at` not after `now`.
    pub due: Option<
        extern "C" fn(
            owner: enclava_str,
            now: enclava_time,
            most: usize,
            holds: *mut enclava_holds,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Forgets `owner` once its last live hold is closed.
    pub forget: Option<extern "C" fn(owner: enclava_str, data: *mut c_void) -> i32>,
    /// Brings what is on its way to where it is kept. NULL if nothing ever is.
    pub flush: Option<extern "C" fn(data: *mut c_void) -> i32>,
    /// The gate and its permits are gone: frees `data`. Not called if the gate did not open. NULL if nothing is to be freed.
    pub release: Option<extern "C" fn(data: *mut c_void)>,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers and nullable function pointers; what a caller leaves in a
// function pointer is one or NULL, as the header says.
unsafe impl Growable for enclava_ledger_vtable {
    const NAME: &'static str = "ledger";
    const FIRST: usize = 64;
}

/// Tells one hold from within `due`.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_holds_add(
    holds: Option<&mut enclava_holds>,
    hold: Option<&enclava_hold>,
) -> enclava_status {
    guard(|| {
        given(holds, "holds")?.0.push(given(hold, "hold")?.read()?);
        Ok(())
    })
}

/// A ledger behind a table of C functions.
pub(crate) struct Foreign {
    table: enclava_ledger_vtable,
    data: Userdata,
    // Until the gate is open, the data is the caller's.
    ours: AtomicBool,
}

impl Foreign {
    pub(crate) fn new(table: *const enclava_ledger_vtable, data: *mut c_void) -> Result<Self, Fault> {
        let table = sized::read(table)?;
        if table.reserved != 0 {
            return Err(Fault::value("ledger.reserved", "must be zero"));
        }
        given(table.apply, "ledger.apply")?;
        given(table.row, "ledger.row")?;
        given(table.hold, "ledger.hold")?;
        given(table.due, "ledger.due")?;
        given(table.forget, "ledger.forget")?;
        Ok(Self { table, data: Userdata::new(data), ours: AtomicBool::new(false) })
    }

    /// From now on the data is freed with the ledger.
    pub(crate) fn take_over(&self) {
        self.ours.store(true, Ordering::Release);
    }
}

impl Ledger for Foreign {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let apply = self.table.apply.ok_or(NoAnswer::Missing)?;
        let names: Vec<String> = step.parties.iter().map(|party| party.owner.id().to_string()).collect();
        let owners: Vec<enclava_str> = names.iter().map(|name| lent(name)).collect();
        let changes: Vec<enclava_change> = step.changes().map(|change| enclava_change::of(&change)).collect();
        let becomes = enclava_hold::of(&step.kept()).map_err(wrong)?;
        let told = enclava_step {
            owners: owners.as_ptr(),
            owner_count: owners.len(),
            changes: changes.as_ptr(),
            change_count: changes.len(),
            becomes: &raw const becomes,
            expected: step.expected(),
            most_live: step.most_live.unwrap_or(0),
            is_bounded: step.most_live.is_some().into(),
            is_current: step.current.into(),
        };
        let mut moved = vec![enclava_moved::from(Moved::NONE); changes.len()];
        let mut outcome = enclava_outcome {
            kind: 0,
            seat: 0,
            next_lapse: 0,
            now: 0,
            has_hold: 0,
            reserved: 0,
            hold: enclava_hold::ZERO,
        };
        answered(apply(&raw const told, moved.as_mut_ptr(), &raw mut outcome, self.data.get()))?;
        let outcome = match outcome.kind {
            1 => {
                Outcome::Taken { next_lapse: Timestamp::from_micros(outcome.next_lapse), seat: outcome.seat }
            }
            2 => Outcome::Refused,
            3 => Outcome::Crowded,
            4 if outcome.has_hold == 0 => Outcome::Unexpected(None),
            4 => Outcome::Unexpected(Some(Box::new(outcome.hold.read().map_err(wrong)?))),
            5 => Outcome::Elsewhen(read_time(outcome.now, "now").map_err(wrong)?),
            _ => return Err(LedgerError::new("it answered with an outcome that is none")),
        };
        for (row, moved) in rows.iter_mut().zip(moved) {
            *row = moved.into();
        }
        Ok(outcome)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        let row = self.table.row.ok_or(NoAnswer::Missing)?;
        let name = owner.id().to_string();
        let mut told = enclava_row { used: 0.into(), held: enclava_units::from(0), marks: 0 };
        let meter = enclava_meter::number(meter);
        answered(row(lent(&name), meter, start.as_micros(), &raw mut told, self.data.get()))?;
        Ok(told.into())
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        let hold = self.table.hold.ok_or(NoAnswer::Missing)?;
        let (name, id) = (owner.id().to_string(), id.0.to_be_bytes());
        let (mut told, mut found) = (enclava_hold::ZERO, 0);
        answered(hold(lent(&name), id.as_ptr(), &raw mut told, &raw mut found, self.data.get()))?;
        if found == 0 { Ok(None) } else { told.read().map(Some).map_err(wrong) }
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        let due = self.table.due.ok_or(NoAnswer::Missing)?;
        let name = owner.id().to_string();
        let mut told = enclava_holds(Vec::new());
        answered(due(lent(&name), now.as_micros(), most, &raw mut told, self.data.get()))?;
        Ok(told.0)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        let forget = self.table.forget.ok_or(NoAnswer::Missing)?;
        let name = owner.id().to_string();
        Ok(answered(forget(lent(&name), self.data.get()))?)
    }

    fn flush(&self) -> Result<(), LedgerError> {
        Ok(self.table.flush.map_or(Ok(()), |flush| answered(flush(self.data.get())))?)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(release) = self.table.release.filter(|_| self.ours.load(Ordering::Acquire)) {
            release(self.data.get());
        }
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").finish_non_exhaustive()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn wrong(fault: Fault) -> LedgerError {
    LedgerError::new(fault.to_string())
}
