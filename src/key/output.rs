//! A key as JSON: for people, without a hash; and for storing, with all that it takes to read it back.

use serde::ser::{Error, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::hint::{Hint, HintStyle};
use super::history::StoredSecret;
use super::prefix::Prefix;
use super::record::Key;
use super::secret::SecretFormat;
use crate::Timestamp;
use crate::budget::Zone;
use crate::policy::Purpose;

/// For people: every field under its name, no secret and no hash. Money is decimal text.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self, Form::Shown, serializer)
    }
}

impl Key {
    /// The key as JSON for people: every field under its name, no secret and no hash.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The key as JSON for storing, with the hashes of its secrets and without what is the default;
    /// [`Key::from_record_json`] reads it back as the same key.
    pub fn to_record_json(&self) -> String {
        serde_json::to_string(&Record(self)).unwrap_or_default()
    }
}

struct Record<'a>(&'a Key);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self.0, Form::Stored, serializer)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Shown,
    Stored,
}

fn write<S: Serializer>(key: &Key, form: Form, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = form == Form::Shown;
    let mut out = Fields { map: serializer.serialize_map(None)?, all: shown };
    let policy = key.policy();
    out.always("id", key.id())?;
    out.always("name", key.name())?;
    out.unless(key.description().is_empty(), "description", key.description())?;
    out.unless(key.prefix() == Prefix::default(), "prefix", key.prefix().as_str())?;
    let (format, style) = (key.secret_format(), key.hint_style());
    out.unless(format == SecretFormat::default(), "secret_format", format.as_str())?;
    out.unless(style == HintStyle::default(), "hint_style", style.as_str())?;
    if shown {
        out.always("hint", &key.hint().map(|hint| hint.to_string()))?;
        out.always("model_access", if key.models().allows_all() { "all" } else { "listed" })?;
    }
    out.list("allowed_models", key.allowed_models())?;
    out.list("denied_models", key.denied_models())?;
    out.option("purpose", key.purpose().map(Purpose::as_str))?;
    out.option("daily_spend_limit", key.daily_spend_limit())?;
    out.option("monthly_spend_limit", key.monthly_spend_limit())?;
    out.option("daily_token_limit", key.daily_token_limit())?;
    // As the number that it was set with: text of JSON, so that it passes through no float.
    let threshold = key.alert_threshold().map(|threshold| threshold.to_string());
    out.option("alert_threshold", threshold.as_deref().map(raw).transpose()?)?;
    let restricted = policy.addresses().is_restricted();
    out.option("allowed_ips", restricted.then(|| key.allowed_ips().collect::<Vec<_>>()))?;
    let restricted = policy.endpoints().is_restricted();
    out.option("allowed_endpoints", restricted.then(|| key.allowed_endpoints().collect::<Vec<_>>()))?;
    out.option("not_before", key.not_before())?;
    out.option("expires_at", key.expires_at())?;
    out.unless(key.timezone() == "UTC", "timezone", key.timezone())?;
    if let Some(earlier) = key.calendar().earlier().filter(|_| !shown) {
        let spans = |spans: &[(Zone, Timestamp)]| {
            spans.iter().map(|(zone, end)| (zone.name(), *end)).collect::<Vec<(&'static str, Timestamp)>>()
        };
        out.always("earlier_timezones", &[spans(&earlier.days), spans(&earlier.months)])?;
    }
    out.unless(key.metadata() == "{}", "metadata", raw(key.metadata())?)?;
    out.list("tags", key.tags())?;
    out.unless(key.enabled(), "enabled", &key.enabled())?;
    out.option("revoked_at", key.revoked_at())?;
    out.always("created_at", &key.created_at())?;
    out.always("updated_at", &key.updated_at())?;
    out.always("revision", &key.revision())?;
    let secrets: Vec<_> = key.secrets().map(|secret| OneSecret { secret, key, form }).collect();
    out.always("secrets", &secrets)?;
    out.map.end()
}

fn raw<E: Error>(json: &str) -> Result<&RawValue, E> {
    serde_json::from_str(json).map_err(E::custom)
}

// Writes members; what is the default is left out of a stored record.
struct Fields<M> {
    map: M,
    all: bool,
}

impl<M: SerializeMap> Fields<M> {
    fn always<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error> {
        self.map.serialize_entry(name, value)
    }

    fn unless<T: Serialize + ?Sized>(
        &mut self,
        default: bool,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if default && !self.all { Ok(()) } else { self.always(name, value) }
    }

    fn option<T: Serialize>(&mut self, name: &'static str, value: Option<T>) -> Result<(), M::Error> {
        match value {
            Some(value) => self.always(name, &value),
            None => self.unless(true, name, &()),
        }
    }

    fn list<'a>(&mut self, name: &'static str, items: impl Iterator<Item = &'a str>) -> Result<(), M::Error> {
        let items: Vec<&str> = items.collect();
        self.unless(items.is_empty(), name, &items)
    }
}

struct OneSecret<'a> {
    secret: StoredSecret,
    key: &'a Key,
    form: Form,
}

impl Serialize for OneSecret<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.form == Form::Shown;
        let mut out = Fields { map: serializer.serialize_map(None)?, all };
        if self.form == Form::Stored {
            out.always("hash", &self.secret.hash().to_string())?;
        }
        out.option("hint", Hint::new(self.key.prefix(), self.secret.shown).map(|hint| hint.to_string()))?;
        out.always("created_at", &self.secret.created_at())?;
        out.option("retires_at", self.secret.retires_at())?;
        out.map.end()
    }
}
