//! What the ledger keeps of alerts until their owners were told.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Alert;
use super::core::Core;
use super::queue::Queue;
use crate::budget::{AlertId, Notice};
use crate::ledger::Ledger;
use crate::sync::Mutex;

/// The ledger, as far as alerts go.
pub(super) struct Outbox {
    ledger: Arc<dyn Ledger>,
    // Knows the names of keys. Whoever asks sees to it that the gate is there meanwhile.
    core: Weak<Core>,
}

/// Alerts that were told and are not yet forgotten by the ledger. Each process has its own: a fork may leave it locked.
pub(super) type Told = Mutex<Queue<AlertId>>;

impl Outbox {
    pub(super) fn new(ledger: Arc<dyn Ledger>, core: Weak<Core>) -> Self {
        Self { ledger, core }
    }

    /// For how long an alert is left to whoever has it; `None` if the ledger keeps none.
    pub(super) fn claim(&self) -> Option<Duration> {
        self.ledger.claim()
    }

    /// At most `most` alerts that the ledger keeps and nobody has.
    pub(super) fn ask(&self, told: &Told, most: usize) -> Vec<Alert> {
        if self.claim().is_none() {
            return Vec::new();
        }
        // What could not be said before is said first: it would come again.
        self.told(told, std::iter::empty());
        let notices = self.ledger.untold(most.min(Queue::<Alert>::MOST));
        // Nobody there: the gate is gone.
        let Some(core) = self.core.upgrade() else { return Vec::new() };
        match notices {
            Ok(notices) => notices.into_iter().map(|notice| alert(&core, notice)).collect(),
            Err(error) => {
                let _ = core.failed(error);
                Vec::new()
            }
        }
    }

    /// Has the ledger forget alerts that were told. What it cannot forget now is tried again with the next ones.
    pub(super) fn told(&self, told: &Told, alerts: impl Iterator<Item = AlertId>) {
        if self.claim().is_none() {
            return;
        }
        let known = {
            let mut waiting = told.lock();
            for alert in alerts {
                waiting.push(alert);
            }
            waiting.take(usize::MAX)
        };
        if known.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.told(&known) {
            {
                let mut waiting = told.lock();
                for alert in known {
                    waiting.push(alert);
                }
            }
            if let Some(core) = self.core.upgrade() {
                let _ = core.failed(error);
            }
        }
    }
}

fn alert(core: &Core, notice: Notice) -> Alert {
    let key = core.directory.get(&notice.id.key).or_else(|| {
        // Made by another process just now, it may be.
        let _ = core.refresher.catch_up(core, core.clock.now());
        core.directory.get(&notice.id.key)
    });
    Alert::of(notice, key.as_ref().map_or("", |key| key.name()))
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
