//! The way of one request: identify, check the policy, reserve, permit; and settling by name.

use std::sync::Arc;

use super::caller::Caller;
use super::core::{Of, Refused, Subject, account, not_remembered};
use super::events::EventKind;
use super::lane::Count;
use super::open::Builder;
use super::{Alert, Balances, Error, Gate, Heard, OnUnavailable, Permit, Request, Settlement, hold_ids};
use crate::budget::{Hold, Owner, PermitId, Phase, Usage};
use crate::id::KeyId;
use crate::key::Key;
use crate::ledger::{Closing, Lease, NotReserved, Tally};
use crate::policy::Refusal;
use crate::time::Timestamp;
use crate::wire::{Denial, Reason};

const LONGEST_REQUEST_ID: usize = 256;
/// So many calls in flight and leases are looked through for leases.
const MOST_LISTED: usize = 65_536;
// What a recorded usage is known by beside its name: never that of a request, so none is taken for another.
const RECORDED: u128 = 1;

impl Gate {
    /// Opens a gate at `url` with the default settings; see [`Builder::open`] for what a URL may be.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::builder().open(url)
    }

    /// A gate to be set up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The key that `secret` belongs to, if it is in force: its shape, its digest and its state are checked, its policy and
    /// budget are not.
    ///
    /// # Errors
    /// The [`Denial`] to send.
    pub fn verify(&self, secret: &(impl AsRef<[u8]> + ?Sized)) -> Result<Arc<Key>, Denial> {
        let identified = self.identify(secret.as_ref(), self.core.clock.now());
        identified.map(|caller| Arc::clone(&caller.key)).map_err(|denial| self.denied(denial.into()))
    }

    /// Admits one call: the key is in force, its policy allows the request, and the estimate fits every budget and is now
    /// set aside. Checked in this order; nothing is consumed unless all of it holds.
    ///
    /// # Errors
    /// The [`Denial`] to send. The same limits always give the same answer, at any concurrency.
    pub fn authorize(&self, request: &Request<'_>) -> Result<Permit, Denial> {
        let admitted = self.core.waiting.sit_out(
            request.wait,
            |refused: &Refused| refused.may_pass,
            || self.attempt(request),
        );
        admitted.map_err(|refused| self.denied(refused))
    }

    #[inline]
    fn attempt(&self, request: &Request<'_>) -> Result<Permit, Refused> {
        let now = self.core.clock.now();
        let caller = self.identify(request.secret, now)?;
        caller
            .key
            .policy()
            .check(&request.facts())
            .map_err(|refusal| policy_denial(refusal, request.model))?;
        self.admit(caller, request, Admission { body: None, estimate: request.estimate, now })
    }

    /// The models of `models` that the key may use, in their order.
    ///
    /// # Errors
    /// The [`Denial`] to send if the key is not in force.
    pub fn allowed_models<'a>(
        &self,
        secret: &(impl AsRef<[u8]> + ?Sized),
        models: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<&'a str>, Denial> {
        let key = self.verify(secret)?;
        Ok(models.into_iter().filter(|model| key.models().permits(model)).collect())
    }

    /// Settles a permit by its name: from another worker, a callback, or after it was detached or dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is unknown or was resolved too long ago to be remembered, else as [`Permit::settle`].
    pub fn settle(&self, permit: &PermitId, usage: Usage) -> Result<Settlement, Error> {
        self.end(permit, Phase::Settled, usage)
    }

    /// Releases a permit by its name, as [`Permit::release`] does.
    ///
    /// # Errors
    /// As [`Gate::settle`].
    pub fn release(&self, permit: &PermitId) -> Result<(), Error> {
        self.end(permit, Phase::Released, Usage::ZERO).map(drop)
    }

    /// Charges usage that was made elsewhere and never reserved, in the current windows. With a `request_id` the same
    /// usage is never charged twice.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a key, [`Error::Conflict`] if the request id was used before, [`Error::Ledger`].
    pub fn record(&self, id: &KeyId, usage: Usage, request_id: Option<&str>) -> Result<Settlement, Error> {
        let subject = self.subject(id)?;
        let mut hold = match request_id {
            None => {
                self.core.lanes.add(Count::NotAdmitted);
                Hold::new(self.core.ids.next(&self.core.lanes)?, 0)
            }
            Some(request_id) => {
                let checked = checked_request_id(request_id);
                let checked = checked.map_err(|what| Error::invalid("request_id", what))?;
                Hold::new(hold_ids::named(id, checked), RECORDED)
            }
        };
        self.core.record(&subject, &mut hold, usage)
    }

    /// Where the budgets of a key stand now.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a key, [`Error::Ledger`].
    pub fn usage(&self, id: &KeyId) -> Result<Balances, Error> {
        let key = self.key(id)?;
        let now = self.core.clock.now();
        let limits = key.limits();
        let mut lapses = Vec::new();
        let rows = self.core.books.rows(account(&key, &limits), now, &mut lapses);
        self.core.tell_lapses(&key, lapses);
        Ok(Balances::new(&limits, key.calendar().windows(now), &rows?))
    }

    /// What a key used on each of the last `days` days on which it used anything, by model, the last day first: as far as
    /// the ledger keeps a history, which `sqlite:` does and `memory:` does not.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a key, [`Error::Ledger`].
    pub fn history(&self, id: &KeyId, days: usize) -> Result<Vec<Tally>, Error> {
        Ok(self.core.books.ledger().history(self.key(id)?.owner(), days)?)
    }

    /// The leases that are open on the budgets of a key, of whichever process ([`Builder::leased`]); with more than 65 536 calls
    /// in flight, perhaps not all of them. One whose process is dead stays held until it is settled by its
    /// [`permit_id`](Lease::permit_id), with what the process used and had not reported. A process that is alive notices that its lease was settled, takes another, and charges what it used itself.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub fn leases(&self, id: &KeyId) -> Result<Vec<Lease>, Error> {
        let owner = Owner::new(id.clone());
        // A lease never lapses, so the end of time finds every one.
        let live = self.core.books.ledger().due(&owner, Timestamp::MAX, MOST_LISTED)?;
        Ok(live.iter().filter_map(|hold| Lease::of(id, hold)).collect())
    }

    /// Calls `callback` with every alert from now on, on a thread of the library's own: it may be slow, and alerts wait for
    /// it in a bounded queue. A second callback replaces the first.
    ///
    /// Where the ledger outlives the process (`sqlite:` does), so does an alert until it was told: one whose callback panics,
    /// answers `Err` or is cut off with its process is told again after a while, under the same [`Alert::id`], by
    /// this gate or another one on that ledger that has a callback or takes alerts. A callback that takes longer than 15
    /// seconds may find that its alert was told elsewhere as well. In `memory:` an alert that failed is lost.
    pub fn on_alert<H: Heard>(&self, callback: impl Fn(&Alert) -> H + Send + Sync + 'static) {
        self.core.alerts.on_alert(Arc::new(move |alert| callback(alert).is_heard()));
    }

    /// Takes at most `most` alerts that nobody took yet, oldest first; the last 1024 are kept. Taken is told: the ledger is
    /// asked for what nobody else has and told to forget what is taken, so that this may block where calls may.
    pub fn take_alerts(&self, most: usize) -> Vec<Alert> {
        self.core.alerts.take(most)
    }

    /// Asks the store for news now, instead of within the refresh interval.
    ///
    /// # Errors
    /// If the store cannot answer, or its records are not valid: those in force stay in force.
    pub fn refresh(&self) -> Result<(), Error> {
        Ok(self.core.refresher.refresh(&self.core, self.core.clock.now())?)
    }

    /// Waits until everything is where it is kept and every alert was told to the callback, if there is one. Not to be called
    /// from there.
    ///
    /// # Errors
    /// [`Error::Ledger`] if something could not be brought where it is kept.
    pub fn flush(&self) -> Result<(), Error> {
        // What is brought there may cross a threshold.
        let flushed = self.core.books.ledger().flush();
        self.core.alerts.flush();
        Ok(flushed?)
    }

    /// Sets the estimate aside for a request that passed the policy.
    pub(super) fn admit(
        &self,
        caller: Arc<Caller>,
        request: &Request<'_>,
        asked: Admission<'_>,
    ) -> Result<Permit, Refused> {
        let core = &*self.core;
        if let Some(id) = request.request_id {
            checked_request_id(id).map_err(|what| Denial::invalid("request_id", what))?;
        }
        let name = core.ids.name_for(&core.lanes, caller.key.owner(), request, asked.body);
        let name = name.map_err(|error| Refused::budget(&NotReserved::Failed(error), asked.now))?;
        let mut permit = Permit::draft(caller, name, request.model);
        if let Err(refused) = permit.reserve(asked.estimate, asked.now) {
            let NotReserved::Failed(error) = refused else {
                core.lanes.add(Count::NotAdmitted);
                return Err(Refused::budget(&refused, asked.now));
            };
            let _ = core.failed(error);
            if self.on_unavailable != OnUnavailable::Admit {
                core.lanes.add(Count::NotAdmitted);
                return Err(Denial::new(Reason::LedgerUnavailable).into());
            }
            core.events.tell_again(asked.now, EventKind::AdmittedDegraded, Some(permit.key().id()), "");
            permit.degrade(asked.estimate);
        }
        Ok(permit)
    }

    pub(super) fn subject(&self, id: &KeyId) -> Result<Subject, Error> {
        Subject::of(&self.core.directory, id).ok_or_else(|| Error::no_key(id))
    }

    fn end(&self, permit: &PermitId, phase: Phase, usage: Usage) -> Result<Settlement, Error> {
        let find = |owner: &Owner| {
            self.core.books.hold(owner, permit.hold).map_err(|closing| match closing {
                Closing::Failed(error) => self.core.failed(error),
                Closing::NotFound | Closing::Already => not_remembered(permit),
            })
        };
        if let Some(subject) = Subject::of(&self.core.directory, &permit.key) {
            let mut hold = find(subject.key.owner())?;
            self.core.close(&subject, &mut hold, phase, usage)
        } else {
            // A key that was deleted meanwhile has no record; its calls in flight are still charged.
            let owner = Owner::new(permit.key.clone());
            let mut hold = find(&owner)?;
            self.core.close_for(&Of::nobody(&owner), &mut hold, phase, usage)
        }
    }

    pub(super) fn denied(&self, refused: Refused) -> Denial {
        self.core.lanes.add_denied(refused.denial.reason());
        self.shown(refused.denial)
    }

    /// The denial as this gate tells it.
    pub(super) fn shown(&self, denial: Denial) -> Denial {
        self.core.look.show(denial)
    }
}

/// What is asked of the budget.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    /// The request's body, where that is what makes two requests the same.
    pub(super) body: Option<&'a [u8]>,
    pub(super) estimate: Usage,
    pub(super) now: Timestamp,
}

/// The denial that a policy's refusal comes to.
pub(super) fn policy_denial(refusal: Refusal, model: Option<&str>) -> Denial {
    match refusal {
        Refusal::EndpointNotAllowed => Denial::new(Reason::EndpointNotAllowed),
        Refusal::PurposeNotAllowed => Denial::new(Reason::PurposeNotAllowed),
        Refusal::ModelMissing => Denial::new(Reason::ModelMissing),
        Refusal::ModelNotAllowed => Denial::model(Reason::ModelNotAllowed, model),
        Refusal::IpNotAllowed { .. } => Denial::new(Reason::IpNotAllowed),
    }
}

// What is wrong otherwise is the same for whoever is told.
fn checked_request_id(id: &str) -> Result<&str, &'static str> {
    if (1..=LONGEST_REQUEST_ID).contains(&id.len()) { Ok(id) } else { Err("must be 1 to 256 bytes long") }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Whoever must know that everything arrived calls `flush`.
        let _ = self.core.books.ledger().flush();
        self.core.alerts.retire();
    }
}
