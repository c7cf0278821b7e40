//! The suite that every ledger passes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

#[path = "engines/suite.rs"]
mod suite;

use std::sync::Arc;

use enclava_keys::ledger::MemoryLedger;

mod memory {
    use super::*;

    ledger_suite!(Arc::new(MemoryLedger::new()));
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use enclava_keys::engine::Sqlite;
    use tempfile::TempDir;

    use super::*;

    fn ledger(directory: &TempDir) -> Arc<dyn enclava_keys::Ledger> {
        let url = format!("sqlite:///{}/enclava.db", directory.path().display());
        Arc::new(Sqlite::open(&url).unwrap().ledger())
    }

    // The directory lives as long as the case.
    ledger_suite!(ledger(&TempDir::new().unwrap()));
}
