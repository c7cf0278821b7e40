//! One request's way through the house: authorize, permit, settle.

mod alerts;
mod authorize;
mod caller;
mod check;
mod core;
mod directory;
mod doubts;
mod error;
mod events;
mod hold_ids;
mod lane;
mod manage;
mod open;
mod outbox;
mod permit;
mod priced;
mod queue;
mod refresh;
mod request;
mod stats;
mod teller;
mod upkeep;
mod waiting;

use std::fmt;
use std::sync::Arc;

use self::caller::Acquaintances;
use self::core::Core;

pub use alerts::{Alert, Heard};
pub use check::{Check, Decision, Rule};
pub use error::Error;
pub use events::{Event, EventKind};
pub use manage::NewKey;
pub use open::{Builder, OnUnavailable};
pub use permit::{Permit, Settlement};
pub use priced::Stream;
pub use request::Request;
pub use stats::{Balance, Balances, Stats};

/// The one object a gateway holds: it manages keys and authorizes requests.
///
/// A gate may be used from any threads at once. Permits outlive it safely: each keeps what it needs.
pub struct Gate {
    core: Arc<Core>,
    acquaintances: Acquaintances,
    on_unavailable: OnUnavailable,
}

/// How many keys there are, not which: there may be a million.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("keys", &self.core.directory.len()).finish_non_exhaustive()
    }
}
