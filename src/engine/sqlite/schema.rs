//! What is in the file, which version of it, and how an older one becomes the present one.

use rusqlite::Connection;

use super::fault::Fault;

/// "EnCl": tells `file` and us whose database it is.
const APPLICATION: i32 = 0x456e_436c;

/// What each version adds to the one before. A version that was released is never edited.
const VERSIONS: [&str; 4] = [V1, V2, V3, V4];

const V1: &str = "
-- How often the keys changed, and from which change on it is known what was removed.
CREATE TABLE news (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    generation INTEGER NOT NULL,
    known_from INTEGER NOT NULL
) STRICT;
INSERT INTO news VALUES (1, 0, 0);
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_generation ON keys (generation);
CREATE TABLE removed_keys (
    id TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_keys_by_generation ON removed_keys (generation);
CREATE TABLE secrets (
    digest BLOB PRIMARY KEY,
    key TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One owner of budgets. Live: holds in flight. Ended: counts holds that were closed, to tell their order.
CREATE TABLE accounts (
    owner TEXT PRIMARY KEY,
    live INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    leaving INTEGER NOT NULL,
    meters BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Instants are microseconds since 1970. Rank: 0 live, 1 provisional, 2 final; place: the order among those, by the
-- time at which it lapses or by when it ended.
CREATE TABLE holds (
    owner TEXT NOT NULL,
    id BLOB NOT NULL,
    revision INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    usd INTEGER NOT NULL,
    pico INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    day_start INTEGER NOT NULL,
    day_end INTEGER NOT NULL,
    month_start INTEGER NOT NULL,
    month_end INTEGER NOT NULL,
    others TEXT,
    fingerprint BLOB,
    rank INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_place ON holds (owner, rank, place);
";

const V2: &str = "
ALTER TABLE holds ADD COLUMN model TEXT;
-- What was used on a day, for each model; the model is empty where none was named.
CREATE TABLE history (
    owner TEXT NOT NULL,
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    usd INTEGER NOT NULL,
    pico INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (owner, day, model)
) STRICT, WITHOUT ROWID;
";

const V3: &str = "
-- Alerts that nobody was told yet. Used and cap are whole numbers of the meter's unit, which may have more than 64 bits.
-- Nobody else gets one before left_until; tries counts those who got it since it was written.
CREATE TABLE notices (
    owner TEXT NOT NULL,
    meter TEXT NOT NULL,
    start INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    used TEXT NOT NULL,
    cap TEXT NOT NULL,
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    left_until INTEGER NOT NULL,
    PRIMARY KEY (owner, meter, start, threshold)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_by_time ON notices (at);
";

const V4: &str = "
-- Holds that draw on an owner besides the one that they live with, their home, as long as they may still be closed. Lapses:
-- when, while they are live. The windows are those of the owner.
CREATE TABLE guests (
    owner TEXT NOT NULL,
    home TEXT NOT NULL,
    id BLOB NOT NULL,
    lapses INTEGER,
    day_start INTEGER NOT NULL,
    month_start INTEGER NOT NULL,
    PRIMARY KEY (owner, home, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX guests_by_lapse ON guests (owner, lapses);
CREATE INDEX guests_by_home ON guests (home);
INSERT INTO guests
    SELECT value ->> '$[0]', owner, holds.id, iif(rank = 0, expires_at, NULL), value ->> '$[1][0]', value ->> '$[1][2]'
    FROM holds, json_each(others) WHERE rank < 2;
";

/// The version that this code writes.
pub(super) fn newest() -> i32 {
    i32::try_from(VERSIONS.len()).unwrap_or(i32::MAX)
}

/// Fills a new file.
pub(super) fn create(connection: &Connection) -> Result<(), Fault> {
    connection.pragma_update(None, "application_id", APPLICATION)?;
    bring_up_to_date(connection)
}

/// Refuses a file that is not ours or newer than we are.
pub(super) fn check(connection: &Connection) -> Result<i32, Fault> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION {
        return Err(Fault::told(format!(
            "{}: is a SQLite database, but not one of Enclava's",
            connection.path().unwrap_or_default()
        )));
    }
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > newest() {
        return Err(Fault::told(format!(
            "{}: has schema {version}, made by a newer release; this one knows schema {} and older. Use that release",
            connection.path().unwrap_or_default(),
            newest()
        )));
    }
    Ok(version)
}

/// Takes an older file to the present version, in one transaction.
pub(super) fn bring_up_to_date(connection: &Connection) -> Result<(), Fault> {
    let version = check(connection)?;
    // The file remembers it; a backup that was put in its place does not.
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::told(format!(
            "{}: the file system cannot share memory between processes, which SQLite needs here",
            connection.path().unwrap_or_default()
        )));
    }
    if version == newest() {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = migrate(connection);
    connection.execute_batch(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    migrated
}

fn migrate(connection: &Connection) -> Result<(), Fault> {
    // Another process may have been faster.
    let from = usize::try_from(check(connection)?).unwrap_or(0);
    for version in VERSIONS.iter().skip(from) {
        connection.execute_batch(version)?;
    }
    Ok(connection.pragma_update(None, "user_version", newest())?)
}
