//! A record laid open: what callers may set, before it is packed into a [`Key`](super::Key).

use super::faults::{Faults, Path};
use super::field::Field;
use super::hint::HintStyle;
use super::prefix::Prefix;
use super::read::Reader;
use super::secret::SecretFormat;
use crate::Timestamp;
use crate::budget::{Money, Threshold, Zone};
use crate::policy::{AddressRules, EndpointRules, ModelPattern, ModelRules, Policy, Purpose};

/// Creation, edit and stored record all read their fields into this: creation and record onto the defaults, an edit
/// onto what the key has. So `null` is the default everywhere, and what is absent stays.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) name: Box<str>,
    pub(super) description: Box<str>,
    pub(super) prefix: Prefix,
    pub(super) format: SecretFormat,
    pub(super) style: HintStyle,
    pub(super) allowed: Vec<ModelPattern>,
    pub(super) denied: Vec<ModelPattern>,
    pub(super) addresses: AddressRules,
    pub(super) endpoints: EndpointRules,
    pub(super) purpose: Option<Purpose>,
    pub(super) daily_spend: Option<Money>,
    pub(super) monthly_spend: Option<Money>,
    pub(super) daily_tokens: Option<u64>,
    pub(super) threshold: Option<Threshold>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) zone: Zone,
    pub(super) metadata: Box<str>,
    pub(super) tags: Vec<Box<str>>,
    pub(super) disabled: bool,
}

impl Parts {
    /// Sets `field`, or reports why it cannot be set so. A field that callers do not set stays as it is.
    pub(super) fn read(&mut self, field: Field, mut from: Reader<'_>) {
        match field {
            Field::Name => self.name = from.name().unwrap_or_default(),
            Field::Description => self.description = from.or_default(Reader::description),
            Field::Prefix => self.prefix = from.or_default(Reader::parsed),
            Field::SecretFormat => {
                let words = "hex, base62, checked or checked_base62";
                self.format = from.or_default(|from| from.word(SecretFormat::parse, words));
            }
            Field::HintStyle => {
                self.style = from.or_default(|from| from.word(HintStyle::parse, "ends, last4 or none"));
            }
            Field::AllowedModels => self.allowed = from.or_default(Reader::models),
            Field::DeniedModels => self.denied = from.or_default(Reader::models),
            Field::Purpose => self.purpose = from.or_none(Reader::purpose),
            Field::DailySpendLimit => self.daily_spend = from.or_none(Reader::money),
            Field::MonthlySpendLimit => self.monthly_spend = from.or_none(Reader::money),
            Field::DailyTokenLimit => self.daily_tokens = from.or_none(Reader::count),
            Field::AlertThreshold => self.threshold = from.or_none(Reader::threshold),
            Field::AllowedIps => self.addresses = from.or_default(Reader::addresses),
            Field::AllowedEndpoints => self.endpoints = from.or_default(Reader::endpoints),
            Field::NotBefore => self.not_before = from.or_none(Reader::time),
            Field::ExpiresAt => self.expires_at = from.or_none(Reader::time),
            Field::Timezone => self.zone = from.or_default(Reader::zone),
            Field::Metadata => self.metadata = from.or_default(Reader::metadata),
            Field::Tags => self.tags = from.or_default(Reader::tags),
            Field::Enabled => self.disabled = from.bool() == Some(false),
            Field::Id
            | Field::Secret
            | Field::KeyHash
            | Field::Secrets
            | Field::RevokedAt
            | Field::CreatedAt
            | Field::UpdatedAt
            | Field::Revision
            | Field::EarlierZones => {}
        }
    }

    /// Reports what no single field can be blamed for.
    pub(super) fn check(&self, faults: &mut Faults) {
        if let (Some(start), Some(end)) = (self.not_before, self.expires_at)
            && start >= end
        {
            let at = Path::Member(&Path::Root, Field::ExpiresAt.name());
            faults.add(&at, "must be later than not_before");
        }
    }

    pub(super) fn policy(&mut self) -> Policy {
        let take = std::mem::take::<Vec<ModelPattern>>;
        let models = ModelRules::new(take(&mut self.allowed), take(&mut self.denied));
        Policy::new(
            models,
            std::mem::take(&mut self.addresses),
            std::mem::take(&mut self.endpoints),
            self.purpose.take(),
        )
    }
}
