//! The scenarios of `tests/scenarios`, played through the functions of `enclava.h` alone: over the memory of the library,
//! and over a ledger and a store that are written in C.

#![expect(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]

#[path = "../common/mod.rs"]
mod common;

mod answer;
mod calls;
mod handles;
mod keys;
mod rooms;
mod world;

// What a scenario is, and how an answer is compared, is the same in every language that Rust runs.
#[path = "../../../../tests/scenarios_runner/expect.rs"]
#[expect(clippy::useless_conversion, reason = "the core's own runner has denials of another type")]
mod expect;
#[path = "../../../../tests/scenarios_runner/names.rs"]
mod names;
#[path = "../../../../tests/scenarios_runner/schema.rs"]
#[expect(dead_code, reason = "the core's own runner looks at rules too")]
mod schema;
#[path = "../../../../tests/scenarios_runner/steps.rs"]
mod steps;

use std::fs;
use std::path::Path;

use rooms::Rooms;
use schema::{Case, Scenarios};
use steps::Step;
use world::World;

#[test]
fn memory() {
    // The rooms of the library cannot be silenced, and its store is one gate's alone.
    let silenced = |step: &Step| matches!(step, Step::Outage(_));
    let ran = play(None, false, |case| !case.shared && !case.steps.iter().any(|(step, _)| silenced(step)));
    println!("{ran} cases ran");
}

#[test]
fn a_ledger_and_a_store_written_in_c() {
    let rooms = Rooms::build();
    let ran = play(Some(&rooms), false, |_| true);
    println!("{ran} cases ran");
    let ran = play(Some(&rooms), true, |case| !case.strict);
    println!("{ran} cases ran with leases in front");
}

fn play(rooms: Option<&Rooms>, leased: bool, plays: impl Fn(&Case) -> bool) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    let (mut ran, mut failures) = (0, Vec::new());
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let scenarios = Scenarios::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in scenarios.cases.iter().filter(|case| plays(case)) {
            ran += 1;
            if let Err(difference) = run(case, rooms, leased) {
                failures.push(format!("{}: {}: {difference}", path.display(), case.name));
            }
        }
    }
    assert!(ran > 0, "no case ran");
    assert!(failures.is_empty(), "{} of {ran} failed:\n{}", failures.len(), failures.join("\n"));
    ran
}

fn run(case: &Case, rooms: Option<&Rooms>, leased: bool) -> Result<(), String> {
    let Some(mut world) = World::open(case, rooms, leased)? else { return Ok(()) };
    for (position, (step, text)) in case.steps.iter().enumerate() {
        let number = position + 1;
        world.take(step).map_err(|difference| format!("step {number}: {difference}\n    {text}"))?;
    }
    Ok(())
}
