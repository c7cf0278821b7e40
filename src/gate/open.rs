//! Opening a gate.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::alerts::AlertDesk;
use super::caller::Acquaintances;
use super::core::{Core, Look};
use super::directory::Directory;
use super::events::EventDesk;
use super::hold_ids::HoldIds;
use super::lane::Lanes;
use super::outbox::Outbox;
use super::refresh::Refresher;
use super::waiting::Waiting;
use super::{Error, Gate};
use crate::clock::{Clock, SystemClock};
#[cfg(feature = "sqlite")]
use crate::engine::Sqlite;
use crate::key::Peppers;
use crate::ledger::{Books, LeasedLedger, Ledger, MemoryLedger, OnLapse, Terms};
use crate::store::{MemoryStore, PolicyFile, Store};
use crate::sync::RwLock;
use crate::wire::PriceBook;

/// What to do with a call when the ledger cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnavailable {
    /// Deny it: `ledger_unavailable`.
    #[default]
    Deny,
    /// Admit it, for keys that are known and in force: the permit says so ([`Permit::is_degraded`](super::Permit::is_degraded)),
    /// nothing is set aside, and what it is settled with is charged if the ledger answers by then, in the windows of
    /// that moment.
    Admit,
}

/// How a gate is set up. Every setting has a default; [`Builder::open`] says where keys and budgets live.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct Builder {
    clock: Arc<dyn Clock>,
    store: Option<Arc<dyn Store>>,
    ledger: Option<Arc<dyn Ledger>>,
    leased: bool,
    peppers: Peppers,
    terms: Terms,
    on_unavailable: OnUnavailable,
    refresh_interval: Duration,
    stale_limit: Duration,
    look: Look,
    prices: PriceBook,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            store: None,
            ledger: None,
            leased: false,
            peppers: Peppers::default(),
            terms: Terms { lifetime: Duration::from_mins(10), on_lapse: OnLapse::Charge, most_live: 4_096 },
            on_unavailable: OnUnavailable::Deny,
            refresh_interval: Duration::from_secs(1),
            stale_limit: Duration::from_secs(30),
            look: Look::default(),
            prices: PriceBook::new(),
        }
    }
}

impl Gate {
    /// Opens a gate at `url` with the default settings; see [`Builder::open`] for what a URL may be.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::builder().open(url)
    }

    /// A gate to be set up.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Reads the time from `clock`: for tests and replays. The default is the system clock.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Keeps key records in `store`, whatever the URL says. Several gates may be given one store: keep a clone of the `Arc`
    /// until the last of them is open.
    pub fn store(self, store: Arc<dyn Store>) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Keeps budgets in `ledger`, whatever the URL says.
    pub fn ledger(self, ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// Keeps key records at `url`, whatever the URL that the gate is opened at says: any URL that [`Builder::open`] takes.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a URL that is none of those, [`Error::Ledger`] if a SQLite file cannot be opened. A policy
    /// file is read when the gate is opened.
    pub fn store_at(self, url: &str) -> Result<Self, Error> {
        rooms_at(url).map(|(store, _)| self.store(store))
    }

    /// Keeps budgets at `url`, whatever the URL that the gate is opened at says: any URL that [`Builder::open`] takes. A policy
    /// file holds no budgets: `file:` keeps them in this process, as `memory:` does, and the file is not read.
    ///
    /// # Errors
    /// As [`Builder::store_at`].
    pub fn ledger_at(self, url: &str) -> Result<Self, Error> {
        rooms_at(url).map(|(_, ledger)| self.ledger(ledger))
    }

    /// Takes slices of the budgets and hands them out in this process, so that most calls do not ask the ledger: for a
    /// ledger that processes share. Limits still hold exactly. What differs is said at
    /// [`LeasedLedger`](crate::ledger::LeasedLedger): permits are settled in the process that was asked for them, alerts come
    /// a second or more later, calls in flight are bounded for each process, and what a killed process had leased stays held until
    /// somebody settles it ([`Gate::leases`](super::Gate::leases)).
    pub fn leased(self, leased: bool) -> Self {
        Self { leased, ..self }
    }

    /// Digests secrets with these peppers: the first for new secrets, each of them for secrets presented.
    pub fn peppers(self, peppers: Peppers) -> Self {
        Self { peppers, ..self }
    }

    /// Prices calls by `prices`, for [`Gate::authorize_request`].
    pub fn prices(self, prices: PriceBook) -> Self {
        Self { prices, ..self }
    }

    /// How long a hold lives when nobody settles it. The default is ten minutes; [`Permit::extend`](super::Permit::extend)
    /// begins it anew. With zero a hold lapses as soon as it is made, and the call is settled late.
    pub fn hold_lifetime(mut self, lifetime: Duration) -> Self {
        self.terms.lifetime = lifetime;
        self
    }

    /// What a lapsed hold is charged. The default is its estimate.
    pub fn on_lapse(mut self, on_lapse: OnLapse) -> Self {
        self.terms.on_lapse = on_lapse;
        self
    }

    /// The most calls of one key in flight at once, 4096 by default. One more is denied `rate_limited`;
    /// with zero every call is.
    pub fn max_in_flight(mut self, most: u32) -> Self {
        self.terms.most_live = most;
        self
    }

    /// What to do when the ledger cannot answer. The default is to deny.
    pub fn on_unavailable(self, on_unavailable: OnUnavailable) -> Self {
        Self { on_unavailable, ..self }
    }

    /// How old the records of a store that others write to may grow before it is asked for news, and how often a ledger
    /// that keeps alerts is asked for those that nobody was told. The default is a second. With zero the store is asked in every
    /// call, and the ledger 20 times a second.
    pub fn refresh_interval(self, refresh_interval: Duration) -> Self {
        Self { refresh_interval, ..self }
    }

    /// How long such a store may be silent before calls are denied `ledger_unavailable`. The default is 30 seconds.
    /// With zero a call is denied unless the store has answered at that instant.
    pub fn stale_limit(self, stale_limit: Duration) -> Self {
        Self { stale_limit, ..self }
    }

    /// Tells in denials which budget is spent and when it resets, but no amounts.
    pub fn hide_amounts(mut self) -> Self {
        self.look.hide_amounts = true;
        self
    }

    /// Answers `unknown_key` where a key is revoked, disabled, expired or not yet valid, or a secret retired.
    pub fn hide_state(mut self) -> Self {
        self.look.hide_state = true;
        self
    }

    /// Opens the gate at `url`. With both a store and a ledger given, the URL is not read.
    ///
    /// - `memory:` keeps keys and budgets in this process.
    /// - `file:///etc/enclava/policy.json` reads keys from a policy file and keeps budgets in this process.
    /// - `sqlite:///relative.db` or `sqlite:////absolute.db` keeps both in a SQLite file, for the processes of this host,
    ///   with the feature `sqlite`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a URL that is none of these, [`Error::InvalidRecord`] with every fault of a policy
    /// file, [`Error::Ledger`] if the store cannot be read. There is no gate without a first good answer.
    pub fn open(self, url: &str) -> Result<Gate, Error> {
        let (store, ledger) = match (self.store, self.ledger) {
            (Some(store), Some(ledger)) => (store, ledger),
            (store, ledger) => {
                let (its_store, its_ledger) = rooms_at(url)?;
                (store.unwrap_or(its_store), ledger.unwrap_or(its_ledger))
            }
        };
        let ledger: Arc<dyn Ledger> =
            if self.leased { Arc::new(LeasedLedger::new(ledger, Arc::clone(&self.clock))) } else { ledger };
        let ids = HoldIds::new()?;
        let core = Arc::new_cyclic(|core| Core {
            clock: self.clock,
            directory: Directory::new(),
            refresher: Refresher::new(store, self.refresh_interval, self.stale_limit),
            alerts: AlertDesk::new(
                Outbox::new(Arc::clone(&ledger), Weak::clone(core)),
                self.refresh_interval,
            ),
            books: Books::new(ledger, self.terms),
            peppers: self.peppers,
            lanes: Lanes::default(),
            events: EventDesk::default(),
            ids,
            waiting: Waiting::default(),
            look: self.look,
            prices: RwLock::new(Arc::new(self.prices)),
        });
        core.refresher.refresh(&core, core.clock.now())?;
        Ok(Gate { core, acquaintances: Acquaintances::default(), on_unavailable: self.on_unavailable })
    }
}

type Rooms = (Arc<dyn Store>, Arc<dyn Ledger>);

fn rooms_at(url: &str) -> Result<Rooms, Error> {
    let memory = || Arc::new(MemoryLedger::new());
    match scheme(url) {
        Some(("memory", _)) => Ok((Arc::new(MemoryStore::new()), memory())),
        Some(("file", path)) => Ok((Arc::new(PolicyFile::at(file_path(path)?)), memory())),
        Some(("sqlite", _)) => sqlite_at(url),
        _ => Err(unknown(url)),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_at(url: &str) -> Result<Rooms, Error> {
    let database = Sqlite::open(url)?;
    Ok((Arc::new(database.store()), Arc::new(database.ledger())))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite_at(_: &str) -> Result<Rooms, Error> {
    Err(Error::invalid("url", "is for a build with the feature sqlite, which this is not"))
}

fn scheme(url: &str) -> Option<(&str, &str)> {
    url.split_once(':')
}

fn file_path(rest: &str) -> Result<&str, Error> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == "/" {
        return Err(Error::invalid("url", "must name a file, such as file:///etc/enclava/policy.json"));
    }
    Ok(path)
}

// The URL itself may carry a password.
fn unknown(url: &str) -> Error {
    let found = scheme(url)
        .map_or("without a scheme, as a bare path is".to_owned(), |(scheme, _)| format!("{scheme}:"));
    Error::invalid("url", format!("must be memory:, file:///path.json or sqlite:///path.db, not {found}"))
}
