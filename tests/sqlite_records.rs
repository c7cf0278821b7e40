//! Key records in a SQLite file that cannot be read: a newer release wrote them, or other hands.

#![cfg(all(feature = "sqlite", unix))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod sqlite_worker;

use std::sync::Arc;
use std::time::Duration;

use enclava_keys::engine::Sqlite;
use enclava_keys::gate::{EventKind, NewKey};
use enclava_keys::{Error, Gate, KeyEdit, KeySpec, ManualClock, Reason};
use rusqlite::Connection;
use sqlite_worker::Place;

const FIELD: &str = "UPDATE keys SET record = json_set(record, '$.from_the_future', 1)";

fn make(gate: &Gate, id: &str) -> NewKey {
    gate.create_key(&KeySpec::new(id).id(id)).unwrap()
}

// What other hands do, as a change of the key `two` or without a word.
fn edit(place: &Place, sql: &str, told: bool) {
    let connection = Connection::open(place.file("enclava.db")).unwrap();
    let told = if told {
        "UPDATE news SET generation = generation + 1;
         UPDATE keys SET generation = (SELECT generation FROM news) WHERE id = 'two';"
    } else {
        ""
    };
    connection.execute_batch(&format!("BEGIN; {sql} WHERE id = 'two'; {told} COMMIT;")).unwrap();
}

fn reason(gate: &Gate, made: &NewKey) -> Option<Reason> {
    gate.verify(made.secret.reveal()).err().map(|denial| denial.reason())
}

fn told(gate: &Gate) -> Vec<(Option<String>, String)> {
    let events = gate.take_events(usize::MAX).into_iter();
    let unreadable = events.filter(|event| event.kind == EventKind::KeyUnreadable);
    unreadable.map(|event| (event.key_id.map(|id| id.to_string()), event.note)).collect()
}

#[test]
fn one_record_that_cannot_be_read_stops_no_news_of_others() {
    let place = Place::new();
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let open = || Gate::builder().clock(clock.clone()).open(&place.url()).unwrap();
    let (here, there) = (open(), open());
    let (one, two) = (make(&here, "one"), make(&here, "two"));
    there.refresh().unwrap();
    edit(&place, FIELD, true);
    clock.advance(Duration::from_secs(1));
    assert_eq!((reason(&there, &one), reason(&there, &two)), (None, Some(Reason::UnknownKey)));
    let events = told(&there);
    let (id, note) = events.first().unwrap();
    assert_eq!((events.len(), id.as_deref()), (1, Some("two")));
    assert!(note.contains("cannot be read") && note.contains("/from_the_future: unknown field"), "{note}");
    assert!(told(&there).is_empty(), "once is enough");

    here.revoke_key(one.key.id()).unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(reason(&there, &one), Some(Reason::KeyRevoked));
    let third = open();
    assert_eq!((third.keys(None, 9).len(), told(&third).len()), (1, 1));
    let faults = Sqlite::open(&place.url()).unwrap().doctor().unwrap().faults;
    assert!(faults.iter().any(|fault| fault.starts_with("key two: /from_the_future")), "{faults:?}");

    edit(&place, "UPDATE keys SET record = json_remove(record, '$.from_the_future')", true);
    clock.advance(Duration::from_secs(1));
    assert_eq!(reason(&there, &two), None, "it can be read again");
}

#[test]
fn what_cannot_be_read_can_be_deleted() {
    let place = Place::new();
    let two = make(&place.open(), "two");
    edit(&place, "UPDATE keys SET record = CAST(x'ff' AS TEXT)", true);
    let gate = place.open();
    let again = gate.create_key(&KeySpec::new("two").id("two")).unwrap_err();
    assert_eq!(again, Error::Conflict("there is a key two already; choose another id".into()));
    gate.delete_key(two.key.id()).unwrap();
    assert!(matches!(gate.delete_key(two.key.id()), Err(Error::NotFound(_))));
    gate.import_key(&KeySpec::new("two").id("two").secret(two.secret.reveal())).unwrap();
    assert_eq!(reason(&gate, &two), None, "its secret is free");
}

#[test]
fn a_change_puts_right_what_other_hands_wrote_unasked() {
    let place = Place::new();
    let gate = place.open();
    let two = make(&gate, "two");
    gate.refresh().unwrap();
    edit(&place, FIELD, false);
    gate.update_key(two.key.id(), &KeyEdit::new().name("2")).unwrap();
    assert_eq!(place.open().key(two.key.id()).unwrap().name(), "2");
    let faults = Sqlite::open(&place.url()).unwrap().doctor().unwrap().faults;
    assert_eq!(faults, [""; 0]);
}

#[test]
fn of_more_records_than_one_thread_reads_the_good_ones_are_taken() {
    let place = Place::new();
    let gate = Gate::open(&(place.url() + "?durability=normal")).unwrap();
    make(&gate, "two");
    for _ in 0..2_100 {
        gate.create_key(&KeySpec::new("k")).unwrap();
    }
    edit(&place, FIELD, false);
    let gate = place.open();
    assert_eq!((gate.keys(None, 9_999).len(), told(&gate).len()), (2_100, 1));
}
