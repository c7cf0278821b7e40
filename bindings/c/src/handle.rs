//! Handles in and out: every pointer is asked for before it is followed.

use std::mem::MaybeUninit;
use std::ptr::null_mut;

use crate::fault::Fault;

/// The thing that a pointer must lead to.
pub(crate) fn given<T>(pointer: Option<T>, field: &'static str) -> Result<T, Fault> {
    pointer.ok_or(Fault::Null(field))
}

/// Where a handle is to be put. It is NULL until then, and stays so when the call fails.
#[derive(Debug)]
pub(crate) struct Slot<'a, T>(&'a mut MaybeUninit<*mut T>);

impl<'a, T> Slot<'a, T> {
    /// A place that must be there.
    pub(crate) fn required(
        out: Option<&'a mut MaybeUninit<*mut T>>,
        field: &'static str,
    ) -> Result<Self, Fault> {
        Self::wanted(out).ok_or(Fault::Null(field))
    }

    /// A place, if the caller wants the handle.
    pub(crate) fn wanted(out: Option<&'a mut MaybeUninit<*mut T>>) -> Option<Self> {
        out.map(|out| {
            out.write(null_mut());
            Self(out)
        })
    }

    /// Hands out `value`, which the caller frees.
    pub(crate) fn fill(self, value: T) {
        self.put(Box::new(value));
    }

    /// Hands out what has its place already.
    pub(crate) fn put(self, handle: Box<T>) {
        self.0.write(Box::into_raw(handle));
    }
}
