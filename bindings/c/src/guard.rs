//! The panic wall. Every exported function runs inside one of these, and nothing else catches.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::denial::enclava_denial;
use crate::error::enclava_error;
use crate::fault::Fault;
use crate::status::enclava_status;

/// Runs a call that answers a status alone.
pub(crate) fn guard(call: impl FnOnce() -> Result<(), Fault>) -> enclava_status {
    match wall(call) {
        Ok(()) => enclava_status::Ok,
        Err(fault) => enclava_status::of(&fault),
    }
}

/// Runs a call that explains its failure: `error` becomes NULL, or what went wrong.
pub(crate) fn explain(
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
    call: impl FnOnce() -> Result<(), Fault>,
) -> enclava_status {
    let fault = wall(call).err();
    let status = fault.as_ref().map_or(enclava_status::Ok, enclava_status::of);
    hand_out(error, || fault.map(enclava_error::new));
    status
}

/// Runs a call that decides: `denial` becomes NULL, or an answer to send, whatever the failure was.
pub(crate) fn decide(
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
    call: impl FnOnce() -> Result<(), Fault>,
) -> enclava_status {
    let fault = wall(call).err();
    let status = fault.as_ref().map_or(enclava_status::Ok, enclava_status::of);
    hand_out(denial, || fault.map(enclava_denial::of));
    status
}

/// Runs a call that always has an answer: `default` if it panics.
pub(crate) fn or<T>(default: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(default)
}

/// Runs what the caller makes an answer of itself.
// Whatever was half done when a call panicked is not looked at again by it, and the core's locks do not poison.
pub(crate) fn wall(call: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Fault::Panic))
}

fn hand_out<T>(out: Option<&mut MaybeUninit<*mut T>>, make: impl FnOnce() -> Option<T>) {
    let Some(out) = out else { return };
    out.write(std::ptr::null_mut());
    let made = or(None, || make().map(Box::new));
    if let Some(made) = made {
        out.write(Box::into_raw(made));
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;

    #[test]
    fn a_panic_is_a_status_and_denies() {
        assert_eq!(guard(|| panic!("a test")), enclava_status::Panic);
        assert_eq!(or(7, || panic!("a test")), 7);
        let mut denial = MaybeUninit::new(null_mut());
        assert_eq!(decide(Some(&mut denial), || panic!("a test")), enclava_status::Panic);
        // SAFETY: `decide` wrote a box that nobody else has.
        let denial = unsafe { Box::from_raw(denial.assume_init()) };
        assert_eq!(crate::denial::enclava_denial_status(Some(&denial)), 500);
    }
}
