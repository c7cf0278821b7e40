//! Databases that are made or brought up to date when their process is killed.

use rusqlite::Connection;

use super::*;

#[test]
fn a_migration_is_done_whole_or_not_at_all() {
    let kills = kills() / 2;
    let old = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sqlite_v1.sql")).unwrap();
    let mut done = 0;
    for _ in 0..kills {
        let place = Place::new();
        let path = place.file("enclava.db");
        Connection::open(&path).unwrap().execute_batch(&old).unwrap();
        let mut child = start_making(&place);
        std::thread::sleep(Duration::from_micros(random(30_000)));
        child.kill();
        let version = |connection: Connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap()
        };
        done += u32::from(version(Connection::open(&path).unwrap()) > 1);
        let health = Sqlite::open(&place.url()).unwrap().doctor().unwrap();
        // Its mode is not what a test makes it.
        let faults: Vec<_> = health.faults.iter().filter(|fault| !fault.contains("others may use")).collect();
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!((health.keys, health.live), (1, 2));
        assert_eq!(version(Connection::open(&path).unwrap()), health.schema);
    }
    println!("{kills} kills while a database was brought up to date; {done} were");
}

// Makes a database, or brings it up to date.
pub(crate) fn make(words: &[&str]) -> String {
    File::create(words[1]).unwrap();
    Gate::open(words[0]).unwrap();
    "made".to_owned()
}

fn start_making(place: &Place) -> Running {
    let begun = place.file("begun");
    let words = [&place.url(), begun.to_str().unwrap()];
    let child = Running::start("make", &words);
    wait_for(|| begun.exists());
    child
}

#[test]
fn a_database_is_there_whole_or_not_at_all() {
    let kills = kills() / 2;
    let mut found = 0;
    for _ in 0..kills {
        let place = Place::new();
        let mut child = start_making(&place);
        std::thread::sleep(Duration::from_micros(random(40_000)));
        child.kill();
        found += u64::from(place.file("enclava.db").exists());
        let gate = place.open();
        let made = gate.create_key(&spec()).unwrap();
        assert!(gate.authorize(&Request::new(made.secret.reveal())).is_ok());
    }
    println!("{kills} kills while a database was made; {found} were there");
}
