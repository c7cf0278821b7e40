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
