//! Keys and budgets in one SQLite file: embedded, durable, and shared by the processes of one host.

mod care;
mod connection;
mod fault;
mod file;
mod guests;
mod history;
mod holds;
mod ledger;
mod load;
mod meters;
mod notices;
mod options;
mod schema;
mod step;
mod store;
mod turnstile;

use std::path::Path;
use std::sync::Arc;

use self::connection::Database;
use self::options::Options;

pub use care::Health;
pub use fault::OpenError;
pub use ledger::SqliteLedger;
pub use options::Durability;
pub use store::SqliteStore;

/// A database of keys and budgets.
///
/// It may be used from any threads at once, and by any number of processes of one host. Each process opens its own, or
/// calls [`before_fork`](crate::before_fork) before it forks. No other copy of SQLite may have the file open in the same
/// process (Python's `sqlite3` is one): when that closes it, the locks of this one are gone.
///
/// ```
/// use enclava_keys::engine::Sqlite;
/// use enclava_keys::{Gate, KeySpec, Usage};
///
/// let directory = tempfile::tempdir()?;
/// let url = format!("sqlite:///{}/enclava.db", directory.path().display());
/// let gate = Gate::open(&url)?;
/// let made = gate.create_key(&KeySpec::new("Production App").daily_spend_limit("50.00"))?;
/// gate.record(made.key.id(), Usage::new("0.031".parse()?, 1234), None)?;
/// drop(gate);
///
/// let gate = Gate::open(&url)?; // after a restart
/// assert_eq!(gate.usage(made.key.id())?.daily_spend.used.to_string(), "$0.031");
/// assert_eq!(gate.history(made.key.id(), 30)?[0].usage.tokens, 1234);
///
/// let database = Sqlite::open(&url)?;
/// database.backup(directory.path().join("copy.db"))?; // of one moment, while calls go on
/// assert!(database.doctor()?.faults.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sqlite(Arc<Database>);

impl Sqlite {
    /// Opens the database at `sqlite:///relative.db` or `sqlite:////absolute.db`, and makes it if there is none, for its
    /// owner alone (mode 0600). An option may follow: `?durability=full`, the default, or `normal` ([`Durability`]).
    ///
    /// # Errors
    /// [`OpenError::Url`], or [`OpenError::Failed`] if the file cannot be used: its directory is missing, read-only or on a
    /// network file system, it belongs to another user, is damaged, is not Enclava's, or was made by a newer release.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        Database::open(&Options::parse(url)?, true).map(Self)
    }

    /// Opens the database that is there already: to look after it, where a new one would only hide that its name is wrong.
    ///
    /// # Errors
    /// As [`Sqlite::open`], and [`OpenError::Failed`] if there is no such file.
    pub fn existing(url: &str) -> Result<Self, OpenError> {
        Database::open(&Options::parse(url)?, false).map(Self)
    }

    /// Reads the whole database, counts everything again, and tells what does not fit. Calls go on meanwhile.
    ///
    /// # Errors
    /// [`OpenError::Failed`] if it cannot be read at all.
    pub fn doctor(&self) -> Result<Health, OpenError> {
        care::examine(&self.0).map_err(|fault| fault.open_error(self.0.path()))
    }

    /// Copies the database, as it is at one moment, to the new file `to`, for its owner alone. Calls go on meanwhile. The
    /// copy is a database like this one: put it in the place of a damaged one while no process uses that.
    ///
    /// # Errors
    /// [`OpenError::Failed`], if `to` is there already among others.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), OpenError> {
        care::back_up(&self.0, to.as_ref()).map_err(|fault| fault.open_error(to.as_ref()))
    }

    /// Its key records.
    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(Arc::clone(&self.0))
    }

    /// Its budgets.
    pub fn ledger(&self) -> SqliteLedger {
        SqliteLedger::new(Arc::clone(&self.0))
    }
}
