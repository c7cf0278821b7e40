//! Why a request is denied, as a number that never changes.

use std::ffi::{CStr, c_char};

use enclava_keys::Reason;

use crate::guard::or;

/// Why a request is denied. Numbers are never reused; one that this header does not know is a denial all the same.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_reason {
    /// There is no denial.
    None = 0,
    /// 401: the request carries no key.
    MissingKey = 1,
    /// 401: what it carries cannot be a key.
    MalformedKey = 2,
    /// 401: nobody has this key.
    UnknownKey = 3,
    /// 401: the key was rotated and this secret has ended.
    SecretRetired = 4,
    /// 401: the key was revoked for good.
    KeyRevoked = 5,
    /// 401: the key is switched off.
    KeyDisabled = 6,
    /// 401: the key's first instant has not come yet.
    KeyNotYetValid = 7,
    /// 401: the key's last instant has passed.
    KeyExpired = 8,
    /// 403: the key may not be used from this address.
    IpNotAllowed = 9,
    /// 403: the key may not be used for this endpoint.
    EndpointNotAllowed = 10,
    /// 403: the key may not be used for this purpose.
    PurposeNotAllowed = 11,
    /// 400: the key is restricted in models and the request names none.
    ModelMissing = 12,
    /// 403: the key may not use this model.
    ModelNotAllowed = 13,
    /// 403: the key has a limit and nobody knows what this request may use at most, for want of a price or of a bound.
    ModelNotPriced = 14,
    /// 429: too many calls of this key are in flight.
    RateLimited = 15,
    /// 429: the dollars of the day do not suffice.
    DailySpendExceeded = 16,
    /// 429: the dollars of the month do not suffice.
    MonthlySpendExceeded = 17,
    /// 429: the tokens of the day do not suffice.
    DailyTokensExceeded = 18,
    /// 503: the ledger or the store cannot answer.
    LedgerUnavailable = 19,
    /// 500: a fault of the library or of its host.
    InternalError = 20,
}

impl From<Reason> for enclava_reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::MissingKey => Self::MissingKey,
            Reason::MalformedKey => Self::MalformedKey,
            Reason::UnknownKey => Self::UnknownKey,
            Reason::SecretRetired => Self::SecretRetired,
            Reason::KeyRevoked => Self::KeyRevoked,
            Reason::KeyDisabled => Self::KeyDisabled,
            Reason::KeyNotYetValid => Self::KeyNotYetValid,
            Reason::KeyExpired => Self::KeyExpired,
            Reason::IpNotAllowed => Self::IpNotAllowed,
            Reason::EndpointNotAllowed => Self::EndpointNotAllowed,
            Reason::PurposeNotAllowed => Self::PurposeNotAllowed,
            Reason::ModelMissing => Self::ModelMissing,
            Reason::ModelNotAllowed => Self::ModelNotAllowed,
            Reason::ModelNotPriced => Self::ModelNotPriced,
            Reason::RateLimited => Self::RateLimited,
            Reason::DailySpendExceeded => Self::DailySpendExceeded,
            Reason::MonthlySpendExceeded => Self::MonthlySpendExceeded,
            Reason::DailyTokensExceeded => Self::DailyTokensExceeded,
            Reason::LedgerUnavailable => Self::LedgerUnavailable,
            // And any reason that this header does not have yet.
            _ => Self::InternalError,
        }
    }
}

/// The name of a reason in every language and in logs, such as "model_not_allowed". "none" for ENCLAVA_REASON_NONE and
/// for a number that is none.
///
/// The text is static: never free it. Callable from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_reason_text(reason: i32) -> *const c_char {
    or(c"none", || name(reason)).as_ptr()
}

fn name(reason: i32) -> &'static CStr {
    match reason {
        1 => c"missing_key",
        2 => c"malformed_key",
        3 => c"unknown_key",
        4 => c"secret_retired",
        5 => c"key_revoked",
        6 => c"key_disabled",
        7 => c"key_not_yet_valid",
        8 => c"key_expired",
        9 => c"ip_not_allowed",
        10 => c"endpoint_not_allowed",
        11 => c"purpose_not_allowed",
        12 => c"model_missing",
        13 => c"model_not_allowed",
        14 => c"model_not_priced",
        15 => c"rate_limited",
        16 => c"daily_spend_exceeded",
        17 => c"monthly_spend_exceeded",
        18 => c"daily_tokens_exceeded",
        19 => c"ledger_unavailable",
        20 => c"internal_error",
        _ => c"none",
    }
}
