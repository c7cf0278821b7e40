//! How much a key may spend: money, windows, meters, holds and alerts. A pure state machine: no I/O, no clock, no
//! locks. "Now" is an argument, and every engine decides with this same code.

mod calendar;
mod limits;
mod meter;
mod money;
mod threshold;
mod usage;
mod window;
mod zone;

pub use calendar::{Calendar, Earlier};
pub use limits::Limits;
pub use meter::Meter;
pub use money::{Money, MoneyError};
pub use threshold::{Marks, Threshold, ThresholdError};
pub use usage::Usage;
pub use window::{Window, Windows};
pub use zone::{Zone, ZoneError};
