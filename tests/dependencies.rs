//! Nothing enters the dependency tree that `deny.toml` does not let in: licences, sources, versions. What is known to be
//! broken or was taken back only `cargo deny check` tells, which asks a database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::Peekable;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// `deny.toml`, as far as it is written: what it says and nobody here reads is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    graph: Graph,
    #[serde(rename = "advisories")]
    _advisories: toml::Table,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Graph {
    all_features: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: BTreeSet<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    wildcards: Verdict,
    allow_wildcard_paths: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_git: Verdict,
    unknown_registry: Verdict,
}

/// Nothing is only warned of.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Deny,
}

/// What cargo tells of the tree.
#[derive(Deserialize)]
struct Tree {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    source: Option<String>,
    license: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
    registry: Option<String>,
}

fn deny() -> Deny {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("deny.toml: {error}"))
}

fn tree() -> Tree {
    let Graph { all_features: true } = deny().graph else { panic!("every feature is looked at") };
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree: Tree = serde_json::from_slice(&cargo.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&cargo.stderr)));
    assert!(tree.packages.len() > 100, "{} packages are not the whole tree", tree.packages.len());
    tree
}

#[test]
fn every_licence_is_allowed() {
    let Licenses { allow, exceptions } = deny().licenses;
    let excepted: BTreeMap<_, _> = exceptions.iter().map(|it| (it.name.as_str(), &it.allow)).collect();
    let mut met = BTreeSet::new();
    for package in &tree().packages {
        let license = package.license.as_deref().unwrap_or_else(|| panic!("{}: no licence", package.name));
        let more = excepted.get(package.name.as_str());
        let mut allows = |name: &str| {
            met.insert((
                more.is_some_and(|more| more.contains(name)).then_some(&package.name).cloned(),
                name.to_owned(),
            ));
            allow.contains(name) || more.is_some_and(|more| more.contains(name))
        };
        assert!(holds(license, &mut allows), "{}: {license} is not allowed", package.name);
    }
    // What nobody uses any more would let somebody in unseen.
    for name in &allow {
        assert!(met.contains(&(None, name.clone())), "nothing is under {name} any more");
    }
    for exception in &exceptions {
        for name in &exception.allow {
            let used = met.contains(&(Some(exception.name.clone()), name.clone()));
            assert!(used, "{} is not under {name} any more", exception.name);
        }
    }
}

#[test]
fn all_comes_from_crates_io() {
    let Sources { unknown_git: Verdict::Deny, unknown_registry: Verdict::Deny } = deny().sources;
    let tree = tree();
    for Package { id, source, .. } in &tree.packages {
        let known = match source.as_deref() {
            None => tree.workspace_members.contains(id),
            Some(source) => source.starts_with("registry+"),
        };
        assert!(known, "{id}");
    }
    // Cargo names a registry where it is another one than its own.
    for package in &tree.packages {
        for Dependency { name, registry, .. } in &package.dependencies {
            assert!(registry.is_none(), "{} takes {name} from another registry", package.name);
        }
    }
}

#[test]
fn every_dependency_states_a_version() {
    let Bans { wildcards: Verdict::Deny, allow_wildcard_paths: true } = deny().bans else {
        panic!("members of this workspace need no version of each other")
    };
    for package in &tree().packages {
        for Dependency { name, req, path, .. } in &package.dependencies {
            assert!(req != "*" || path.is_some(), "{}: any version of {name}", package.name);
        }
    }
}

/// Whether `allows` lets enough of an SPDX expression in. It is asked about each licence, whatever the others are.
fn holds(expression: &str, allows: &mut dyn FnMut(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let holds = either(&mut words, allows);
    assert!(words.next().is_none(), "{expression:?} is no licence expression");
    holds
}

fn either<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    allows: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let mut holds = both(words, allows);
    while words.next_if_eq(&"OR").is_some() {
        holds |= both(words, allows);
    }
    holds
}

fn both<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    allows: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let mut holds = one(words, allows);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words, allows);
    }
    holds
}

fn one<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    allows: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let word = words.next().unwrap_or_else(|| panic!("an expression ends too early"));
    if word == "(" {
        let holds = either(words, allows);
        assert_eq!(words.next(), Some(")"));
        holds
    } else if words.next_if_eq(&"WITH").is_some() {
        allows(&format!("{word} WITH {}", words.next().unwrap()))
    } else {
        allows(word)
    }
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(MIT OR GPL-3.0) AND Zlib", true),
        ("MIT OR GPL-3.0 AND ISC", true),
        ("(MIT OR GPL-3.0) AND ISC", false),
        ("GPL-3.0 WITH Classpath-exception-2.0", false),
        ("Zlib WITH nothing", true),
    ] {
        let allowed = ["MIT", "Zlib", "Zlib WITH nothing"];
        assert_eq!(holds(expression, &mut |name| allowed.contains(&name)), expected, "{expression}");
    }
}
