//! What a lease is called, and how an operator tells one from the hold of a call.

use rand::TryRng;
use rand::rngs::SysRng;
use serde::Serialize;

use super::super::LedgerError;
use crate::budget::{Hold, HoldId, PermitId, Usage};
use crate::id::KeyId;
use crate::time::Timestamp;

// The fingerprint of a lease begins so. That of a request is a hash: one in 2^40 looks alike, and is shown for nothing.
const MARK: u128 = 0x65_6e5f_6c73 << 88;
const MARKED: u128 = u128::MAX << 88;
/// The leases of one owner, of all processes together, that are told apart from calls in flight.
pub(in super::super) const MOST_LEASES: u32 = 256;
const TIME_BITS: u32 = 56;
const TIME: u128 = (1 << TIME_BITS) - 1;

/// A lease that is open: what a process has taken of a key's budget to hand out by itself.
///
/// The lease of a process that died stays held until somebody settles it, as the permit that it is, with what that process
/// used beyond what it had reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// What to settle when its process is dead.
    #[serde(serialize_with = "as_text")]
    pub permit_id: PermitId,
    /// The process that took it, by its number on its host.
    pub process: u32,
    /// When it was taken, by the clock of that process.
    pub opened_at: Timestamp,
    /// What it holds: not reported as used, and not free for others.
    pub holds: Usage,
}

impl Lease {
    /// Whether `hold` is a lease that is open.
    pub fn is(hold: &Hold) -> bool {
        hold.fingerprint & MARKED == MARK && hold.standing.phase.is_live()
    }

    /// The lease that `hold` is, if it is one that is open, on the budgets of `key`.
    pub fn of(key: &KeyId, hold: &Hold) -> Option<Self> {
        if !Self::is(hold) {
            return None;
        }
        // Beside the mark: 32 bits of the process, and 56 of the time.
        let process = u32::try_from((hold.fingerprint & !MARKED) >> TIME_BITS).unwrap_or(0);
        let micros = i64::try_from(hold.fingerprint & TIME).unwrap_or(0);
        Some(Self {
            permit_id: PermitId { key: key.clone(), hold: hold.id },
            process,
            opened_at: Timestamp::from_micros(micros),
            holds: hold.standing.usage,
        })
    }
}

/// A lease that is to be taken at `now`. Not a name that was only drawn: asking twice for it must find it.
pub(super) fn draw(now: Timestamp) -> Result<Hold, LedgerError> {
    let random = || SysRng.try_next_u64().map_err(|error| LedgerError::new(error.to_string()));
    let id = HoldId((u128::from(random()?) << 64) | u128::from(random()?));
    let time = u128::try_from(now.as_micros()).unwrap_or(0) & TIME;
    Ok(Hold::new(id, MARK | (u128::from(std::process::id()) << TIME_BITS) | time))
}

fn as_text<S: serde::Serializer>(id: &PermitId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Phase, Standing};

    #[test]
    fn a_lease_tells_whose_it_is() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let hold = draw(now).unwrap();
        let key: KeyId = "prod-1".parse().unwrap();
        let lease = Lease::of(&key, &hold).unwrap();
        assert_eq!(lease.permit_id, PermitId { key, hold: hold.id });
        assert_eq!((lease.process, lease.opened_at), (std::process::id(), now));
        assert_ne!(draw(now).unwrap().id, hold.id);
    }

    #[test]
    fn calls_and_leases_that_are_over_are_none() {
        assert!(!Lease::is(&Hold::new(HoldId(1), 0)));
        assert!(!Lease::is(&Hold::new(HoldId(1), u128::MAX)));
        let hold = draw(Timestamp::EPOCH).unwrap();
        assert!(Lease::is(&hold));
        let over = Hold { standing: Standing { phase: Phase::Settled, ..Standing::NONE }, ..hold };
        assert!(!Lease::is(&over));
    }
}
