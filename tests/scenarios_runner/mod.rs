//! Runs the scenarios of `tests/scenarios` over any engine.

mod answer;
mod calls;
mod engine;
mod expect;
mod keys;
mod mutants;
mod names;
mod schema;
mod steps;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use engine::Engine;
pub(crate) use mutants::mutants;

use schema::{Case, Scenarios};
use world::World;

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Cases that ran.
    pub(crate) ran: usize,
    /// Cases that the engine leaves out, because it is leased.
    pub(crate) left_out: usize,
    /// File, case, step and difference of each failure.
    pub(crate) failures: Vec<String>,
}

/// Runs every case of every file in `tests/scenarios` over `engine`.
pub(crate) fn run_all(engine: &Engine) -> Result<Report, String> {
    let mut report = Report::default();
    let mut names = BTreeSet::new();
    for path in files()? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let scenarios = Scenarios::read(&text).map_err(|error| format!("{name}: {error}"))?;
        for case in &scenarios.cases {
            if !names.insert(case.name.clone()) {
                return Err(format!("{name}: {}: there is another case of this name", case.name));
            }
            if case.strict && engine.leased {
                report.left_out += 1;
                continue;
            }
            report.ran += 1;
            if let Err(difference) = run(case, engine) {
                report.failures.push(format!("{name}: {}: {difference}", case.name));
            }
        }
    }
    Ok(report)
}

/// Runs one file's text over `engine`: the first failure, or how many cases ran.
pub(crate) fn run_text(text: &str, engine: &Engine) -> Result<usize, String> {
    let scenarios = Scenarios::read(text)?;
    for case in &scenarios.cases {
        run(case, engine).map_err(|difference| format!("{}: {difference}", case.name))?;
    }
    Ok(scenarios.cases.len())
}

/// The text of every file.
pub(crate) fn texts() -> Result<Vec<String>, String> {
    files()?.iter().map(|path| fs::read_to_string(path).map_err(|error| error.to_string())).collect()
}

/// The rules that some case of some file names.
pub(crate) fn rules() -> Result<BTreeSet<String>, String> {
    let mut rules = BTreeSet::new();
    for text in texts()? {
        rules.extend(Scenarios::read(&text)?.cases.into_iter().flat_map(|case| case.rules));
    }
    Ok(rules)
}

fn run(case: &Case, engine: &Engine) -> Result<(), String> {
    let Some(mut world) = World::open(case, engine)? else { return Ok(()) };
    for (position, (step, text)) in case.steps.iter().enumerate() {
        let number = position + 1;
        world.take(step).map_err(|difference| format!("step {number}: {difference}\n    {text}"))?;
    }
    Ok(())
}

fn files() -> Result<Vec<PathBuf>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    if files.is_empty() { Err(format!("{}: no scenarios", folder.display())) } else { Ok(files) }
}
