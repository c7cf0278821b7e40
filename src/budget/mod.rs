//! How much a key may spend: money, windows, meters, holds and alerts. A pure state machine: no I/O, no clock, and no
//! lock but the one under which a time zone gets its place. "Now" is an argument, and every engine decides with this same code.

mod admission;
mod amount;
mod calendar;
mod hold;
mod limits;
mod meter;
mod money;
mod notice;
mod step;
mod threshold;
mod usage;
mod window;
mod zone;

pub(crate) use admission::quiet_room;
pub use admission::{Party, Refusal, fits, refusal};
pub use amount::Amount;
pub use calendar::{Calendar, Earlier};
pub use hold::{Hold, HoldId, Others, PermitId, PermitIdError, Phase, Standing};
pub use limits::Limits;
pub use meter::Meter;
pub use money::{Money, MoneyError};
pub use notice::{AlertId, AlertIdError, Notice, notices};
pub use step::{Alarm, Calls, Change, Delta, MAX_OWNERS, Moved, Outcome, Owner, Row, Step};
pub use threshold::{Marks, Threshold, ThresholdError};
pub use usage::Usage;
pub use window::{Window, Windows};
pub use zone::{Zone, ZoneError};
