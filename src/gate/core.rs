//! What a gate is made of, and what its permits need of it: reserve, extend, close, tell.

use std::sync::{Arc, LazyLock};

use super::alerts::AlertDesk;
use super::directory::Directory;
use super::error::Error;
use super::events::{EventDesk, EventKind};
use super::hold_ids::HoldIds;
use super::lane::{Count, Lanes};
use super::refresh::Refresher;
use super::waiting::Waiting;
use super::{Alert, Settlement};
use crate::budget::{
    Calendar, Hold, Limits, Money, Notice, Owner, PermitId, Phase, Refusal, Standing, Usage,
};
use crate::clock::Clock;
use crate::id::KeyId;
use crate::key::{Key, Peppers};
use crate::ledger::{Account, Books, Closing, Lapse, LedgerError, NotReserved};
use crate::sync::RwLock;
use crate::time::Timestamp;
use crate::wire::{BudgetDetail, Denial, PriceBook, Reason};

#[derive(Debug)]
pub(super) struct Core {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) directory: Directory,
    pub(super) refresher: Refresher,
    pub(super) books: Books,
    pub(super) peppers: Peppers,
    pub(super) lanes: Lanes,
    pub(super) alerts: AlertDesk,
    pub(super) events: EventDesk,
    pub(super) ids: HoldIds,
    pub(super) waiting: Waiting,
    pub(super) look: Look,
    pub(super) prices: RwLock<Arc<PriceBook>>,
}

/// How denials are told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) hide_amounts: bool,
    pub(super) hide_state: bool,
}

impl Look {
    /// The denial as the gate tells it.
    pub(super) fn show(self, denial: Denial) -> Denial {
        let denial = if self.hide_amounts { denial.with_hidden_amounts() } else { denial };
        if self.hide_state { denial.with_hidden_state() } else { denial }
    }
}

/// A call that was not admitted.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) denial: Denial,
    /// Whether calls in flight are all that stands in the way.
    pub(super) may_pass: bool,
}

impl Refused {
    pub(super) fn budget(refused: &NotReserved, now: Timestamp) -> Self {
        Self { denial: Core::denial(refused, now), may_pass: refused.is_transient() }
    }
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        Self { denial, may_pass: false }
    }
}

/// Whose call it is: the record that was in force when it was admitted.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) key: Arc<Key>,
    // As the record has them, packed: unpacked once for all its calls.
    limits: Limits,
    /// The state of the directory just before: while it has not moved, the record is still in force.
    pub(super) edits: u64,
}

impl Subject {
    /// The key of this id. The state is read before the record: an edit in between is noticed, never missed.
    pub(super) fn of(directory: &Directory, id: &KeyId) -> Option<Self> {
        let edits = directory.edits();
        directory.get(id).map(|key| Self::new(key, edits))
    }

    /// The subject of `key`, found in the directory when it was in the state `edits`.
    #[inline]
    pub(super) fn new(key: Arc<Key>, edits: u64) -> Self {
        Self { limits: key.limits(), key, edits }
    }

    /// Its account.
    #[inline]
    pub(super) fn account(&self) -> Account<'_> {
        account(&self.key, &self.limits)
    }
}

impl Core {
    /// The prices in force.
    pub(super) fn prices(&self) -> Arc<PriceBook> {
        Arc::clone(&self.prices.read())
    }

    /// Makes `hold` with an estimate set aside; true if the same request had made it before.
    #[inline]
    pub(super) fn reserve(
        &self,
        subject: &Subject,
        hold: &mut Hold,
        estimate: Usage,
        model: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, NotReserved> {
        let mut lapses = Vec::new();
        let reserved = self.books.reserve(&[subject.account()], hold, estimate, model, now, &mut lapses);
        if !lapses.is_empty() {
            self.tell_lapses(&subject.key, lapses);
        }
        reserved
    }

    pub(super) fn extend(&self, subject: &Subject, hold: &mut Hold, more: Usage) -> Result<(), Error> {
        let changed = self.changed(subject);
        let subject = changed.as_ref().unwrap_or(subject);
        let mut lapses = Vec::new();
        let extended = self.books.extend(&[subject.account()], hold, more, self.clock.now(), &mut lapses);
        self.tell_lapses(&subject.key, lapses);
        match extended {
            Ok(()) => {
                self.lanes.add(Count::Extended);
                Ok(())
            }
            Err(NotReserved::Conflict) => {
                Err(Error::Conflict("this permit was ended; it cannot be extended".into()))
            }
            Err(NotReserved::Failed(error)) => {
                let _ = self.failed(error);
                Err(self.look.show(Denial::new(Reason::LedgerUnavailable)).into())
            }
            Err(other) => Err(self.look.show(Self::denial(&other, self.clock.now())).into()),
        }
    }

    /// The hold of a subject's as the ledger has it.
    pub(super) fn hold(&self, subject: &Subject, hold: &Hold) -> Result<Hold, Error> {
        let account = subject.account();
        let of = Of { account, name: subject.key.name() };
        self.books.hold(account.owner, hold.id).map_err(|closing| self.not_closed(&of, hold, closing))
    }

    /// Ends a hold: the only way money is charged for a call that was authorized. `hold` becomes what it is then.
    #[inline]
    pub(super) fn close(
        &self,
        subject: &Subject,
        hold: &mut Hold,
        phase: Phase,
        usage: Usage,
    ) -> Result<Settlement, Error> {
        let changed = self.changed(subject);
        let subject = changed.as_ref().unwrap_or(subject);
        self.close_for(&Of { account: subject.account(), name: subject.key.name() }, hold, phase, usage)
    }

    #[inline]
    pub(super) fn close_for(
        &self,
        of: &Of<'_>,
        hold: &mut Hold,
        phase: Phase,
        usage: Usage,
    ) -> Result<Settlement, Error> {
        let closed = self.books.close(&[of.account], hold, phase, usage);
        let notices = closed.map_err(|closing| self.not_closed(of, hold, closing))?;
        self.waiting.wake();
        match phase {
            Phase::Settled => self.lanes.add(Count::Settled),
            Phase::Released => self.lanes.add(Count::Released),
            Phase::Dropped => self.lanes.add(Count::Dropped),
            Phase::Live | Phase::Lapsed => {}
        }
        let before = &hold.standing;
        if usage.cost > before.usage.cost || usage.tokens > before.usage.tokens {
            self.overran(of.account.owner, before, usage);
        }
        let overrun = usage.saturating_sub(before.usage);
        let late = !before.phase.is_live();
        hold.standing.close(phase, usage);
        if notices.is_empty() {
            return Ok(Settlement { usage, overrun, late, alerts: Vec::new() });
        }
        Ok(Settlement { usage, overrun, late, alerts: self.tell(of.name, notices) })
    }

    /// Charges usage that was never reserved.
    pub(super) fn record(
        &self,
        subject: &Subject,
        hold: &mut Hold,
        usage: Usage,
    ) -> Result<Settlement, Error> {
        let changed = self.changed(subject);
        let subject = changed.as_ref().unwrap_or(subject);
        let recorded = self.books.record(subject.account(), hold, usage, self.clock.now());
        let notices = recorded.map_err(|error| match error {
            NotReserved::Failed(error) => self.failed(error),
            NotReserved::Conflict | NotReserved::Ended | NotReserved::Crowded | NotReserved::Refused(_) => {
                Error::Conflict("this request_id was used before; nothing was charged".into())
            }
        })?;
        self.lanes.add(Count::Recorded);
        let alerts = self.tell(subject.key.name(), notices);
        Ok(Settlement { usage, overrun: Usage::ZERO, late: false, alerts })
    }

    #[cold]
    fn not_closed(&self, of: &Of<'_>, hold: &Hold, closing: Closing) -> Error {
        match closing {
            Closing::Already => Error::AlreadySettled(Box::new(Settlement::first(hold))),
            Closing::NotFound => {
                not_remembered(&PermitId { key: of.account.owner.id().clone(), hold: hold.id })
            }
            Closing::Failed(error) => self.failed(error),
        }
    }

    #[cold]
    fn overran(&self, owner: &Owner, before: &Standing, usage: Usage) {
        self.lanes.add(Count::Overrun);
        // Where no estimate was stated there was none to be wrong, and what a drop charged was none.
        let Usage { cost, tokens } = before.usage;
        let wrong = (usage.cost > cost && cost > Money::ZERO) || (usage.tokens > tokens && tokens > 0);
        if wrong && before.phase.is_live() {
            self.events.tell_again(self.clock.now(), EventKind::EstimateOverrun, Some(owner.id()), "");
        }
    }

    /// Takes down that the ledger could not answer.
    #[cold]
    pub(super) fn failed(&self, error: LedgerError) -> Error {
        self.events.tell_again(self.clock.now(), EventKind::LedgerUnavailable, None, &error.to_string());
        Error::Ledger(error)
    }

    /// The denial that a reservation which was not made comes to.
    pub(super) fn denial(refused: &NotReserved, now: Timestamp) -> Denial {
        match refused {
            NotReserved::Refused(refusal) => Denial::budget(detail(refusal, now)),
            NotReserved::Crowded => Denial::new(Reason::RateLimited),
            NotReserved::Conflict => {
                Denial::conflict("this request_id belongs to another request of this key")
            }
            NotReserved::Ended => {
                Denial::conflict("this request_id was used by a call that has ended; give a new one")
            }
            NotReserved::Failed(_) => Denial::new(Reason::LedgerUnavailable),
        }
    }

    // What has changed since the call was admitted: the limits in force now decide who is told.
    #[inline]
    fn changed(&self, subject: &Subject) -> Option<Subject> {
        if subject.edits == self.directory.edits() {
            return None;
        }
        Subject::of(&self.directory, subject.key.id())
    }

    /// Tells what lapsed on the way of another call.
    pub(super) fn tell_lapses(&self, key: &Key, lapses: Vec<Lapse>) {
        for lapse in lapses {
            self.lanes.add(Count::Lapsed);
            let permit = PermitId { key: lapse.owner, hold: lapse.hold.id };
            self.events.tell(self.clock.now(), EventKind::HoldLapsed, Some(key.id()), permit.to_string());
            self.tell(key.name(), lapse.notices);
        }
    }

    fn tell(&self, name: &str, notices: Vec<Notice>) -> Vec<Alert> {
        let alerts: Vec<Alert> = notices.into_iter().map(|notice| Alert::of(notice, name)).collect();
        alerts.iter().cloned().for_each(|alert| self.alerts.tell(alert));
        alerts
    }
}

/// Whose hold is ended, and what to call them in an alert.
pub(super) struct Of<'a> {
    account: Account<'a>,
    name: &'a str,
}

impl<'a> Of<'a> {
    /// The owner of a key that was deleted: no limits, so nobody to tell.
    pub(super) fn nobody(owner: &'a Owner) -> Self {
        static NO_LIMITS: Limits =
            Limits { daily_spend: None, monthly_spend: None, daily_tokens: None, alert_threshold: None };
        static ANY_CALENDAR: LazyLock<Calendar> = LazyLock::new(Calendar::default);
        Self { account: Account { owner, limits: &NO_LIMITS, calendar: &ANY_CALENDAR }, name: "" }
    }
}

/// The account of `key`.
pub(super) fn account<'a>(key: &'a Key, limits: &'a Limits) -> Account<'a> {
    Account { owner: key.owner(), limits, calendar: key.calendar() }
}

pub(super) fn detail(refusal: &Refusal, now: Timestamp) -> BudgetDetail {
    BudgetDetail {
        meter: refusal.meter,
        limit: refusal.limit,
        used: refusal.used,
        held: refusal.held,
        requested: refusal.requested,
        window_start: refusal.window.start,
        resets_at: refusal.window.end,
        transient: refusal.transient,
        now,
    }
}

pub(super) fn not_remembered(id: &PermitId) -> Error {
    Error::NotFound(format!(
        "permit {id} is not known here, or was resolved too long ago to be remembered; if its call was never charged, use record"
    ))
}
