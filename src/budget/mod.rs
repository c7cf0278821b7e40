//! How much a key may spend: money, windows, meters, holds and alerts. A pure state machine: no I/O, no clock, no
//! locks. "Now" is an argument, and every engine decides with this same code.

mod meter;
mod money;
mod usage;

pub use meter::Meter;
pub use money::{Money, MoneyError};
pub use usage::Usage;
