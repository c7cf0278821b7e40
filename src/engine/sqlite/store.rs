//! Key records in the database.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use super::connection::Database;
use super::fault::Fault;
use super::file::{self, Identity};
use super::load::{self, Parsed};
use crate::id::KeyId;
use crate::key::Key;
use crate::per_process::PerProcess;
use crate::store::{Changes, News, Store, StoreError, out_of_step};
use crate::time::Timestamp;

/// How many removals are remembered one by one; a gate further behind is given everything.
const REMOVALS: i64 = 1_024;

/// Key records in a SQLite file, shared by every process that opens it.
///
/// Every change of a key has a number; a gate asks for those after the last it knows. While there are none that is one
/// small read, however many keys there are and however much the budgets move.
#[derive(Debug)]
pub struct SqliteStore {
    database: Arc<Database>,
    // The file that was last read: another may be put in its place, with other numbers.
    read: PerProcess<Mutex<Option<Identity>>>,
}

impl SqliteStore {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database, read: PerProcess::new(Mutex::new(None)) }
    }

    fn told(&self, fault: &Fault) -> StoreError {
        fault.store_error(self.database.path())
    }

    // Whether the file is another than at the last call.
    fn was_replaced(&self) -> Result<bool, Fault> {
        let read = self.read.get(|_| Ok::<_, Fault>(Mutex::new(None)))?;
        let now = self.database.identity();
        let before = std::mem::replace(&mut *read.lock(), now);
        let replaced = before.is_some() && before != now;
        if replaced {
            self.database.reopen()?;
        }
        Ok(replaced)
    }
}

impl Store for SqliteStore {
    fn news(&self, since: Option<u64>, _: Timestamp) -> Result<News, StoreError> {
        let replaced = self.was_replaced().map_err(|fault| self.told(&fault))?;
        let since = since.filter(|_| !replaced).and_then(|since| i64::try_from(since).ok());
        let news = self.database.read_records(|connection| news(connection, since));
        news.map_err(|fault| self.told(&fault))
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        let put = self.database.write(|connection| put(connection, key, replaces));
        put.map_err(|fault| self.told(&fault))?.map_err(StoreError::Conflict)
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        let removed = self.database.write(|connection| remove(connection, id));
        removed.map_err(|fault| self.told(&fault))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn exposed(&self) -> Option<String> {
        file::exposed(self.database.path())
    }
}

fn news(connection: &Connection, since: Option<i64>) -> Result<News, Fault> {
    let sql = "SELECT generation, known_from FROM news";
    let (generation, known_from): (i64, i64) =
        connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (changes, unreadable) = match since {
        Some(since) if since == generation => (Changes::None, Vec::new()),
        Some(since) if (known_from..generation).contains(&since) => {
            let Parsed { keys, unreadable } = load::later_keys(connection, since)?;
            (Changes::Some(keys, removed_keys(connection, since)?), unreadable)
        }
        _ => {
            let Parsed { keys, unreadable } = load::every_key(connection)?;
            (Changes::All(keys), unreadable)
        }
    };
    Ok(News { generation: u64::try_from(generation).unwrap_or_default(), changes, unreadable })
}

fn removed_keys(connection: &Connection, since: i64) -> Result<Vec<KeyId>, Fault> {
    let mut statement = connection.prepare_cached("SELECT id FROM removed_keys WHERE generation > ?1")?;
    let ids = statement.query_map([since], |row| row.get::<_, String>(0))?;
    let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

// The conflict, if the record or one of its secrets is not free.
fn put(connection: &Connection, key: &Key, replaces: Option<u64>) -> Result<Result<(), String>, Fault> {
    let id = key.id().to_string();
    let before: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT revision, record FROM keys WHERE id = ?1")?
        .query_row([&id], |row| Ok((row.get(0)?, load::bytes(row, 1)?.to_vec())))
        .optional()?;
    let revision = before.as_ref().map(|(revision, _)| revision.cast_unsigned());
    if revision != replaces {
        return Ok(Err(out_of_step(key.id(), revision, replaces)));
    }
    for secret in key.secrets() {
        let owner: Option<String> = connection
            .prepare_cached("SELECT key FROM secrets WHERE digest = ?1")?
            .query_row([secret.hash().digest().as_bytes()], |row| row.get(0))
            .optional()?;
        if let Some(other) = owner.filter(|owner| *owner != id) {
            return Ok(Err(format!("key {other} already has this secret")));
        }
    }
    if let Some((_, record)) = &before {
        forget_secrets(connection, &id, record)?;
    }
    for secret in key.secrets() {
        let sql = "INSERT INTO secrets VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![secret.hash().digest().as_bytes(), id])?;
    }
    let generation = next_generation(connection)?;
    connection.prepare_cached("DELETE FROM removed_keys WHERE id = ?1")?.execute([&id])?;
    let sql = "INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![
        id,
        key.revision().cast_signed(),
        generation,
        key.to_record_json()
    ])?;
    Ok(Ok(()))
}

fn remove(connection: &Connection, id: &KeyId) -> Result<bool, Fault> {
    let id = id.to_string();
    let sql = "DELETE FROM keys WHERE id = ?1 RETURNING record";
    let removed = connection.prepare_cached(sql)?.query_row([&id], |row| Ok(load::bytes(row, 0)?.to_vec()));
    let record: Option<Vec<u8>> = removed.optional()?;
    let Some(record) = record else { return Ok(false) };
    forget_secrets(connection, &id, &record)?;
    let generation = next_generation(connection)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO removed_keys VALUES (?1, ?2)")?
        .execute(params![id, generation])?;
    // Of long ago it is no longer known what was removed.
    let sql = "DELETE FROM removed_keys WHERE generation <= \
               (SELECT generation FROM removed_keys ORDER BY generation DESC LIMIT 1 OFFSET ?1) RETURNING generation";
    let mut statement = connection.prepare_cached(sql)?;
    let forgotten = statement.query_map([REMOVALS], |row| row.get::<_, i64>(0))?;
    for generation in forgotten.collect::<Result<Vec<_>, _>>()? {
        let sql = "UPDATE news SET known_from = max(known_from, ?1)";
        connection.prepare_cached(sql)?.execute([generation])?;
    }
    Ok(true)
}

fn forget_secrets(connection: &Connection, id: &str, record: &[u8]) -> Result<(), Fault> {
    let Ok(before) = Key::from_record_json(record) else {
        // Which they were is not known: the whole list is looked through for them.
        connection.execute("DELETE FROM secrets WHERE key = ?1", [id])?;
        return Ok(());
    };
    for secret in before.secrets() {
        let sql = "DELETE FROM secrets WHERE digest = ?1";
        connection.prepare_cached(sql)?.execute([secret.hash().digest().as_bytes()])?;
    }
    Ok(())
}

fn next_generation(connection: &Connection) -> Result<i64, Fault> {
    let sql = "UPDATE news SET generation = generation + 1 RETURNING generation";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
