//! Holds: what is set aside while a call is in flight, and what became of it.

use std::fmt;
use std::str::FromStr;

use super::Usage;
use super::window::Windows;
use crate::id::{KeyId, decode, encode};
use crate::time::Timestamp;

/// The name of one hold: 128 bits, written as 26 characters.
///
/// The caller makes it before the engine sees it, so that a reservation whose answer was lost can be asked for
/// again. One made from a request id is the same for the same request: idempotency needs no index of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub u128);

/// Why a text is not a [`HoldId`] or a [`PermitId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a permit id as it was given out")]
pub struct PermitIdError;

impl FromStr for HoldId {
    type Err = PermitIdError;

    fn from_str(text: &str) -> Result<Self, PermitIdError> {
        decode(text).map(|bytes| Self(u128::from_be_bytes(bytes))).ok_or(PermitIdError)
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(self.0.to_be_bytes()).iter().try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a permit is called: its key and its hold. Any worker that shares the ledger can settle by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PermitId {
    /// The key that holds.
    pub key: KeyId,
    /// The hold.
    pub hold: HoldId,
}

impl FromStr for PermitId {
    type Err = PermitIdError;

    fn from_str(text: &str) -> Result<Self, PermitIdError> {
        let (key, hold) = text.split_once(':').ok_or(PermitIdError)?;
        Ok(Self { key: key.parse().map_err(|_| PermitIdError)?, hold: hold.parse()? })
    }
}

impl fmt::Display for PermitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.hold)
    }
}

/// Where a hold is in its life.
///
/// ```text
///          settle, release
///   Live ------------------> Settled, Released        final
///     |                        ^
///     |  drop, lapse           |  one settle or release
///     +------> Dropped, Lapsed +                       provisional
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The call is in flight; the estimate is set aside.
    Live,
    /// Charged what was told. Final.
    Settled,
    /// Charged nothing, as told. Final.
    Released,
    /// The permit was dropped: charged what was known. Provisional.
    Dropped,
    /// The lifetime passed: charged as the gate was set up to. Provisional.
    Lapsed,
}

impl Phase {
    /// Whether the call is in flight.
    pub fn is_live(self) -> bool {
        self == Self::Live
    }

    /// Whether a later settle may still replace what was charged.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Live | Self::Dropped | Self::Lapsed)
    }
}

/// The owners of a hold beyond the one that it lives with, each with its windows.
pub type Others = Vec<(KeyId, Windows)>;

/// One hold, as a ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// What the request was, if the hold is named after its request id; 0 if the name was drawn, and is nobody else's.
    pub fingerprint: u128,
    /// What a step changes; all else stays as it was when the hold was made.
    pub standing: Standing,
    /// The windows of the owner that it lives with, as they were at the reservation.
    pub windows: Windows,
    /// Further owners and their windows: none for a key of its own.
    pub others: Option<Box<Others>>,
    /// A note of the ledger's: where to look for this hold first. A hint, never a fact.
    pub seat: u32,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The estimate while the hold is live; what was charged after.
    pub usage: Usage,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// Counts the steps it took; 0 stands for a hold that does not exist. A step names the revision it expects, so
    /// that no step is taken twice.
    pub revision: u32,
    /// Where it is in its life.
    pub phase: Phase,
}

impl Hold {
    /// A hold that is to be made. Its windows are those of its owners when it is.
    #[inline]
    pub const fn new(id: HoldId, fingerprint: u128) -> Self {
        Self { id, fingerprint, standing: Standing::NONE, windows: Windows::NONE, others: None, seat: 0 }
    }

    /// The owners beyond the one that it lives with, each with its windows.
    pub fn others(&self) -> &[(KeyId, Windows)] {
        self.others.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl Standing {
    /// Before the first step.
    pub const NONE: Self =
        Self { usage: Usage::ZERO, expires_at: Timestamp::EPOCH, revision: 0, phase: Phase::Live };

    /// Whether it counts as a call that was charged: one that was settled does whatever it came to, one that was given up
    /// does if it was charged something.
    pub fn is_charged(&self) -> bool {
        match self.phase {
            Phase::Settled => true,
            Phase::Dropped | Phase::Lapsed => self.usage != Usage::ZERO,
            Phase::Live | Phase::Released => false,
        }
    }

    /// Closes the hold as `phase` with `usage` charged.
    #[inline]
    pub fn close(&mut self, phase: Phase, usage: Usage) {
        self.revision = self.revision.saturating_add(1);
        (self.phase, self.usage) = (phase, usage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permit_ids_read_back() {
        let id = PermitId { key: "prod-1".parse().unwrap(), hold: HoldId(7) };
        assert_eq!(id.to_string(), "prod-1:00000000000000000000000007");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "prod-1", "prod-1:7", ":00000000000000000000000007", "prod-1:z0000000000000000000000007"]
        {
            assert_eq!(bad.parse::<PermitId>(), Err(PermitIdError), "{bad}");
        }
    }
}
