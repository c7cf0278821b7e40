//! Alerts over a SQLite file: told once while nobody dies, at least once whoever does, always under the same id.

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

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use enclava_keys::engine::Sqlite;
use enclava_keys::{Alert, Error, Gate, KeyId, KeySpec, ManualClock, Request, Usage};
use rusqlite::Connection;
use sqlite_worker::{Place, Running, play, said, start, url, wait_for};

const KEYS: usize = 24;

#[test]
fn worker() {
    play(&[("die", die), ("spend", spend), ("tell", tell)]);
}

fn tokens(tokens: u64) -> Usage {
    Usage::new("0".parse().unwrap(), tokens)
}

fn spec(id: &str) -> KeySpec {
    KeySpec::new(id.to_uppercase()).id(id).daily_token_limit(100).alert_threshold("0.5")
}

fn id(number: usize) -> KeyId {
    format!("k{number}").parse().unwrap()
}

fn open(url: &str) -> Gate {
    Gate::builder().refresh_interval(Duration::from_millis(5)).open(url).unwrap()
}

fn hear(gate: &Gate) -> mpsc::Receiver<Alert> {
    let (say, hear) = mpsc::channel();
    gate.on_alert(move |alert| say.send(alert.clone()).map_err(|_| "nobody listens"));
    hear
}

fn ids(alerts: impl IntoIterator<Item = Alert>) -> Vec<String> {
    alerts.into_iter().map(|alert| alert.id.to_string()).collect()
}

fn ask(place: &Place, sql: &str) -> i64 {
    let connection = Connection::open(place.file("enclava.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn change(place: &Place, sql: &str) {
    let connection = Connection::open(place.file("enclava.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.execute(sql, []).unwrap();
}

// As if half a minute had passed.
fn end_claims(place: &Place) {
    change(place, "UPDATE notices SET left_until = at");
}

fn waiting(place: &Place) -> i64 {
    ask(place, "SELECT count(*) FROM notices")
}

fn well(place: &Place) {
    let health = Sqlite::open(&place.url()).unwrap().doctor().unwrap();
    assert_eq!(health.faults, [""; 0]);
}

fn note(path: &Path, line: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

// Settles, and is killed before the callback says anything.
fn die(words: &[&str]) -> String {
    let &[url, log] = words else { panic!() };
    let gate = open(url);
    let (called, log) = (Path::new(log).to_owned(), Path::new(log));
    gate.on_alert(move |alert| {
        note(&called, &format!("called {}", alert.id));
        stand_still();
    });
    let settled = gate.record(&id(0), tokens(60), None).unwrap().alerts;
    note(log, &format!("settled {}", settled[0].id));
    stand_still();
    String::new()
}

fn stand_still() {
    loop {
        std::thread::park();
    }
}

#[test]
fn an_alert_outlives_the_process_that_was_to_tell_it() {
    let place = Place::new();
    place.open().create_key(&spec("k0")).unwrap();
    let log = place.file("log");
    let mut child = Running::start("die", &[&place.url(), log.to_str().unwrap()]);
    wait_for(|| lines(&log).len() == 2);
    child.kill();
    let gate = open(&place.url());
    assert!(gate.take_alerts(9).is_empty(), "it is left to the process that has it for a while");
    end_claims(&place);
    let heard = hear(&gate);
    let told = heard.recv_timeout(Duration::from_mins(1)).unwrap();
    for line in lines(&log) {
        assert_eq!(line.split_once(' ').unwrap().1, told.id.to_string(), "the same id");
    }
    assert_eq!((&*told.key_name, told.used.to_string()), ("K0", "60 tokens".to_owned()));
    gate.flush().unwrap();
    assert_eq!(waiting(&place), 0);
    assert!(heard.try_recv().is_err(), "once");
    well(&place);
}

// Spends on every key together with others, and notes what the callback was told.
fn spend(words: &[&str]) -> String {
    let &[url, log] = words else { panic!() };
    let gate = open(url);
    let log = Path::new(log).to_owned();
    gate.on_alert(move |alert| note(&log, &alert.id.to_string()));
    for _ in 0..10 {
        for key in 0..KEYS {
            gate.record(&id(key), tokens(3), None).unwrap();
        }
    }
    gate.flush().unwrap();
    gate.stats().recorded.to_string()
}

#[test]
fn while_nobody_dies_each_alert_is_told_once_by_one_of_the_processes() {
    let place = Place::new();
    let gate = place.open();
    for key in 0..KEYS {
        gate.create_key(&spec(&id(key).to_string())).unwrap();
    }
    let log = |process: usize| place.file(&format!("log-{process}"));
    let children: Vec<_> =
        (0..3).map(|process| start("spend", &[&place.url(), log(process).to_str().unwrap()])).collect();
    for child in children {
        assert_eq!(said(child), (10 * KEYS).to_string());
    }
    let told: Vec<String> = (0..3).flat_map(|process| lines(&log(process))).collect();
    let different: BTreeSet<&String> = told.iter().collect();
    assert_eq!((told.len(), different.len()), (KEYS, KEYS), "{told:?}");
    assert_eq!(waiting(&place), 0);
}

// Crosses thresholds of new keys, and tells what it and others left; what is acknowledged is noted first.
fn tell(words: &[&str]) -> String {
    let &[url, log, process] = words else { panic!() };
    let gate = open(url);
    let (told, crossed) = (format!("{log}.told"), format!("{log}.crossed"));
    gate.on_alert(move |alert| note(Path::new(&told), &alert.id.to_string()));
    for number in 0.. {
        let key: KeyId = format!("{process}-{number}").parse().unwrap();
        gate.create_key(&spec(&key.to_string())).unwrap();
        let settled = gate.record(&key, tokens(50), None).unwrap();
        for id in ids(settled.alerts) {
            note(Path::new(&crossed), &id);
        }
    }
    String::new()
}

#[test]
fn no_alert_is_lost_whoever_is_killed() {
    let kills: usize = std::env::var("SOAK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(24);
    let (place, mut left) = (Place::new(), 0);
    drop(place.open());
    let log = place.file("log");
    for process in 0..kills {
        let words = [&place.url(), log.to_str().unwrap(), &process.to_string()];
        let mut child = Running::start("tell", &words);
        wait_for(|| ask(&place, &format!("SELECT count(*) FROM keys WHERE id LIKE '{process}-%'")) > 1);
        std::thread::sleep(Duration::from_micros(u64::try_from(process % 7).unwrap() * 1_500));
        child.kill();
        left += waiting(&place);
        if process % 2 == 1 {
            end_claims(&place);
        }
    }
    end_claims(&place);
    let gate = open(&place.url());
    let last = hear(&gate);
    gate.flush().unwrap();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for id in lines(&place.file("log.told")).into_iter().chain(ids(last.try_iter())) {
        *told.entry(id).or_default() += 1;
    }
    for id in lines(&place.file("log.crossed")) {
        assert!(told.contains_key(&id), "{id} was acknowledged, and nobody was told");
    }
    // Every key whose charge was kept crossed its threshold, whether the process lived to say so or not.
    let crossed = gate.keys(None, usize::MAX).into_iter();
    let crossed =
        crossed.filter(|key| gate.usage(key.id()).unwrap().daily_tokens.used.to_string() == "50 tokens");
    assert_eq!(crossed.count(), told.len());
    let again = told.values().filter(|times| **times > 1).count();
    assert!(again <= kills, "only what was under way at a kill is told again: {again}");
    assert_eq!(waiting(&place), 0);
    well(&place);
    println!("{kills} kills among {} alerts; {left} were left behind, {again} were told again", told.len());
}

#[test]
fn what_is_taken_is_told_and_what_nobody_takes_is_left() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    for key in 0..2 {
        here.create_key(&spec(&id(key).to_string())).unwrap();
        here.record(&id(key), tokens(60), None).unwrap();
    }
    assert_eq!(ids(here.take_alerts(1)).len(), 1);
    assert_eq!(waiting(&place), 1);
    assert!(there.take_alerts(9).is_empty(), "the first gate has it");
    end_claims(&place);
    let taken = there.take_alerts(9);
    assert!(taken[0].id.to_string().starts_with("k1:daily_tokens:"), "{taken:?}");
    assert_eq!((taken.len(), taken[0].key_name.as_str(), waiting(&place)), (1, "K1", 0));
}

#[test]
fn a_callback_that_fails_is_tried_again_after_longer_and_longer() {
    let place = Place::new();
    let gate = open(&place.url());
    gate.create_key(&spec("k0")).unwrap();
    let (say, hear) = mpsc::channel();
    gate.on_alert(move |alert| {
        say.send(alert.id.to_string()).unwrap();
        Err::<(), _>("the webhook does not answer")
    });
    let settled = ids(gate.record(&id(0), tokens(60), None).unwrap().alerts);
    for seconds in [30, 30, 60, 120, 240] {
        assert_eq!(hear.recv_timeout(Duration::from_mins(1)).unwrap(), settled[0]);
        gate.flush().unwrap();
        // From when it was written, or handed out last.
        let sql =
            format!("SELECT left_until - at >= {seconds}000000 AND left_until - at < 600000000 FROM notices");
        assert_eq!(ask(&place, &sql), 1, "{seconds}");
        end_claims(&place);
    }
    assert_eq!(waiting(&place), 1);
}

#[test]
fn alerts_nobody_hears_are_bounded() {
    let place = Place::new();
    let clock = Arc::new(ManualClock::new("2026-11-01T12:00:00Z".parse().unwrap()));
    let url = place.url() + "?durability=normal";
    let gate = Gate::builder().clock(clock.clone()).open(&url).unwrap();
    gate.create_key(&spec("k0").monthly_spend_limit(1)).unwrap();
    for _ in 0..40 {
        gate.record(&id(0), tokens(60), None).unwrap();
        clock.advance(Duration::from_hours(24));
    }
    assert_eq!(waiting(&place), 8, "of the last eight windows of the meter");
    let oldest = ask(&place, "SELECT min(start) FROM notices");
    assert_eq!(oldest, "2026-12-03T00:00:00Z".parse::<enclava_keys::Timestamp>().unwrap().as_micros());
    // A week later, by the clock of the machine, nobody wants to hear them.
    change(&place, "UPDATE notices SET at = at - 8 * 86400000000, left_until = at");
    assert!(place.open().take_alerts(9).is_empty());
    gate.record(&id(0), tokens(60), None).unwrap();
    assert_eq!(waiting(&place), 1);
    let made = gate.create_key(&spec("k1")).unwrap();
    let in_flight: Vec<_> = (0..2)
        .map(|_| gate.authorize(&Request::new(made.secret.reveal()).tokens(50)).unwrap().detach())
        .collect();
    for number in 0..2 {
        gate.delete_key(&id(number)).unwrap();
    }
    assert_eq!(waiting(&place), 0, "whose key is gone has nobody to tell");
    for permit in in_flight {
        gate.settle(&permit, tokens(50)).unwrap();
        assert_eq!(waiting(&place), 0, "whatever its calls in flight come to");
    }
    well(&place);
}

#[test]
fn a_clock_that_stepped_back_keeps_no_alert_to_itself() {
    let place = Place::new();
    let gate = place.open();
    gate.create_key(&spec("k0")).unwrap();
    gate.record(&id(0), tokens(60), None).unwrap();
    change(&place, "UPDATE notices SET at = at + 86400000000, left_until = left_until + 86400000000");
    assert_eq!(place.open().take_alerts(9).len(), 1);
}

#[test]
fn the_doctor_knows_alerts() {
    let place = Place::new();
    let gate = place.open();
    gate.create_key(&spec("k0")).unwrap();
    gate.record(&id(0), tokens(60), None).unwrap();
    let database = Sqlite::open(&place.url()).unwrap();
    let health = database.doctor().unwrap();
    assert_eq!((health.faults.len(), health.alerts), (0, 1));
    for (number, (sql, fault)) in [
        ("UPDATE notices SET threshold = 7000", "its meter is not marked"),
        ("UPDATE notices SET meter = 'weekly'", "an alert cannot be read"),
        ("UPDATE notices SET used = 'much'", "an alert cannot be read"),
        ("UPDATE notices SET owner = 'other'", "account other: an alert waits, and there is no such account"),
    ]
    .into_iter()
    .enumerate()
    {
        let copy = place.file(&format!("{number}.db"));
        database.backup(&copy).unwrap();
        Connection::open(&copy).unwrap().execute(sql, []).unwrap();
        let faults = Sqlite::open(&url(&copy)).unwrap().doctor().unwrap().faults;
        assert!(faults.iter().any(|told| told.contains(fault)), "{sql}: {faults:?}");
    }
}

#[test]
fn an_alert_stands_or_falls_with_its_charge() {
    let place = Place::new();
    let gate = place.open();
    gate.create_key(&spec("k0")).unwrap();
    change(&place, "ALTER TABLE notices RENAME TO gone");
    assert!(matches!(gate.record(&id(0), tokens(60), None), Err(Error::Ledger(_))));
    change(&place, "ALTER TABLE gone RENAME TO notices");
    assert_eq!(gate.usage(&id(0)).unwrap().daily_tokens.used.to_string(), "0 tokens");
    assert_eq!(gate.record(&id(0), tokens(60), None).unwrap().alerts.len(), 1);
    assert_eq!(waiting(&place), 1);
}
