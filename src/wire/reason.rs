//! Why a request is refused, and what each reason is called on the wire.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::budget::Meter;

/// Why a request was refused. The order is the order of the checks.
///
/// The names ([`Reason::as_str`]) are the same in every language and never change; new ones may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No key was sent.
    MissingKey,
    /// What was sent cannot be a key, or two different keys were sent.
    MalformedKey,
    /// No key has this secret.
    UnknownKey,
    /// The secret was replaced by a newer one and its overlap is over.
    SecretRetired,
    /// The key was revoked for good.
    KeyRevoked,
    /// The key is switched off.
    KeyDisabled,
    /// The key's first instant has not come yet.
    KeyNotYetValid,
    /// The key's last instant has passed.
    KeyExpired,
    /// The key may not be used from this address.
    IpNotAllowed,
    /// The key may not be used for this endpoint.
    EndpointNotAllowed,
    /// The key may not be used for this purpose.
    PurposeNotAllowed,
    /// The key is restricted in models and the request names none.
    ModelMissing,
    /// The key may not use this model.
    ModelNotAllowed,
    /// The key has a limit and nobody knows what the request may use at most: the model has no price, or neither its price
    /// nor the request bounds the prompt or the answer.
    ModelNotPriced,
    /// Too many calls of this key are in flight.
    RateLimited,
    /// The dollars of the day do not suffice.
    DailySpendExceeded,
    /// The dollars of the month do not suffice.
    MonthlySpendExceeded,
    /// The tokens of the day do not suffice.
    DailyTokensExceeded,
    /// The ledger or the store could not answer.
    LedgerUnavailable,
    /// A fault of the library or its host.
    InternalError,
}

/// A text that names no [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a denial reason, such as model_not_allowed")]
pub struct ReasonError;

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 20] = [
        Self::MissingKey,
        Self::MalformedKey,
        Self::UnknownKey,
        Self::SecretRetired,
        Self::KeyRevoked,
        Self::KeyDisabled,
        Self::KeyNotYetValid,
        Self::KeyExpired,
        Self::IpNotAllowed,
        Self::EndpointNotAllowed,
        Self::PurposeNotAllowed,
        Self::ModelMissing,
        Self::ModelNotAllowed,
        Self::ModelNotPriced,
        Self::RateLimited,
        Self::DailySpendExceeded,
        Self::MonthlySpendExceeded,
        Self::DailyTokensExceeded,
        Self::LedgerUnavailable,
        Self::InternalError,
    ];

    /// The reason for which a full `meter` refuses.
    pub const fn exceeded(meter: Meter) -> Self {
        match meter {
            Meter::DailySpend => Self::DailySpendExceeded,
            Meter::MonthlySpend => Self::MonthlySpendExceeded,
            Meter::DailyTokens => Self::DailyTokensExceeded,
        }
    }

    /// The name used in every language: `model_not_allowed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::MalformedKey => "malformed_key",
            Self::UnknownKey => "unknown_key",
            Self::SecretRetired => "secret_retired",
            Self::KeyRevoked => "key_revoked",
            Self::KeyDisabled => "key_disabled",
            Self::KeyNotYetValid => "key_not_yet_valid",
            Self::KeyExpired => "key_expired",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::EndpointNotAllowed => "endpoint_not_allowed",
            Self::PurposeNotAllowed => "purpose_not_allowed",
            Self::ModelMissing => "model_missing",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ModelNotPriced => "model_not_priced",
            Self::RateLimited => "rate_limited",
            Self::DailySpendExceeded => "daily_spend_exceeded",
            Self::MonthlySpendExceeded => "monthly_spend_exceeded",
            Self::DailyTokensExceeded => "daily_tokens_exceeded",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::InternalError => "internal_error",
        }
    }

    /// The HTTP status to answer with.
    ///
    /// An unpriced model is 403 and not 400: the request is well formed and may be right for another key; it is
    /// this key's spend limit that cannot be kept. Clients retry neither.
    pub const fn status(self) -> u16 {
        match self {
            Self::ModelMissing => 400,
            Self::MissingKey
            | Self::MalformedKey
            | Self::UnknownKey
            | Self::SecretRetired
            | Self::KeyRevoked
            | Self::KeyDisabled
            | Self::KeyNotYetValid
            | Self::KeyExpired => 401,
            Self::IpNotAllowed
            | Self::EndpointNotAllowed
            | Self::PurposeNotAllowed
            | Self::ModelNotAllowed
            | Self::ModelNotPriced => 403,
            Self::RateLimited
            | Self::DailySpendExceeded
            | Self::MonthlySpendExceeded
            | Self::DailyTokensExceeded => 429,
            Self::InternalError => 500,
            Self::LedgerUnavailable => 503,
        }
    }

    /// The `type` of an OpenAI error. A budget reason answers as if final; a [`Denial`](super::Denial) knows better.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limit_error",
            Self::DailySpendExceeded | Self::MonthlySpendExceeded | Self::DailyTokensExceeded => {
                "insufficient_quota"
            }
            Self::LedgerUnavailable | Self::InternalError => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The `code` of an OpenAI error: never null, because it is what clients branch on. A budget reason answers as if
    /// final.
    ///
    /// `missing_api_key` is a code of our own, told apart from `invalid_api_key` so that a client whose
    /// environment variable is empty does not go looking for a fault in its key. A model that is not allowed answers
    /// OpenAI's `model_not_found`, for which clients already have a branch.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_api_key",
            Self::MalformedKey
            | Self::UnknownKey
            | Self::SecretRetired
            | Self::KeyRevoked
            | Self::KeyDisabled
            | Self::KeyNotYetValid
            | Self::KeyExpired => "invalid_api_key",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::EndpointNotAllowed | Self::PurposeNotAllowed => "permission_denied",
            Self::ModelMissing => "missing_required_parameter",
            Self::ModelNotAllowed => "model_not_found",
            Self::ModelNotPriced => "model_not_priced",
            Self::RateLimited => "rate_limit_exceeded",
            Self::DailySpendExceeded | Self::MonthlySpendExceeded | Self::DailyTokensExceeded => {
                "insufficient_quota"
            }
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::InternalError => "internal_error",
        }
    }

    /// The `param` of an OpenAI error: the field of the request that is at fault, if it is one field.
    pub const fn param(self) -> Option<&'static str> {
        match self {
            Self::ModelMissing | Self::ModelNotAllowed | Self::ModelNotPriced => Some("model"),
            _ => None,
        }
    }

    // The `type` of an Anthropic error with this status. Its SDK and documentation tie each type to one status, and
    // `billing_error` to 402, so a budget answers `rate_limit_error` with its 429; the header says not to retry.
    pub(super) const fn anthropic_kind(self) -> &'static str {
        match self.status() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            400 => "invalid_request_error",
            _ => "api_error",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(text: &str) -> Result<Self, ReasonError> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(ReasonError)
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_contract() {
        let names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(
            names.join(" "),
            "missing_key malformed_key unknown_key secret_retired key_revoked key_disabled key_not_yet_valid \
             key_expired ip_not_allowed endpoint_not_allowed purpose_not_allowed model_missing model_not_allowed \
             model_not_priced rate_limited daily_spend_exceeded monthly_spend_exceeded daily_tokens_exceeded \
             ledger_unavailable internal_error"
        );
        assert!(Reason::ALL.is_sorted());
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.to_string());
        }
        assert_eq!("Model_not_allowed".parse::<Reason>(), Err(ReasonError));
    }

    #[test]
    fn the_table_of_the_wire() {
        for (reason, status, kind, code, param, anthropic) in [
            ("missing_key", 401, "invalid_request_error", "missing_api_key", None, "authentication_error"),
            ("unknown_key", 401, "invalid_request_error", "invalid_api_key", None, "authentication_error"),
            ("key_expired", 401, "invalid_request_error", "invalid_api_key", None, "authentication_error"),
            ("ip_not_allowed", 403, "invalid_request_error", "ip_not_allowed", None, "permission_error"),
            (
                "purpose_not_allowed",
                403,
                "invalid_request_error",
                "permission_denied",
                None,
                "permission_error",
            ),
            (
                "model_missing",
                400,
                "invalid_request_error",
                "missing_required_parameter",
                Some("model"),
                "invalid_request_error",
            ),
            (
                "model_not_allowed",
                403,
                "invalid_request_error",
                "model_not_found",
                Some("model"),
                "permission_error",
            ),
            (
                "model_not_priced",
                403,
                "invalid_request_error",
                "model_not_priced",
                Some("model"),
                "permission_error",
            ),
            ("rate_limited", 429, "rate_limit_error", "rate_limit_exceeded", None, "rate_limit_error"),
            (
                "daily_tokens_exceeded",
                429,
                "insufficient_quota",
                "insufficient_quota",
                None,
                "rate_limit_error",
            ),
            ("ledger_unavailable", 503, "server_error", "ledger_unavailable", None, "api_error"),
            ("internal_error", 500, "server_error", "internal_error", None, "api_error"),
        ] {
            let reason: Reason = reason.parse().unwrap();
            assert_eq!(
                (reason.status(), reason.kind(), reason.code(), reason.param(), reason.anthropic_kind()),
                (status, kind, code, param, anthropic),
                "{reason}"
            );
        }
    }

    #[test]
    fn every_meter_has_its_reason() {
        for meter in Meter::ALL {
            assert_eq!(Reason::exceeded(meter).as_str(), format!("{meter}_exceeded"));
        }
    }
}
