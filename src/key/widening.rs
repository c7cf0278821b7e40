//! Which fields of a changed key let more through than before.

use super::history::StoredSecret;
use super::record::Key;
use crate::Timestamp;
use crate::policy::{ModelPattern, ModelRules};

impl Key {
    /// The fields by which `new`, another version of this key, admits a request that this one refuses.
    pub fn widened_by(&self, new: &Self) -> Vec<&'static str> {
        widened_fields(self, new)
    }

    /// The fields by which `new`, another version of this key, admits whom this one refuses whatever they ask for: it was
    /// switched off, or revoked, or their secret was retired.
    pub(crate) fn revived_by(&self, new: &Self) -> Vec<&'static str> {
        let lives_longer = |secret: &StoredSecret| {
            let known = self.secret(secret.hash().digest());
            known.is_some_and(|known| raised(known.retires_at(), secret.retires_at()))
        };
        let fields = [
            ("enabled", new.enabled() && !self.enabled()),
            ("revoked_at", raised(self.revoked_at(), new.revoked_at())),
            ("secrets", new.secrets().any(|secret| lives_longer(&secret))),
        ];
        fields.into_iter().filter_map(|(field, revived)| revived.then_some(field)).collect()
    }
}

/// The fields by which `new` admits a request that `old` refused.
///
/// Switching a key back on is not among them, since whoever says so means it; and a time bound that moves counts
/// even when it is past, because clocks are set back.
pub(super) fn widened_fields(old: &Key, new: &Key) -> Vec<&'static str> {
    let mut fields = widened_models(old.models(), new.models());
    let mut note = |field, widened| {
        if widened {
            fields.push(field);
        }
    };
    note("purpose", old.purpose().is_some() && new.purpose() != old.purpose());
    note("daily_spend_limit", raised(old.daily_spend_limit(), new.daily_spend_limit()));
    note("monthly_spend_limit", raised(old.monthly_spend_limit(), new.monthly_spend_limit()));
    note("daily_token_limit", raised(old.daily_token_limit(), new.daily_token_limit()));
    note("allowed_ips", old.policy().addresses().is_widened_by(new.policy().addresses()));
    note("allowed_endpoints", old.policy().endpoints().is_widened_by(new.policy().endpoints()));
    let start = |key: &Key| key.not_before().unwrap_or(Timestamp::EPOCH);
    note("not_before", start(new) < start(old));
    note("expires_at", raised(old.expires_at(), new.expires_at()));
    fields
}

// No limit is the highest there is.
fn raised<T: PartialOrd>(old: Option<T>, new: Option<T>) -> bool {
    old.is_some_and(|old| new.is_none_or(|new| new > old))
}

// The two lists act together, so each is tried alone to see which of them opens the key; both, if only together.
fn widened_models(old: &ModelRules, new: &ModelRules) -> Vec<&'static str> {
    if !old.is_widened_by(new) {
        return Vec::new();
    }
    let alone = |allowed: &ModelRules, denied: &ModelRules| {
        let patterns = |entry| ModelPattern::parse(entry).ok();
        let rules =
            ModelRules::new(allowed.allowed().filter_map(patterns), denied.denied().filter_map(patterns));
        old.is_widened_by(&rules)
    };
    let (allowed, denied) = (alone(new, old), alone(old, new));
    let mut fields = Vec::new();
    if allowed || !denied {
        fields.push("allowed_models");
    }
    if denied || !allowed {
        fields.push("denied_models");
    }
    fields
}
