//! Structs that may grow: they begin with their size, as the caller's header knows it.

use std::ptr;

use crate::fault::Fault;

/// No struct of ours will be larger. What claims to be is not initialised.
const MOST: usize = 4_096;

/// A struct that begins with its size in a `uint32_t`, and to which fields are added only at the end.
///
/// # Safety
/// It is `repr(C)`, begins with a `u32`, has no padding that is not named, and any bytes are a value of it.
pub(crate) unsafe trait Growable: Copy {
    /// What it is called in a fault.
    const NAME: &'static str;
    /// Its size in the first header that had it.
    const FIRST: usize;
}

/// Reads a struct. Fields that the caller's header does not have yet are zero; fields that this library does not know
/// must be.
pub(crate) fn read<T: Growable>(from: *const T) -> Result<T, Fault> {
    let size = size_of_given(from)?;
    if size == size_of::<T>() {
        // SAFETY: not NULL, and the caller says by `size` that a whole T can be read there; any bytes are a T.
        return Ok(unsafe { from.read() });
    }
    let known = size.min(size_of::<T>());
    for place in known..size {
        // SAFETY: the caller says by `size` that so many bytes can be read there.
        if unsafe { from.cast::<u8>().add(place).read() } != 0 {
            return Err(Fault::StructSize(T::NAME, "sets a field that this library does not know"));
        }
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes can be read there and fit here; any bytes, zeros included, are a T.
    Ok(unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known);
        value.assume_init()
    })
}

/// Writes a struct whose size the caller has set, which stays as it was. Fields that this library does not know become
/// zero.
pub(crate) fn write<T: Growable>(to: *mut T, value: &T) -> Result<(), Fault> {
    let size = size_of_given(to)?;
    let known = size.min(size_of::<T>());
    let head = size_of::<u32>();
    // SAFETY: the caller says by `size` that so many bytes can be written there; `known` of them can be read here, and
    // both are larger than the head.
    unsafe {
        let (from, to) = (ptr::from_ref(value).cast::<u8>(), to.cast::<u8>());
        ptr::copy_nonoverlapping(from.add(head), to.add(head), known.saturating_sub(head));
        ptr::write_bytes(to.add(known), 0, size.saturating_sub(known));
    }
    Ok(())
}

fn size_of_given<T: Growable>(given: *const T) -> Result<usize, Fault> {
    if given.is_null() {
        return Err(Fault::Null(T::NAME));
    }
    // SAFETY: not NULL, and the caller promises a struct there, whose first four bytes are its size.
    let size = usize::try_from(unsafe { given.cast::<u32>().read() }).unwrap_or(0);
    if (T::FIRST..=MOST).contains(&size) {
        return Ok(size);
    }
    Err(Fault::StructSize(
        T::NAME,
        "has a size that is not known; begin with the function that makes an empty one",
    ))
}
