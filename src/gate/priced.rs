//! Calls that the gate prices itself: estimated from their request bodies, settled from what the model answers.

use std::fmt::Display;
use std::sync::Arc;

use super::authorize::Admission;
use super::caller::Caller;
use super::core::{Refused, account};
use super::permit::PricedCall;
use super::{Error, Gate, Permit, Request, Settlement};
use crate::budget::{Money, Party, Usage, fits};
use crate::key::Key;
use crate::time::Timestamp;
use crate::wire::{
    Denial, Estimate, Hidden, ModelPrice, PriceBook, Progress, Reason, RequestBody, RequestFacts,
    RequestKind, ResponseFacts, StreamUsage, TokenUsage,
};

/// How often a smaller answer is tried when others take the room first.
const ATTEMPTS: usize = 4;

impl Gate {
    /// Admits one call by the body that the client sent: its model is checked, and the most that it may use is set aside,
    /// at the prices that the gate was given. The endpoint of `request`, if stated, says which API the body is for; its own
    /// model and estimate are not used.
    ///
    /// `floor`: when the whole does not fit, admit the call with fewer output tokens, at least so many. What to dispatch
    /// is then [`Permit::model`] and [`Permit::max_tokens`], see [`dispatch_body`](crate::wire::dispatch_body).
    ///
    /// # Errors
    /// [`Error::Denied`] with the denial to send: besides those of [`Gate::authorize`], `model_not_priced` when the key has
    /// a limit and the price book cannot say what the call may use. [`Error::InvalidValue`] for a body that is none.
    pub fn authorize_request(
        &self,
        request: &Request<'_>,
        body: &[u8],
        floor: Option<u64>,
    ) -> Result<Permit, Error> {
        self.authorize_body(request, &RequestBody::new(body), floor)
    }

    /// The same for whoever dispatches the body after, which is then read once for both. A stranger's is not read.
    ///
    /// # Errors
    /// As [`Gate::authorize_request`].
    pub fn authorize_body(
        &self,
        request: &Request<'_>,
        body: &RequestBody<'_>,
        floor: Option<u64>,
    ) -> Result<Permit, Error> {
        let kind = request.endpoint.and_then(|endpoint| RequestKind::from_path(path_of(endpoint)));
        let mut read = None;
        let admitted = self.core.waiting.sit_out(request.wait, Unpriced::may_pass, || {
            let now = self.core.clock.now();
            let caller = self.identify(request.secret, now).map_err(Refused::from)?;
            // Read once, and not for a stranger.
            let facts = match &mut read {
                Some(facts) => facts,
                unread => unread.insert(body.facts(kind).map_err(Unpriced::body)?),
            };
            Ok(self.attempt_priced(&caller, request, (body.bytes(), facts), floor, now)?)
        });
        admitted.map_err(|error| match error {
            Unpriced::Refused(refused) => self.denied(refused).into(),
            Unpriced::Invalid(error) => error,
        })
    }

    fn attempt_priced(
        &self,
        caller: &Arc<Caller>,
        request: &Request<'_>,
        (body, facts): (&[u8], &RequestFacts),
        floor: Option<u64>,
        now: Timestamp,
    ) -> Result<Permit, Refused> {
        let key = &*caller.key;
        let request = Request { model: facts.model.as_deref(), ..*request };
        self.check_policy(key, &request, now)?;
        let prices = self.core.prices();
        let estimate = estimate(&prices, facts, key).ok_or_else(|| match request.model {
            None => Denial::new(Reason::ModelMissing),
            model => Denial::model(Reason::ModelNotPriced, model),
        })?;
        let asked = Admission { body: Some(body), estimate: estimate.usage(), now };
        let mut admitted = self.admit(Arc::clone(caller), &request, asked);
        for _ in 0..ATTEMPTS {
            let Err(refused) = &admitted else { break };
            let (Some(floor), Some(_)) = (floor, refused.denial.budget_detail()) else { break };
            // Where not even the floor fits now, it is the floor that is refused: what is said of it counts.
            let floor = floor.min(estimate.max_tokens);
            let max_tokens = self.affordable(key, &estimate, floor, now).unwrap_or(floor);
            let less = Admission { estimate: estimate.usage_at(max_tokens), ..asked };
            admitted = self.admit(Arc::clone(caller), &request, less);
            if max_tokens == floor {
                break;
            }
        }
        let permit = admitted?;
        let max_tokens = estimate.largest_fit(0, |usage| within(usage, permit.estimate())).unwrap_or(0);
        let (streamed, hides) = (facts.stream, hides(&prices, facts));
        Ok(permit.priced(PricedCall { estimate, max_tokens, streamed, hides }))
    }

    /// Prices calls by `prices` from now on.
    pub fn set_prices(&self, prices: PriceBook) {
        *self.core.prices.write() = Arc::new(prices);
    }

    // The longest answers that fit what remains at this moment.
    fn affordable(&self, key: &Key, estimate: &Estimate, floor: u64, now: Timestamp) -> Option<u64> {
        let limits = key.limits();
        let mut lapses = Vec::new();
        let rows = self.core.books.rows(account(key, &limits), now, &mut lapses);
        self.core.tell_lapses(key, lapses);
        let rows = rows.ok()?;
        let party = Party { owner: key.owner(), limits: &limits, windows: key.calendar().windows(now) };
        estimate.largest_fit(floor, |usage| fits(party, &rows, usage))
    }
}

// Why a request with a body was not admitted.
enum Unpriced {
    Refused(Refused),
    Invalid(Error),
}

impl Unpriced {
    fn body(error: impl Display) -> Self {
        Self::Invalid(Error::invalid("body", error.to_string()))
    }

    fn may_pass(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.may_pass)
    }
}

impl From<Refused> for Unpriced {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

// The most that a request may use; `None` if that cannot be said and the key has a limit that it matters to.
fn estimate(prices: &PriceBook, facts: &RequestFacts, key: &Key) -> Option<Estimate> {
    let limits = key.limits();
    let spends = limits.daily_spend.is_some() || limits.monthly_spend.is_some();
    let price = facts.model.as_deref().and_then(|model| prices.get(model));
    let estimate = match price {
        Some(price) => Estimate::new(facts, price),
        None if spends => return None,
        None => Estimate::without_price(facts),
    };
    match estimate {
        Ok(estimate) => Some(estimate),
        Err(_) if spends || limits.daily_tokens.is_some() => None,
        Err(_) => Some(Estimate::nothing()),
    }
}

// Whether what is used may not be seen in a stream until it tells its usage.
fn hides(prices: &PriceBook, facts: &RequestFacts) -> bool {
    let price = || facts.model.as_deref().and_then(|model| prices.get(model));
    match facts.hidden {
        Hidden::Nothing => false,
        Hidden::Thoughts => price().is_some_and(ModelPrice::may_reason),
        Hidden::Anything => true,
    }
}

fn within(usage: Usage, most: Usage) -> bool {
    usage.cost <= most.cost && usage.tokens <= most.tokens
}

// An endpoint may have its method before it.
fn path_of(endpoint: &str) -> &str {
    endpoint.split_once(' ').map_or(endpoint, |(_, path)| path)
}

impl Permit {
    /// Settles by what the model answered: the whole body of a response that was not streamed. One that tells no usage is
    /// charged the estimate; for a call that failed, [`Permit::release`] instead.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the body or its usage cannot be read: the hold stays, settle it otherwise. Else as
    /// [`Permit::settle`].
    pub fn settle_response(&mut self, body: &[u8]) -> Result<Settlement, Error> {
        let facts =
            ResponseFacts::from_slice(body).map_err(|error| Error::invalid("response", error.to_string()))?;
        let usage = facts.usage.map_or_else(|| self.estimate(), |tokens| self.usage_of(&tokens));
        self.settle(usage)
    }

    /// Follows the answer as it streams, to settle by what it says of its usage.
    pub fn stream(mut self) -> Stream {
        self.dispatched();
        Stream { permit: Some(self), usage: StreamUsage::new() }
    }

    // At the price of the model that was checked. Where there is none, a key with a spend limit is charged the cost that
    // was set aside, and a key without one nothing.
    fn usage_of(&self, tokens: &TokenUsage) -> Usage {
        let prices = self.prices();
        let price = self.model().and_then(|model| prices.get(model));
        let limits = self.key().limits();
        let spends = limits.daily_spend.is_some() || limits.monthly_spend.is_some();
        let unknown = if spends { self.estimate().cost } else { Money::ZERO };
        Usage::new(price.map_or(unknown, |price| price.cost(tokens)), tokens.total())
    }

    // What an answer that told no usage may have used: the prompt, and a token for every byte that was seen, but no more
    // than was set aside.
    fn usage_seen(&self, output: u64) -> Usage {
        let most = self.estimate();
        match self.priced_estimate() {
            None => most,
            Some(estimate) => {
                let seen = Estimate { choices: 1, ..*estimate }.usage_at(output);
                Usage::new(seen.cost.min(most.cost), seen.tokens.min(most.tokens))
            }
        }
    }

    // What a stream may have used by what it told so far. Where it told what cannot be, or not yet what the model thought,
    // nobody knows what that hides, and the most counts that it may be.
    fn usage_so_far(&self, progress: &Progress) -> Usage {
        let told = match progress.usage {
            None => self.usage_seen(progress.output_seen),
            Some(tokens) => self.usage_told(&tokens, progress.guessed),
        };
        let is_hidden = self.hides() && !progress.output_told;
        let least = if progress.fault.is_some() || is_hidden { self.estimate() } else { Usage::ZERO };
        Usage::new(told.cost.max(least.cost), told.tokens.max(least.tokens))
    }

    // The `guessed` tokens that nobody told are a guess from above, and do not pass what was set aside by themselves.
    fn usage_told(&self, tokens: &TokenUsage, guessed: u64) -> Usage {
        let told = TokenUsage { output: tokens.output.saturating_sub(guessed), ..*tokens };
        let (told, most) = (self.usage_of(&told), self.estimate());
        let guessed = self.usage_of(tokens);
        Usage::new(
            bounded(guessed.cost, told.cost, most.cost),
            bounded(guessed.tokens, told.tokens, most.tokens),
        )
    }
}

// Where what was told is more than `most`, that bounds nothing.
fn bounded<T: Ord + Copy>(guessed: T, told: T, most: T) -> T {
    if told <= most { guessed.min(most) } else { guessed }
}

/// A streamed answer, and the permit that it settles.
///
/// Feed it the bytes that pass by, cut anywhere, and finish it at their end. If it is dropped before, the call is charged
/// the same as if it had ended there; one later [`Gate::settle`] may replace that.
#[derive(Debug)]
pub struct Stream {
    // Taken when it finishes.
    permit: Option<Permit>,
    usage: StreamUsage,
}

impl Stream {
    /// Takes in the next bytes. Never fails and never delays them: they may be sent on before or after.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.usage.feed(chunk);
    }

    /// The permit that will be settled.
    pub fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    /// What the answer may have used so far.
    pub fn progress(&self) -> Option<Usage> {
        self.permit.as_ref().map(|permit| permit.usage_so_far(&self.usage.progress()))
    }

    /// Settles by the usage that the stream told; by what was seen of it if it told none. Where it told a usage that cannot
    /// be, it is charged no less than its estimate.
    ///
    /// # Errors
    /// As [`Permit::settle`]; after [`Error::Ledger`] it may be called again.
    pub fn finish(&mut self) -> Result<Settlement, Error> {
        let Some(mut permit) = self.permit.take() else {
            return Err(Error::Conflict("this stream was finished before".into()));
        };
        let settled = permit.settle(permit.usage_so_far(&self.told()));
        if matches!(settled, Err(Error::Ledger(_))) {
            self.permit = Some(permit);
        }
        settled
    }
}

impl Stream {
    // What it told, if it ends here: an event whose end is missing is read to where it came.
    fn told(&self) -> Progress {
        let mut usage = self.usage.clone();
        usage.close();
        usage.progress()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let told = self.told();
        if let Some(permit) = &mut self.permit {
            permit.progress(permit.usage_so_far(&told));
        }
    }
}
