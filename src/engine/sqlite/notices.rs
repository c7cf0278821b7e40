//! Alerts that nobody was told yet: kept by the step that crossed the threshold, until somebody says that they were told.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use crate::budget::{AlertId, Meter, Notice, Threshold, Window};
use crate::id::KeyId;
use crate::time::Timestamp;

/// How long the process that has a notice may take to tell it.
pub(super) const CLAIM: Duration = Duration::from_secs(30);
/// A notice that is handed out again and again is claimed twice as long each time, up to this.
const LONGEST_CLAIM: Duration = Duration::from_hours(1);
/// Nobody wants to hear what is older than this.
pub(super) const KEPT: Duration = Duration::from_hours(7 * 24);
/// Nor what a meter crossed more windows ago than this, however the clock runs.
const WINDOWS: i64 = 8;

/// Keeps a notice, and lets go of those that are too old.
#[cold]
pub(super) fn put(connection: &Connection, notice: &Notice) -> Result<(), Fault> {
    let now = now();
    let Notice { id, window, used, cap } = notice;
    let (owner, meter) = (id.key.to_string(), id.meter.as_str());
    let sql = "INSERT OR REPLACE INTO notices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        owner,
        meter,
        window.start.as_micros(),
        id.threshold.basis_points(),
        window.end.as_micros(),
        used.to_string(),
        cap.to_string(),
        now.as_micros(),
        now.saturating_add(CLAIM).as_micros(),
    ])?;
    let sql = "DELETE FROM notices WHERE at < ?1";
    connection.prepare_cached(sql)?.execute([now.saturating_sub(KEPT).as_micros()])?;
    let sql = "DELETE FROM notices WHERE owner = ?1 AND meter = ?2 AND start <= (SELECT DISTINCT start FROM notices \
               WHERE owner = ?1 AND meter = ?2 ORDER BY start DESC LIMIT 1 OFFSET ?3)";
    connection.prepare_cached(sql)?.execute(params![owner, meter, WINDOWS])?;
    Ok(())
}

// Nobody has them now. A claim that is longer than any can be was made by a clock that has stepped back since.
const FREE: &str = "left_until NOT BETWEEN ?1 + 1 AND ?1 + ?2 AND at >= ?1 - ?3";

/// Whether there are notices that nobody has: small, and needs no turn to write.
pub(super) fn any(connection: &Connection) -> Result<bool, Fault> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM notices WHERE {FREE})");
    let free = [now().as_micros(), micros(LONGEST_CLAIM), micros(KEPT)];
    Ok(connection.prepare_cached(&sql)?.query_row(free, |row| row.get(0))?)
}

/// Hands out at most `most` of them, the oldest first, for the time of a claim.
pub(super) fn hand_out(connection: &Connection, most: usize) -> Result<Vec<Notice>, Fault> {
    let now = now().as_micros();
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT owner, meter, start, threshold, ends, used, cap FROM notices WHERE {FREE} ORDER BY at LIMIT ?4"
    );
    let notices = {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![now, micros(LONGEST_CLAIM), micros(KEPT), most])?;
        let mut notices = Vec::new();
        while let Some(row) = rows.next()? {
            notices.push(read(row)?);
        }
        notices
    };
    let sql = "UPDATE notices SET tries = tries + 1, left_until = ?5 + min(?6 << min(tries, 20), ?7) \
               WHERE owner = ?1 AND meter = ?2 AND start = ?3 AND threshold = ?4";
    for Notice { id, .. } in &notices {
        connection.prepare_cached(sql)?.execute(params![
            id.key.to_string(),
            id.meter.as_str(),
            id.window_start.as_micros(),
            id.threshold.basis_points(),
            now,
            micros(CLAIM),
            micros(LONGEST_CLAIM),
        ])?;
    }
    Ok(notices)
}

/// Forgets the notices of these alerts.
pub(super) fn forget(connection: &Connection, alerts: &[AlertId]) -> Result<(), Fault> {
    let sql = "DELETE FROM notices WHERE owner = ?1 AND meter = ?2 AND start = ?3 AND threshold = ?4";
    for id in alerts {
        connection.prepare_cached(sql)?.execute(params![
            id.key.to_string(),
            id.meter.as_str(),
            id.window_start.as_micros(),
            id.threshold.basis_points(),
        ])?;
    }
    Ok(())
}

/// Forgets those of `owner`, whose key is gone.
pub(super) fn forget_all(connection: &Connection, owner: &str) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM notices WHERE owner = ?1")?.execute([owner])?;
    Ok(())
}

/// Shows every notice, or `None` for one that cannot be read, and whose it is.
pub(super) fn for_each(
    connection: &Connection,
    mut see: impl FnMut(String, Option<Notice>),
) -> Result<(), Fault> {
    let sql = "SELECT owner, meter, start, threshold, ends, used, cap FROM notices";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        see(row.get(0)?, read(row).ok());
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Notice, Fault> {
    let damaged = || Fault::told("an alert in the database cannot be read: the file is damaged");
    let time = |column| row.get(column).map(Timestamp::from_micros);
    let owner: KeyId = row.get_ref(0)?.as_str().ok().and_then(|id| id.parse().ok()).ok_or_else(damaged)?;
    let meter = row.get_ref(1)?.as_str().unwrap_or_default();
    let meter = Meter::ALL.into_iter().find(|known| known.as_str() == meter).ok_or_else(damaged)?;
    let window = Window { start: time(2)?, end: time(4)? };
    let threshold = Threshold::from_basis_points(row.get(3)?).map_err(|_| damaged())?;
    let amount = |column| -> Result<i128, Fault> {
        row.get_ref(column)?.as_str().ok().and_then(|text| text.parse().ok()).ok_or_else(damaged)
    };
    let id = AlertId { key: owner, meter, window_start: window.start, threshold };
    Ok(Notice { id, window, used: amount(5)?, cap: amount(6)? })
}

// Not the gate's clock: a claim is about how long a process takes, whatever a test says the date is.
fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
