//! Where keys and budgets outlive the process: durable and shared engines, each a store and a ledger over one place.

mod group;
mod sqlite;

pub use sqlite::{Durability, Health, OpenError, Sqlite, SqliteLedger, SqliteStore};
