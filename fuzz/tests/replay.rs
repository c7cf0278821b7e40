//! Every committed seed and every past crash goes through its target, on the stable toolchain and without libFuzzer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use enclava_fuzz::TARGETS;

#[test]
fn every_corpus_replays() {
    for (name, target) in TARGETS {
        let seeds = files(&root().join("corpus").join(name));
        assert!(!seeds.is_empty(), "fuzz/corpus/{name} holds no seed");
        for seed in &seeds {
            println!("{}", seed.display());
            target(&fs::read(seed).unwrap());
        }
    }
}

#[test]
fn every_target_is_a_function_a_program_and_a_corpus() {
    let functions: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems(&root().join("targets")), functions, "fuzz/targets");
    assert_eq!(stems(&root().join("corpus")), functions, "fuzz/corpus");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .map_or_else(|_| Vec::new(), |entries| entries.map(|e| e.unwrap().path()).collect())
}

fn stems(directory: &Path) -> BTreeSet<String> {
    files(directory).iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}
