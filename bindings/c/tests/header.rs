//! `include/enclava.h` is what the sources say. `BLESS=1` rewrites it.

use std::path::Path;

#[test]
fn header_is_current() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_root_or_default(crate_dir);
    config.after_includes = Some(format!(
        "\n/** The version of the library that this header was written for. */\n#define ENCLAVA_VERSION \"{}\"",
        env!("CARGO_PKG_VERSION")
    ));
    let bindings = cbindgen::generate_with_config(crate_dir, config).expect("cbindgen reads the crate");
    let mut generated = Vec::new();
    bindings.write(&mut generated);

    let path = crate_dir.join("../../include/enclava.h");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read(&path).expect("include/enclava.h is committed");
    assert!(
        committed == generated,
        "include/enclava.h is stale: run `BLESS=1 cargo test -p enclava-c --test header` and commit it"
    );
}
