//! Steps of a call: authorize, extend, settle, let go.

use std::mem::MaybeUninit;

use enclava::*;
use serde_json::json;

use super::answer::{self, Answer, decided, explained};
use super::handles::{lent, place, stated, taken, text};
use super::steps::{
    Authorize, AuthorizeBody, Check, Extend, Progress, Record, Release, ReleaseById, Settle, SettleById,
    SettleResponse, Stream, Usage,
};
use super::world::{Freed, World, amounts};

type Out<'a, T> = Option<&'a mut MaybeUninit<*mut T>>;

impl World<'_> {
    pub(super) fn authorize(&mut self, step: &Authorize) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let usage = match amounts(step.cost.as_deref(), step.tokens) {
            Ok(usage) => usage,
            Err(failed) => return Ok(Err(failed)),
        };
        let request = enclava_request {
            model: stated(step.model.as_deref()),
            purpose: stated(step.purpose.as_deref()),
            endpoint: stated(step.endpoint.as_deref()),
            ip: stated(step.ip.as_deref()),
            request_id: stated(step.request_id.as_deref()),
            estimate: usage,
            wait_milliseconds: step.wait_ms.unwrap_or(0),
            ..request(&secret)
        };
        let (mut permit, mut denial) = (place(), place());
        let status = enclava_gate_authorize(
            Some(&self.gate),
            &raw const request,
            Some(&mut permit),
            Some(&mut denial),
        );
        let permit = Freed(taken(permit));
        Ok(decided(status, denial).and_then(|()| self.admitted(step.name.as_deref(), permit)))
    }

    pub(super) fn authorize_body(&mut self, step: &AuthorizeBody) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let request = enclava_request {
            purpose: stated(step.purpose.as_deref()),
            endpoint: stated(step.endpoint.as_deref()),
            ip: stated(step.ip.as_deref()),
            request_id: stated(step.request_id.as_deref()),
            ..request(&secret)
        };
        let (mut permit, mut denial) = (place(), place());
        let status = enclava_gate_authorize_request(
            Some(&self.gate),
            &raw const request,
            lent(&step.body),
            step.floor.unwrap_or(0),
            Some(&mut permit),
            Some(&mut denial),
        );
        let permit = Freed(taken(permit));
        Ok(decided(status, denial).and_then(|()| self.admitted(step.name.as_deref(), permit)))
    }

    pub(super) fn check(&self, step: &Check) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        Ok(amounts(step.cost.as_deref(), step.tokens).and_then(|usage| {
            let request = enclava_request {
                model: stated(step.model.as_deref()),
                purpose: stated(step.purpose.as_deref()),
                endpoint: stated(step.endpoint.as_deref()),
                ip: stated(step.ip.as_deref()),
                estimate: usage,
                ..request(&secret)
            };
            let (mut decision, mut error) = (place(), place());
            let status = enclava_gate_check(
                Some(&self.gate),
                &raw const request,
                Some(&mut decision),
                Some(&mut error),
            );
            let decision = taken(decision);
            explained(status, error)?;
            Ok(answer::decision(&decision.unwrap()))
        }))
    }

    // A permit that nobody names is let go at once.
    fn admitted(&mut self, name: Option<&str>, mut permit: Freed) -> Answer {
        let held = permit.0.as_deref_mut().unwrap();
        let shown = answer::permit(held);
        if let Some(name) = name {
            let id = text(|b, c, l| enclava_permit_id(Some(held), b, c, l));
            self.permit_ids.insert(name.to_owned(), id);
            self.permits.insert(name.to_owned(), permit);
        } else {
            let mut error = place();
            explained(enclava_permit_release(Some(held), Some(&mut error)), error)?;
        }
        Ok(shown)
    }

    pub(super) fn settle(&mut self, step: &Settle) -> Result<Answer, String> {
        let usage = amounts(step.cost.as_deref(), step.tokens);
        self.permit(&step.permit)?;
        Ok(usage.and_then(|usage| {
            self.settled(&step.permit, |permit, settlement, error| {
                enclava_permit_settle(permit, usage, settlement, error)
            })
        }))
    }

    pub(super) fn settle_response(&mut self, step: &SettleResponse) -> Result<Answer, String> {
        self.permit(&step.permit)?;
        Ok(self.settled(&step.permit, |permit, settlement, error| {
            enclava_permit_settle_response(permit, lent(&step.body), settlement, error)
        }))
    }

    pub(super) fn settle_by_id(&self, step: &SettleById) -> Result<Answer, String> {
        let id = match (&step.permit, &step.id) {
            (Some(name), _) => self.permit_id(name)?,
            (None, id) => id.clone().unwrap_or_default(),
        };
        Ok(amounts(step.cost.as_deref(), step.tokens).and_then(|usage| {
            let (mut settlement, mut error) = (place(), place());
            let status = enclava_gate_settle(
                Some(&self.gate),
                lent(&id),
                usage,
                Some(&mut settlement),
                Some(&mut error),
            );
            self.told(status, settlement, error)
        }))
    }

    pub(super) fn stream(&mut self, step: &Stream) -> Result<(), String> {
        for chunk in step.chunks.iter().map(String::as_str).chain(step.chunks.is_empty().then_some("")) {
            let permit = Some(self.permit(&step.permit)?);
            assert_eq!(enclava_permit_feed(permit, lent(chunk)), enclava_status::Ok);
        }
        let answer = match &step.expect {
            None => Ok(()),
            Some(expect) => expect.compare(self.settled(&step.permit, |permit, settlement, error| {
                enclava_permit_finish(permit, settlement, error)
            })),
        };
        drop(self.take_permit(&step.permit)?);
        answer
    }

    pub(super) fn release(&mut self, step: &Release) -> Result<Answer, String> {
        let mut error = place();
        let status = enclava_permit_release(Some(self.permit(&step.permit)?), Some(&mut error));
        Ok(explained(status, error).map(|()| json!({})))
    }

    pub(super) fn release_by_id(&self, step: &ReleaseById) -> Result<Answer, String> {
        let (id, mut error) = (self.permit_id(&step.permit)?, place());
        let status = enclava_gate_release(Some(&self.gate), lent(&id), Some(&mut error));
        Ok(explained(status, error).map(|()| json!({})))
    }

    pub(super) fn extend(&mut self, step: &Extend) -> Result<Answer, String> {
        let more = amounts(step.cost.as_deref(), step.tokens);
        let permit = self.permit(&step.permit)?;
        Ok(more.and_then(|more| {
            let mut error = place();
            explained(enclava_permit_extend(Some(permit), more, Some(&mut error)), error)?;
            Ok(answer::permit(permit))
        }))
    }

    pub(super) fn progress(&mut self, step: &Progress) -> Result<(), String> {
        let usage = amounts(step.cost.as_deref(), step.tokens).map_err(|failed| failed.to_string())?;
        assert_eq!(enclava_permit_progress(Some(self.permit(&step.permit)?), usage), enclava_status::Ok);
        Ok(())
    }

    pub(super) fn record(&self, step: &Record) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        Ok(amounts(step.cost.as_deref(), step.tokens).and_then(|usage| {
            let (mut settlement, mut error) = (place(), place());
            let status = enclava_gate_record(
                Some(&self.gate),
                lent(&id),
                usage,
                stated(step.request_id.as_deref()),
                Some(&mut settlement),
                Some(&mut error),
            );
            self.told(status, settlement, error)
        }))
    }

    pub(super) fn usage(&self, step: &Usage) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let mut balances = MaybeUninit::<enclava_balances>::zeroed();
        // SAFETY: it is made of integers, of which zero is one.
        let balances = unsafe { balances.assume_init_mut() };
        balances.size = u32::try_from(size_of::<enclava_balances>()).unwrap();
        let mut error = place();
        let status = enclava_gate_usage(Some(&self.gate), lent(&id), balances, Some(&mut error));
        Ok(explained(status, error).map(|()| answer::balances(balances)))
    }

    // Ends the permit of this name.
    fn settled(
        &mut self,
        name: &str,
        end: impl FnOnce(
            Option<&mut enclava_permit>,
            Out<'_, enclava_settlement>,
            Out<'_, enclava_error>,
        ) -> enclava_status,
    ) -> Answer {
        let (mut settlement, mut error) = (place(), place());
        let permit = self.permits.get_mut(name).and_then(|permit| permit.0.as_deref_mut());
        let status = end(permit, Some(&mut settlement), Some(&mut error));
        self.told(status, settlement, error)
    }

    fn told(
        &self,
        status: enclava_status,
        settlement: MaybeUninit<*mut enclava_settlement>,
        error: MaybeUninit<*mut enclava_error>,
    ) -> Answer {
        let settlement = taken(settlement);
        explained(status, error)?;
        Ok(answer::settlement(&settlement.unwrap(), &|id| self.name_of(id)))
    }
}

fn request(secret: &str) -> enclava_request {
    enclava_request {
        size: u32::try_from(size_of::<enclava_request>()).unwrap(),
        reserved: 0,
        secret: lent(secret),
        model: stated(None),
        purpose: stated(None),
        endpoint: stated(None),
        ip: stated(None),
        request_id: stated(None),
        estimate: enclava_usage { cost: enclava_money { usd: 0, pico: 0 }, tokens: 0 },
        wait_milliseconds: 0,
    }
}
