//! The last few holds of one owner that were settled or released: enough of each to say so to whoever asks again.

use std::hint::black_box;

use super::MemoryLedger;
use crate::budget::{Hold, HoldId, Standing};

/// A ring in place: it is written in every call, and a place elsewhere in memory would be one more to wait for.
#[derive(Default)]
pub(super) struct Finals([Final; MemoryLedger::REMEMBERED_FINAL]);

// A cache line. What the request was is forgotten: nothing is the same request as one that is over.
struct Final {
    id: HoldId,
    // At revision 0: there is none.
    standing: Standing,
}

impl Default for Final {
    fn default() -> Self {
        Self { id: HoldId(0), standing: Standing::NONE }
    }
}

impl Finals {
    /// Remembers a hold that was settled or released, in the place of the oldest; answers which is the oldest then.
    #[inline]
    pub(super) fn push(&mut self, oldest: u8, hold: &Hold, standing: &Standing) -> u8 {
        if let Some(oldest) = self.0.get_mut(usize::from(oldest)) {
            *oldest = Final { id: hold.id, standing: *standing };
        }
        let next = oldest.wrapping_add(1);
        if usize::from(next) < self.0.len() { next } else { 0 }
    }

    /// Has the memory fetched that the next of them takes.
    #[inline]
    pub(super) fn expect(&self, oldest: u8) {
        black_box(self.0.get(usize::from(oldest)).map(|oldest| oldest.standing.revision));
    }

    /// The hold of this name, as far as it is remembered.
    pub(super) fn find(&self, id: HoldId) -> Option<Hold> {
        let known = self.0.iter().find(|known| known.id == id && known.standing.revision > 0)?;
        Some(Hold { standing: known.standing, ..Hold::new(id, 0) })
    }
}
