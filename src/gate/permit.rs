//! The right to make one call.

use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;

use super::core::{Subject, Tie};
use super::lane::Count;
use super::{Alert, Error, fork};
use crate::budget::{Hold, PermitId, Phase, Usage};
use crate::key::Key;
use crate::ledger::NewHold;
use crate::wire::{Estimate, PriceBook};

/// The right to make one call, with its estimate set aside.
///
/// Exactly one of [`Permit::settle`] and [`Permit::release`] ends it. A permit that is dropped before
/// [`Permit::dispatched`] lets its hold go; after, it charges the [`Permit::progress`] told so far, or else the estimate.
/// What a drop decided, one later [`Gate::settle`](super::Gate::settle) by [`Permit::id`] replaces.
///
/// A permit belongs to whoever holds it: it may be sent to another thread, and is used by one at a time.
#[must_use = "a permit that is dropped at once lets its hold go"]
pub struct Permit {
    core: Arc<Tie>,
    subject: Subject,
    hold: Hold,
    model: Option<SmolStr>,
    priced: Option<Box<PricedCall>>,
    progress: Option<Usage>,
    generation: u32,
    origin: Origin,
    stage: Stage,
}

// What the gate worked out for a call that it prices itself.
#[derive(Debug, Clone, Copy)]
struct PricedCall {
    estimate: Estimate,
    max_tokens: u64,
}

/// How far the call has come, which decides what a drop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent: a drop lets the hold go.
    Admitted,
    /// The call is on its way: a drop charges.
    Dispatched,
    /// Somebody else will end it: a drop does nothing.
    Detached,
    /// It was ended.
    Ended,
}

/// How a permit came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It made its hold.
    Reserved,
    /// Its request id found a live hold of the same request.
    View,
    /// The ledger could not answer, and the gate was told to admit such calls: there is no hold.
    Degraded,
}

/// What a settled call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What was charged.
    pub usage: Usage,
    /// What was charged beyond the estimate: the part that may have passed a limit.
    pub overrun: Usage,
    /// Whether it replaced what a drop or a lapse had decided.
    pub late: bool,
    /// The alerts that this charge set off.
    pub alerts: Vec<Alert>,
}

impl Settlement {
    /// What a hold that was ended before came to then.
    pub(super) fn first(hold: &Hold) -> Self {
        Self { usage: hold.usage, overrun: Usage::ZERO, late: false, alerts: Vec::new() }
    }
}

impl Permit {
    pub(super) fn new(
        core: Arc<Tie>,
        subject: Subject,
        hold: Hold,
        model: Option<&str>,
        origin: Origin,
    ) -> Self {
        Self {
            core,
            subject,
            hold,
            model: model.map(SmolStr::new),
            priced: None,
            progress: None,
            generation: fork::generation(),
            origin,
            stage: Stage::Admitted,
        }
    }

    pub(super) fn priced(mut self, estimate: Estimate, max_tokens: u64) -> Self {
        self.priced = Some(Box::new(PricedCall { estimate, max_tokens }));
        self
    }

    pub(super) fn priced_estimate(&self) -> Option<&Estimate> {
        self.priced.as_ref().map(|priced| &priced.estimate)
    }

    pub(super) fn prices(&self) -> Arc<PriceBook> {
        self.core.prices()
    }

    /// Its name: any worker that shares the ledger can settle by it.
    pub fn id(&self) -> PermitId {
        PermitId { key: self.subject.key.id().clone(), hold: self.hold.id }
    }

    /// The key that it was given to, as the record stood then.
    pub fn key(&self) -> &Arc<Key> {
        &self.subject.key
    }

    /// The model to dispatch: the one that was checked. Dispatch this string, never one read again from the request.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The most output tokens that the call may be allowed, where the gate priced the request; dispatch it.
    pub fn max_tokens(&self) -> Option<u64> {
        self.priced.as_ref().map(|priced| priced.max_tokens)
    }

    /// What is set aside now.
    pub fn estimate(&self) -> Usage {
        self.hold.usage
    }

    /// Whether the request id found a live hold of the same request: dropping this permit then does nothing.
    pub fn is_view(&self) -> bool {
        self.origin == Origin::View
    }

    /// Whether the ledger could not answer and the gate was set to admit such calls: nothing is set aside.
    pub fn is_degraded(&self) -> bool {
        self.origin == Origin::Degraded
    }

    /// Says that the call is on its way to the model: from now on a drop charges.
    pub fn dispatched(&mut self) {
        if self.stage == Stage::Admitted {
            self.stage = Stage::Dispatched;
        }
    }

    /// Says what is known of the usage so far, which is what a drop then charges.
    pub fn progress(&mut self, usage: Usage) {
        self.dispatched();
        self.progress = Some(usage);
    }

    /// Sets `more` aside beyond the estimate, by the same atomic rule, and gives the hold a new lifetime.
    ///
    /// # Errors
    /// [`Error::Denied`] if it does not fit: stop the call. [`Error::Conflict`] if the permit was ended.
    pub fn extend(&mut self, more: Usage) -> Result<(), Error> {
        if self.stage == Stage::Ended {
            return Err(Error::Conflict("this permit was ended; it cannot be extended".into()));
        }
        if self.is_degraded() {
            return Ok(());
        }
        self.core.extend(&self.subject, &mut self.hold, more)
    }

    /// Charges what the call came to and ends the permit. Facts are never refused: more than the estimate, a limit passed,
    /// a key revoked meanwhile, or midnight gone by are all recorded, in the windows of the reservation.
    ///
    /// # Errors
    /// [`Error::AlreadySettled`] with the first settlement if it was ended before. [`Error::Ledger`] if the ledger cannot
    /// answer: the permit stays as it was, and this may be called again.
    pub fn settle(&mut self, usage: Usage) -> Result<Settlement, Error> {
        self.end(Phase::Settled, usage)
    }

    /// Lets the hold go without a charge and ends the permit: the call was not made, or cost nothing.
    ///
    /// # Errors
    /// As [`Permit::settle`].
    pub fn release(&mut self) -> Result<(), Error> {
        self.end(Phase::Released, Usage::ZERO).map(drop)
    }

    /// Gives up the permit without ending its hold; some [`Gate::settle`](super::Gate::settle) will, or it lapses.
    pub fn detach(mut self) -> PermitId {
        self.stage = Stage::Detached;
        self.id()
    }

    fn end(&mut self, phase: Phase, usage: Usage) -> Result<Settlement, Error> {
        if self.stage == Stage::Ended {
            return Err(Error::AlreadySettled(Box::new(Settlement::first(&self.hold))));
        }
        let settlement = if self.is_degraded() {
            let new = NewHold { id: self.hold.id, estimate: usage, fingerprint: 1 };
            self.core.record(&self.subject, new)?
        } else {
            self.core.close(&self.subject, &self.hold, phase, usage)?
        };
        self.hold.usage = usage;
        self.stage = Stage::Ended;
        // What it came to is known here for good, however soon the ledger forgets it.
        (self.hold.phase, self.hold.usage) = (phase, usage);
        Ok(settlement)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let charged = match self.stage {
            Stage::Admitted => Usage::ZERO,
            Stage::Dispatched => self.progress.unwrap_or(self.hold.usage),
            Stage::Detached | Stage::Ended => return,
        };
        // A view's hold is another permit's to end, and one that came through a fork is the parent's.
        if self.origin != Origin::Reserved || self.generation != fork::generation() {
            return;
        }
        // If the ledger cannot answer, or somebody settled by id, the hold is not this permit's to end any more.
        if self.core.close(&self.subject, &self.hold, Phase::Dropped, charged).is_ok() {
            self.core.lanes.add(self.subject.spread(), Count::Dropped);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("id", &format_args!("{}", self.id()))
            .field("model", &self.model)
            .field("estimate", &self.hold.usage)
            .finish_non_exhaustive()
    }
}
