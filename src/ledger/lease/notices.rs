//! Alerts that came of reports, until the gate asks for them.

use std::collections::VecDeque;

use crate::budget::{Moved, Notice, Owner, Step};
use crate::sync::Mutex;

/// Beyond these the oldest goes: a shared ledger that keeps notices hands it out again.
const MOST: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<VecDeque<Notice>>);

impl Notices {
    /// Keeps what a step that was taken crossed.
    pub(super) fn keep(&self, owner: &Owner, step: &Step<'_>, rows: &[Moved]) {
        if !rows.iter().any(|moved| moved.told) {
            return;
        }
        let crossed = step.changes().zip(rows);
        let crossed = crossed.filter_map(|(change, moved)| Notice::of(owner.id(), &change, moved));
        let mut waiting = self.0.lock();
        waiting.extend(crossed);
        let too_many = waiting.len().saturating_sub(MOST);
        waiting.drain(..too_many);
    }

    /// At most `most` of them, the oldest first.
    pub(super) fn take(&self, most: usize) -> Vec<Notice> {
        let mut waiting = self.0.lock();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }
}
