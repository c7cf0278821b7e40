//! A key's policy, and one request held against it.

use super::{AddressRules, ClientIp, EndpointRules, ModelRules, Purpose};

/// What a key may do: from where, at which endpoints, for which purpose, with which models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    models: ModelRules,
    // Most keys restrict their models at most, and a million keys are kept.
    rest: Option<Box<Rest>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rest {
    addresses: AddressRules,
    endpoints: EndpointRules,
    purpose: Option<Purpose>,
}

static ANYWHERE: AddressRules = AddressRules::any();
static ANYTHING: EndpointRules = EndpointRules::any();

/// What the host knows of a request when it asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The client's address.
    pub ip: ClientIp<'a>,
    /// The routed path, with its method before it if the host says so: `POST /v1/chat/completions`.
    pub endpoint: Option<&'a str>,
    /// What the request is for.
    pub purpose: Option<&'a str>,
    /// The model it asks for, as it will be dispatched.
    pub model: Option<&'a str>,
}

/// Why a policy refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The client's address is not listed, or was not stated.
    #[error("{}", if *missing { "the key is bound to addresses and none was stated" } else { "address not allowed" })]
    IpNotAllowed {
        /// No address was stated, so there was nothing to compare.
        missing: bool,
    },
    /// The endpoint is not listed, was not stated, or is not a plain path.
    #[error("endpoint not allowed")]
    EndpointNotAllowed,
    /// The request states another purpose, or none.
    #[error("purpose not allowed")]
    PurposeNotAllowed,
    /// The key is restricted in its models and the request names none.
    #[error("the key is bound to models and the request names none")]
    ModelMissing,
    /// The model is not allowed, is denied, or could not be a model's name.
    #[error("model not allowed")]
    ModelNotAllowed,
}

impl Policy {
    /// A policy of these parts.
    pub fn new(
        models: ModelRules,
        addresses: AddressRules,
        endpoints: EndpointRules,
        purpose: Option<Purpose>,
    ) -> Self {
        let rest = Rest { addresses, endpoints, purpose };
        Self { models, rest: if rest == Rest::default() { None } else { Some(Box::new(rest)) } }
    }

    /// The models.
    pub fn models(&self) -> &ModelRules {
        &self.models
    }

    /// The client addresses.
    pub fn addresses(&self) -> &AddressRules {
        self.rest.as_ref().map_or(&ANYWHERE, |rest| &rest.addresses)
    }

    /// The endpoints.
    pub fn endpoints(&self) -> &EndpointRules {
        self.rest.as_ref().map_or(&ANYTHING, |rest| &rest.endpoints)
    }

    /// The purpose, if there is one.
    pub fn purpose(&self) -> Option<&Purpose> {
        self.rest.as_ref().and_then(|rest| rest.purpose.as_ref())
    }

    /// Holds a request against the policy: address, endpoint, purpose, model, in this order.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn check(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        if self.rest.is_some() {
            self.check_ip(facts.ip)?;
            self.check_endpoint(facts.endpoint)?;
            self.check_purpose(facts.purpose)?;
        }
        self.check_model(facts.model)
    }

    /// The address rule alone.
    ///
    /// # Errors
    /// [`Refusal::IpNotAllowed`].
    pub fn check_ip(&self, ip: ClientIp<'_>) -> Result<(), Refusal> {
        let rules = self.addresses();
        let permitted = !rules.is_restricted() || ip.address().is_some_and(|address| rules.contains(address));
        permit(permitted, Refusal::IpNotAllowed { missing: ip == ClientIp::Unstated })
    }

    /// The endpoint rule alone.
    ///
    /// # Errors
    /// [`Refusal::EndpointNotAllowed`].
    pub fn check_endpoint(&self, endpoint: Option<&str>) -> Result<(), Refusal> {
        let rules = self.endpoints();
        let permitted = endpoint.map_or(!rules.is_restricted(), |endpoint| rules.permits(endpoint));
        permit(permitted, Refusal::EndpointNotAllowed)
    }

    /// The purpose rule alone.
    ///
    /// # Errors
    /// [`Refusal::PurposeNotAllowed`].
    pub fn check_purpose(&self, purpose: Option<&str>) -> Result<(), Refusal> {
        let permitted = self.purpose().is_none_or(|own| purpose == Some(own.as_str()));
        permit(permitted, Refusal::PurposeNotAllowed)
    }

    /// The model rule alone.
    ///
    /// # Errors
    /// [`Refusal::ModelMissing`] or [`Refusal::ModelNotAllowed`].
    pub fn check_model(&self, model: Option<&str>) -> Result<(), Refusal> {
        match model {
            Some(model) => permit(self.models.permits(model), Refusal::ModelNotAllowed),
            None => permit(!self.models.is_restricted(), Refusal::ModelMissing),
        }
    }
}

fn permit(permitted: bool, refusal: Refusal) -> Result<(), Refusal> {
    if permitted { Ok(()) } else { Err(refusal) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ModelPattern;

    fn strict() -> Policy {
        Policy::new(
            ModelRules::new([ModelPattern::parse("gpt-4").unwrap()], []),
            AddressRules::new([AddressRules::parse_entry("10.0.0.0/8").unwrap()]),
            EndpointRules::new(["/v1/*"]).unwrap(),
            Some("chat".parse().unwrap()),
        )
    }

    fn good() -> Facts<'static> {
        Facts {
            ip: "10.1.2.3".into(),
            endpoint: Some("/v1/chat/completions"),
            purpose: Some("chat"),
            model: Some("gpt-4"),
        }
    }

    #[test]
    fn the_first_rule_that_refuses_answers() {
        let policy = strict();
        assert_eq!(policy.check(&good()), Ok(()));
        let mut facts = Facts::default();
        assert_eq!(policy.check(&facts), Err(Refusal::IpNotAllowed { missing: true }));
        facts.ip = "11.0.0.1".into();
        assert_eq!(policy.check(&facts), Err(Refusal::IpNotAllowed { missing: false }));
        facts.ip = good().ip;
        assert_eq!(policy.check(&facts), Err(Refusal::EndpointNotAllowed));
        facts.endpoint = good().endpoint;
        assert_eq!(policy.check(&facts), Err(Refusal::PurposeNotAllowed));
        facts.purpose = good().purpose;
        assert_eq!(policy.check(&facts), Err(Refusal::ModelMissing));
        facts.model = Some("gpt-5");
        assert_eq!(policy.check(&facts), Err(Refusal::ModelNotAllowed));
    }

    #[test]
    fn what_cannot_be_read_is_refused_where_it_matters() {
        let policy = strict();
        for facts in [
            Facts { ip: "10.1.2.3, 10.1.2.4".into(), ..good() },
            Facts { ip: "".into(), ..good() },
            Facts { endpoint: Some("/v1/%2e%2e/admin"), ..good() },
            Facts { purpose: Some("chat "), ..good() },
            Facts { model: Some(""), ..good() },
            Facts { model: Some("gpt-4\n"), ..good() },
        ] {
            assert!(policy.check(&facts).is_err(), "{facts:?}");
            assert_eq!(Policy::default().check(&facts), Ok(()), "{facts:?}");
        }
    }

    #[test]
    fn a_policy_of_models_alone_stays_small() {
        assert_eq!(size_of::<Policy>(), 24);
        assert_eq!(Policy::default().check(&Facts::default()), Ok(()));
    }
}
