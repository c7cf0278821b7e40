//! What a gateway asks of the gate.

use std::time::Duration;

use super::waiting::Wait;
use crate::budget::{Money, Usage};
use crate::policy::{ClientIp, Facts};

/// One call to be authorized: who asks, for what, and what it may cost.
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "a request id is what it is called everywhere")]
pub struct Request<'a> {
    pub(super) secret: &'a [u8],
    pub(super) model: Option<&'a str>,
    pub(super) purpose: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) ip: ClientIp<'a>,
    pub(super) estimate: Usage,
    pub(super) request_id: Option<&'a str>,
    pub(super) wait: Wait<'a>,
}

impl<'a> Request<'a> {
    /// A request by whoever presents `secret`: the bearer key as it came, text or bytes.
    pub fn new(secret: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            secret: secret.as_ref(),
            model: None,
            purpose: None,
            endpoint: None,
            ip: ClientIp::Unstated,
            estimate: Usage::ZERO,
            request_id: None,
            wait: Wait::NONE,
        }
    }

    /// The model that is asked for, exactly as the client spelled it.
    pub fn model(self, model: &'a str) -> Self {
        Self { model: Some(model), ..self }
    }

    /// What the call is for.
    pub fn purpose(self, purpose: &'a str) -> Self {
        Self { purpose: Some(purpose), ..self }
    }

    /// The path that was routed, such as `/v1/chat/completions`, with or without a method before it.
    pub fn endpoint(self, endpoint: &'a str) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    /// The client's address; see [`resolve_client_ip`](crate::policy::resolve_client_ip) for one behind proxies.
    pub fn ip(self, ip: impl Into<ClientIp<'a>>) -> Self {
        Self { ip: ip.into(), ..self }
    }

    /// The most the call is expected to cost, US dollars.
    pub fn cost(self, cost: Money) -> Self {
        Self { estimate: Usage { cost, ..self.estimate }, ..self }
    }

    /// The most tokens the call is expected to take, input and output together.
    pub fn tokens(self, tokens: u64) -> Self {
        Self { estimate: Usage { tokens, ..self.estimate }, ..self }
    }

    /// The gateway's own name for this request, scoped to the key, 1 to 256 bytes. Asked again while the call is in
    /// flight, the same request finds the same hold. Never take it from the client. One that is empty or longer is the gateway's
    /// mistake, and the denial says so ([`Denial::invalid_argument`](crate::Denial::invalid_argument)).
    pub fn request_id(self, id: &'a str) -> Self {
        Self { request_id: Some(id), ..self }
    }

    /// What a policy is asked about this request.
    pub(super) fn facts(&self) -> Facts<'a> {
        Facts { ip: self.ip, endpoint: self.endpoint, purpose: self.purpose, model: self.model }
    }

    /// How long to wait, blocking this thread, while nothing but calls in flight stands in the way. Zero, the default, does not
    /// wait.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait: Wait { length: wait, ..self.wait }, ..self }
    }

    /// Ends the wait once `given_up` says so: the call is then denied as if the time were over. It is asked whenever the waiting
    /// call looks for room, at least every 20 milliseconds, and holds that call up.
    pub fn wait_unless(self, given_up: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { wait: Wait { given_up: Some(given_up), ..self.wait }, ..self }
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("model", &self.model)
            .field("purpose", &self.purpose)
            .field("endpoint", &self.endpoint)
            .field("ip", &self.ip)
            .field("estimate", &self.estimate)
            .field("request_id", &self.request_id)
            .field("wait", &self.wait.length)
            .finish_non_exhaustive()
    }
}
