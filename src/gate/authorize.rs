//! The way of one request: identify, check the policy, reserve, permit; and settling by name.

use std::sync::Arc;

use super::caller::Caller;
use super::core::{Of, Refused, Subject, not_remembered};
use super::events::EventKind;
use super::lane::Count;
use super::{Error, Gate, OnUnavailable, Permit, Request, Settlement, hold_ids};
use crate::budget::{Hold, Owner, PermitId, Phase, Usage};
use crate::id::KeyId;
use crate::key::Key;
use crate::ledger::{Closing, NotReserved};
use crate::policy::Refusal;
use crate::time::Timestamp;
use crate::wire::{Denial, Reason};

const LONGEST_REQUEST_ID: usize = 256;
// What a recorded usage is known by beside its name: never that of a request, so none is taken for another.
const RECORDED: u128 = 1;

impl Gate {
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
    /// The [`Denial`] to send. A request kept out only by calls in flight is denied as transient; any other denial stands until
    /// time passes or somebody changes something.
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
        self.check_policy(&caller.key, request, now)?;
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
    /// usage is not charged twice for as long as the ledger remembers it: in memory, until
    /// [`REMEMBERED_FINAL`](crate::ledger::MemoryLedger::REMEMBERED_FINAL) later calls of the key have ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a key, [`Error::Conflict`] if the request id was used before, [`Error::Ledger`].
    pub fn record(&self, id: &KeyId, usage: Usage, request_id: Option<&str>) -> Result<Settlement, Error> {
        let subject = self.look_up(|keys| Subject::of(keys, id)).ok_or_else(|| Error::no_key(id))?;
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

    /// Holds a call against its key's policy.
    #[inline]
    pub(super) fn check_policy(
        &self,
        key: &Key,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<(), Denial> {
        key.policy().check(&request.facts()).map_err(|refusal| {
            if refusal == Refusal::ModelNotAllowed
                && let Some(meant) = request.model.and_then(|model| key.models().nearly_permits(model))
            {
                self.core.events.tell_again(now, EventKind::ModelNearMiss, Some(key.id()), meant);
            }
            policy_denial(refusal, request.model)
        })
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

    fn end(&self, permit: &PermitId, phase: Phase, usage: Usage) -> Result<Settlement, Error> {
        let find = |owner: &Owner| {
            self.core.books.hold(owner, permit.hold).map_err(|closing| match closing {
                Closing::Failed(error) => self.core.failed(error),
                Closing::NotFound | Closing::Already => not_remembered(permit),
            })
        };
        // The limits in force now decide who is told of the charge.
        if let Some(subject) = self.look_up(|keys| Subject::of(keys, &permit.key)) {
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
