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

#[path = "engines/restless.rs"]
mod restless;

use std::sync::Arc;

use enclava_keys::SystemClock;
use enclava_keys::ledger::{LeasedLedger, Ledger, MemoryLedger};
use restless::Restless;

fn leased_over(engine: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
    Arc::new(LeasedLedger::new(engine, Arc::new(SystemClock)))
}

mod memory {
    use super::*;

    ledger_suite!(Arc::new(MemoryLedger::new()));

    mod leased {
        use super::*;

        leased_suite!(leased_over(Arc::new(MemoryLedger::new())));
    }

    /// Reports and gives back after every step.
    mod restless {
        use super::*;

        leased_suite!(Arc::new(Restless::over(Arc::new(MemoryLedger::new()))));
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use enclava_keys::engine::Sqlite;
    use tempfile::TempDir;

    use super::*;

    fn ledger(directory: &TempDir) -> Arc<dyn Ledger> {
        let url = format!("sqlite:///{}/enclava.db", directory.path().display());
        Arc::new(Sqlite::open(&url).unwrap().ledger())
    }

    // The directory lives as long as the case.
    ledger_suite!(ledger(&TempDir::new().unwrap()));

    mod leased {
        use super::*;

        leased_suite!(leased_over(ledger(&TempDir::new().unwrap())));
    }
}
