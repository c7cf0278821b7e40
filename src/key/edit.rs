//! Changing a key, and noticing when the change opens it up.

use std::borrow::Cow;
use std::fmt;

use super::builder::field_setters;
use super::faults::{Faults, InvalidRecord, Path, shortened};
use super::field::{Field, Scope};
use super::json::{Members, parse_object};
use super::read::Reader;
use super::record::Key;
use super::state::Conflict;
use super::value::Value;
use super::widening::widened_fields;
use crate::Timestamp;

/// A change to a key: what is set replaces, `None` goes back to the default, and the rest stays.
#[derive(Clone, Default)]
pub struct KeyEdit {
    members: Members<'static>,
    widen: bool,
    revision: Option<u64>,
}

field_setters!(KeyEdit);

/// A key after an edit.
#[derive(Debug, Clone)]
pub struct Edited {
    /// The changed key.
    pub key: Key,
    /// The fields by which it now admits a request that it refused before. Unless this is empty or the caller said
    /// that widening is meant, the edit must not be carried out.
    pub widened: Vec<&'static str>,
}

/// Why a key was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The request is at fault.
    #[error(transparent)]
    Invalid(#[from] InvalidRecord),
    /// The request is sound, but not for the key as it stands.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

impl KeyEdit {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a JSON object with the fields of the methods here: a value replaces, `null` goes back to the default,
    /// and what is absent stays.
    ///
    /// # Errors
    /// Only what is no JSON object; the fields are judged by [`Key::edited`].
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, InvalidRecord> {
        let members = parse_object(json.as_ref())?;
        let owned =
            |(name, value): (Cow<'_, str>, Value<'_>)| (Cow::Owned(name.into_owned()), value.into_owned());
        Ok(Self { members: members.into_iter().map(owned).collect(), ..Self::default() })
    }

    /// Lets the edit admit requests that the key refused before.
    pub fn widen(self) -> Self {
        Self { widen: true, ..self }
    }

    /// Whether it may.
    pub fn widens(&self) -> bool {
        self.widen
    }

    /// Makes the edit only if the key is still at this revision.
    pub fn at_revision(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// The revision that it must still be at, if one was named.
    pub fn expected_revision(&self) -> Option<u64> {
        self.revision
    }

    /// Sets a field by its name, in place of what it was set to before. A name that is no field's is a fault that
    /// [`Key::edited`] reports.
    pub fn set(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value<'static>>) -> Self {
        let name = name.into();
        self.members.retain(|(other, _)| *other != name);
        self.members.push((name, value.into()));
        self
    }
}

/// The fields that are set.
impl fmt::Debug for KeyEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members.iter().map(|(name, _)| shortened(name)).collect();
        f.debug_tuple("KeyEdit").field(&names).finish()
    }
}

impl Key {
    /// The key with `edit` made to it at `now`.
    ///
    /// # Errors
    /// Every fault of the edit at once, or [`Conflict::Revoked`] when it would switch on a revoked key.
    pub fn edited(&self, edit: &KeyEdit, now: Timestamp) -> Result<Edited, ChangeError> {
        let mut faults = Faults::default();
        let mut parts = self.parts();
        let mut switched_on = false;
        for (name, value) in &edit.members {
            let at = Path::Member(&Path::Root, name);
            if let Some(field) = Field::find(name, Scope::Edit, &at, &mut faults) {
                switched_on |= field == Field::Enabled && *value == Value::Bool(true);
                parts.read(field, Reader { value, at, faults: &mut faults });
            }
        }
        parts.check(&mut faults);
        let parts = faults.finish(parts)?;
        if switched_on && self.revoked_at().is_some() {
            return Err(Conflict::Revoked.into());
        }
        let key = Self::pack(parts, self.continued(now));
        let widened = widened_fields(self, &key);
        Ok(Edited { key, widened })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::State;
    use crate::key::testing::{at, key_of};

    fn edited(key: &str, edit: &str) -> Result<Edited, ChangeError> {
        key_of(key).edited(&KeyEdit::from_json(edit).unwrap(), at("2026-02-01T00:00:00Z"))
    }

    #[test]
    fn absent_stays_null_clears_and_a_value_replaces() {
        let key =
            r#"{"name":"k","description":"d","daily_spend_limit":50,"daily_token_limit":7,"tags":["a"]}"#;
        let key = edited(key, r#"{"daily_spend_limit":null,"daily_token_limit":5,"tags":null}"#).unwrap().key;
        assert_eq!((key.name(), key.description(), key.revision()), ("k", "d", 2));
        assert_eq!((key.daily_spend_limit(), key.daily_token_limit()), (None, Some(5)));
        assert_eq!((key.tags().count(), key.updated_at()), (0, at("2026-02-01T00:00:00Z")));
        assert_eq!(key.created_at(), at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn an_edit_is_judged_like_a_creation() {
        let error =
            edited(r#"{"name":"k"}"#, r#"{"daily_limit":1,"id":"x","prefix":"a_","name":null,"enabled":1}"#);
        assert_eq!(
            error.unwrap_err().to_string(),
            "/daily_limit: unknown field `daily_limit`; did you mean `daily_spend_limit`; \
             /id: cannot be changed; /prefix: cannot be changed; /name: must be text, not null; \
             /enabled: must be true or false, not a number"
        );
        let error = edited(
            r#"{"name":"k","not_before":"2026-05-01T00:00:00Z"}"#,
            r#"{"expires_at":"2026-05-01T00:00:00Z"}"#,
        );
        assert_eq!(error.unwrap_err().to_string(), "/expires_at: must be later than not_before");
    }

    #[test]
    fn what_widens_is_named() {
        let key = r#"{"name":"k","allowed_models":["a"],"denied_models":["b"],"purpose":"chat","daily_spend_limit":10,
            "monthly_spend_limit":100,"daily_token_limit":5,"allowed_ips":["10.0.0.0/8"],"allowed_endpoints":["/v1/*"],
            "not_before":"2026-01-01T00:00:00Z","expires_at":"2026-06-01T00:00:00Z","alert_threshold":0.8}"#;
        for (edit, fields) in [
            (
                r#"{"description":"x","tags":["y"],"metadata":{"a":1},"timezone":"Asia/Tokyo","alert_threshold":null}"#,
                "",
            ),
            (r#"{"allowed_models":[]}"#, "allowed_models"),
            (r#"{"allowed_models":null,"denied_models":null}"#, "allowed_models"),
            (r#"{"allowed_models":["a","c"]}"#, "allowed_models"),
            (r#"{"allowed_models":["a","b"]}"#, ""),
            (r#"{"allowed_models":["a","b"],"denied_models":[]}"#, "allowed_models,denied_models"),
            (r#"{"denied_models":[]}"#, ""),
            (r#"{"purpose":null}"#, "purpose"),
            (r#"{"purpose":"other"}"#, "purpose"),
            (r#"{"daily_spend_limit":"10.000000000001"}"#, "daily_spend_limit"),
            (r#"{"daily_spend_limit":10.00,"monthly_spend_limit":0}"#, ""),
            (
                r#"{"monthly_spend_limit":null,"daily_token_limit":6}"#,
                "monthly_spend_limit,daily_token_limit",
            ),
            (r#"{"allowed_ips":null,"allowed_endpoints":["/*"]}"#, "allowed_ips,allowed_endpoints"),
            (r#"{"allowed_ips":["10.0.0.1"],"allowed_endpoints":["/v1/models"]}"#, ""),
            (r#"{"not_before":null,"expires_at":"2026-06-02T00:00:00Z"}"#, "not_before,expires_at"),
            (r#"{"not_before":"2026-01-02T00:00:00Z","expires_at":"2026-02-01T00:00:00Z"}"#, ""),
            (r#"{"expires_at":null}"#, "expires_at"),
        ] {
            assert_eq!(edited(key, edit).unwrap().widened.join(","), fields, "{edit}");
        }
        let open =
            edited(r#"{"name":"k"}"#, r#"{"allowed_models":["a"],"daily_spend_limit":1,"purpose":"x"}"#);
        assert_eq!(open.unwrap().widened, Vec::<&str>::new());
        let denied = edited(r#"{"name":"k","denied_models":["b"]}"#, r#"{"denied_models":[]}"#);
        assert_eq!(denied.unwrap().widened, ["denied_models"]);
    }

    #[test]
    fn a_revoked_key_may_be_renamed_and_not_switched_on() {
        let now = at("2026-02-01T00:00:00Z");
        let key = key_of(r#"{"name":"k"}"#).revoke(now);
        assert_eq!(key.edited(&KeyEdit::new().enabled(true), now).unwrap_err(), Conflict::Revoked.into());
        let renamed = key.edited(&KeyEdit::new().name("old k"), now).unwrap().key;
        assert_eq!((renamed.name(), renamed.state_at(now)), ("old k", State::Revoked));
    }

    #[test]
    fn an_edit_keeps_every_secret() {
        let key = key_of(r#"{"name":"k"}"#);
        let after = key.edited(&KeyEdit::new().name("l").purpose("chat"), key.created_at()).unwrap().key;
        assert!(after.secrets().eq(key.secrets()));
    }
}
