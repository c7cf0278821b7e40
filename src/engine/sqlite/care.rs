//! Looking after the file: is it sound, do the books balance, and a copy of it while it is in use.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::connection::{Database, at_one_moment};
use super::fault::Fault;
use super::file::{self, Made};
use super::holds;
use super::meters::Meters;
use super::notices;
use super::schema;
use crate::budget::{Amount, Meter, Notice};
use crate::key::Key;
use crate::time::Timestamp;

/// Faults that are told one by one.
const MOST_TOLD: usize = 100;

/// How a database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// What is wrong, each with what it is about; empty if all is well. At most a hundred are told.
    pub faults: Vec<String>,
    /// The version of SQLite.
    pub sqlite: String,
    /// The version of the schema.
    pub schema: u32,
    /// Key records.
    pub keys: u64,
    /// Owners of budgets that were used.
    pub accounts: u64,
    /// Calls in flight.
    pub live: u64,
    /// Calls that are remembered, in flight or not.
    pub holds: u64,
    /// Alerts that nobody was told yet.
    pub alerts: u64,
    /// The size of the file.
    pub bytes: u64,
    /// The size of the journal beside it.
    pub journal_bytes: u64,
}

/// Reads everything and counts everything again.
pub(super) fn examine(database: &Database) -> Result<Health, Fault> {
    // With a connection of its own: it may take long, and calls go on meanwhile.
    let mut health = database.with_own_connection(|connection| at_one_moment(connection, count))?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    health.bytes = size(database.path());
    health.journal_bytes = size(&file::sibling(database.path(), "-wal"));
    health.faults.extend(file::exposed(database.path()));
    Ok(health)
}

fn count(connection: &Connection) -> Result<Health, Fault> {
    let count = |sql: &str| -> Result<u64, Fault> {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    };
    let mut faults = integrity(connection)?;
    if faults.is_empty() {
        check_keys(connection, &mut faults)?;
        check_accounts(connection, &mut faults)?;
        check_guests(connection, &mut faults)?;
        check_alerts(connection, &mut faults)?;
    }
    faults.truncate(MOST_TOLD);
    Ok(Health {
        faults,
        sqlite: rusqlite::version().to_owned(),
        schema: schema::check(connection)?.cast_unsigned(),
        keys: count("SELECT count(*) FROM keys")?,
        accounts: count("SELECT count(*) FROM accounts")?,
        live: count("SELECT count(*) FROM holds WHERE rank = 0")?,
        holds: count("SELECT count(*) FROM holds")?,
        alerts: count("SELECT count(*) FROM notices")?,
        bytes: 0,
        journal_bytes: 0,
    })
}

/// Copies the database, as it is at one moment, to a new file.
pub(super) fn back_up(database: &Database, to: &Path) -> Result<(), Fault> {
    let made = file::make(to, |new| {
        // A connection of its own: calls go on meanwhile.
        database.with_own_connection(|connection| {
            connection.execute("VACUUM INTO ?1", [new.to_string_lossy()])?;
            Ok(())
        })
    })?;
    match made {
        Made::New => Ok(()),
        Made::WasThere => Err(Fault::told(format!("{}: is there already; name a new file", to.display()))),
    }
}

fn integrity(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn check_keys(connection: &Connection, faults: &mut Vec<String>) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT id, revision, record FROM keys")?;
    let mut secret =
        connection.prepare("SELECT EXISTS (SELECT 1 FROM secrets WHERE digest = ?1 AND key = ?2)")?;
    let mut rows = statement.query([])?;
    let mut secrets = 0_i64;
    while let Some(row) = rows.next()? {
        let (id, revision): (String, i64) = (row.get(0)?, row.get(1)?);
        let key = match Key::from_record_json(row.get_ref(2)?.as_bytes().unwrap_or_default()) {
            Ok(key) => key,
            Err(fault) => {
                faults.push(format!("key {id}: {fault}"));
                continue;
            }
        };
        if key.id().to_string() != id || key.revision() != revision.cast_unsigned() {
            faults.push(format!("key {id}: its record is of {} at revision {}", key.id(), key.revision()));
        }
        for stored in key.secrets() {
            secrets = secrets.saturating_add(1);
            let known: bool = secret.query_row((stored.hash().digest().as_bytes(), &id), |row| row.get(0))?;
            if !known {
                faults.push(format!("key {id}: a secret is not in the list of secrets"));
            }
        }
    }
    let listed: i64 = connection.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0))?;
    if listed != secrets && faults.is_empty() {
        faults.push(format!("{listed} secrets are listed, and keys have {secrets}"));
    }
    Ok(())
}

// What each owner holds in each window, counted from the holds.
type Held = HashMap<(String, Meter, Timestamp), i128>;

fn check_accounts(connection: &Connection, faults: &mut Vec<String>) -> Result<(), Fault> {
    let (mut held, live) = count_holds(connection)?;
    let mut statement = connection.prepare("SELECT owner, live, meters FROM accounts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (owner, in_flight): (String, i64) = (row.get(0)?, row.get(1)?);
        let counted = live.get(&owner).copied().unwrap_or(0);
        if in_flight != counted {
            faults.push(format!("account {owner}: has {counted} calls in flight, and {in_flight} are noted"));
        }
        let Some(meters) = Meters::from_bytes(row.get_ref(2)?.as_blob().unwrap_or_default()) else {
            faults.push(format!("account {owner}: its meters cannot be read"));
            continue;
        };
        for kept in meters.iter() {
            let name = (owner.clone(), kept.meter, kept.start);
            let counted = held.remove(&name).unwrap_or(0);
            if kept.row.held != counted || kept.row.used < 0 {
                let amount = |units| Amount::of(kept.meter, units);
                faults.push(format!(
                    "account {owner}: {} from {} on holds {}, and its calls in flight come to {}",
                    kept.meter,
                    kept.start,
                    amount(kept.row.held),
                    amount(counted)
                ));
            }
        }
    }
    let lost = held.into_iter().filter(|(_, units)| *units != 0);
    faults.extend(lost.map(|((owner, meter, start), _)| {
        format!("account {owner}: calls in flight hold {meter} from {start} on, of which nothing is noted")
    }));
    Ok(())
}

// What draws on several owners is noted with each of them.
fn check_guests(connection: &Connection, faults: &mut Vec<String>) -> Result<(), Fault> {
    let mut check = |sql: &str, end: &str| -> Result<(), Fault> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (owner, home): (String, String) = (row.get(0)?, row.get(1)?);
            faults.push(format!("account {owner}: a call of {home} {end}"));
        }
        Ok(())
    };
    check(
        "SELECT guests.owner, home FROM guests LEFT JOIN holds ON holds.owner = home AND holds.id = guests.id \
         WHERE rank IS NULL OR rank = 2 OR lapses IS NOT iif(rank = 0, expires_at, NULL)",
        "is noted, and there is none",
    )?;
    check(
        "SELECT value ->> '$[0]', owner FROM holds, json_each(others) WHERE rank = 0 AND NOT EXISTS \
         (SELECT 1 FROM guests WHERE guests.owner = value ->> '$[0]' AND home = holds.owner AND guests.id = holds.id)",
        "in flight is not noted",
    )
}

// An alert is kept by the step that marks its meter.
fn check_alerts(connection: &Connection, faults: &mut Vec<String>) -> Result<(), Fault> {
    let mut account = connection.prepare("SELECT meters FROM accounts WHERE owner = ?1")?;
    let mut waiting = Vec::new();
    notices::for_each(connection, |owner, notice| waiting.push((owner, notice)))?;
    for (owner, notice) in waiting {
        let Some(Notice { id, .. }) = notice else {
            faults.push(format!("account {owner}: an alert cannot be read"));
            continue;
        };
        let meters = account.query_row([&owner], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        let Some(meters) = meters else {
            faults.push(format!("account {owner}: an alert waits, and there is no such account"));
            continue;
        };
        let meters = Meters::from_bytes(&meters).unwrap_or_default();
        // Of a window that is no longer kept nothing is known.
        let row = meters.get(id.meter, id.window_start);
        if row.is_some_and(|row| !row.marks.has(id.threshold)) {
            faults.push(format!("account {owner}: the alert {id} waits, and its meter is not marked"));
        }
    }
    Ok(())
}

fn count_holds(connection: &Connection) -> Result<(Held, HashMap<String, i64>), Fault> {
    let (mut held, mut live) = (Held::new(), HashMap::<String, i64>::new());
    holds::for_each_live(connection, |owner, hold| {
        let in_flight = live.entry(owner.to_owned()).or_default();
        *in_flight = in_flight.saturating_add(1);
        let others = hold.others().iter().map(|(id, windows)| (id.to_string(), *windows));
        for (owner, windows) in std::iter::once((owner.to_owned(), hold.windows)).chain(others) {
            for meter in Meter::ALL {
                let sum = held.entry((owner.clone(), meter, windows.of(meter).start)).or_default();
                *sum = sum.saturating_add(hold.standing.usage.on(meter));
            }
        }
    })?;
    Ok((held, live))
}
