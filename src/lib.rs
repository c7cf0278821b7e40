#![doc = include_str!("../README.md")]
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
mod fork;
mod id;
mod own_thread;
mod per_process;
mod sync;
mod text;
mod time;

pub mod budget;
#[cfg(feature = "sqlite")]
pub mod engine;
pub mod gate;
pub mod key;
pub mod ledger;
pub mod policy;
pub mod store;
pub mod wire;

pub use budget::{Money, Usage};
pub use clock::{Clock, ManualClock, SystemClock};
pub use fork::{after_fork, after_fork_in_parent, before_fork};
pub use gate::{Alert, Error, Gate, NewKey, Permit, Request, Settlement};
pub use id::{KeyId, KeyIdError};
pub use key::{Key, KeyEdit, KeySpec, Secret};
pub use ledger::Ledger;
pub use store::Store;
pub use time::{Timestamp, TimestampError};
pub use wire::{Denial, PriceBook, Reason};
