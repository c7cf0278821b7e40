//! One host on one SQLite file: how processes share it, what a million keys take, and whether a call costs more as the
//! file grows.

#![allow(clippy::cast_precision_loss, reason = "numbers to be read")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use enclava_benches::Random;
use enclava_benches::keys::{self, Text, call, request, usage};
use enclava_benches::ways::{self, Meter, tell};
use enclava_keys::engine::Sqlite;
use enclava_keys::{Gate, ManualClock};
use rusqlite::Connection;
use tempfile::TempDir;

const KEYS: u32 = 1_000_000;
const PROCESSES: [usize; 4] = [1, 2, 4, 8];
// How long processes call, and how many calls a cost is measured over.
const WHILE: Duration = Duration::from_secs(2);
const CALLS: u32 = 4_000;
// Keys whose meters and holds are in the file beside those of the one that is measured.
const OTHERS: u32 = 10_000;

fn main() -> io::Result<()> {
    if let Some(url) = env::args().nth(2).filter(|_| env::args().nth(1).is_some_and(|arg| arg == "caller")) {
        caller(&url);
        return Ok(());
    }
    ways::run(&[("processes", processes), ("million", million), ("growth", growth)], "host.json")
}

fn url(path: &Path, durability: &str) -> String {
    format!("sqlite:///{}?durability={durability}", path.display())
}

// Each process calls as fast as it can, all on one key.
fn processes() {
    for durability in ["full", "normal"] {
        for count in PROCESSES {
            let directory = TempDir::new().expect("a directory");
            let url = url(&directory.path().join("host.db"), durability);
            Gate::open(&url).expect("a gate").import_key(&keys::spec(0)).expect("a key");
            let start = || {
                let program = env::current_exe().expect("this program");
                Command::new(program)
                    .args(["caller", &url])
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("a process")
            };
            let callers: Vec<_> = (0..count).map(|_| start()).collect();
            let told: Vec<(f64, f64)> = callers
                .into_iter()
                .map(|caller| {
                    let output = caller.wait_with_output().expect("its end");
                    let text = String::from_utf8_lossy(&output.stdout).into_owned();
                    let (calls, late) = text.trim().split_once(' ').expect("two numbers");
                    (calls.parse().expect("a number"), late.parse().expect("a number"))
                })
                .collect();
            let calls = told.iter().map(|(calls, _)| *calls);
            let total: f64 = calls.clone().sum();
            let name = |what: &str| format!("host/{durability}/{count}-processes/{what}");
            tell(&name("cycle/ns"), WHILE.as_nanos() as f64 / total);
            tell(
                &name("slowest-to-fastest/x"),
                calls.clone().fold(f64::MAX, f64::min) / calls.fold(0.0, f64::max),
            );
            tell(&name("worst-p99.9/ns"), told.iter().map(|(_, late)| *late).fold(0.0, f64::max));
        }
    }
}

// One such process: how often it called, and the time within which 99.9 % of its calls were done, in nanoseconds.
fn caller(url: &str) {
    let gate = Gate::open(url).expect("a gate");
    let secret = keys::secret(0);
    call(&gate, &request(&secret));
    // All begin at the same tick.
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let begin = Duration::from_secs(now().as_secs() / 2 * 2 + 2);
    std::thread::sleep(begin.saturating_sub(now()));
    let mut times = Vec::new();
    while now() < begin + WHILE {
        let started = Instant::now();
        call(&gate, &request(&secret));
        times.push(started.elapsed().as_nanos());
    }
    times.sort_unstable();
    let late = times.len() * 999 / 1000;
    println!("{} {}", times.len(), times.get(late).or(times.last()).copied().unwrap_or(0));
}

fn million() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("host.db");
    let url = url(&path, "normal");
    fill(&path, &url);
    tell("host/1M-keys/file/B", fs::metadata(&path).expect("the file").len() as f64 / f64::from(KEYS));
    let meter = Meter::start();
    let started = Instant::now();
    let gate = Gate::open(&url).expect("a gate");
    tell("host/1M-keys/load/s", started.elapsed().as_secs_f64());
    meter.tell("host/1M-keys/memory/B", KEYS);
    assert_eq!(gate.stats().keys, u64::from(KEYS));
    let mut random = Random::new(1);
    let secrets: Vec<Text> = (0..CALLS).map(|_| keys::secret(random.below(KEYS))).collect();
    let started = Instant::now();
    for secret in &secrets {
        call(&gate, &request(secret));
    }
    tell("host/1M-keys/first-call/ns", started.elapsed().as_nanos() as f64 / f64::from(CALLS));
}

// In one transaction: one by one, durably, would take minutes and measure something else.
fn fill(path: &Path, url: &str) {
    drop(Sqlite::open(url).expect("a database"));
    let mut connection = Connection::open(path).expect("the database");
    let transaction = connection.transaction().expect("a transaction");
    let now = "2026-11-23T12:00:00Z".parse().expect("a time");
    for number in 0..KEYS {
        let key = keys::spec(number).create(&enclava_keys::key::Peppers::none(), now).expect("a key").key;
        let id = key.id().to_string();
        let put = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            transaction.prepare_cached(sql).expect("a statement").execute(values).expect("a record")
        };
        put("INSERT INTO keys VALUES (?1, 1, ?2, ?3)", &[&id, &(number + 1), &key.to_record_json()]);
        for secret in key.secrets() {
            put("INSERT INTO secrets VALUES (?1, ?2)", &[secret.hash().digest().as_bytes(), &id]);
        }
    }
    transaction.execute("UPDATE news SET generation = ?1", [KEYS]).expect("the news");
    transaction.commit().expect("a commit");
    connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").expect("a checkpoint");
}

// The same call by one key: when nothing is there yet, beside ten thousand that were used, after a year, and beside a thousand others in flight.
fn growth() {
    let directory = TempDir::new().expect("a directory");
    let clock = std::sync::Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().expect("a time")));
    let url = url(&directory.path().join("host.db"), "normal");
    let gate = Gate::builder().clock(clock.clone()).open(&url).expect("a gate");
    gate.import_key(&keys::spec(0)).expect("a key");
    let secret = keys::secret(0);
    let cycle = |name: &str| {
        call(&gate, &request(&secret));
        let started = Instant::now();
        (0..CALLS).for_each(|_| call(&gate, &request(&secret)));
        tell(&format!("host/cycle/{name}/ns"), started.elapsed().as_nanos() as f64 / f64::from(CALLS));
    };
    cycle("new");
    for key in 2..OTHERS + 2 {
        gate.import_key(&keys::spec(key)).expect("a key");
        call(&gate, &request(&keys::secret(key)));
    }
    cycle("beside-others");
    let models: Vec<String> = (0..20).map(|model| format!("vendor/model-{model}")).collect();
    let open = keys::spec(1).allowed_models(["*"]);
    let id = gate.import_key(&open).expect("a key").id().clone();
    let other = keys::secret(1);
    for _ in 0..400 {
        clock.advance(Duration::from_hours(24));
        call(&gate, &request(&secret));
        for model in &models {
            gate.authorize(&request(&other).model(model))
                .expect("a permit")
                .settle(usage())
                .expect("a settlement");
        }
    }
    assert_eq!(gate.history(&id, 400).expect("a history").len(), 8_000);
    cycle("after-400-days");
    let in_flight: Vec<_> =
        (0..1_000).map(|_| gate.authorize(&request(&secret)).expect("a permit")).collect();
    cycle("1000-in-flight");
    drop(in_flight);
}
