//! The suite that every ledger passes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that overflows fails, as it should"
)]

#[path = "engines/suite.rs"]
mod suite;

use std::sync::Arc;

use enclava_keys::ledger::MemoryLedger;

mod memory {
    use super::*;

    ledger_suite!(Arc::new(MemoryLedger::new()));
}
