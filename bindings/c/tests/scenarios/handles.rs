//! Places for outputs, and texts, as a C program has them.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr::null;

use enclava::{enclava_status, enclava_str};

/// A place for a handle.
pub(super) fn place<T>() -> MaybeUninit<*mut T> {
    MaybeUninit::new(std::ptr::dangling_mut())
}

/// The handle that a function put in its place, if any. It is freed when the box is dropped.
pub(super) fn taken<T>(place: MaybeUninit<*mut T>) -> Option<Box<T>> {
    // SAFETY: every function writes NULL or a handle of its own making to the place that it is given.
    unsafe {
        let handle = place.assume_init();
        if handle.is_null() { None } else { Some(Box::from_raw(handle)) }
    }
}

/// A text that is lent.
pub(super) fn lent(text: &str) -> enclava_str {
    enclava_str { data: text.as_ptr().cast(), len: text.len() }
}

/// A text that is lent, or not stated.
pub(super) fn stated(text: Option<&str>) -> enclava_str {
    text.map_or(enclava_str { data: null(), len: 0 }, lent)
}

/// The text that `write` copies: its length is asked for first.
pub(super) fn text(
    write: impl Fn(*mut c_char, usize, Option<&mut MaybeUninit<usize>>) -> enclava_status,
) -> String {
    let mut len = MaybeUninit::new(usize::MAX);
    assert_eq!(write(std::ptr::null_mut(), 0, Some(&mut len)), enclava_status::BufferTooSmall);
    // SAFETY: it was written before, and by `write`.
    let len = unsafe { len.assume_init() };
    let mut buffer = vec![0x7f_u8; len + 1];
    assert_eq!(write(buffer.as_mut_ptr().cast(), buffer.len(), None), enclava_status::Ok);
    assert_eq!(buffer.pop(), Some(0), "a NUL follows");
    String::from_utf8(buffer).unwrap()
}

/// A text of the library's own.
pub(super) fn fixed(text: *const c_char) -> String {
    // SAFETY: the library's texts are static or belong to a handle that the caller holds, and end with a NUL.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
}
