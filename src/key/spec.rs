//! Making a key: what is asked for, checked all at once.

use std::borrow::Cow;
use std::fmt;

use rand::rngs::SysError;
use zeroize::Zeroizing;

use super::builder::field_setters;
use super::digest::SecretHash;
use super::faults::{Faults, InvalidRecord, Path};
use super::field::{Field, Scope};
use super::hint::Shown;
use super::history::{History, StoredSecret};
use super::json::{Members, parse_object};
use super::parts::Parts;
use super::pepper::Peppers;
use super::read::Reader;
use super::record::Key;
use super::secret::Secret;
use super::value::Value;
use crate::budget::{Calendar, Owner};
use crate::{KeyId, Timestamp};

/// A request to make a key.
///
/// Nothing is judged before [`KeySpec::create`], which reports every fault at once. `None` and a field that is not
/// set are the default: no limit, no restriction.
///
/// # Examples
/// ```
/// use enclava_keys::key::{KeySpec, Peppers};
///
/// let now = "2026-11-23T12:00:00Z".parse()?;
/// let made = KeySpec::new("Production App")
///     .allowed_models(["gpt-4", "gpt-3.5-turbo"])
///     .daily_spend_limit("50.00")
///     .monthly_spend_limit(1500)
///     .daily_token_limit(500_000)
///     .alert_threshold("0.8")
///     .create(&Peppers::none(), now)?;
/// let secret = made.secret.expect("a new key has a new secret");
/// assert!(secret.reveal().starts_with("en_"));
/// assert!(made.key.models().permits("gpt-4"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeySpec {
    members: Members<'static>,
    // Kept apart from the other fields, to be wiped.
    secret: Option<Zeroizing<String>>,
}

field_setters!(KeySpec);

/// A key that was just made.
#[derive(Debug)]
pub struct Created {
    /// The record.
    pub key: Key,
    /// The secret, to be shown once. None when the key was taken in by its hash.
    pub secret: Option<Secret>,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The request is at fault.
    #[error(transparent)]
    Invalid(#[from] InvalidRecord),
    /// The operating system's generator failed.
    #[error("the operating system gave no random bytes")]
    Random(#[from] SysError),
}

impl KeySpec {
    /// A key of this name, without limits or restrictions.
    pub fn new(name: impl Into<Value<'static>>) -> Self {
        Self::default().name(name)
    }

    /// Reads a JSON object with the fields of the methods here.
    ///
    /// # Errors
    /// Only what is no JSON object; the fields are judged by [`KeySpec::create`].
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, InvalidRecord> {
        let members = parse_object(json.as_ref())?;
        let set = |spec: Self, (name, value): (Cow<'_, str>, Value<'_>)| {
            spec.set(name.into_owned(), value.into_owned())
        };
        Ok(members.into_iter().fold(Self::default(), set))
    }

    /// An id of your own instead of a generated one.
    pub fn id(self, id: impl Into<Value<'static>>) -> Self {
        self.set(Field::Id.name(), id)
    }

    /// What the secrets start with, in place of `en_`.
    pub fn prefix(self, prefix: impl Into<Value<'static>>) -> Self {
        self.set(Field::Prefix.name(), prefix)
    }

    /// How its secrets are written, those of a rotation too: `hex`, `base62`, `checked` or `checked_base62`.
    pub fn secret_format(self, format: impl Into<Value<'static>>) -> Self {
        self.set(Field::SecretFormat.name(), format)
    }

    /// What the hints of its secrets show: `ends`, `last4` or `none`.
    pub fn hint_style(self, style: impl Into<Value<'static>>) -> Self {
        self.set(Field::HintStyle.name(), style)
    }

    /// Takes in a secret made elsewhere: 22 to 512 visible ASCII characters.
    pub fn secret(self, secret: &str) -> Self {
        self.set(Field::Secret.name(), secret)
    }

    /// Takes in a secret made elsewhere by its hash, as it is stored: `sha256:<64 hex>`, or `hs256:<pepper id>:<64 hex>`
    /// where it was keyed with a pepper.
    pub fn key_hash(self, hash: impl Into<Value<'static>>) -> Self {
        self.set(Field::KeyHash.name(), hash)
    }

    /// Sets a field by its name, in place of what it was set to before. A name that is no field's is a fault that
    /// [`KeySpec::create`] reports.
    pub fn set(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value<'static>>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.members.retain(|(other, _)| *other != name);
        if name == Field::Secret.name() {
            self.secret = None;
        }
        match value {
            Value::Text(text) if name == Field::Secret.name() => {
                self.secret = Some(Zeroizing::new(text.into_owned()));
            }
            value => self.members.push((name, value)),
        }
        self
    }

    /// Whether the secret is one that exists already, by its text or its hash.
    pub(crate) fn brings_its_secret(&self) -> bool {
        let brings = |name: &str| name == Field::Secret.name() || name == Field::KeyHash.name();
        self.secret.is_some() || self.members.iter().any(|(name, _)| brings(name))
    }

    /// Makes the key.
    ///
    /// # Errors
    /// Every fault of the request at once, or the failure of the operating system's generator.
    pub fn create(&self, peppers: &Peppers, now: Timestamp) -> Result<Created, CreateError> {
        let (parts, wishes) = self.judge(peppers, now)?;
        let id = wishes.id.map_or_else(|| KeyId::generate(now), Ok)?;
        let (hash, secret) = match wishes.source {
            Source::Hash(hash) => (hash, None),
            Source::Secret(secret) => (peppers.hash(secret.reveal().as_bytes()), Some(secret)),
            Source::New => {
                let secret = Secret::generate(parts.prefix, parts.format)?;
                (peppers.hash(secret.reveal().as_bytes()), Some(secret))
            }
        };
        let shown = secret.as_ref().map_or(Shown::NOTHING, |secret| secret.shown(parts.style));
        let history = History {
            owner: Owner::new(id),
            calendar: Calendar::new(parts.zone),
            newest: StoredSecret { hash, shown, created_at: now, retires_at: None },
            older: Vec::new(),
            revoked_at: None,
            created_at: now,
            updated_at: now,
            revision: 1,
        };
        Ok(Created { key: Key::pack(parts, history), secret })
    }

    fn judge(&self, peppers: &Peppers, now: Timestamp) -> Result<(Parts, Wishes), InvalidRecord> {
        let mut faults = Faults::default();
        let (mut parts, mut wishes, mut named) = (Parts::default(), Wishes::default(), false);
        for (name, value) in &self.members {
            let at = Path::Member(&Path::Root, name);
            let Some(field) = Field::find(name, Scope::Creation, &at, &mut faults) else { continue };
            named |= field == Field::Name;
            wishes.read(field, Reader { value, at, faults: &mut faults }, &mut parts);
        }
        if !named {
            faults.add(&member(Field::Name), "is required");
        }
        parts.check(&mut faults);
        if parts.expires_at.is_some_and(|end| end <= now) {
            faults.add(&member(Field::ExpiresAt), "must not be in the past");
        }
        if let Source::Hash(hash) = &wishes.source
            && !peppers.understands(hash)
        {
            faults.add(&member(Field::KeyHash), "is keyed with a pepper that is not configured here");
        }
        if let Some(text) = &self.secret {
            if !matches!(wishes.source, Source::New) {
                faults.add(&member(Field::KeyHash), "must not be given together with secret");
            }
            match Secret::import(text, parts.prefix) {
                Ok(secret) => wishes.source = Source::Secret(secret),
                Err(error) => faults.add(&member(Field::Secret), error),
            }
        }
        faults.finish((parts, wishes))
    }
}

impl Default for KeySpec {
    /// Nothing but defaults, and not yet the name that every key needs.
    fn default() -> Self {
        Self { members: Vec::new(), secret: None }
    }
}

/// The fields that are set: their values may hold what should not be printed.
impl fmt::Debug for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.members.iter().map(|(name, _)| super::faults::shortened(name)).collect();
        names.extend(self.secret.as_ref().map(|_| Field::Secret.name().to_owned()));
        f.debug_tuple("KeySpec").field(&names).finish()
    }
}

// What a creation may ask for beyond the record's own fields.
#[derive(Default)]
struct Wishes {
    id: Option<KeyId>,
    source: Source,
}

#[derive(Default)]
enum Source {
    #[default]
    New,
    Hash(SecretHash),
    Secret(Secret),
}

impl Wishes {
    fn read(&mut self, field: Field, mut from: Reader<'_>, parts: &mut Parts) {
        match field {
            Field::Id => self.id = from.or_none(Reader::parsed),
            Field::KeyHash => {
                let hash = from.or_none(Reader::parsed::<SecretHash>);
                self.source = hash.map_or(Source::New, Source::Hash);
            }
            // As text it is kept apart, and never comes here.
            Field::Secret => {
                from.or_none(Reader::text);
            }
            field => parts.read(field, from),
        }
    }
}

fn member(field: Field) -> Path<'static> {
    Path::Member(&Path::Root, field.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::testing::{at, faults_of as faults, key_of, made};

    const SECRET: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";

    #[test]
    fn the_seeds_own_examples() {
        let key = key_of(
            r#"{"name": "Production App", "description": "API key for production application",
            "allowed_models": ["gpt-4", "gpt-3.5-turbo"], "daily_spend_limit": 50.00, "monthly_spend_limit": 1500.00,
            "daily_token_limit": 500000, "alert_threshold": 0.8}"#,
        );
        assert_eq!(key.daily_spend_limit().unwrap().to_string(), "50.00");
        assert_eq!(key.monthly_spend_limit().unwrap().to_string(), "1500.00");
        assert_eq!(
            (key.daily_token_limit(), key.alert_threshold().unwrap().basis_points()),
            (Some(500_000), 8_000)
        );
        assert!(key.models().permits("gpt-3.5-turbo") && !key.models().permits("gpt-4-32k"));
        let key = key_of(r#"{"name": "Full Access Key", "allowed_models": []}"#);
        assert!(key.models().permits("any model"));
        let key = key_of(r#"{"name": "GPT-4 Only Key", "allowed_models": ["gpt-4"]}"#);
        assert!(["GPT-4", "gpt-4 ", "gpt-4-0613"].iter().all(|model| !key.models().permits(model)));
    }

    #[test]
    fn the_builder_and_json_say_the_same() {
        let now = at("2026-01-01T00:00:00Z");
        let built = KeySpec::new("k")
            .id("own")
            .allowed_models(["gpt-4".to_owned()])
            .daily_spend_limit("50.00")
            .monthly_spend_limit(rust_decimal::Decimal::new(150_000, 2))
            .daily_token_limit(5_u64)
            .expires_at(at("2027-01-01T00:00:00Z"))
            .purpose(None::<&str>)
            .key_hash(format!("sha256:{}", "0".repeat(64)));
        let read = format!(
            r#"{{"name":"k","id":"own","allowed_models":["gpt-4"],"daily_spend_limit":50,"monthly_spend_limit":"1500",
            "daily_token_limit":5,"expires_at":"2027-01-01T00:00:00Z","key_hash":"sha256:{}"}}"#,
            "0".repeat(64)
        );
        assert_eq!(built.create(&Peppers::none(), now).unwrap().key, key_of(&read));
    }

    #[test]
    fn zero_is_nothing_and_null_is_no_limit() {
        let key =
            key_of(r#"{"name":"k","daily_spend_limit":0,"monthly_spend_limit":null,"daily_token_limit":0}"#);
        assert_eq!(key.daily_spend_limit(), Some(crate::budget::Money::ZERO));
        assert_eq!((key.monthly_spend_limit(), key.daily_token_limit()), (None, Some(0)));
    }

    #[test]
    fn keys_made_elsewhere_are_taken_in() {
        let digest = "746883a28b1d06fc1e28c83f67c1c47e7067bb8c7ba3cbfb9a2639ddb134f339";
        let by_text = made(&format!(r#"{{"name":"k","secret":"{SECRET}"}}"#)).unwrap();
        assert_eq!(by_text.secret.unwrap().reveal(), SECRET);
        assert_eq!(by_text.key.hint().unwrap().to_string(), "en_8f3d…1e6a");
        let named =
            KeySpec::new("k").set("secret", SECRET).create(&Peppers::none(), at("2026-01-01T00:00:00Z"));
        assert_eq!(named.unwrap().secret.unwrap().reveal(), SECRET);
        let by_hash = made(&format!(r#"{{"name":"k","key_hash":"sha256:{digest}"}}"#)).unwrap();
        assert!(by_hash.secret.is_none() && by_hash.key.hint().is_none());
        let hash = |key: &Key| key.secrets().next().unwrap().hash().to_string();
        assert_eq!(
            (hash(&by_text.key), hash(&by_hash.key)),
            (format!("sha256:{digest}"), format!("sha256:{digest}"))
        );
        let both = format!(r#"{{"name":"k","secret":"{SECRET}","key_hash":"sha256:{digest}"}}"#);
        assert_eq!(faults(&both), "/key_hash: must not be given together with secret");
        let keyed = format!(r#"{{"name":"k","key_hash":"hs256:x:{digest}"}}"#);
        assert_eq!(faults(&keyed), "/key_hash: is keyed with a pepper that is not configured here");
    }

    #[test]
    fn formats_prefixes_and_hints_are_chosen() {
        let new =
            made(r#"{"name":"k","prefix":"my_company_","secret_format":"checked","hint_style":"last4"}"#)
                .unwrap();
        let secret = new.secret.unwrap();
        let body = new.key.prefix().body_of(secret.reveal()).unwrap().to_owned();
        assert!(body.len() == 38 && super::super::checksum_holds(&body));
        assert_eq!(new.key.hint().unwrap().to_string(), format!("my_company_…{}", body.split_at(34).1));
        assert!(made(r#"{"name":"k","hint_style":"none"}"#).unwrap().key.hint().is_none());
    }

    #[test]
    fn nothing_prints_the_secret() {
        let json = format!(
            r#"{{"name":"k","secret":"{SECRET}","id":"{SECRET} ","prefix":"{SECRET}","{SECRET}":1}}"#
        );
        let spec = KeySpec::from_json(&json).unwrap();
        let error = spec.create(&Peppers::none(), at("2026-01-01T00:00:00Z")).unwrap_err();
        let spec_of_text = format!("{spec:?} {error} {error:?}");
        let new = made(&format!(r#"{{"name":"k","secret":"{SECRET}"}}"#)).unwrap();
        let outputs = format!("{new:?} {:?} {}", new.key, new.key.to_json());
        let stored = new.key.to_record_json();
        let body = SECRET.split_at(3).1;
        for text in [spec_of_text, outputs, stored] {
            assert!(
                (0..=body.len() - 9).all(|start| !text.contains(
                    &body.as_bytes()[start..start + 9].iter().map(|&b| char::from(b)).collect::<String>()
                )),
                "{text}"
            );
        }
    }
}
