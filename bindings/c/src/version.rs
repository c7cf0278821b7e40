//! Which library this is.

use std::ffi::c_char;

/// The version of the ABI that this header describes. A program and a library with the same number fit together.
pub const ENCLAVA_ABI_VERSION: u32 = 0;

/// The version of the library, such as "0.1.0".
///
/// The text is static: never free it. Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The ABI version of the library that is loaded. Compare it with ENCLAVA_ABI_VERSION, the one compiled against.
///
/// Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_abi_version() -> u32 {
    ENCLAVA_ABI_VERSION
}
