//! Steps of a call: authorize, extend, settle, let go.

use std::time::Duration;

use enclava_keys::{Error, Permit, Request};
use serde_json::json;

use super::answer::{self, Answer, Failed};
use super::steps::{
    Authorize, AuthorizeBody, Check, Extend, Progress, Record, Release, ReleaseById, Settle, SettleById,
    SettleResponse, Stream, Usage,
};
use super::world::{World, amounts, parsed};

impl World<'_> {
    pub(super) fn authorize(&mut self, step: &Authorize) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let facts = Facts {
            model: step.model.as_deref(),
            purpose: step.purpose.as_deref(),
            endpoint: step.endpoint.as_deref(),
            ip: step.ip.as_deref(),
            request_id: step.request_id.as_deref(),
        };
        let usage = match amounts(step.cost.as_deref(), step.tokens) {
            Ok(usage) => usage,
            Err(failed) => return Ok(Err(failed)),
        };
        let wait = Duration::from_millis(step.wait_ms.unwrap_or(0));
        let request = facts.of(&secret).cost(usage.cost).tokens(usage.tokens).wait(wait);
        let permit = self.gate.authorize(&request);
        Ok(permit.map_err(Failed::from).and_then(|permit| self.admitted(step.name.as_deref(), permit)))
    }

    pub(super) fn authorize_body(&mut self, step: &AuthorizeBody) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let facts = Facts {
            model: None,
            purpose: step.purpose.as_deref(),
            endpoint: step.endpoint.as_deref(),
            ip: step.ip.as_deref(),
            request_id: step.request_id.as_deref(),
        };
        let permit = self.gate.authorize_request(&facts.of(&secret), step.body.as_bytes(), step.floor);
        Ok(permit.map_err(Failed::from).and_then(|permit| self.admitted(step.name.as_deref(), permit)))
    }

    pub(super) fn check(&self, step: &Check) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let facts = Facts {
            model: step.model.as_deref(),
            purpose: step.purpose.as_deref(),
            endpoint: step.endpoint.as_deref(),
            ip: step.ip.as_deref(),
            request_id: None,
        };
        Ok(amounts(step.cost.as_deref(), step.tokens).map(|usage| {
            let request = facts.of(&secret).cost(usage.cost).tokens(usage.tokens);
            answer::decision(&self.gate.check(&request))
        }))
    }

    // A permit that nobody names is let go at once.
    fn admitted(&mut self, name: Option<&str>, mut permit: Permit) -> Answer {
        let shown = answer::permit(&permit);
        match name {
            Some(name) => {
                self.permit_ids.insert(name.to_owned(), permit.id());
                self.permits.insert(name.to_owned(), permit);
            }
            None => permit.release()?,
        }
        Ok(shown)
    }

    pub(super) fn settle(&mut self, step: &Settle) -> Result<Answer, String> {
        let usage = amounts(step.cost.as_deref(), step.tokens);
        let permit = self.permit(&step.permit)?;
        let settled = usage.and_then(|usage| Ok(permit.settle(usage)?));
        Ok(settled.map(|settlement| answer::settlement(&settlement, &self.name_of_owner())))
    }

    pub(super) fn settle_response(&mut self, step: &SettleResponse) -> Result<Answer, String> {
        let settled = self.permit(&step.permit)?.settle_response(step.body.as_bytes());
        let settled = settled.map(|settlement| answer::settlement(&settlement, &self.name_of_owner()));
        Ok(settled.map_err(Failed::from))
    }

    pub(super) fn settle_by_id(&self, step: &SettleById) -> Result<Answer, String> {
        let id = match (&step.permit, &step.id) {
            (Some(name), _) => self.permit_id(name)?,
            (None, id) => parsed(id.as_deref().unwrap_or_default())?,
        };
        let settled =
            amounts(step.cost.as_deref(), step.tokens).and_then(|usage| Ok(self.gate.settle(&id, usage)?));
        Ok(settled.map(|settlement| answer::settlement(&settlement, &self.name_of_owner())))
    }

    pub(super) fn stream(&mut self, step: &Stream) -> Result<(), String> {
        let mut stream = self.take_permit(&step.permit)?.stream();
        step.chunks.iter().for_each(|chunk| stream.feed(chunk.as_bytes()));
        let Some(expect) = &step.expect else { return Ok(()) };
        let settled = stream.finish();
        let settled = settled.map(|settlement| answer::settlement(&settlement, &self.name_of_owner()));
        expect.compare(settled.map_err(Failed::from))
    }

    pub(super) fn release(&mut self, step: &Release) -> Result<Answer, String> {
        Ok(self.permit(&step.permit)?.release().map(|()| json!({})).map_err(Failed::from))
    }

    pub(super) fn release_by_id(&self, step: &ReleaseById) -> Result<Answer, String> {
        let id = self.permit_id(&step.permit)?;
        Ok(self.gate.release(&id).map(|()| json!({})).map_err(Failed::from))
    }

    pub(super) fn extend(&mut self, step: &Extend) -> Result<Answer, String> {
        let more = amounts(step.cost.as_deref(), step.tokens);
        let permit = self.permit(&step.permit)?;
        Ok(more.and_then(|more| {
            permit.extend(more)?;
            Ok(answer::permit(permit))
        }))
    }

    pub(super) fn progress(&mut self, step: &Progress) -> Result<(), String> {
        let usage = amounts(step.cost.as_deref(), step.tokens).map_err(|failed| failed.to_string())?;
        self.permit(&step.permit).map(|permit| permit.progress(usage))
    }

    pub(super) fn record(&self, step: &Record) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let recorded = amounts(step.cost.as_deref(), step.tokens)
            .and_then(|usage| Ok(self.gate.record(&id, usage, step.request_id.as_deref())?));
        Ok(recorded.map(|settlement| answer::settlement(&settlement, &self.name_of_owner())))
    }

    pub(super) fn usage(&self, step: &Usage) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let balances = self.gate.usage(&id).map(|balances| answer::balances(&balances));
        Ok(balances.map_err(|error: Error| error.into()))
    }
}

struct Facts<'a> {
    model: Option<&'a str>,
    purpose: Option<&'a str>,
    endpoint: Option<&'a str>,
    ip: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> Facts<'a> {
    fn of(&self, secret: &'a str) -> Request<'a> {
        let mut request = Request::new(secret).ip(self.ip);
        if let Some(model) = self.model {
            request = request.model(model);
        }
        if let Some(purpose) = self.purpose {
            request = request.purpose(purpose);
        }
        if let Some(endpoint) = self.endpoint {
            request = request.endpoint(endpoint);
        }
        if let Some(id) = self.request_id {
            request = request.request_id(id);
        }
        request
    }
}
