//! Many processes on one database: what fits is admitted and not one call more, nobody starves, and a fork is survived.

#![cfg(all(feature = "sqlite", unix))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod sqlite_worker;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use enclava_keys::engine::Sqlite;
use enclava_keys::gate::NewKey;
use enclava_keys::{
    Gate, KeySpec, ManualClock, Money, Reason, Request, Usage, after_fork, after_fork_in_parent, before_fork,
};
use rusqlite::Connection;
use sqlite_worker::{Place, play, said, start, url};

const PROCESSES: usize = 8;

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn standing(gate: &Gate, made: &NewKey) -> (String, String) {
    let today = gate.usage(made.key.id()).unwrap().daily_spend;
    (today.used.to_string(), today.held.to_string())
}

#[test]
fn worker() {
    play(&[
        ("spend", spend),
        ("spend_leased", spend_leased),
        ("export", export),
        ("fork", fork),
        ("fork_carelessly", fork_carelessly),
        ("live_a_day", live_a_day),
    ]);
}

// Spends what there is with so many threads; answers how many calls were admitted.
fn spend(words: &[&str]) -> String {
    spend_by(&Gate::open(words[0]).unwrap(), words)
}

// The same out of leases. What others have leased and do not need comes back within a round or two.
fn spend_leased(words: &[&str]) -> String {
    spend_by(&Gate::builder().leased(true).open(words[0]).unwrap(), words)
}

fn spend_by(gate: &Gate, words: &[&str]) -> String {
    let &[_, secret, threads, cost] = words else { panic!() };
    let cost = usd(cost);
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads.parse().unwrap() {
            let admitted = &admitted;
            scope.spawn(move || {
                for call in thread.. {
                    match gate.authorize(&Request::new(secret).cost(cost).tokens(1)) {
                        // Some are let go, and their room is taken by the next.
                        Ok(mut permit) if call % 7 == 3 => permit.release().unwrap(),
                        Ok(mut permit) => {
                            permit.settle(Usage::new(cost, 1)).unwrap();
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(denial) if denial.reason() != Reason::DailySpendExceeded => {
                            panic!("{denial}: {:?}", gate.take_events(9))
                        }
                        Err(denial) if denial.transient() => std::thread::yield_now(),
                        Err(_) => return,
                    }
                }
            });
        }
    });
    admitted.into_inner().to_string()
}

#[test]
fn eight_processes_of_eight_threads_admit_exactly_what_fits() {
    let rounds = std::env::var("SOAK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        all_is_spent("spend", round);
    }
    println!("{rounds} rounds of {PROCESSES} processes admitted 588 calls each");
}

#[test]
fn eight_processes_with_leases_admit_exactly_what_fits() {
    let rounds = std::env::var("SOAK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        all_is_spent("spend_leased", round);
    }
    println!("{rounds} rounds of {PROCESSES} processes with leases admitted 588 calls each");
}

fn all_is_spent(part: &str, round: u64) {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&KeySpec::new("hot").daily_spend_limit(1)).unwrap();
    let url = place.url();
    let workers: Vec<_> =
        (0..PROCESSES).map(|_| start(part, &[&url, made.secret.reveal(), "8", "0.0017"])).collect();
    let admitted: Vec<u64> = workers.into_iter().map(|worker| said(worker).parse().unwrap()).collect();
    assert_eq!(admitted.iter().sum::<u64>(), 588, "{part}, round {round}: {admitted:?}");
    assert_eq!(standing(&gate, &made), ("$0.9996".into(), "$0.00".into()));
    assert_eq!(gate.leases(made.key.id()).unwrap(), []);
    assert_eq!(Sqlite::open(&url).unwrap().doctor().unwrap().faults, [""; 0]);
}

// Reads every balance over and over until it is told to stop; answers how often.
fn export(words: &[&str]) -> String {
    let &[url, stop] = words else { panic!() };
    let gate = Gate::open(url).unwrap();
    let mut rounds = 0_u64;
    while !fs::exists(stop).unwrap() {
        for key in gate.keys(None, usize::MAX) {
            let today = gate.usage(key.id()).unwrap().daily_spend;
            assert!(today.remaining.is_some_and(|remaining| remaining.to_string() != "$1.00" || rounds < 2));
        }
        rounds += 1;
    }
    rounds.to_string()
}

#[test]
fn an_exporter_reads_while_everybody_writes() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&KeySpec::new("hot").daily_spend_limit(1)).unwrap();
    gate.record(made.key.id(), Usage::new(usd("0.01"), 1), None).unwrap();
    let (url, stop) = (place.url() + "?durability=normal", place.file("stop"));
    let exporter = start("export", &[&url, stop.to_str().unwrap()]);
    let workers: Vec<_> =
        (0..PROCESSES).map(|_| start("spend", &[&url, made.secret.reveal(), "1", "0.0003"])).collect();
    let admitted: u64 = workers.into_iter().map(|worker| said(worker).parse::<u64>().unwrap()).sum();
    fs::write(&stop, "").unwrap();
    let rounds: u64 = said(exporter).parse().unwrap();
    assert!(rounds > 0);
    assert_eq!(admitted, 3_300);
    let journal = fs::metadata(place.file("enclava.db-wal")).unwrap().len();
    println!("{rounds} rounds of an exporter beside {PROCESSES} writers; {journal} bytes of journal");
    assert!(journal < 64 << 20, "readers come and go, so the journal begins anew: {journal}");
}

// The child's part of a fork: it does `work` and is gone.
fn forked(work: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child runs `work` and ends; no other thread is inside the allocator's locks, which glibc sees to.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the child without running what belongs to its parent.
        unsafe { libc::_exit(i32::from(done.ok() != Some(true))) }
    }
    child
}

fn has_succeeded(child: i32) -> bool {
    let mut status = 0;
    // SAFETY: `status` is a place for an int.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && status == 0
}

fn spend_some(gate: &Gate, secret: &str, calls: u32) -> bool {
    (0..calls).all(|_| {
        let request = Request::new(secret).cost(usd("0.01"));
        let mut permit = gate.authorize(&request).unwrap();
        permit.settle(Usage::new(usd("0.01"), 0)).is_ok()
    })
}

// A process that has traffic on two threads forks and forks again; everybody spends.
fn fork(words: &[&str]) -> String {
    let &[url, secret] = words else { panic!() };
    let gate = Gate::open(url).unwrap();
    assert!(spend_some(&gate, secret, 1));
    let (stop, meanwhile) = (AtomicBool::new(false), AtomicU64::new(0));
    let children_are_well = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert!(spend_some(&gate, secret, 1));
                    meanwhile.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let children: Vec<i32> = (0..8)
            .map(|_| {
                before_fork();
                let child = forked(|| {
                    after_fork();
                    if !spend_some(&gate, secret, 20) {
                        return false;
                    }
                    before_fork();
                    let grandchild = forked(|| {
                        after_fork();
                        spend_some(&gate, secret, 5)
                    });
                    after_fork_in_parent();
                    has_succeeded(grandchild) && spend_some(&gate, secret, 5)
                });
                after_fork_in_parent();
                assert!(spend_some(&gate, secret, 1));
                child
            })
            .collect();
        let well = children.into_iter().all(has_succeeded);
        stop.store(true, Ordering::Relaxed);
        well
    });
    assert!(children_are_well);
    (1 + 8 * (20 + 5 + 5 + 1) + meanwhile.into_inner()).to_string()
}

#[test]
fn a_process_that_forks_and_its_children_share_the_budget_exactly() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&KeySpec::new("k").daily_spend_limit(1_000_000)).unwrap();
    let calls: u64 = said(start("fork", &[&place.url(), made.secret.reveal()])).parse().unwrap();
    let used = usd("0.01").as_picos() * i128::from(calls);
    assert_eq!(standing(&gate, &made), (format!("${}", Money::from_picos(used).unwrap()), "$0.00".into()));
}

// A process that forks and tells nobody: its child does not pretend to hold locks that it does not have.
fn fork_carelessly(words: &[&str]) -> String {
    let &[url, secret] = words else { panic!() };
    let gate = Gate::open(url).unwrap();
    assert!(spend_some(&gate, secret, 1));
    let child = forked(|| {
        after_fork();
        let denial = gate.authorize(&Request::new(secret)).unwrap_err();
        denial.reason() == Reason::LedgerUnavailable && Gate::open(url).is_err()
    });
    assert!(has_succeeded(child) && spend_some(&gate, secret, 1));
    "well".to_owned()
}

#[test]
fn a_child_of_a_careless_fork_is_denied() {
    let place = Place::new();
    let made = place.open().create_key(&KeySpec::new("k").daily_spend_limit(1)).unwrap();
    assert_eq!(said(start("fork_carelessly", &[&place.url(), made.secret.reveal()])), "well");
}

/// What there is of a gate's day: in the file, and in the memory of its process.
#[derive(Debug, Clone, Copy)]
struct Size {
    pages: i64,
    holds: i64,
    history: i64,
    alerts: i64,
    kilobytes: i64,
}

impl Size {
    fn measure(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).unwrap();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        Self {
            pages: ask("PRAGMA page_count"),
            holds: ask("SELECT count(*) FROM holds"),
            history: ask("SELECT count(*) FROM history"),
            alerts: ask("SELECT count(*) FROM notices"),
            kilobytes: kilobytes.map_or(0, |count| count.parse().unwrap()),
        }
    }

    fn tell(self) -> String {
        let Self { pages, holds, history, alerts, kilobytes } = self;
        format!("{pages} {holds} {history} {alerts} {kilobytes}")
    }

    fn read(text: &str) -> Self {
        let numbers: Vec<i64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        let &[pages, holds, history, alerts, kilobytes] = &numbers[..] else { panic!("{text}") };
        Self { pages, holds, history, alerts, kilobytes }
    }
}

// A day and a half from noon on, a call of each of ten keys in every minute, on a clock that does not wait; tells how much
// there is after each hour. Nobody takes the alerts, every tenth call lapses, and none waits for another.
fn live_a_day(words: &[&str]) -> String {
    let path = Path::new(words[0]);
    let clock = Arc::new(ManualClock::new("2026-11-30T12:00:00Z".parse().unwrap()));
    let gate = Gate::builder().clock(clock.clone()).open(&(url(path) + "?durability=normal")).unwrap();
    let spec = KeySpec::new("k").daily_spend_limit(1_000_000).monthly_spend_limit(1_000_000);
    let spec = spec.daily_token_limit(1_000_000_000).alert_threshold("0.0001");
    let keys: Vec<NewKey> = (0..10).map(|_| gate.create_key(&spec).unwrap()).collect();
    let mut sizes = Vec::new();
    for minute in 1..=36 * 60_usize {
        for (key, made) in keys.iter().enumerate() {
            let request = Request::new(made.secret.reveal()).cost(usd("0.3")).tokens(1_000);
            let permit = gate.authorize(&request).unwrap();
            match (minute + key) % 10 {
                // Nobody settles it: it lapses.
                0 => drop(permit.detach()),
                1 => drop(permit),
                _ => drop({ permit }.settle(Usage::new(usd("0.2"), 500)).unwrap()),
            }
        }
        clock.advance(Duration::from_mins(1));
        if minute % 60 == 0 {
            sizes.push(Size::measure(path).tell());
        }
    }
    sizes.join(",")
}

#[test]
fn more_traffic_leaves_the_file_and_the_memory_as_they_were() {
    let place = Place::new();
    let path = place.file("enclava.db");
    let told = said(start("live_a_day", &[path.to_str().unwrap()]));
    let sizes: Vec<Size> = told.split(',').map(Size::read).collect();
    // By then as many lapsed calls are remembered as ever will be; the second midnight has passed for both.
    let (early, late) = (sizes[14], sizes[35]);
    assert!(late.pages <= early.pages + 8 && late.holds <= early.holds + 100, "{sizes:?}");
    assert!(late.kilobytes <= early.kilobytes + 4_096, "{sizes:?}");
    // A row for each key and day, and one for each key, meter and window that crossed.
    assert!(late.history <= 30 && late.alerts <= 30 * 2, "{sizes:?}");
    println!(
        "21600 calls in 36 hours of the clock, none refused: {early:?} after 15 hours, {late:?} at the end"
    );
}
