//! A gate over a SQLite file: what outlives the process, what others see, and files that are not as they should be.

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
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::budget::{Calendar, HoldId, Limits, Meter, Owner, Phase};
use enclava_keys::engine::Sqlite;
use enclava_keys::gate::NewKey;
use enclava_keys::ledger::{Account, Books, OnLapse, Terms};
use enclava_keys::{Error, Gate, KeySpec, ManualClock, Reason, Request, Usage};
use rusqlite::Connection;
use sqlite_worker::{Place, part, play, said, url};

const NOBODY: u32 = 65_534;

fn spec() -> KeySpec {
    KeySpec::new("k").daily_spend_limit("1.00")
}

fn dollars(text: &str) -> Usage {
    Usage::new(text.parse().unwrap(), 0)
}

fn ask<'a>(made: &'a NewKey, cost: &str) -> Request<'a> {
    Request::new(made.secret.reveal()).cost(cost.parse().unwrap())
}

/// Used and held today.
fn standing(gate: &Gate, made: &NewKey) -> (String, String) {
    let today = gate.usage(made.key.id()).unwrap().daily_spend;
    (today.used.to_string(), today.held.to_string())
}

fn refused(path: &Path) -> String {
    match Gate::open(&url(path)) {
        Err(Error::Ledger(error)) => error.to_string(),
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn worker() {
    play(&[("fill", fill), ("open", open)]);
}

#[test]
fn keys_budgets_and_calls_in_flight_outlive_the_gate() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&spec()).unwrap();
    gate.authorize(&ask(&made, "0.4")).unwrap().settle(dollars("0.3")).unwrap();
    let in_flight = gate.authorize(&ask(&made, "0.2").request_id("r")).unwrap().detach();
    drop(gate);

    let gate = place.open();
    assert_eq!(standing(&gate, &made), ("$0.30".into(), "$0.20".into()));
    assert!(gate.authorize(&ask(&made, "0.2").request_id("r")).unwrap().is_view(), "the same request");
    assert!(gate.authorize(&ask(&made, "0.51")).is_err());
    gate.settle(&in_flight, dollars("0.1")).unwrap();
    assert!(matches!(gate.settle(&in_flight, dollars("0.1")), Err(Error::AlreadySettled(_))));
    assert_eq!(standing(&gate, &made), ("$0.40".into(), "$0.00".into()));
    assert!(gate.authorize(&ask(&made, "0.6")).is_ok());
}

#[test]
fn changes_of_keys_reach_other_gates_within_the_interval() {
    let place = Place::new();
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let open = || Gate::builder().clock(clock.clone()).open(&place.url()).unwrap();
    let (here, there) = (open(), open());
    let made = here.create_key(&spec()).unwrap();
    assert!(there.verify(made.secret.reveal()).is_ok(), "a secret that is not known makes it look");
    let rotated = here.rotate_key(made.key.id(), Duration::ZERO).unwrap();
    here.revoke_key(made.key.id()).unwrap();
    clock.advance(Duration::from_secs(1));
    let reason = |secret| there.verify(secret).unwrap_err().reason();
    assert_eq!(reason(made.secret.reveal()), Reason::SecretRetired);
    assert_eq!(reason(rotated.secret.reveal()), Reason::KeyRevoked);
    here.delete_key(made.key.id()).unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(reason(rotated.secret.reveal()), Reason::UnknownKey);
    let taken = there.import_key(&spec().secret(rotated.secret.reveal()));
    assert!(taken.is_ok(), "the secret of a deleted key is free: {taken:?}");
    let again = here.import_key(&spec().secret(rotated.secret.reveal()));
    assert!(matches!(again, Err(Error::Conflict(_))), "and taken now, before this gate looked: {again:?}");
}

#[test]
fn more_removals_than_are_remembered_reach_other_gates() {
    let place = Place::new();
    let url = place.url() + "?durability=normal";
    let (here, there) = (Gate::open(&url).unwrap(), Gate::open(&url).unwrap());
    let first = here.create_key(&spec()).unwrap();
    there.refresh().unwrap();
    here.delete_key(first.key.id()).unwrap();
    for _ in 0..1_100 {
        let made = here.create_key(&spec()).unwrap();
        here.delete_key(made.key.id()).unwrap();
    }
    let stays = here.create_key(&spec()).unwrap();
    there.refresh().unwrap();
    assert_eq!(there.keys(None, 10).len(), 1);
    assert!(there.verify(stays.secret.reveal()).is_ok());
}

#[test]
fn every_file_is_for_its_owner_alone() {
    let place = Place::new();
    let gate = place.open();
    gate.create_key(&spec()).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(place.0.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let ends = ["", "-next", "-shm", "-turn", "-wal"];
    assert_eq!(names, ends.map(|end| format!("enclava.db{end}")));
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let place = Place::new();
    let path = place.file("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(refused(&path).contains("is a SQLite database, but not one of Enclava's"), "{}", refused(&path));
    assert_eq!(fs::read(&path).unwrap(), before);
    let path = place.file("text.db");
    fs::write(&path, "some notes of mine, which are no database at all\n".repeat(100)).unwrap();
    assert!(refused(&path).contains("the file is damaged"), "{}", refused(&path));
}

#[test]
fn a_newer_schema_is_refused_by_its_name() {
    let place = Place::new();
    place.open().create_key(&spec()).unwrap();
    let path = place.file("enclava.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let told = refused(&path);
    assert!(told.contains("has schema 99, made by a newer release; this one knows schema"), "{told}");
}

#[test]
fn a_file_that_was_cut_off_does_not_begin_anew() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&spec()).unwrap();
    gate.authorize(&ask(&made, "1")).unwrap().settle(dollars("1")).unwrap();
    drop(gate);
    let path = place.file("enclava.db");
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 100, 4_096, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        let told = match Gate::open(&place.url()) {
            Err(error) => error.to_string(),
            // Cut where nothing is read on opening: whatever needs the rest denies.
            Ok(gate) => gate.authorize(&ask(&made, "0.1")).unwrap_err().to_string(),
        };
        assert!(!told.is_empty(), "{length}");
    }
    fs::remove_file(&path).unwrap();
    fs::write(place.file("enclava.db-wal"), "a journal without its database").unwrap();
    assert!(refused(&path).contains("its journal"), "{}", refused(&path));
}

#[test]
fn a_damaged_page_denies_and_changes_nothing() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&spec()).unwrap();
    gate.authorize(&ask(&made, "0.1")).unwrap().settle(dollars("0.1")).unwrap();
    drop(gate);
    let path = place.file("enclava.db");
    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'accounts'";
    let page: u16 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let page = usize::from(page);
    drop(connection);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let gate = place.open();
    let denial = gate.authorize(&ask(&made, "0.1")).unwrap_err();
    assert_eq!(denial.reason(), Reason::LedgerUnavailable);
    let told = gate.usage(made.key.id()).unwrap_err().to_string();
    assert!(told.contains("the file is damaged"), "{told}");
}

#[test]
fn a_missing_directory_is_named() {
    let place = Place::new();
    let told = refused(&place.file("nowhere/enclava.db"));
    assert!(told.contains("nowhere") && told.contains("No such file"), "{told}");
    assert!(refused(place.0.path()).contains("is not a file"));
}

#[test]
fn another_users_file_is_refused() {
    let place = Place::new();
    drop(place.open());
    let path = place.file("enclava.db");
    let own = fs::metadata(&path).unwrap().uid();
    // Root may give files away; others find one of root's everywhere.
    let (path, owner) = if own == 0 {
        std::os::unix::fs::chown(&path, Some(NOBODY), None).unwrap();
        (path, NOBODY)
    } else {
        ("/etc/passwd".into(), 0)
    };
    let told = refused(&path);
    assert!(
        told.contains(&format!("belongs to user {owner}, and this process runs as user {own}")),
        "{told}"
    );
}

#[test]
fn a_database_that_is_looked_after_is_not_made() {
    let place = Place::new();
    let error = Sqlite::existing(&place.url()).unwrap_err().to_string();
    assert!(error.contains("enclava.db: there is no such file"), "{error}");
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
    drop(place.open());
    assert!(Sqlite::existing(&place.url()).is_ok());
}

// Opens the database and asks for a call; answers what was wrong.
fn open(words: &[&str]) -> String {
    match Gate::open(words[0]) {
        Err(error) => error.to_string(),
        Ok(gate) => match gate.authorize(&Request::new(words[1])) {
            Ok(_) => "admitted".to_owned(),
            Err(denial) => denial.reason().to_string(),
        },
    }
}

#[test]
fn a_read_only_place_is_named() {
    let place = Place::new();
    let made = place.open().create_key(&spec()).unwrap();
    let (path, directory) = (place.file("enclava.db"), place.0.path());
    // Root may write anywhere: then somebody else tries.
    let root = fs::metadata(&path).unwrap().uid() == 0;
    if root {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            std::os::unix::fs::chown(path, Some(NOBODY), None).unwrap();
        }
        std::os::unix::fs::chown(directory, Some(NOBODY), None).unwrap();
    }
    let attempt = || {
        let mut command = part("open", &[&place.url(), made.secret.reveal()]);
        if root {
            command.uid(NOBODY);
        }
        said(command.stdout(Stdio::piped()).spawn().unwrap())
    };
    assert_eq!(attempt(), "admitted");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o400);
    assert!(attempt().contains("read-only"), "{}", attempt());
    mode(&path, 0o600);
    mode(directory, 0o500);
    let told = attempt();
    mode(directory, 0o700);
    assert!(
        told.contains("admitted") || told.contains("read-only") || told.contains("may not use"),
        "{told}"
    );
}

// Makes calls of many keys until something cannot be kept; then tries to go on.
fn fill(words: &[&str]) -> String {
    let gate = Gate::open(words[0]).unwrap();
    let mut settled = 0_u64;
    loop {
        let Ok(made) = gate.create_key(&spec().description("x".repeat(400))) else { break };
        let Ok(mut permit) = gate.authorize(&ask(&made, "1")) else { break };
        if permit.settle(dollars("0.5")).is_err() {
            break;
        }
        settled += 1;
    }
    let again = gate.create_key(&spec());
    format!("{settled} {}", again.err().map(|error| error.to_string()).unwrap_or_default())
}

#[test]
fn a_full_disk_denies_and_loses_nothing() {
    let place = Place::new();
    drop(place.open());
    // No file may grow past a megabyte; the signal that says so is ignored, so that writes fail as on a full disk.
    let worker = part("fill", &[&place.url()]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""]).arg(worker.get_program());
    shell.args(worker.get_args()).envs(worker.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let told = said(shell.stdout(Stdio::piped()).spawn().unwrap());
    let (settled, error) = told.split_once(' ').unwrap();
    let settled: usize = settled.parse().unwrap();
    assert!(settled > 10 && error.contains("enclava.db"), "{told}");
    let gate = place.open();
    let keys = gate.keys(None, usize::MAX);
    let charged =
        keys.iter().filter(|key| gate.usage(key.id()).unwrap().daily_spend.used.to_string() == "$0.50");
    assert_eq!(charged.count(), settled, "every settlement that was acknowledged, and no other");
    gate.create_key(&spec()).unwrap();
}

fn of_schema(place: &Place, version: u32) {
    let old = format!("{}/tests/data/sqlite_v{version}.sql", env!("CARGO_MANIFEST_DIR"));
    let old = fs::read_to_string(old).unwrap();
    let path = place.file("enclava.db");
    Connection::open(&path).unwrap().execute_batch(&old).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let place = Place::new();
    of_schema(&place, 1);
    let clock = Arc::new(ManualClock::new("2026-11-23T12:01:00Z".parse().unwrap()));
    let gate = Gate::builder().clock(clock).open(&place.url()).unwrap();
    let id = "old-key".parse().unwrap();
    let today = gate.usage(&id).unwrap().daily_spend;
    assert_eq!((today.used.to_string(), today.held.to_string()), ("$0.25".into(), "$0.20".into()));
    let secret = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
    let again = Request::new(secret).cost("0.10".parse().unwrap()).request_id("r");
    let permit = gate.authorize(&again).unwrap();
    assert!(permit.is_view(), "it was in flight");
    gate.settle(&permit.id(), dollars("0.05")).unwrap();
    let history = gate.history(&id, 9).unwrap();
    assert_eq!((history.len(), history[0].calls, history[0].usage), (1, 1, dollars("0.05")));
    assert_eq!(Sqlite::open(&place.url()).unwrap().doctor().unwrap().faults, [""; 0]);
}

#[test]
fn a_file_of_the_second_schema_is_brought_up_to_date() {
    let place = Place::new();
    of_schema(&place, 2);
    let clock = Arc::new(ManualClock::new("2026-11-23T12:01:00Z".parse().unwrap()));
    let gate = Gate::builder().clock(clock.clone()).open(&place.url()).unwrap();
    let id = "old-key".parse().unwrap();
    let today = gate.usage(&id).unwrap().daily_spend;
    assert_eq!((today.used.to_string(), today.held.to_string()), ("$0.60".into(), "$0.10".into()));
    assert!(gate.record(&id, dollars("0.1"), None).unwrap().alerts.is_empty(), "it was told before");
    clock.advance(Duration::from_hours(24));
    assert_eq!(gate.record(&id, dollars("0.9"), None).unwrap().alerts.len(), 1);
    assert_eq!(gate.history(&id, 9).unwrap()[2].model.as_deref(), Some("gpt-4"));
    let health = Sqlite::open(&place.url()).unwrap().doctor().unwrap();
    assert_eq!((health.faults.len(), health.schema, health.alerts), (0, 4, 1), "{health:?}");
}

#[test]
fn a_file_of_the_third_schema_is_brought_up_to_date() {
    let place = Place::new();
    of_schema(&place, 3);
    let database = Sqlite::open(&place.url()).unwrap();
    assert_eq!(database.doctor().unwrap().faults, [""; 0]);
    let terms = Terms { lifetime: Duration::from_mins(10), on_lapse: OnLapse::Charge, most_live: 9 };
    let books = Books::new(Arc::new(database.ledger()), terms);
    let (one, team) = ("one".parse().unwrap(), "team".parse().unwrap());
    let (one, team) = (Owner::new(one), Owner::new(team));
    let (limits, calendar) = (Limits::default(), Calendar::default());
    let account = |owner| Account { owner, limits: &limits, calendar: &calendar };
    let now = "2026-11-23T12:10:00Z".parse().unwrap();
    let mut lapses = Vec::new();
    let [.., tokens] = books.rows(account(&team), now, &mut lapses).unwrap();
    assert_eq!((tokens.used, tokens.held), (10, 0), "what was in flight lapses by way of the team");
    assert_eq!(lapses.iter().map(|lapse| lapse.hold.id).collect::<Vec<_>>(), [HoldId(1)]);
    for id in [1, 3] {
        let mut hold = books.hold(&one, HoldId(id)).unwrap();
        books.close(&[account(&one)], &mut hold, Phase::Released, Usage::ZERO).unwrap();
    }
    let day = calendar.windows(now).day.start;
    assert_eq!(books.ledger().row(&team, Meter::DailyTokens, day).unwrap().used, 2);
    assert_eq!(database.doctor().unwrap().faults, [""; 0]);
}

#[test]
fn a_count_that_no_number_holds_does_not_refuse_the_next() {
    let place = Place::new();
    let gate = Gate::open(&place.url()).unwrap();
    let made = gate.create_key(&KeySpec::new("k")).unwrap();
    let charge = |cost: &str, tokens| {
        let mut permit = gate.authorize(&ask(&made, "0").model("gpt-4")).unwrap();
        permit.settle(Usage::new(cost.parse().unwrap(), tokens)).unwrap();
    };
    charge("0.5", u64::MAX);
    charge("0.25", 7);
    charge("0", u64::MAX);
    let tally = &gate.history(made.key.id(), 1).unwrap()[0];
    assert_eq!((tally.calls, tally.usage.cost.to_string()), (3, "0.75".into()));
    assert_eq!(tally.usage.tokens, i64::MAX.unsigned_abs());

    // What a drop charged is taken back by a settlement, however much it was.
    let other = gate.create_key(&KeySpec::new("other")).unwrap();
    let mut permit = gate.authorize(&ask(&other, "0")).unwrap();
    permit.dispatched();
    permit.progress(Usage::new("0".parse().unwrap(), u64::MAX));
    let id = permit.id();
    drop(permit);
    gate.settle(&id, dollars("1")).unwrap();
    let tally = &gate.history(other.key.id(), 1).unwrap()[0];
    assert_eq!((tally.calls, tally.usage.tokens), (1, 0));
}

#[test]
fn what_a_full_history_holds_stays_where_it_is() {
    let place = Place::new();
    let gate = Gate::open(&place.url()).unwrap();
    let made = gate.create_key(&KeySpec::new("k")).unwrap();
    gate.record(made.key.id(), dollars("0.5"), None).unwrap();
    let connection = Connection::open(place.file("enclava.db")).unwrap();
    connection.execute("UPDATE history SET calls = ?1, usd = ?1", [i64::MAX]).unwrap();
    gate.record(made.key.id(), dollars("1.5"), None).unwrap();
    let tally = &gate.history(made.key.id(), 1).unwrap()[0];
    assert_eq!(tally.calls, i64::MAX.unsigned_abs());
}

#[test]
fn history_is_told_by_day_and_model() {
    let place = Place::new();
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let gate = Gate::builder().clock(clock.clone()).open(&(place.url() + "?durability=normal")).unwrap();
    let made = gate.create_key(&KeySpec::new("k")).unwrap();
    let ask = |model| gate.authorize(&ask(&made, "0.5").model(model).tokens(10)).unwrap();
    let charge = |model, cost: &str| ask(model).settle(Usage::new(cost.parse().unwrap(), 7)).unwrap();
    charge("gpt-4", "0.999999999999");
    charge("gpt-4", "0.000000000002");
    charge("gpt-3.5-turbo", "0.1");
    ask("gpt-4").release().unwrap();
    gate.record(made.key.id(), dollars("2"), None).unwrap();
    let lapses = ask("gpt-4").detach();
    clock.advance(Duration::from_hours(24));
    charge("gpt-4", "0.3");
    let told = |days| {
        let history = gate.history(made.key.id(), days).unwrap();
        let line = |tally: &enclava_keys::ledger::Tally| {
            let (day, model) = (tally.day.to_string(), tally.model.as_deref().unwrap_or("-").to_owned());
            let (day, _) = day.split_once('T').unwrap();
            format!("{day} {model} {} {} {}", tally.calls, tally.usage.cost, tally.usage.tokens)
        };
        history.iter().map(line).collect::<Vec<_>>()
    };
    let yesterday = [
        "2026-11-23 - 1 2.00 0",
        "2026-11-23 gpt-3.5-turbo 1 0.10 7",
        "2026-11-23 gpt-4 3 1.500000000001 24",
    ];
    assert_eq!(told(1), ["2026-11-24 gpt-4 1 0.30 7"]);
    assert_eq!(told(400)[1..], yesterday);
    gate.settle(&lapses, Usage::new("0.25".parse().unwrap(), 3)).unwrap();
    assert_eq!(
        told(2)[3],
        "2026-11-23 gpt-4 3 1.250000000001 17",
        "a correction counts on the day of the call"
    );
    assert!(told(0).is_empty());

    for _ in 0..410 {
        clock.advance(Duration::from_hours(24));
        charge("gpt-4", "0.01");
    }
    assert_eq!(told(1_000).len(), enclava_keys::engine::SqliteLedger::HISTORY_DAYS);
    gate.delete_key(made.key.id()).unwrap();
    let connection = Connection::open(place.file("enclava.db")).unwrap();
    let left: i64 = connection.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_backup_is_a_database_like_the_one_it_is_of() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&spec()).unwrap();
    gate.authorize(&ask(&made, "0.4")).unwrap().settle(dollars("0.3")).unwrap();
    let database = Sqlite::open(&place.url()).unwrap();
    let to = place.file("backup.db");
    database.backup(&to).unwrap();
    let again = database.backup(&to).unwrap_err().to_string();
    assert!(again.contains("is there already; name a new file"), "{again}");
    gate.authorize(&ask(&made, "0.7")).unwrap().settle(dollars("0.7")).unwrap();

    let restored = Gate::open(&url(&to)).unwrap();
    assert_eq!(standing(&restored, &made), ("$0.30".into(), "$0.00".into()));
    restored.authorize(&ask(&made, "0.7")).unwrap().settle(dollars("0.1")).unwrap();
    drop(restored);
    // Put in the place of the file while a gate has that open: it goes on with the backup.
    fs::rename(&to, place.file("enclava.db")).unwrap();
    for end in ["-wal", "-shm"] {
        fs::remove_file(place.file(&format!("enclava.db{end}"))).unwrap();
    }
    gate.refresh().unwrap();
    assert_eq!(standing(&gate, &made), ("$0.40".into(), "$0.00".into()));
}

#[test]
fn the_doctor_tells_what_does_not_fit() {
    let place = Place::new();
    let gate = place.open();
    let made = gate.create_key(&spec()).unwrap();
    let in_flight = gate.authorize(&ask(&made, "0.25")).unwrap();
    let database = Sqlite::open(&place.url()).unwrap();
    let health = database.doctor().unwrap();
    assert_eq!((health.faults.len(), health.keys, health.accounts, health.live), (0, 1, 1, 1));
    assert!(health.bytes > 4_096 && health.journal_bytes > 0 && health.schema == 4, "{health:?}");
    let id = made.key.id();
    for (number, (sql, fault)) in [
        ("UPDATE holds SET usd = 1", format!("account {id}: daily_spend from")),
        ("UPDATE accounts SET live = 7", format!("account {id}: has 1 calls in flight, and 7 are noted")),
        ("UPDATE accounts SET meters = x'00'", format!("account {id}: its meters cannot be read")),
        ("DELETE FROM accounts", format!("account {id}: calls in flight hold")),
        (
            "INSERT INTO guests VALUES ('team', 'one', x'00', 1, 1, 1)",
            "account team: a call of one is noted, and there is none".to_owned(),
        ),
        (
            "UPDATE holds SET others = '[[\"team\",[1,2,3,4]]]'",
            format!("account team: a call of {id} in flight is not noted"),
        ),
        ("UPDATE keys SET revision = 5", format!("key {id}: its record is of {id} at revision 1")),
        ("UPDATE keys SET record = '{}'", format!("key {id}: /id: is required")),
        ("DELETE FROM secrets", format!("key {id}: a secret is not in the list of secrets")),
        ("INSERT INTO secrets VALUES (x'00', 'x')", "2 secrets are listed, and keys have 1".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let copy = place.file(&format!("{number}.db"));
        database.backup(&copy).unwrap();
        Connection::open(&copy).unwrap().execute_batch(sql).unwrap();
        let faults = Sqlite::open(&url(&copy)).unwrap().doctor().unwrap().faults;
        assert!(faults.iter().any(|told| told.starts_with(&fault)), "{sql}: {faults:?}");
    }
    fs::set_permissions(place.file("enclava.db"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(database.doctor().unwrap().faults[0].contains("others may use the file (mode 644): chmod 600"));
    drop(in_flight);
}
