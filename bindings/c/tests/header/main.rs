//! `include/enclava.h` is what the sources say. `BLESS=1` rewrites it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]

mod layout;

use std::path::Path;

#[test]
fn header_is_current() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_root_or_default(crate_dir);
    let bindings = cbindgen::generate_with_config(crate_dir, config).expect("cbindgen reads the crate");
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let header = layout::header(&String::from_utf8(generated).unwrap(), &crate_dir.join("src"));

    let path = crate_dir.join("../../include/enclava.h");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &header).unwrap();
    }
    let committed = std::fs::read_to_string(&path).expect("include/enclava.h is committed");
    assert!(
        committed == header,
        "include/enclava.h is stale: run `BLESS=1 cargo test -p enclava-c --test header` and commit it"
    );
}
