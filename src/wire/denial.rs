//! Why a request was refused, ready to send.

use std::fmt;
use std::time::Duration;

use super::message;
use super::reason::Reason;
use crate::budget::Meter;
use crate::time::Timestamp;

/// How long a client should wait before it repeats a request that a moment may cure.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// A model name in a message is cut after so many characters.
const MODEL_NAME_LIMIT: usize = 256;

/// Why a request was refused: a [`Reason`] and what is needed to tell the client about it.
///
/// Making one formats nothing. The status, body and headers are made when asked for, and none of them ever holds a
/// secret or says which models a key may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    reason: Reason,
    hidden_amounts: bool,
    detail: Detail,
}

// Boxed, so that a `Result<_, Denial>` stays small on the way of a request that is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Detail {
    None,
    Ambiguous,
    NotBearer,
    Conflict(&'static str),
    Invalid(Box<(&'static str, &'static str)>),
    Model(Box<str>),
    Budget(Box<BudgetDetail>),
}

/// The meter that refused, as it stood.
///
/// `limit`, `used`, `held` and `requested` are in the unit of `meter`: pico-dollars (1e-12 USD) for the two spend
/// meters, tokens for [`Meter::DailyTokens`]. None is below zero; `used` may be above `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetDetail {
    /// The meter that refused.
    pub meter: Meter,
    /// What may be used in one window.
    pub limit: i128,
    /// What was used in this window.
    pub used: i128,
    /// What is set aside for calls in flight.
    pub held: i128,
    /// What the refused request would have set aside; 0 if it did not say.
    pub requested: i128,
    /// When the window began.
    pub window_start: Timestamp,
    /// When the window ends and the meter starts from zero.
    pub resets_at: Timestamp,
    /// When the request was refused.
    pub now: Timestamp,
    /// The request would fit if no call were in flight, so it may fit soon.
    pub transient: bool,
}

impl BudgetDetail {
    /// What is neither used nor held, at least 0, in the unit of the meter.
    pub fn remaining(&self) -> i128 {
        self.limit.saturating_sub(self.used).saturating_sub(self.held).max(0)
    }

    /// Something is left in this window: a smaller request may be admitted before the reset.
    pub fn may_fit(&self) -> bool {
        self.used < self.limit
    }

    /// The request asks for more than a whole window offers: no reset will admit it as it is.
    pub fn never_fits(&self) -> bool {
        self.requested > self.limit
    }
}

impl Denial {
    /// A denial that needs no more than its reason.
    pub fn new(reason: Reason) -> Self {
        Self { reason, hidden_amounts: false, detail: Detail::None }
    }

    /// A denial about the model that was asked for. Its name is repeated to the client, at most 256 characters of it
    /// and with control characters escaped.
    pub fn model(reason: Reason, requested: Option<&str>) -> Self {
        let detail = requested.map_or(Detail::None, |name| Detail::Model(shortened(name).into()));
        Self { reason, hidden_amounts: false, detail }
    }

    /// A denial by a meter that is full.
    pub fn budget(detail: BudgetDetail) -> Self {
        let reason = Reason::exceeded(detail.meter);
        Self { reason, hidden_amounts: false, detail: Detail::Budget(Box::new(detail)) }
    }

    /// A request id that stands for another request: the gateway's own mistake, and nothing was set aside. `what` says
    /// which rule it breaks.
    pub fn conflict(what: &'static str) -> Self {
        Self { reason: Reason::InternalError, hidden_amounts: false, detail: Detail::Conflict(what) }
    }

    /// Whether a request id stands for another request.
    pub fn is_conflict(&self) -> bool {
        matches!(self.detail, Detail::Conflict(_))
    }

    /// An argument that is out of bounds: the gateway's own mistake, and nothing was set aside. `what` says what it must
    /// be.
    pub fn invalid(field: &'static str, what: &'static str) -> Self {
        let detail = Detail::Invalid(Box::new((field, what)));
        Self { reason: Reason::InternalError, hidden_amounts: false, detail }
    }

    /// The argument that is out of bounds and what it must be, where that is why.
    pub fn invalid_argument(&self) -> Option<(&'static str, &'static str)> {
        match &self.detail {
            Detail::Invalid(argument) => Some(**argument),
            _ => None,
        }
    }

    /// Two different credentials in one request: using either would be a guess.
    pub(super) fn ambiguous() -> Self {
        Self { reason: Reason::MalformedKey, hidden_amounts: false, detail: Detail::Ambiguous }
    }

    /// An `Authorization` header of another scheme, and no key beside it.
    pub(super) fn not_bearer() -> Self {
        Self { reason: Reason::MissingKey, hidden_amounts: false, detail: Detail::NotBearer }
    }

    /// The same denial, telling no amounts: neither the message nor the body then says more of a budget than its
    /// name, whether it is final, and when it resets.
    pub fn with_hidden_amounts(mut self) -> Self {
        self.hidden_amounts = true;
        self
    }

    /// The same denial, not telling that a key exists: a retired, revoked, disabled, expired or not yet valid key
    /// becomes [`Reason::UnknownKey`]. Any other denial stays as it is.
    pub fn with_hidden_state(self) -> Self {
        match self.reason {
            Reason::SecretRetired
            | Reason::KeyRevoked
            | Reason::KeyDisabled
            | Reason::KeyNotYetValid
            | Reason::KeyExpired => {
                Self { reason: Reason::UnknownKey, detail: Detail::None, hidden_amounts: self.hidden_amounts }
            }
            _ => self,
        }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The HTTP status to answer with.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }

    /// The meter that refused, as it stood, amounts included: for the gateway, not for its client.
    pub fn budget_detail(&self) -> Option<&BudgetDetail> {
        match &self.detail {
            Detail::Budget(detail) => Some(detail),
            _ => None,
        }
    }

    /// The same request may be admitted in a moment, with nothing changed by anyone: calls in flight are in its way,
    /// or the ledger does not answer.
    pub fn transient(&self) -> bool {
        match (&self.detail, self.reason) {
            (Detail::Budget(detail), _) => detail.transient,
            (_, reason) => matches!(reason, Reason::RateLimited | Reason::LedgerUnavailable),
        }
    }

    /// How long to wait before the request is worth repeating, in whole seconds and at least one: a second for what
    /// is transient, until the reset for a budget that is used up, `None` where waiting does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        if self.transient() {
            return Some(SHORT_WAIT);
        }
        // Rounded up: a client that comes back a moment before the reset is refused again.
        self.budget_detail().map(|detail| {
            let wait = detail.resets_at.since(detail.now);
            let part = u64::from(wait.subsec_nanos() > 0);
            Duration::from_secs(wait.as_secs().saturating_add(part).max(1))
        })
    }

    /// When the meter that refused starts from zero; `None` unless a budget refused.
    pub fn resets_at(&self) -> Option<Timestamp> {
        self.budget_detail().map(|detail| detail.resets_at)
    }

    /// What happened and what to do about it, for the developer of the client.
    pub fn message(&self) -> String {
        message::of(self.reason, &self.detail, self.hidden_amounts)
    }

    /// The headers to answer with, names in lower case as HTTP/2 and ASGI want them: `content-type`, and as they
    /// apply `x-should-retry`, `retry-after` (seconds), `www-authenticate`.
    ///
    /// `x-should-retry` outranks the status in the OpenAI and Anthropic clients. Without it they repeat every 429,
    /// however final, and a `retry-after` of more than a minute does not stop them.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if self.transient() {
            headers.push(("x-should-retry", "true".to_owned()));
        } else if self.reason != Reason::InternalError {
            headers.push(("x-should-retry", "false".to_owned()));
        }
        if let Some(wait) = self.retry_after() {
            headers.push(("retry-after", wait.as_secs().to_string()));
        }
        if self.status() == 401 {
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        headers
    }

    pub(super) fn hides_amounts(&self) -> bool {
        self.hidden_amounts
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Denial {}

fn shortened(name: &str) -> &str {
    let end = name.char_indices().nth(MODEL_NAME_LIMIT).map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::wire) fn day(limit: i128, used: i128, held: i128, requested: i128) -> BudgetDetail {
        BudgetDetail {
            meter: Meter::DailySpend,
            limit,
            used,
            held,
            requested,
            window_start: "2026-11-23T00:00:00Z".parse().unwrap(),
            resets_at: "2026-11-24T00:00:00Z".parse().unwrap(),
            now: "2026-11-23T23:59:00.000001Z".parse().unwrap(),
            transient: used.saturating_add(requested) <= limit,
        }
    }

    fn header(denial: &Denial, name: &str) -> Option<String> {
        denial.headers().into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    #[test]
    fn a_final_budget_denial_stops_the_retries_of_the_clients() {
        let denial = Denial::budget(day(25, 25, 0, 1));
        assert_eq!((denial.status(), denial.transient()), (429, false));
        assert_eq!(header(&denial, "x-should-retry").unwrap(), "false");
        assert_eq!(header(&denial, "retry-after").unwrap(), "60", "59.999999 s, rounded up");
        assert_eq!(denial.resets_at(), Some("2026-11-24T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_denial_at_the_very_reset_still_asks_for_a_second() {
        let mut detail = day(25, 25, 0, 1);
        detail.now = detail.resets_at;
        assert_eq!(Denial::budget(detail).retry_after(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_transient_budget_denial_invites_a_retry() {
        let denial = Denial::budget(day(25, 20, 5, 1));
        assert!(denial.transient());
        assert_eq!(header(&denial, "x-should-retry").unwrap(), "true");
        assert_eq!(header(&denial, "retry-after").unwrap(), "1");
    }

    #[test]
    fn only_401_asks_for_credentials_and_only_waiting_that_helps_is_suggested() {
        for reason in Reason::ALL {
            let denial = Denial::new(reason);
            assert_eq!(header(&denial, "www-authenticate").is_some(), reason.status() == 401, "{reason}");
            assert_eq!(denial.retry_after().is_some(), denial.transient(), "{reason}");
            let retry = match reason {
                Reason::RateLimited | Reason::LedgerUnavailable => Some("true"),
                Reason::InternalError => None,
                _ => Some("false"),
            };
            assert_eq!(header(&denial, "x-should-retry").as_deref(), retry, "{reason}");
        }
    }

    #[test]
    fn hidden_state_makes_every_dead_key_unknown() {
        let hidden: Vec<_> = Reason::ALL
            .into_iter()
            .filter(|&reason| Denial::new(reason).with_hidden_state().reason() != reason)
            .collect();
        assert_eq!(
            hidden,
            [
                Reason::SecretRetired,
                Reason::KeyRevoked,
                Reason::KeyDisabled,
                Reason::KeyNotYetValid,
                Reason::KeyExpired
            ]
        );
        assert_eq!(Denial::new(Reason::KeyRevoked).with_hidden_state(), Denial::new(Reason::UnknownKey));
    }

    #[test]
    fn a_denial_is_small() {
        assert!(size_of::<Denial>() <= 32);
    }
}
