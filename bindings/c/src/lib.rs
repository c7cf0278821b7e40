//! The C ABI of enclava-keys. Thin: one file for each noun, each function a translation of one call of the core.
//! The rules it keeps are on the first page of `include/enclava.h`, which is generated from this crate.

mod version;

pub use version::{ENCLAVA_ABI_VERSION, enclava_abi_version, enclava_version};
