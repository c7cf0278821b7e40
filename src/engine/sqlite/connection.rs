//! One database: its connections, who may write when, and what a fork does to them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use super::fault::{Fault, OpenError};
use super::file::{self, Identity};
use super::options::{Durability, Options};
use super::schema;
use super::turnstile::Turnstile;
use crate::fork::{self, Forks};
use crate::per_process::PerProcess;

/// How long a call waits for others before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The first version without the bug that two checkpoints at once could damage the file with (3.7.0 to 3.51.2).
const OLDEST: i32 = 3_051_003;
/// Statements that a connection keeps ready.
const STATEMENTS: usize = 64;

#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    durability: Durability,
    turnstile: Turnstile,
    lines: PerProcess<Lines>,
}

/// The connections of one process.
///
/// SQLite's locks belong to a process, and its notes of them are copied to a child that is forked: a connection there
/// would believe in locks that it does not have. So each process has its own connections, and what came along from
/// the parent is never used nor even closed.
#[derive(Debug)]
struct Lines {
    process: u32,
    writer: Line,
    reader: Line,
    // Reads key records, which may take as long as there are many.
    records: Line,
    forking: AtomicBool,
}

/// A connection that callers take turns with.
#[derive(Debug, Default)]
struct Line(Mutex<Option<Open>>);

#[derive(Debug)]
struct Open {
    connection: Connection,
    _counted: Counted,
}

// How many connections are open, and in which process: a child that finds any was forked carelessly.
static COUNT: AtomicU32 = AtomicU32::new(0);
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Counts a connection while it lives.
#[derive(Debug)]
struct Counted;

impl Database {
    /// Opens the database; if there is none, makes it where it `may_make` one.
    pub(super) fn open(options: &Options, may_make: bool) -> Result<Arc<Self>, OpenError> {
        let absolute = |fault: &Fault| fault.open_error(&options.path);
        // A process that moves to another directory, as daemons do, must still find the same file.
        let path = file::resolve(&options.path).map_err(|fault| absolute(&fault))?;
        let database = Arc::new(Self {
            turnstile: Turnstile::beside(&path),
            path,
            durability: options.durability,
            lines: PerProcess::new(Lines::new()),
        });
        let told = |fault: Fault| fault.open_error(&database.path);
        if rusqlite::version_number() < OLDEST {
            let version = rusqlite::version();
            return Err(told(Fault::told(format!(
                "SQLite {version} is older than 3.51.3, which this needs"
            ))));
        }
        if !file::exists(&database.path).map_err(told)? {
            if !may_make {
                let path = database.path.display();
                return Err(told(Fault::told(format!("{path}: there is no such file"))));
            }
            let _counted = Counted::new(&database.path).map_err(told)?;
            file::make(&database.path, |new| schema::create(&connect(new)?)).map_err(told)?;
        }
        database.write(|_| Ok(())).map_err(told)?;
        let watched: Weak<Self> = Arc::downgrade(&database);
        fork::watch(watched);
        Ok(database)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does `work` in one transaction that nobody else's comes between: whole, or not at all if it fails. When this
    /// returns, it is as safe as the durability says.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let deadline = deadline();
        self.lines()?.use_writer(self, deadline, |connection| {
            let _turn = self.turnstile.enter(deadline)?;
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let done = work(connection)
                .and_then(|done| Ok(connection.prepare_cached("COMMIT")?.execute([]).map(|_| done)?));
            if done.is_err() && !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            done
        })
    }

    /// Does `work`, which is short, on the database as it is at one moment.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let lines = self.lines()?;
        lines.read_by(&lines.reader, self, work)
    }

    /// Does `work` on the key records as they are at one moment.
    pub(super) fn read_records<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let lines = self.lines()?;
        lines.read_by(&lines.records, self, work)
    }

    /// Which file is at the path now.
    pub(super) fn identity(&self) -> Option<Identity> {
        Identity::of(&self.path)
    }

    /// Lets the connections go, for the next call to open what is there then.
    pub(super) fn reopen(&self) -> Result<(), Fault> {
        self.lines()?.close();
        Ok(())
    }

    fn connect(&self) -> Result<Open, Fault> {
        let counted = Counted::new(&self.path)?;
        if !file::exists(&self.path)? {
            return Err(Fault::told(format!(
                "{}: the file is gone; put a backup in its place",
                self.path.display()
            )));
        }
        let connection = connect(&self.path)?;
        let level = match self.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", level)?;
        Ok(Open { connection, _counted: counted })
    }

    /// Does `work` with a connection of its own, beside all others.
    pub(super) fn with_own_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        work(&self.connect()?.connection)
    }

    fn lines(&self) -> Result<&Lines, Fault> {
        self.lines.get(|_| Ok(Lines::new()))
    }
}

/// Does `work` in one transaction that only reads.
pub(super) fn at_one_moment<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let done = work(connection);
    if !connection.is_autocommit() {
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    done
}

fn deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let connection = Connection::open_with_flags(
        path,
        // Each connection is used by one thread at a time; the path is a path and no URI.
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    if connection.is_readonly("main")? {
        return Err(Fault::told(format!("{}: the file is read-only for this process", path.display())));
    }
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // What a damaged file says is data, never code.
    connection.pragma_update(None, "trusted_schema", false)?;
    // Sixteen megabytes: writing the journal back is what makes some calls wait.
    connection.pragma_update(None, "wal_autocheckpoint", 4_096)?;
    // The journal shrinks again after a long read made it grow.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

impl Forks for Database {
    fn before_fork(&self) {
        if let Ok(lines) = self.lines() {
            lines.forking.store(true, Ordering::SeqCst);
            lines.close();
        }
    }

    fn after_fork_in_parent(&self) {
        if let Ok(lines) = self.lines() {
            lines.forking.store(false, Ordering::SeqCst);
        }
    }
}

impl Lines {
    fn new() -> Self {
        Self {
            process: std::process::id(),
            writer: Line::default(),
            reader: Line::default(),
            records: Line::default(),
            forking: AtomicBool::new(false),
        }
    }

    fn use_writer<T>(
        &self,
        database: &Database,
        deadline: Instant,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let prepare = |connection: &Connection| {
            let _turn = database.turnstile.enter(deadline)?;
            schema::bring_up_to_date(connection)
        };
        self.writer.with(database, &self.forking, deadline, prepare, work)
    }

    fn read_by<T>(
        &self,
        line: &Line,
        database: &Database,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let prepare = |connection: &Connection| {
            schema::check(connection)?;
            Ok(connection.pragma_update(None, "query_only", true)?)
        };
        line.with(database, &self.forking, deadline(), prepare, |connection| at_one_moment(connection, work))
    }

    fn close(&self) {
        self.writer.close();
        self.reader.close();
        self.records.close();
    }
}

impl Counted {
    fn new(path: &Path) -> Result<Self, Fault> {
        let process = std::process::id();
        if PROCESS.load(Ordering::SeqCst) != process {
            if COUNT.load(Ordering::SeqCst) > 0 {
                return Err(Fault::told(format!(
                    "{}: this process was forked while its parent had a database open; call before_fork before, or \
                     start the process anew",
                    path.display()
                )));
            }
            PROCESS.store(process, Ordering::SeqCst);
        }
        COUNT.fetch_add(1, Ordering::SeqCst);
        Ok(Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Line {
    fn close(&self) {
        *self.0.lock() = None;
    }

    fn with<T>(
        &self,
        database: &Database,
        forking: &AtomicBool,
        deadline: Instant,
        prepare: impl FnOnce(&Connection) -> Result<(), Fault>,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let busy = || Fault::told(format!("{}: other calls take too long", database.path.display()));
        let mut slot = loop {
            let slot = self.0.try_lock_until(deadline).ok_or_else(busy)?;
            if !forking.load(Ordering::SeqCst) {
                break slot;
            }
            drop(slot);
            if Instant::now() >= deadline {
                return Err(Fault::told("a fork that began has not ended: call after_fork_in_parent"));
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        let done = if let Some(open) = &*slot {
            work(&open.connection)
        } else {
            let opened = database.connect().and_then(|open| prepare(&open.connection).map(|()| open));
            opened.and_then(|open| work(&slot.insert(open).connection))
        };
        if done.as_ref().is_err_and(Fault::is_lasting) {
            *slot = None;
        }
        done
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            for line in [&mut self.writer, &mut self.reader, &mut self.records] {
                // The parent's: closing it here would undo what the parent is doing.
                std::mem::forget(line.0.get_mut().take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // That a power cut loses nothing is SQLite's to keep, at the level that it is told.
    #[test]
    fn each_durability_is_the_level_that_it_promises() {
        let directory = tempfile::TempDir::new().unwrap();
        for (durability, level) in [(Durability::Full, 2), (Durability::Normal, 1)] {
            let path = directory.path().join("enclava.db");
            let database = Database::open(&Options { path, durability }, true).unwrap();
            let told = database.write(|connection| {
                Ok(connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i32>(0))?)
            });
            assert_eq!(told.unwrap(), level);
        }
    }
}
