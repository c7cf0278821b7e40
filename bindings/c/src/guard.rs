//! The panic wall. Every exported function runs inside one of these, but for the two that tell versions, and nothing else
//! catches.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

use crate::denial::enclava_denial;
use crate::error::enclava_error;
use crate::fault::Fault;
use crate::status::enclava_status;

/// Runs a call that answers a status alone.
pub(crate) fn guard(call: impl FnOnce() -> Result<(), Fault>) -> enclava_status {
    or(enclava_status::Panic, || {
        call().map_or_else(|fault| enclava_status::of(&fault), |()| enclava_status::Ok)
    })
}

/// Runs a call that explains its failure: `error` becomes NULL, or what went wrong.
pub(crate) fn explain(
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
    call: impl FnOnce() -> Result<(), Fault>,
) -> enclava_status {
    telling(error, enclava_error::new, call)
}

/// Runs a call that decides: `denial` becomes NULL, or an answer to send, whatever the failure was.
pub(crate) fn decide(
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
    call: impl FnOnce() -> Result<(), Fault>,
) -> enclava_status {
    telling(denial, enclava_denial::of, call)
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

// A fault is told of inside the wall: carried out through it, it would be copied even where there is none.
fn telling<T>(
    mut out: Option<&mut MaybeUninit<*mut T>>,
    what: impl Fn(Fault) -> T,
    call: impl FnOnce() -> Result<(), Fault>,
) -> enclava_status {
    if let Some(out) = &mut out {
        out.write(null_mut());
    }
    let told = catch_unwind(AssertUnwindSafe(|| match call() {
        Ok(()) => enclava_status::Ok,
        Err(fault) => tell(out.as_deref_mut(), &what, fault),
    }));
    told.unwrap_or_else(|_| or(enclava_status::Panic, || tell(out, &what, Fault::Panic)))
}

#[cold]
fn tell<T>(
    out: Option<&mut MaybeUninit<*mut T>>,
    what: &impl Fn(Fault) -> T,
    fault: Fault,
) -> enclava_status {
    let status = enclava_status::of(&fault);
    if let Some(out) = out {
        out.write(Box::into_raw(Box::new(what(fault))));
    }
    status
}

#[cfg(test)]
mod tests {
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
