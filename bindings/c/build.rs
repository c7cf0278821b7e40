//! Names the shared library's ABI, so that a program finds the library that it was linked against.

// `tests/links.rs` checks that this is ENCLAVA_ABI_VERSION.
const SONAME: &str = "libenclava.so.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
    }
}
