//! The house stands as ARCHITECTURE.md says: every arrow points down, files stay small, one version everywhere.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

// What each room may know. Files that lie in src/ itself (time, ids, clocks) are the ground that all of them stand on.
const ROOMS: &[(&str, &[&str])] = &[
    ("budget", &[]),
    ("policy", &[]),
    ("key", &["budget", "policy"]),
    ("ledger", &["budget"]),
    ("wire", &["budget"]),
    ("store", &["budget", "key", "policy"]),
    ("engine", &["budget", "key", "ledger", "policy", "store"]),
    ("gate", &["budget", "engine", "key", "ledger", "policy", "store", "wire"]),
];
// Pure: they are told the time.
const TIMELESS: [&str; 2] = ["budget", "policy"];
const MOST_LINES: usize = 450;

#[test]
fn every_arrow_points_down() {
    let ground = ground();
    let reexports = reexports(&read("src/lib.rs"));
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut faults = Vec::new();
    for path in sources("src") {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        if room == "lib.rs" {
            continue;
        }
        let may: &[&str] = match (inside.components().count(), rooms.get(room)) {
            (1, _) => &[],
            (_, Some(may)) => may,
            (_, None) => panic!("src/{room} is a room that tests/house.rs does not know"),
        };
        let text = without_comments(&fs::read_to_string(&path).unwrap());
        // `super::` leaves a room as well, when a room's name follows it.
        let outside = mentions(&text, "super::").into_iter().filter(|name| rooms.contains_key(name.as_str()));
        for name in mentions(&text, "crate::").into_iter().chain(outside) {
            let target = reexports.get(&name).unwrap_or(&name).as_str();
            let clock = target == "clock" && TIMELESS.contains(&room);
            let grounded = ground.contains(target) && !clock;
            if target != room && !grounded && !may.contains(&target) {
                faults.push(format!("{} must not know {target} (`{name}`)", inside.display()));
            }
        }
    }
    assert!(faults.is_empty(), "arrows that do not point down:\n{}", faults.join("\n"));
}

#[test]
fn mentions_are_found() {
    let text = "use crate::{budget::{Money, Usage}, key, Timestamp};\nfn f(_: crate::wire::Reason) {} pub(crate) mod x;";
    assert_eq!(mentions(text, "crate::"), ["budget", "key", "Timestamp", "wire"]);
    assert_eq!(
        reexports("pub use time::{A, B as C};\npub use id::D;").into_keys().collect::<Vec<_>>(),
        ["A", "C", "D"]
    );
    assert_eq!(without_comments("a // crate::gate\nb"), "a \nb\n");
}

#[test]
fn files_stay_small() {
    for path in ["src", "bindings/c/src", "bindings/python/src"].into_iter().flat_map(sources) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= MOST_LINES,
            "{}: {lines} lines, at most {MOST_LINES}: two files in one?",
            path.display()
        );
    }
}

#[test]
fn versions_agree() {
    let version = env!("CARGO_PKG_VERSION");
    for manifest in ["", "benches/", "bindings/c/", "bindings/python/", "fuzz/", "tests/shuttle/"] {
        let manifest = read(&format!("{manifest}Cargo.toml"));
        assert!(manifest.contains("version.workspace = true"), "{manifest}");
    }
    assert!(read("pyproject.toml").contains("dynamic = [\"version\"]"));
    assert!(read("include/enclava.h").contains(&format!("#define ENCLAVA_VERSION \"{version}\"\n")));
    for name in ["enclava-keys", "enclava-c", "enclava-python"] {
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(read("Cargo.lock").contains(&entry), "Cargo.lock: {entry}");
    }
}

#[test]
fn the_package_holds_what_its_sources_include() {
    let cargo = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--locked", "--offline", "-p", "enclava-keys"])
        .current_dir(root())
        .output()
        .unwrap();
    let listed = String::from_utf8(cargo.stdout).unwrap();
    let listed: BTreeSet<PathBuf> = listed.lines().map(|line| root().join(line)).collect();
    let mut included = 0;
    for path in sources("src") {
        assert!(listed.contains(&path), "{} is not in the package", path.display());
        let text = fs::read_to_string(&path).unwrap();
        for name in text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = path.parent().unwrap().join(name).canonicalize().unwrap();
            assert!(
                listed.contains(&file),
                "{} is not in the package, and {} needs it",
                name,
                path.display()
            );
            included += 1;
        }
    }
    assert!(included > 0, "{}", String::from_utf8_lossy(&cargo.stderr));
}

#[test]
fn lock_file_is_committed() {
    let git =
        Command::new("git").args(["ls-files", "--error-unmatch", "Cargo.lock"]).current_dir(root()).output();
    // 1 is "not tracked". Without git, or outside a checkout, there is nothing to ask.
    let untracked = git.is_ok_and(|output| output.status.code() == Some(1));
    assert!(!untracked, "commit Cargo.lock: the builds of the bindings are reproducible only with it");
}

#[test]
fn no_database_is_committed() {
    let git = Command::new("git").args(["ls-files", "--", "*.db", "*.db-*"]).current_dir(root()).output();
    let tracked = git.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    assert!(tracked.is_empty(), "somebody's keys and budgets: {tracked}");
    let ignored = read(".gitignore");
    assert!(["*.db", "*.db-*"].iter().all(|pattern| ignored.lines().any(|line| line == *pattern)));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file under `of`.
fn sources(of: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(of)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The modules that are one file in src/.
fn ground() -> BTreeSet<String> {
    let inside = |path: &PathBuf| path.parent().unwrap().ends_with("src");
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    sources("src").into_iter().filter(inside).map(stem).collect()
}

/// Which module each name comes from that the crate re-exports.
fn reexports(lib: &str) -> BTreeMap<String, String> {
    let statements = lib.split("pub use ").skip(1).filter_map(|rest| rest.split_once(';'));
    let mut names = BTreeMap::new();
    for (statement, _) in statements {
        let (module, list) = statement.split_once("::").unwrap_or((statement, statement));
        for item in list.trim_matches(['{', '}']).split(',') {
            let name = item.rsplit([' ', ':']).next().unwrap_or(item);
            names.insert(name.trim().to_owned(), module.trim().to_owned());
        }
    }
    names
}

/// The first name after each `prefix` in `text`, and each first name in the braces of a grouped import.
fn mentions(text: &str, prefix: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
    };
    let mut found = Vec::new();
    for after in text.split(prefix).skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            found.push(name(after));
            continue;
        };
        let mut depth = 0_usize;
        let mut start = 0;
        for (at, char) in group.char_indices() {
            match char {
                '{' => depth = depth.saturating_add(1),
                ',' | '}' if depth == 0 => {
                    found.push(name(group.get(start..at).unwrap()));
                    start = at.saturating_add(1);
                    if char == '}' {
                        break;
                    }
                }
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or(line).to_owned() + "\n").collect()
}
