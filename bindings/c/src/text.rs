//! Text in, borrowed for one call; text out, copied into the caller's buffer.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::slice;

use zeroize::Zeroizing;

use crate::fault::Fault;

/// Text or bytes that are lent for one call: `len` bytes at `data`, with no need for a NUL behind them.
///
/// `data` may be NULL when `len` is 0: then an optional text is not stated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_str {
    /// The first byte.
    pub data: *const c_char,
    /// How many bytes there are.
    pub len: usize,
}

impl enclava_str {
    /// The bytes; none if they are not stated.
    pub(crate) fn bytes(&self, field: &'static str) -> Result<&[u8], Fault> {
        if self.data.is_null() {
            return if self.len == 0 { Ok(&[]) } else { Err(Fault::Null(field)) };
        }
        if isize::try_from(self.len).is_err() {
            return Err(Fault::value(field, "is longer than memory"));
        }
        // SAFETY: not NULL, not longer than an object can be, and the caller promises (first page of the header) that
        // `len` bytes at `data` can be read and do not change during the call, beyond which nothing of it is kept.
        Ok(unsafe { slice::from_raw_parts(self.data.cast(), self.len) })
    }

    /// The text; empty if it is not stated.
    pub(crate) fn text(&self, field: &'static str) -> Result<&str, Fault> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| Fault::NotUtf8(field))
    }

    /// The text, if it is stated.
    pub(crate) fn stated(&self, field: &'static str) -> Result<Option<&str>, Fault> {
        if self.data.is_null() && self.len == 0 {
            return Ok(None);
        }
        self.text(field).map(Some)
    }

    /// A copy, for a call that is made after this one has returned.
    pub(crate) fn keep(&self, field: &'static str) -> Result<Kept, Fault> {
        let bytes = self.bytes(field)?;
        Ok(Kept(if self.data.is_null() { None } else { Some(Zeroizing::new(bytes.into())) }))
    }
}

/// A text of one's own, wiped when it goes: it may be a secret.
pub(crate) struct Kept(Option<Zeroizing<Box<[u8]>>>);

impl Kept {
    /// The same text again, lent.
    pub(crate) fn lend(&self) -> enclava_str {
        match &self.0 {
            None => enclava_str { data: std::ptr::null(), len: 0 },
            Some(bytes) => enclava_str { data: bytes.as_ptr().cast(), len: bytes.len() },
        }
    }
}

/// The items of an array that is lent for one call.
pub(crate) fn items<'a, T>(first: *const T, count: usize, field: &'static str) -> Result<&'a [T], Fault> {
    if !is_array(first, count, field)? {
        return Ok(&[]);
    }
    // SAFETY: as in `enclava_str::bytes`; the callers keep the slice no longer than their call.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// Room for so many items, in the caller's memory.
pub(crate) fn room<'a, T>(
    first: *mut T,
    count: usize,
    field: &'static str,
) -> Result<&'a mut [MaybeUninit<T>], Fault> {
    if !is_array(first, count, field)? {
        return Ok(&mut []);
    }
    // SAFETY: as above, and the caller promises that nobody else uses it during the call.
    Ok(unsafe { slice::from_raw_parts_mut(first.cast(), count) })
}

// Whether there is an array of so many items; false for none at NULL.
fn is_array<T>(first: *const T, count: usize, field: &'static str) -> Result<bool, Fault> {
    if first.is_null() {
        return if count == 0 { Ok(false) } else { Err(Fault::Null(field)) };
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(Fault::value(field, "is longer than memory"));
    }
    Ok(true)
}

/// A caller's buffer for text.
pub(crate) struct Buffer<'a> {
    start: *mut c_char,
    capacity: usize,
    len: Option<&'a mut MaybeUninit<usize>>,
}

impl<'a> Buffer<'a> {
    pub(crate) fn new(start: *mut c_char, capacity: usize, len: Option<&'a mut MaybeUninit<usize>>) -> Self {
        Self { start, capacity, len }
    }

    /// Copies `text` and a NUL; an empty text where they do not fit. The length is told either way.
    pub(crate) fn write(self, text: &str) -> Result<(), Fault> {
        if let Some(len) = self.len {
            len.write(text.len());
        }
        if self.start.is_null() {
            return Err(if self.capacity == 0 { Fault::BufferTooSmall } else { Fault::Null("buffer") });
        }
        let fits = text.len() < self.capacity;
        let copied = if fits { text.as_bytes() } else { &[] };
        if self.capacity > 0 {
            // SAFETY: not NULL, and the caller promises `capacity` bytes there that nobody else uses during the call; what
            // is copied and its NUL are at most as many, and come from memory of our own.
            unsafe {
                self.start.cast::<u8>().copy_from_nonoverlapping(copied.as_ptr(), copied.len());
                self.start.add(copied.len()).write(0);
            }
        }
        if fits { Ok(()) } else { Err(Fault::BufferTooSmall) }
    }
}
