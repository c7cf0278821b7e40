//! Prints what one run of the benches measured and how that compares with what the library promises. A goal that is
//! missed is shown, never an error: the machine may be busy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::Value;

/// Where a ratio should lie.
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One promise: a ratio of measurements. To add one, measure it in `benches/` and describe it here.
struct Row {
    work: &'static str,
    goal: Goal,
    ratio: fn(&Medians) -> Option<f64>,
}

const ROWS: &[Row] = &[
    Row {
        work: "one hot key: the sum of its parts",
        goal: Goal::AtMost(1.5),
        ratio: |m| {
            let parts = ["floor/sha256", "floor/lookup/1", "floor/two-locks", "floor/two-clocks"];
            Some(m.of("gate/hot")? / parts.iter().map(|part| m.of(part)).sum::<Option<f64>>()?)
        },
    },
    Row {
        work: "100 k keys: their cache misses alone",
        goal: Goal::AtMost(2.0),
        ratio: |m| Some(m.of("gate/100k")? / m.of("floor/misses/100k")?),
    },
    Row {
        work: "1 M keys: their cache misses alone",
        goal: Goal::AtMost(2.0),
        ratio: |m| Some(m.of("gate/1M")? / m.of("floor/misses/1M")?),
    },
    Row {
        work: "two threads on one key: one thread",
        goal: Goal::AtLeast(1.0),
        ratio: |m| m.speedup("gate/hot", "gate/two-threads/one-key"),
    },
    Row {
        work: "two threads on two keys: two threads of SHA-256",
        goal: Goal::AtLeast(0.95),
        ratio: |m| {
            let hashing = m.speedup("floor/sha256", "floor/sha256/two-threads")?;
            Some(m.speedup("gate/hot", "gate/two-threads/two-keys")? / hashing)
        },
    },
    Row {
        work: "times as fast as limitador, reserve and commit",
        goal: Goal::AtLeast(40.0),
        ratio: |m| Some(m.of("limitador/reserve-and-commit")? / m.of("gate/hot")?),
    },
];

/// The median of each measurement in nanoseconds, by its name.
struct Medians(BTreeMap<String, f64>);

impl Medians {
    fn of(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// How many times the work of one thread two threads do in the same time.
    fn speedup(&self, one: &str, two: &str) -> Option<f64> {
        Some(2.0 * self.of(one)? / self.of(two)?)
    }

    /// Reads what criterion left in `directory`: a `new` for each measurement, with its name and its estimates.
    fn read(directory: &Path, medians: &mut BTreeMap<String, f64>) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.ends_with("new") {
                let name = json(path.join("benchmark.json"))?["full_id"].as_str().map(str::to_owned);
                let median = json(path.join("estimates.json"))?["median"]["point_estimate"].as_f64();
                medians.extend(name.zip(median));
            } else if path.is_dir() {
                Self::read(&path, medians)?;
            }
        }
        Ok(())
    }
}

fn json(path: PathBuf) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn main() -> io::Result<()> {
    let directory = env::var_os("CRITERION_HOME").ok_or_else(|| io::Error::other("run `make bench`"))?;
    let mut medians = BTreeMap::new();
    Medians::read(Path::new(&directory), &mut medians)?;
    let medians = Medians(medians);

    println!("\n{:<50} {:>12}", "measured", "median");
    for (name, nanoseconds) in &medians.0 {
        println!("{name:<50} {nanoseconds:>9.1} ns");
    }
    println!("\n{:<50} {:>12} {:>10}", "promised", "ratio", "goal");
    for Row { work, goal, ratio } in ROWS {
        let (sign, bound) = match goal {
            Goal::AtMost(bound) => ("<=", bound),
            Goal::AtLeast(bound) => (">=", bound),
        };
        let (shown, verdict) = match (ratio(&medians), goal) {
            (None, _) => ("-".to_owned(), "not measured"),
            (Some(ratio), Goal::AtMost(bound)) if ratio <= *bound => (format!("{ratio:.2}"), "kept"),
            (Some(ratio), Goal::AtLeast(bound)) if ratio >= *bound => (format!("{ratio:.2}"), "kept"),
            (Some(ratio), _) => (format!("{ratio:.2}"), "MISSED"),
        };
        println!("{work:<50} {shown:>12} {sign:>5} {bound:<4}  {verdict}");
    }
    Ok(())
}
