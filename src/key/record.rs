//! The record of a key, packed: a gateway keeps a million of them.

use std::fmt;
use std::sync::LazyLock;

use super::digest::{Digest, Kid, SecretHash};
use super::hint::{Hint, HintStyle, Shown};
use super::history::{History, StoredSecret};
use super::packed::{PackedCount, PackedMoney, PackedTime};
use super::parts::Parts;
use super::prefix::Prefix;
use super::secret::SecretFormat;
use crate::budget::{Calendar, Limits, Money, Owner, Threshold};
use crate::policy::{ModelPattern, ModelRules, Policy, Purpose};
use crate::{KeyId, Timestamp};

/// A key: its name, what it may do, how much it may spend, and the hashes of its secrets.
///
/// A value that never changes: an edit, a rotation or a revocation makes a new one with a higher
/// [`revision`](Key::revision). A key with a name, two models, three limits and one secret takes 200 bytes and two
/// small blocks.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    owner: Owner,
    name: Box<str>,
    policy: Policy,
    daily_spend: PackedMoney,
    monthly_spend: PackedMoney,
    daily_tokens: PackedCount,
    threshold: Option<Threshold>,
    disabled: bool,
    revision: u32,
    newest: Newest,
    created_at: Timestamp,
    updated_at: Timestamp,
    // What few keys have. Its absence stands for the defaults.
    rare: Option<Box<Rare>>,
}

// The newest secret. That it is already bound to retire is rare, so its end is kept there.
#[derive(Clone, PartialEq, Eq)]
struct Newest {
    digest: Digest,
    kid: Kid,
    shown: Shown,
    created_at: Timestamp,
}

#[derive(Clone, PartialEq, Eq)]
struct Rare {
    description: Box<str>,
    prefix: Prefix,
    format: SecretFormat,
    style: HintStyle,
    not_before: PackedTime,
    expires_at: PackedTime,
    revoked_at: PackedTime,
    newest_retires_at: PackedTime,
    calendar: Calendar,
    metadata: Box<str>,
    tags: Box<[Box<str>]>,
    older: Box<[StoredSecret]>,
}

impl Key {
    /// The id, which never changes.
    pub fn id(&self) -> &KeyId {
        self.owner.id()
    }

    /// The key as the owner of its meters.
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// What people call it. Two keys may have the same name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people say about it; empty by default.
    pub fn description(&self) -> &str {
        self.rare().map_or("", |rare| &rare.description)
    }

    /// What its secrets start with.
    pub fn prefix(&self) -> Prefix {
        self.rare().map_or_else(Prefix::default, |rare| rare.prefix)
    }

    /// What it may do.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Which models it may use.
    pub fn models(&self) -> &ModelRules {
        self.policy.models()
    }

    /// The entries of `allowed_models`, in the order given; every model if there are none.
    pub fn allowed_models(&self) -> impl Iterator<Item = &str> {
        self.models().allowed()
    }

    /// The entries of `denied_models`, in the order given.
    pub fn denied_models(&self) -> impl Iterator<Item = &str> {
        self.models().denied()
    }

    /// The one purpose it serves, if it is bound to one.
    pub fn purpose(&self) -> Option<&Purpose> {
        self.policy.purpose()
    }

    /// The entries of `allowed_ips`; every address if there are none.
    pub fn allowed_ips(&self) -> impl Iterator<Item = String> {
        self.policy.addresses().entries()
    }

    /// The entries of `allowed_endpoints`; every endpoint if there are none.
    pub fn allowed_endpoints(&self) -> impl Iterator<Item = &str> {
        self.policy.endpoints().iter()
    }

    /// The most it may spend in a day. None is no limit, zero is nothing.
    pub fn daily_spend_limit(&self) -> Option<Money> {
        self.daily_spend.get()
    }

    /// The most it may spend in a calendar month. None is no limit, zero is nothing.
    pub fn monthly_spend_limit(&self) -> Option<Money> {
        self.monthly_spend.get()
    }

    /// The most tokens it may use in a day. None is no limit, zero is nothing.
    pub fn daily_token_limit(&self) -> Option<u64> {
        self.daily_tokens.get()
    }

    /// What it may use, and when to tell.
    #[inline]
    pub fn limits(&self) -> Limits {
        Limits {
            daily_spend: self.daily_spend.get(),
            monthly_spend: self.monthly_spend.get(),
            daily_tokens: self.daily_tokens.get(),
            alert_threshold: self.threshold,
        }
    }

    /// The calendar by which its days and months are counted.
    #[inline]
    pub fn calendar(&self) -> &Calendar {
        static UTC: LazyLock<Calendar> = LazyLock::new(Calendar::default);
        self.rare().map_or_else(|| &*UTC, |rare| &rare.calendar)
    }

    /// The share of each limit at which an alert is sent, if any.
    pub fn alert_threshold(&self) -> Option<Threshold> {
        self.threshold
    }

    /// The instant before which it is refused.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.rare().and_then(|rare| rare.not_before.get())
    }

    /// The instant from which on it is refused.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.rare().and_then(|rare| rare.expires_at.get())
    }

    /// The IANA time zone whose midnight ends its day: `UTC` by default.
    pub fn timezone(&self) -> &str {
        self.rare().map_or("UTC", |rare| rare.calendar.zone().name())
    }

    /// The caller's own data, as the text of a JSON object; never looked at.
    pub fn metadata(&self) -> &str {
        self.rare().map(|rare| &*rare.metadata).filter(|json| !json.is_empty()).unwrap_or("{}")
    }

    /// The caller's own labels.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.rare().map_or(&[][..], |rare| &rare.tags).iter().map(|tag| &**tag)
    }

    /// Whether it is switched on; a key that is may still be revoked or expired, see [`Key::state_at`].
    pub fn enabled(&self) -> bool {
        !self.disabled
    }

    /// Since when it is revoked, if it is.
    pub fn revoked_at(&self) -> Option<Timestamp> {
        self.rare().and_then(|rare| rare.revoked_at.get())
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When it was last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// How often it was changed, from 1.
    pub fn revision(&self) -> u64 {
        u64::from(self.revision)
    }

    /// How its secrets are written: those that a rotation makes, too.
    pub fn secret_format(&self) -> SecretFormat {
        self.rare().map(|rare| rare.format).unwrap_or_default()
    }

    /// How much of its secrets their hints show.
    pub fn hint_style(&self) -> HintStyle {
        self.rare().map(|rare| rare.style).unwrap_or_default()
    }

    /// What may be shown of its newest secret, if anything.
    pub fn hint(&self) -> Option<Hint> {
        Hint::new(self.prefix(), self.newest.shown)
    }

    /// Its secrets, retired ones included, newest first.
    pub fn secrets(&self) -> impl Iterator<Item = StoredSecret> {
        std::iter::once(self.newest_secret()).chain(self.older().iter().copied())
    }

    /// The one of its secrets that has this digest, retired or not.
    pub fn secret(&self, digest: &Digest) -> Option<StoredSecret> {
        if self.newest.digest == *digest {
            return Some(self.newest_secret());
        }
        self.older().iter().find(|secret| secret.hash.digest() == digest).copied()
    }

    /// The same record as revision `revision`, for stores that count revisions themselves.
    pub(crate) fn with_revision(&self, revision: u64) -> Self {
        Self { revision: u32::try_from(revision).unwrap_or(u32::MAX), ..self.clone() }
    }

    /// The same record as the next reading of `known`, which it takes the place of: of its revision, and with its time
    /// zone from the end of the windows that are current at `now`.
    pub(crate) fn following(&self, known: &Self, now: Timestamp) -> Self {
        let mut key = self.with_revision(known.revision());
        let calendar = known.calendar().changed(self.calendar().zone(), now);
        if calendar != *self.calendar() {
            let rare = Rare { calendar, ..key.rare.map(|rare| *rare).unwrap_or_default() };
            key.rare = if rare == Rare::default() { None } else { Some(Box::new(rare)) };
        }
        key
    }

    pub(super) fn pack(mut parts: Parts, history: History) -> Self {
        let policy = parts.policy();
        let newest = history.newest;
        let rare = Rare {
            description: parts.description,
            prefix: parts.prefix,
            format: parts.format,
            style: parts.style,
            not_before: PackedTime::new(parts.not_before),
            expires_at: PackedTime::new(parts.expires_at),
            revoked_at: PackedTime::new(history.revoked_at),
            newest_retires_at: PackedTime::new(newest.retires_at),
            calendar: history.calendar.changed(parts.zone, history.updated_at),
            metadata: parts.metadata,
            tags: parts.tags.into(),
            older: history.older.into(),
        };
        Self {
            owner: history.owner,
            name: parts.name,
            policy,
            daily_spend: PackedMoney::new(parts.daily_spend),
            monthly_spend: PackedMoney::new(parts.monthly_spend),
            daily_tokens: PackedCount::new(parts.daily_tokens),
            threshold: parts.threshold,
            disabled: parts.disabled,
            revision: u32::try_from(history.revision).unwrap_or(u32::MAX),
            newest: Newest {
                digest: *newest.hash.digest(),
                kid: newest.hash.kid_id(),
                shown: newest.shown,
                created_at: newest.created_at,
            },
            created_at: history.created_at,
            updated_at: history.updated_at,
            rare: if rare == Rare::default() { None } else { Some(Box::new(rare)) },
        }
    }

    pub(super) fn parts(&self) -> Parts {
        let patterns = |entry| ModelPattern::parse(entry).ok();
        Parts {
            name: self.name.clone(),
            description: self.description().into(),
            prefix: self.prefix(),
            format: self.secret_format(),
            style: self.hint_style(),
            allowed: self.allowed_models().filter_map(patterns).collect(),
            denied: self.denied_models().filter_map(patterns).collect(),
            addresses: self.policy.addresses().clone(),
            endpoints: self.policy.endpoints().clone(),
            purpose: self.purpose().cloned(),
            daily_spend: self.daily_spend_limit(),
            monthly_spend: self.monthly_spend_limit(),
            daily_tokens: self.daily_token_limit(),
            threshold: self.threshold,
            not_before: self.not_before(),
            expires_at: self.expires_at(),
            zone: self.calendar().zone(),
            metadata: self.rare().map(|rare| rare.metadata.clone()).unwrap_or_default(),
            tags: self.tags().map(Into::into).collect(),
            disabled: self.disabled,
        }
    }

    /// The history of this key and of one more change at `now`.
    pub(super) fn continued(&self, now: Timestamp) -> History {
        History {
            owner: self.owner.clone(),
            calendar: self.calendar().clone(),
            newest: self.newest_secret(),
            older: self.older().to_vec(),
            revoked_at: self.revoked_at(),
            created_at: self.created_at,
            updated_at: now,
            revision: self.revision().saturating_add(1),
        }
    }

    fn newest_secret(&self) -> StoredSecret {
        let Newest { digest, kid, shown, created_at } = self.newest;
        let retires_at = self.rare().and_then(|rare| rare.newest_retires_at.get());
        StoredSecret { hash: SecretHash::new(digest, kid), shown, created_at, retires_at }
    }

    fn older(&self) -> &[StoredSecret] {
        self.rare().map_or(&[], |rare| &rare.older)
    }

    fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }
}

impl Default for Rare {
    fn default() -> Self {
        Self {
            description: Box::default(),
            prefix: Prefix::default(),
            format: SecretFormat::default(),
            style: HintStyle::default(),
            not_before: PackedTime::NONE,
            expires_at: PackedTime::NONE,
            revoked_at: PackedTime::NONE,
            newest_retires_at: PackedTime::NONE,
            calendar: Calendar::default(),
            metadata: Box::default(),
            tags: Box::default(),
            older: Box::default(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", self.id())
            .field("name", &self.name)
            .field("hint", &self.hint())
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_key_stays_small() {
        // And a block each for the name and the models: 16 to 32 bytes, by the allocator.
        assert_eq!(size_of::<Key>(), 200);
        assert!(size_of::<Rare>() <= 144, "{}", size_of::<Rare>());
    }
}
