//! The right to make one call.

use std::fmt;
use std::sync::Arc;

use arrayvec::ArrayString;

use super::caller::Caller;
use super::{Alert, Error};
use crate::budget::{Hold, HoldId, PermitId, Phase, Usage};
use crate::fork;
use crate::key::Key;
use crate::ledger::NotReserved;
use crate::time::Timestamp;
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
    // On the heap from the start: it is put together there, once, and only a pointer travels.
    call: Box<Call>,
}

struct Call {
    caller: Arc<Caller>,
    hold: Hold,
    model: Model,
    priced: Option<Box<PricedCall>>,
    progress: Option<Usage>,
    generation: u32,
    origin: Origin,
    stage: Stage,
}

// Most names fit in place; a longer one is on the heap.
#[derive(Default)]
struct Model {
    short: ArrayString<{ Model::SHORT }>,
    long: Option<Box<str>>,
    is_stated: bool,
}

impl Model {
    const SHORT: usize = 47;

    #[inline]
    fn set(&mut self, model: Option<&str>) {
        let Some(model) = model else { return };
        self.is_stated = true;
        if self.short.try_push_str(model).is_err() {
            self.long = Some(model.into());
        }
    }

    fn get(&self) -> Option<&str> {
        self.is_stated.then(|| self.long.as_deref().unwrap_or(&self.short))
    }
}

/// What the gate worked out for a call that it prices itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct PricedCall {
    pub(super) estimate: Estimate,
    /// What was granted.
    pub(super) max_tokens: u64,
    pub(super) streamed: bool,
    /// Whether it may use tokens that its stream does not show before it tells its usage.
    pub(super) hides: bool,
}

// Not 0: the name of such a hold was drawn, but the ledger may have made it before it failed.
const DEGRADED: u128 = 1;

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
    /// What a hold that was ended before came to then. Only `usage` is remembered; the other fields are empty.
    pub(super) fn first(hold: &Hold) -> Self {
        Self { usage: hold.standing.usage, overrun: Usage::ZERO, late: false, alerts: Vec::new() }
    }
}

impl Permit {
    /// A permit for a call that is not admitted yet.
    #[inline]
    pub(super) fn draft(caller: Arc<Caller>, (id, fingerprint): (HoldId, u128), model: Option<&str>) -> Self {
        // Room first, and then what is put there: copying what was just put together waits for its parts to arrive.
        let mut call = Box::write(
            Box::new_uninit(),
            Call {
                caller,
                hold: Hold::new(HoldId(0), 0),
                model: Model::default(),
                priced: None,
                progress: None,
                generation: fork::generation(),
                origin: Origin::Reserved,
                stage: Stage::Detached,
            },
        );
        // For the same reason.
        (call.hold.id, call.hold.fingerprint) = (id, fingerprint);
        call.model.set(model);
        Self { call }
    }

    /// Makes its hold, or finds that of the same request.
    #[inline]
    pub(super) fn reserve(&mut self, estimate: Usage, now: Timestamp) -> Result<(), NotReserved> {
        let call = &mut *self.call;
        let model = call.model.get();
        if call.caller.core.reserve(&call.caller, &mut call.hold, estimate, model, now)? {
            call.origin = Origin::View;
        }
        call.stage = Stage::Admitted;
        Ok(())
    }

    /// Admits it without a hold, to be charged `estimate` should the ledger answer again.
    pub(super) fn degrade(&mut self, estimate: Usage) {
        self.call.hold.standing.usage = estimate;
        self.call.origin = Origin::Degraded;
        self.call.stage = Stage::Admitted;
    }

    pub(super) fn priced(mut self, priced: PricedCall) -> Self {
        self.call.priced = Some(Box::new(priced));
        self
    }

    pub(super) fn priced_estimate(&self) -> Option<&Estimate> {
        self.call.priced.as_ref().map(|priced| &priced.estimate)
    }

    /// Whether more may have been used than was shown.
    pub(super) fn hides(&self) -> bool {
        self.call.priced.as_ref().is_some_and(|priced| priced.hides)
    }

    pub(super) fn prices(&self) -> Arc<PriceBook> {
        self.call.caller.core.prices()
    }

    /// Its name: any worker that shares the ledger can settle by it.
    pub fn id(&self) -> PermitId {
        PermitId { key: self.call.caller.key.id().clone(), hold: self.call.hold.id }
    }

    /// The key that it was given to, as the record stood then.
    pub fn key(&self) -> &Arc<Key> {
        &self.call.caller.key
    }

    /// The model to dispatch: the one that was checked. Dispatch this string, never one read again from the request.
    pub fn model(&self) -> Option<&str> {
        self.call.model.get()
    }

    /// The most output tokens that the call may be allowed, where the gate priced the request; dispatch it.
    pub fn max_tokens(&self) -> Option<u64> {
        self.call.priced.as_ref().map(|priced| priced.max_tokens)
    }

    /// Whether it was granted fewer output tokens than the request asks for, or than the model can write: only then does
    /// the body need another limit than it has.
    pub fn is_reduced(&self) -> bool {
        self.call.priced.as_ref().is_some_and(|priced| priced.max_tokens < priced.estimate.max_tokens)
    }

    /// Whether the request asks for a streamed answer, where the gate read its body.
    pub fn is_streamed(&self) -> bool {
        self.call.priced.as_ref().is_some_and(|priced| priced.streamed)
    }

    /// What is set aside now.
    pub fn estimate(&self) -> Usage {
        self.call.hold.standing.usage
    }

    /// Whether the request id found a live hold of the same request: dropping this permit then does nothing.
    pub fn is_view(&self) -> bool {
        self.call.origin == Origin::View
    }

    /// Whether the ledger could not answer and the gate was set to admit such calls: nothing is set aside.
    pub fn is_degraded(&self) -> bool {
        self.call.origin == Origin::Degraded
    }

    /// Says that the call is on its way to the model: from now on a drop charges.
    pub fn dispatched(&mut self) {
        if self.call.stage == Stage::Admitted {
            self.call.stage = Stage::Dispatched;
        }
    }

    /// Says what is known of the usage so far, which is what a drop then charges.
    pub fn progress(&mut self, usage: Usage) {
        self.dispatched();
        self.call.progress = Some(usage);
    }

    /// Sets `more` aside beyond the estimate, by the same atomic rule, and gives the hold a new lifetime.
    ///
    /// # Errors
    /// [`Error::Denied`] if it does not fit: stop the call. [`Error::Conflict`] if the permit was ended.
    pub fn extend(&mut self, more: Usage) -> Result<(), Error> {
        if self.call.stage == Stage::Ended {
            return Err(Error::Conflict("this permit was ended; it cannot be extended".into()));
        }
        let is_degraded = self.is_degraded();
        let call = &mut *self.call;
        if is_degraded {
            // Nothing is set aside, and what is charged for a call that is dropped is this.
            let usage = &mut call.hold.standing.usage;
            *usage = usage.saturating_add(more);
            return Ok(());
        }
        call.caller.core.extend(&call.caller, &mut call.hold, more)
    }

    /// Charges what the call came to and ends the permit. Facts are never refused: more than the estimate, a limit passed,
    /// a key revoked meanwhile, or midnight gone by are all recorded, in the windows of the reservation.
    ///
    /// # Errors
    /// [`Error::AlreadySettled`] with the first settlement if it was ended before. [`Error::Ledger`] if the ledger cannot
    /// answer: the permit stays as it was, and this may be called again.
    #[inline]
    pub fn settle(&mut self, usage: Usage) -> Result<Settlement, Error> {
        if self.is_degraded() {
            return self.end_degraded(usage);
        }
        self.end(Phase::Settled, usage)
    }

    /// Lets the hold go without a charge and ends the permit: the call was not made, or cost nothing.
    ///
    /// # Errors
    /// As [`Permit::settle`].
    pub fn release(&mut self) -> Result<(), Error> {
        if self.is_degraded() {
            return self.end_degraded(Usage::ZERO).map(drop);
        }
        self.end(Phase::Released, Usage::ZERO).map(drop)
    }

    /// Gives up the permit without ending its hold; some [`Gate::settle`](super::Gate::settle) will, or it lapses.
    pub fn detach(mut self) -> PermitId {
        self.call.stage = Stage::Detached;
        self.id()
    }

    #[inline]
    fn end(&mut self, phase: Phase, usage: Usage) -> Result<Settlement, Error> {
        let call = &mut *self.call;
        if call.stage == Stage::Ended {
            return Err(Error::AlreadySettled(Box::new(Settlement::first(&call.hold))));
        }
        let ended = call.caller.core.close(&call.caller, &mut call.hold, phase, usage);
        if ended.is_ok() {
            // What it came to is known here for good, however soon the ledger forgets it.
            call.stage = Stage::Ended;
        }
        ended
    }

    // Nothing was set aside, so what the call came to is charged as if it had been made elsewhere.
    #[cold]
    fn end_degraded(&mut self, usage: Usage) -> Result<Settlement, Error> {
        let call = &mut *self.call;
        if call.stage == Stage::Ended {
            return Err(Error::AlreadySettled(Box::new(Settlement::first(&call.hold))));
        }
        let core = &call.caller.core;
        let mut hold = Hold::new(call.hold.id, DEGRADED);
        let settlement = match core.record(&call.caller, &mut hold, usage) {
            // The hold was made after all: it was the answer that got lost.
            Err(Error::Conflict(_)) => {
                hold = core.hold(&call.caller, &call.hold)?;
                core.close(&call.caller, &mut hold, Phase::Settled, usage)?
            }
            recorded => recorded?,
        };
        call.hold.standing.usage = usage;
        call.stage = Stage::Ended;
        Ok(settlement)
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        let is_dispatched = match self.call.stage {
            Stage::Admitted => false,
            Stage::Dispatched => true,
            Stage::Detached | Stage::Ended => return,
        };
        // A view's hold is another permit's to end, and one that came through a fork is the parent's.
        if self.call.origin != Origin::View && self.call.generation == fork::generation() {
            self.give_up(is_dispatched);
        }
    }
}

impl Permit {
    // If the ledger cannot answer, or somebody settled by id, the call is not this permit's to end any more.
    fn give_up(&mut self, is_dispatched: bool) {
        let call = &mut *self.call;
        let core = &call.caller.core;
        let is_degraded = call.origin == Origin::Degraded;
        let charged = match call.progress {
            _ if !is_dispatched => Usage::ZERO,
            Some(progress) => progress,
            None => {
                // Another permit of the same request may have set more aside.
                let may_be_more = !is_degraded && call.hold.fingerprint != 0;
                let known = may_be_more.then(|| core.hold(&call.caller, &call.hold)).and_then(Result::ok);
                known.map_or(call.hold.standing.usage, |hold| hold.standing.usage)
            }
        };
        if !is_degraded {
            let _ = core.close(&call.caller, &mut call.hold, Phase::Dropped, charged);
        } else if is_dispatched {
            let _ = self.end_degraded(charged);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("id", &format_args!("{}", self.id()))
            .field("model", &self.model())
            .field("estimate", &self.call.hold.standing.usage)
            .finish_non_exhaustive()
    }
}
