//! Names for holds.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

use super::lane::{Count, Lanes};
use super::request::Request;
use crate::budget::{HoldId, Owner};
use crate::fork;
use crate::id::KeyId;
use crate::ledger::LedgerError;
use crate::sync::Mutex;

/// Draws names that no other process draws: 64 random bits of this one, and a count.
#[derive(Debug)]
pub(super) struct HoldIds {
    random: AtomicU64,
    // The fork generation that the bits were drawn in: a child must not go on with its parent's names.
    generation: AtomicU32,
    drawing: Mutex<()>,
}

impl HoldIds {
    pub(super) fn new() -> Result<Self, LedgerError> {
        let generation = AtomicU32::new(fork::generation());
        Ok(Self { random: AtomicU64::new(draw()?), generation, drawing: Mutex::new(()) })
    }

    /// The name of a hold for `request`, and its fingerprint. Named after its request id if it has one, so that asking
    /// again finds it.
    #[inline]
    pub(super) fn name_for(
        &self,
        lanes: &Lanes,
        owner: &Owner,
        request: &Request<'_>,
        body: Option<&[u8]>,
    ) -> Result<(HoldId, u128), LedgerError> {
        Ok(match request.request_id {
            None => (self.next(lanes)?, 0),
            Some(id) => {
                lanes.add(Count::Named);
                (named(owner.id(), id), fingerprint(request, body))
            }
        })
    }

    #[inline]
    pub(super) fn next(&self, lanes: &Lanes) -> Result<HoldId, LedgerError> {
        if self.generation.load(Ordering::Acquire) != fork::generation() {
            self.redraw()?;
        }
        let random = self.random.load(Ordering::Relaxed);
        Ok(HoldId((u128::from(random) << 64) | u128::from(lanes.next_hold())))
    }

    #[cold]
    fn redraw(&self) -> Result<(), LedgerError> {
        let _drawing = self.drawing.lock();
        let generation = fork::generation();
        if self.generation.load(Ordering::Acquire) != generation {
            self.random.store(draw()?, Ordering::Relaxed);
            self.generation.store(generation, Ordering::Release);
        }
        Ok(())
    }
}

fn draw() -> Result<u64, LedgerError> {
    SysRng.try_next_u64().map_err(|error| LedgerError::new(error.to_string()))
}

/// The hold that stands for `request_id` of `key`, the same in every process.
pub(super) fn named(key: &KeyId, request_id: &str) -> HoldId {
    HoldId(first_half(
        Sha256::new_with_prefix("hold\0")
            .chain_update(key.as_bytes())
            .chain_update("\0")
            .chain_update(request_id),
    ))
}

// What makes two requests the same; never 0, which stands for a request without a request id.
fn fingerprint(request: &Request<'_>, body: Option<&[u8]>) -> u128 {
    let mut hash = Sha256::new();
    let cost = request.estimate.cost.as_picos().to_be_bytes();
    let tokens = request.estimate.tokens.to_be_bytes();
    let parts = [request.model, request.purpose, request.endpoint].map(|part| part.map(str::as_bytes));
    for part in parts.into_iter().chain([Some(&cost[..]), Some(&tokens[..]), body]) {
        // A length before each part keeps parts apart; a part that is missing is not one that is empty.
        let length = part.map_or(u64::MAX, |part| u64::try_from(part.len()).unwrap_or(u64::MAX));
        hash.update(length.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    first_half(hash) | 1
}

fn first_half(hash: Sha256) -> u128 {
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}
