//! Prints what one run of the benches measured and how that compares with what the library promises. A goal that is
//! missed is shown, never an error: the machine may be busy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use serde_json::Value;

/// Where a ratio should lie.
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing was promised: the ratio is worth knowing.
    None,
}

impl Goal {
    fn is_met(&self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= *bound,
            Self::AtLeast(bound) => ratio >= *bound,
            Self::None => true,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
            Self::None => Ok(()),
        }
    }
}

/// One comparison: a ratio of measurements. To add one, measure it in `benches/` and describe it here.
struct Row {
    work: &'static str,
    goal: Goal,
    ratio: fn(&Medians) -> Option<f64>,
}

const ROWS: &[Row] = &[
    Row {
        work: "verify alone, one hot key: SHA-256, one lookup, one clock",
        goal: Goal::None,
        ratio: |m| {
            let parts = m.sum(&["floor/sha256", "floor/lookup/1"])? + m.of("floor/two-clocks")? / 2.0;
            Some(m.of("gate/verify")? / parts)
        },
    },
    Row {
        work: "the whole job, one hot key: the sum of its parts",
        goal: Goal::AtMost(1.5),
        ratio: |m| Some(m.of("gate/hot")? / m.parts()?),
    },
    Row { work: "  nanoseconds", goal: Goal::AtMost(150.0), ratio: |m| m.of("gate/hot") },
    Row { work: "  over 10 k keys: nanoseconds", goal: Goal::AtMost(150.0), ratio: |m| m.of("gate/10k") },
    Row { work: "  over 100 k keys: nanoseconds", goal: Goal::AtMost(400.0), ratio: |m| m.of("gate/100k") },
    Row {
        work: "  over 10 k keys: their cache misses alone",
        goal: Goal::AtMost(2.0),
        ratio: |m| m.ratio("gate/10k", "floor/misses/10k"),
    },
    Row {
        work: "  over 100 k keys: their cache misses alone",
        goal: Goal::AtMost(2.0),
        ratio: |m| m.ratio("gate/100k", "floor/misses/100k"),
    },
    Row {
        work: "  over 1 M keys: their cache misses alone",
        goal: Goal::AtMost(2.0),
        ratio: |m| m.ratio("gate/1M", "floor/misses/1M"),
    },
    Row {
        work: "  over 100 k keys: misses and the parts",
        goal: Goal::None,
        ratio: |m| Some(m.of("gate/100k")? / (m.of("floor/misses/100k")? + m.parts()?)),
    },
    Row {
        work: "  over 1 M keys: misses and the parts",
        goal: Goal::None,
        ratio: |m| Some(m.of("gate/1M")? / (m.of("floor/misses/1M")? + m.parts()?)),
    },
    Row {
        work: "  out of leases: times as fast as the memory ledger",
        goal: Goal::AtLeast(0.9),
        ratio: |m| m.ratio("gate/hot", "gate/hot/leased"),
    },
    Row {
        work: "  with a request id: without one",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/hot/request-id", "gate/hot"),
    },
    Row {
        work: "  1000 other calls in flight: none",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/in-flight", "gate/hot"),
    },
    Row {
        work: "  1000 in flight and a request id: none in flight",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/in-flight/request-id", "gate/hot/request-id"),
    },
    Row {
        work: "  10 000 models on the allowlist: 2 models",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/10k-models", "gate/hot"),
    },
    Row {
        work: "  priced from its bodies: estimated by the caller",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/body", "gate/hot"),
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
        work: "denied, unknown key: the whole job",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/denied/unknown-key", "gate/hot"),
    },
    Row {
        work: "denied, model: the whole job",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/denied/model", "gate/hot"),
    },
    Row {
        work: "denied, budget: the whole job",
        goal: Goal::None,
        ratio: |m| m.ratio("gate/denied/budget", "gate/hot"),
    },
    Row {
        work: "times as fast as limitador, reserve and commit",
        goal: Goal::AtLeast(40.0),
        ratio: |m| m.ratio("limitador/reserve-and-commit", "gate/hot"),
    },
    Row {
        work: "  its check-and-update, which reserves nothing",
        goal: Goal::AtLeast(15.0),
        ratio: |m| m.ratio("limitador/check-and-update", "gate/hot"),
    },
    Row {
        work: "  governor's check of a key, which counts calls and no spend",
        goal: Goal::None,
        ratio: |m| m.ratio("governor/check", "gate/hot"),
    },
    Row {
        work: "Python, authorize + settle: microseconds",
        goal: Goal::AtMost(0.7),
        ratio: |m| Some(m.of("python/hot")? / 1_000.0),
    },
    Row {
        work: "  hand-written Python, which does less: the same",
        goal: Goal::AtLeast(1.0),
        ratio: |m| m.ratio("python/hand-written", "python/hot"),
    },
    Row {
        work: "  limits, three hits in memory: the same",
        goal: Goal::AtLeast(1.0),
        ratio: |m| m.ratio("peers/limits", "python/hot"),
    },
    Row {
        work: "  LiteLLM's own steps of the job: the same",
        goal: Goal::AtLeast(1.0),
        ratio: |m| m.ratio("peers/litellm", "python/hot"),
    },
    Row {
        work: "  money as floats: as text",
        goal: Goal::None,
        ratio: |m| m.ratio("python/hot/floats", "python/hot"),
    },
    Row {
        work: "  money as decimals: as text",
        goal: Goal::None,
        ratio: |m| m.ratio("python/hot/decimals", "python/hot"),
    },
    Row {
        work: "  denied and caught: the same",
        goal: Goal::None,
        ratio: |m| m.ratio("python/denied/model", "python/hot"),
    },
    Row {
        work: "ASGI middleware, a handler of 1 ms, 8 connections: requests a second without it",
        goal: Goal::AtLeast(0.95),
        ratio: |m| m.ratio("asgi/1ms/plain", "asgi/1ms/keys"),
    },
    Row {
        work: "  a handler that does nothing: microseconds added",
        goal: Goal::None,
        ratio: |m| Some((m.of("asgi/bare/keys")? - m.of("asgi/bare/plain")?) / 1_000.0),
    },
    Row {
        work: "authorize and settle through libenclava.so: in Rust",
        goal: Goal::AtMost(1.3),
        ratio: |m| m.ratio("c/hot", "c/rust"),
    },
    Row {
        work: "  two threads on two keys: two threads of SHA-256",
        goal: Goal::AtLeast(0.95),
        ratio: |m| {
            let hashing = m.speedup("floor/sha256", "floor/sha256/two-threads")?;
            Some(m.speedup("c/hot", "c/two-threads/two-keys")? / hashing)
        },
    },
    Row {
        work: "  a NULL, refused: the whole job",
        goal: Goal::AtMost(0.05),
        ratio: |m| m.ratio("c/null", "c/hot"),
    },
    Row {
        work: "  the shared library, stripped: KiB",
        goal: Goal::None,
        ratio: |m| m.of("c/libenclava.so/KiB"),
    },
    Row {
        work: "  the static library, stripped: KiB",
        goal: Goal::None,
        ratio: |m| m.of("c/libenclava.a/KiB"),
    },
    Row { work: "1 M keys, idle: bytes a key", goal: Goal::AtMost(400.0), ratio: |m| m.of("memory/idle/B") },
    Row { work: "  each used once: bytes a key", goal: Goal::None, ratio: |m| m.of("memory/used-once/B") },
    Row { work: "  each used often: bytes a key", goal: Goal::None, ratio: |m| m.of("memory/used-often/B") },
    Row {
        work: "150 k keys of a policy file: bytes a key",
        goal: Goal::None,
        ratio: |m| m.of("memory/policy-file/B"),
    },
    Row {
        work: "sqlite, full, 16 threads: one transaction per call",
        goal: Goal::AtLeast(4.0),
        ratio: |m| m.ratio("sqlite/full/alone/16", "sqlite/full/together/16"),
    },
    Row {
        work: "  64 threads: one transaction per call",
        goal: Goal::AtLeast(5.0),
        ratio: |m| m.ratio("sqlite/full/alone/64", "sqlite/full/together/64"),
    },
    Row {
        work: "  one thread: one transaction per call",
        goal: Goal::None,
        ratio: |m| m.ratio("sqlite/full/alone/1", "sqlite/full/together/1"),
    },
    Row {
        work: "  one thread: one UPDATE per limit, by hand",
        goal: Goal::None,
        ratio: |m| m.ratio("sqlite/full/together/1", "sqlite/full/by-hand"),
    },
    Row {
        work: "  one thread, out of leases: times as fast as the memory ledger",
        goal: Goal::AtLeast(0.9),
        ratio: |m| m.ratio("gate/hot", "sqlite/full/leased/1"),
    },
    Row {
        work: "sqlite, normal, one thread: by hand",
        goal: Goal::None,
        ratio: |m| m.ratio("sqlite/normal/together/1", "sqlite/normal/by-hand"),
    },
    Row {
        work: "  16 threads: one thread",
        goal: Goal::None,
        ratio: |m| m.ratio("sqlite/normal/together/1", "sqlite/normal/together/16"),
    },
    Row {
        work: "  one thread: pyrate-limiter, three buckets",
        goal: Goal::None,
        ratio: |m| m.ratio("peers/pyrate-limiter/sqlite", "sqlite/normal/together/1"),
    },
    Row {
        work: "sqlite, full, 2 processes: the slowest to the fastest",
        goal: Goal::AtLeast(0.8),
        ratio: |m| m.of("host/full/2-processes/slowest-to-fastest/x"),
    },
    Row {
        work: "  4 processes: the slowest to the fastest",
        goal: Goal::AtLeast(0.8),
        ratio: |m| m.of("host/full/4-processes/slowest-to-fastest/x"),
    },
    Row {
        work: "  8 processes: the slowest to the fastest",
        goal: Goal::AtLeast(0.8),
        ratio: |m| m.of("host/full/8-processes/slowest-to-fastest/x"),
    },
    Row {
        work: "  8 processes: one process",
        goal: Goal::None,
        ratio: |m| m.ratio("host/full/1-processes/cycle/ns", "host/full/8-processes/cycle/ns"),
    },
    Row {
        work: "  1 process: the worst call of a thousand, milliseconds",
        goal: Goal::None,
        ratio: |m| Some(m.of("host/full/1-processes/worst-p99.9/ns")? / 1e6),
    },
    Row {
        work: "  8 processes: the worst call of a thousand, milliseconds",
        goal: Goal::None,
        ratio: |m| Some(m.of("host/full/8-processes/worst-p99.9/ns")? / 1e6),
    },
    Row {
        work: "sqlite, a call beside 10 k keys that were used: the first",
        goal: Goal::AtMost(1.25),
        ratio: |m| m.ratio("host/cycle/beside-others/ns", "host/cycle/new/ns"),
    },
    Row {
        work: "  after 400 days of history: the first",
        goal: Goal::AtMost(1.25),
        ratio: |m| m.ratio("host/cycle/after-400-days/ns", "host/cycle/new/ns"),
    },
    Row {
        work: "  1000 other calls in flight: none",
        goal: Goal::AtMost(1.25),
        ratio: |m| m.ratio("host/cycle/1000-in-flight/ns", "host/cycle/new/ns"),
    },
    Row {
        work: "1 M keys of a SQLite file: seconds to load",
        goal: Goal::AtMost(3.0),
        ratio: |m| m.of("host/1M-keys/load/s"),
    },
    Row {
        work: "  in memory: bytes a key",
        goal: Goal::AtMost(400.0),
        ratio: |m| m.of("host/1M-keys/memory/B"),
    },
    Row { work: "  in the file: bytes a key", goal: Goal::None, ratio: |m| m.of("host/1M-keys/file/B") },
];

/// The median of each measurement by its name: in nanoseconds, or in the unit that ends the name.
struct Medians(BTreeMap<String, f64>);

impl Medians {
    fn of(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    fn sum(&self, names: &[&str]) -> Option<f64> {
        names.iter().map(|name| self.of(name)).sum()
    }

    fn ratio(&self, name: &str, floor: &str) -> Option<f64> {
        Some(self.of(name)? / self.of(floor)?)
    }

    /// What one request is made of, each part by itself.
    fn parts(&self) -> Option<f64> {
        self.sum(&["floor/sha256", "floor/lookup/1", "floor/two-locks", "floor/two-clocks"])
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
    let directory = Path::new(&directory);
    let mut medians = BTreeMap::new();
    Medians::read(directory, &mut medians)?;
    for file in ["memory.json", "c.json", "host.json"].map(|name| directory.join(name)) {
        if !file.exists() {
            continue;
        }
        let sizes = json(file)?;
        let sizes = sizes.as_object().into_iter().flatten();
        medians.extend(sizes.filter_map(|(name, size)| Some((name.clone(), size.as_f64()?))));
    }
    let medians = Medians(medians);

    println!("\n{:<58} {:>12}", "measured", "median");
    for (name, median) in &medians.0 {
        let (name, unit) = match name.rsplit_once('/') {
            Some((name, unit @ ("B" | "KiB" | "ns" | "s" | "x"))) => (name, unit),
            _ => (name.as_str(), "ns"),
        };
        println!("{name:<58} {median:>9.1} {unit}");
    }
    println!("\n{:<58} {:>12} {:>10}", "compared", "ratio", "goal");
    for Row { work, goal, ratio } in ROWS {
        let (shown, kept) = match (ratio(&medians), goal) {
            (None, _) => ("-".to_owned(), None),
            (Some(ratio), goal) => (format!("{ratio:.3}"), Some(goal.is_met(ratio))),
        };
        let verdict = match (kept, goal) {
            (None, _) => "not measured",
            (_, Goal::None) => "",
            (Some(true), _) => "kept",
            (Some(false), _) => "MISSED",
        };
        println!("{work:<58} {shown:>12} {:>10}  {verdict}", goal.to_string());
    }
    Ok(())
}
