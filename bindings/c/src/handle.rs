//! Handles in and out: every pointer is asked for before it is followed.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull, null_mut};

use crate::fault::Fault;

/// The thing that a pointer must lead to.
pub(crate) fn given<T>(pointer: Option<T>, field: &'static str) -> Result<T, Fault> {
    pointer.ok_or(Fault::Null(field))
}

/// Two things of one kind, the first to be changed; `None` where both pointers lead to the same one.
pub(crate) fn apart<'a, T>(
    changed: *mut T,
    other: *const T,
    [changed_field, other_field]: [&'static str; 2],
) -> Result<Option<(&'a mut T, &'a T)>, Fault> {
    if changed.is_null() {
        return Err(Fault::Null(changed_field));
    }
    if other.is_null() {
        return Err(Fault::Null(other_field));
    }
    if ptr::eq(changed, other) {
        return Ok(None);
    }
    // SAFETY: neither is NULL, they are not the same, and the caller promises a T at each that nobody else uses during the
    // call, beyond which the callers keep nothing of it.
    Ok(Some(unsafe { (&mut *changed, &*other) }))
}

/// A place in the caller's memory that lies within another one, perhaps: it is read and written whole and never borrowed.
pub(crate) struct Whole<T>(NonNull<T>);

impl<T: Copy> Whole<T> {
    pub(crate) fn given(pointer: *mut T, field: &'static str) -> Result<Self, Fault> {
        NonNull::new(pointer).map(Self).ok_or(Fault::Null(field))
    }

    pub(crate) fn read(&self) -> T {
        // SAFETY: not NULL, and the caller promises a T there that nobody else changes during the call.
        unsafe { self.0.read() }
    }

    pub(crate) fn write(&self, value: T) {
        // SAFETY: not NULL, and the caller promises room for a T there that nobody else uses during the call.
        unsafe { self.0.write(value) }
    }
}

/// A caller's pointer that goes along with a callback and is never followed here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Userdata(*mut c_void);

// SAFETY: the pointer is handed back as it came; the caller, who gives it together with a callback that the header says
// is called from other threads, answers for what is behind it.
unsafe impl Send for Userdata {}
// SAFETY: as above.
unsafe impl Sync for Userdata {}

impl Userdata {
    pub(crate) fn new(pointer: *mut c_void) -> Self {
        Self(pointer)
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.0
    }
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
