//! API keys, model allowlists and exact budgets for LLM gateways, enforced in the gateway's own process.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        reason = "a test that overflows fails, as it should"
    )
)]

mod clock;
mod id;
mod sync;
mod time;

pub mod budget;
pub mod gate;
pub mod key;
pub mod ledger;
pub mod policy;
pub mod store;
pub mod wire;

pub use budget::{Money, Usage};
pub use clock::{Clock, ManualClock, SystemClock};
pub use gate::{Error, Gate, Permit, Request, Settlement};
pub use id::{KeyId, KeyIdError};
pub use key::{Key, KeyEdit, KeySpec, Secret};
pub use time::{Timestamp, TimestampError};
pub use wire::{Denial, Reason};
