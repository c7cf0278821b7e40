//! Holds that draw on an owner besides the one that they live with, as long as they may still be closed.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::holds;
use crate::budget::{Hold, HoldId, Standing};
use crate::id::KeyId;
use crate::time::Timestamp;

/// Whether a hold of `home` draws on `owner`, as far as that is still known.
pub(super) fn has(connection: &Connection, owner: &str, home: &str, id: HoldId) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM guests WHERE owner = ?1 AND home = ?2 AND id = ?3)";
    let found = params![owner, home, id.0.to_be_bytes()];
    Ok(connection.prepare_cached(sql)?.query_row(found, |row| row.get(0))?)
}

/// Writes where a hold of `home` stands, which draws on the windows of `owner` that began then.
pub(super) fn put(
    connection: &Connection,
    owner: &str,
    (home, id): (&str, HoldId),
    (day, month): (Timestamp, Timestamp),
    becomes: &Standing,
) -> Result<(), Fault> {
    if !becomes.phase.is_open() {
        let sql = "DELETE FROM guests WHERE owner = ?1 AND home = ?2 AND id = ?3";
        connection.prepare_cached(sql)?.execute(params![owner, home, id.0.to_be_bytes()])?;
        return Ok(());
    }
    let lapses = becomes.phase.is_live().then_some(becomes.expires_at.as_micros());
    let sql = "INSERT INTO guests VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT (owner, home, id) DO UPDATE SET lapses = excluded.lapses";
    let (day, month) = (day.as_micros(), month.as_micros());
    connection.prepare_cached(sql)?.execute(params![owner, home, id.0.to_be_bytes(), lapses, day, month])?;
    Ok(())
}

/// The live ones on `owner` that lapse at or before `now`, soonest first, at most `most`, each with whom it lives with.
pub(super) fn due(
    connection: &Connection,
    owner: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<(KeyId, Hold)>, Fault> {
    let sql = "SELECT home, id FROM guests WHERE owner = ?1 AND lapses <= ?2 ORDER BY lapses LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![owner, now.as_micros(), most])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let (home, id): (String, [u8; 16]) = (row.get(0)?, row.get(1)?);
        let damaged = || Fault::told("an owner in the database cannot be read: the file is damaged");
        if let Some(hold) = holds::find(connection, &home, HoldId(u128::from_be_bytes(id)))? {
            due.push((home.parse().map_err(|_| damaged())?, hold));
        }
    }
    Ok(due)
}

/// When the first live one on `owner` lapses.
pub(super) fn next_lapse(connection: &Connection, owner: &str) -> Result<Option<Timestamp>, Fault> {
    let sql = "SELECT lapses FROM guests WHERE owner = ?1 AND lapses IS NOT NULL ORDER BY lapses LIMIT 1";
    let lapses = connection.prepare_cached(sql)?.query_row([owner], |row| row.get(0)).optional()?;
    Ok(lapses.map(Timestamp::from_micros))
}

/// Forgets those of `home` whose holds were forgotten.
pub(super) fn forget_lost(connection: &Connection, home: &str) -> Result<(), Fault> {
    let sql = "DELETE FROM guests WHERE home = ?1 AND NOT EXISTS \
               (SELECT 1 FROM holds WHERE holds.owner = guests.home AND holds.id = guests.id)";
    connection.prepare_cached(sql)?.execute([home])?;
    Ok(())
}

/// Forgets all on `owner`, and all that lived with it.
pub(super) fn forget_all(connection: &Connection, owner: &str) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM guests WHERE owner = ?1 OR home = ?1")?.execute([owner])?;
    Ok(())
}
