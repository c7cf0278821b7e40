//! Alerts that came of reports, until the gate asks for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::budget::{Moved, Notice, Step, notices};
use crate::sync::Mutex;

/// Beyond these the oldest goes: a shared ledger that keeps notices hands it out again.
const MOST: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<VecDeque<(Instant, Notice)>>);

impl Notices {
    /// Keeps what a step that was taken crossed.
    pub(super) fn keep(&self, step: &Step<'_>, rows: &[Moved]) {
        let crossed = notices(step, rows);
        if crossed.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut waiting = self.0.lock();
        waiting.extend(crossed.into_iter().map(|notice| (now, notice)));
        let too_many = waiting.len().saturating_sub(MOST);
        waiting.drain(..too_many);
    }

    /// At most `most` of them, the oldest first. One that waited for a good part of its `claim` is left to whoever the shared
    /// ledger hands it to next.
    pub(super) fn take(&self, most: usize, claim: Option<Duration>) -> Vec<Notice> {
        let patience = claim.and_then(|claim| claim.checked_div(4));
        let is_fresh = |since: &Instant| patience.is_none_or(|patience| since.elapsed() <= patience);
        let mut waiting = self.0.lock();
        waiting.retain(|(since, _)| is_fresh(since));
        let count = waiting.len().min(most);
        waiting.drain(..count).map(|(_, notice)| notice).collect()
    }
}
