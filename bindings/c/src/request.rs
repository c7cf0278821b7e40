//! What a gateway asks of the gate.

use std::time::Duration;

use enclava_keys::Request;

use crate::fault::Fault;
use crate::money::enclava_usage;
use crate::sized::Growable;
use crate::text::{Kept, enclava_str};

/// One call to be authorized. Make an empty one with enclava_request_init(): every field that is zero is not stated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_request {
    /// sizeof(enclava_request).
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// The bearer key as it came.
    pub secret: enclava_str,
    /// The model that is asked for, exactly as the client spelled it.
    pub model: enclava_str,
    /// What the call is for.
    pub purpose: enclava_str,
    /// The path that was routed, such as "/v1/chat/completions", with or without a method before it.
    pub endpoint: enclava_str,
    /// The client's address as text; see enclava_client_ip() for one behind proxies.
    pub ip: enclava_str,
    /// The gateway's own name for this request, scoped to the key, 1 to 256 bytes. While the call is in flight the same
    /// request finds the same hold. Never take it from the client.
    pub request_id: enclava_str,
    /// The most that the call is expected to take.
    pub estimate: enclava_usage,
    /// How many milliseconds to wait, blocking this thread, while nothing but calls in flight stands in the way. 0 does not wait.
    pub wait_milliseconds: u64,
}

// SAFETY: repr(C), its u32 of size first, no padding; integers and raw pointers, of which any bytes are a value.
unsafe impl Growable for enclava_request {
    const NAME: &'static str = "request";
    const FIRST: usize = 136;
}

impl enclava_request {
    /// The request as the core takes it.
    #[expect(clippy::inline_always, reason = "answered by a function, a request waits to be copied")]
    #[inline(always)]
    pub(crate) fn read(&self) -> Result<Request<'_>, Fault> {
        if self.reserved != 0 {
            return Err(Fault::value("reserved", "must be zero"));
        }
        let estimate = self.estimate.read()?;
        let mut request = Request::new(self.secret.bytes("secret")?)
            .ip(self.ip.stated("ip")?)
            .cost(estimate.cost)
            .tokens(estimate.tokens)
            .wait(Duration::from_millis(self.wait_milliseconds));
        if let Some(model) = self.model.stated("model")? {
            request = request.model(model);
        }
        if let Some(purpose) = self.purpose.stated("purpose")? {
            request = request.purpose(purpose);
        }
        if let Some(endpoint) = self.endpoint.stated("endpoint")? {
            request = request.endpoint(endpoint);
        }
        if let Some(id) = self.request_id.stated("request_id")? {
            request = request.request_id(id);
        }
        Ok(request)
    }
}

/// A request with texts of its own, for a call that is made after the one that lent them has returned.
pub(crate) struct KeptRequest {
    secret: Kept,
    model: Kept,
    purpose: Kept,
    endpoint: Kept,
    ip: Kept,
    request_id: Kept,
    reserved: u32,
    estimate: enclava_usage,
    wait_milliseconds: u64,
}

impl enclava_request {
    pub(crate) fn keep(&self) -> Result<KeptRequest, Fault> {
        Ok(KeptRequest {
            secret: self.secret.keep("secret")?,
            model: self.model.keep("model")?,
            purpose: self.purpose.keep("purpose")?,
            endpoint: self.endpoint.keep("endpoint")?,
            ip: self.ip.keep("ip")?,
            request_id: self.request_id.keep("request_id")?,
            reserved: self.reserved,
            estimate: self.estimate,
            wait_milliseconds: self.wait_milliseconds,
        })
    }
}

impl KeptRequest {
    /// The same request again, lent.
    pub(crate) fn lend(&self) -> enclava_request {
        enclava_request {
            size: 0,
            reserved: self.reserved,
            secret: self.secret.lend(),
            model: self.model.lend(),
            purpose: self.purpose.lend(),
            endpoint: self.endpoint.lend(),
            ip: self.ip.lend(),
            request_id: self.request_id.lend(),
            estimate: self.estimate,
            wait_milliseconds: self.wait_milliseconds,
        }
    }
}
