//! Reading a stored record: of an engine, or of a policy file that people write.

use super::digest::SecretHash;
use super::faults::{Faults, InvalidRecord, Path};
use super::field::{Field, Scope};
use super::hint::Shown;
use super::history::{History, StoredSecret};
use super::json::{Members, parse_object};
use super::parts::Parts;
use super::prefix::Prefix;
use super::read::Reader;
use super::record::Key;
use super::rotation::MOST_SECRETS;
use super::value::Value;
use crate::budget::{Calendar, Earlier, Owner};
use crate::{KeyId, Timestamp};

impl Key {
    /// Reads what [`Key::to_record_json`] writes, or what people write in a policy file: `id`, `name` and either
    /// `secrets` or one `key_hash`, and any other field.
    ///
    /// A key whose end is past is read like any other. Whether the hashes can be recomputed is for the caller to ask
    /// of its [`Peppers`](super::Peppers).
    ///
    /// # Errors
    /// Every fault of the record at once.
    pub fn from_record_json(json: impl AsRef<[u8]>) -> Result<Self, InvalidRecord> {
        Self::from_members(&parse_object(json.as_ref())?)
    }

    pub(super) fn from_members(members: &Members<'_>) -> Result<Self, InvalidRecord> {
        let mut faults = Faults::default();
        let (mut parts, mut draft) = (Parts::default(), Draft::default());
        for (name, value) in members {
            let at = Path::Member(&Path::Root, name);
            match Field::find(name, Scope::Record, &at, &mut faults) {
                Some(Field::Secrets) => draft.secrets = Some(value),
                Some(field) => draft.read(field, Reader { value, at, faults: &mut faults }, &mut parts),
                None => {}
            }
        }
        parts.check(&mut faults);
        for field in [Field::Id, Field::Name] {
            if !members.iter().any(|(name, _)| name == field.name()) {
                faults.add(&member(field), "is required");
            }
        }
        let secrets = draft.secrets(&parts.prefix, &mut faults);
        let (id, mut secrets) = faults.finish((draft.id, secrets.into_iter()))?;
        let (Some(id), Some(newest)) = (id, secrets.next()) else {
            return Err(InvalidRecord::new("", "has no id or no secret"));
        };
        let history = History {
            owner: Owner::new(id),
            calendar: Calendar::restored(parts.zone, draft.earlier),
            newest,
            older: secrets.collect(),
            revoked_at: draft.revoked_at,
            created_at: draft.created_at,
            updated_at: draft.updated_at.unwrap_or(draft.created_at),
            revision: draft.revision.unwrap_or(1),
        };
        Ok(Self::pack(parts, history))
    }
}

// What a stored record holds beyond the fields that callers may set.
#[derive(Default)]
struct Draft<'a> {
    id: Option<KeyId>,
    key_hash: Option<SecretHash>,
    // Read last: a hint is read against the prefix, which may come after it.
    secrets: Option<&'a Value<'a>>,
    revoked_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    revision: Option<u64>,
    earlier: Earlier,
}

impl Draft<'_> {
    fn read(&mut self, field: Field, mut from: Reader<'_>, parts: &mut Parts) {
        match field {
            Field::Id => self.id = from.parsed(),
            Field::KeyHash => self.key_hash = from.parsed(),
            Field::RevokedAt => self.revoked_at = from.or_none(Reader::parsed),
            Field::CreatedAt => self.created_at = from.parsed().unwrap_or_default(),
            Field::UpdatedAt => self.updated_at = from.parsed(),
            Field::Revision => self.revision = from.count(),
            Field::EarlierZones => self.earlier = from.earlier_zones().unwrap_or_default(),
            field => parts.read(field, from),
        }
    }

    // Newest first, at least one unless there is a fault.
    fn secrets(&self, prefix: &Prefix, faults: &mut Faults) -> Vec<StoredSecret> {
        let at = member(Field::Secrets);
        let Some(value) = self.secrets else {
            if self.key_hash.is_none() {
                faults.add(&at, "is required, or key_hash");
            }
            let alone = |hash| StoredSecret {
                hash,
                shown: Shown::NOTHING,
                created_at: self.created_at,
                retires_at: None,
            };
            return self.key_hash.map(alone).into_iter().collect();
        };
        if self.key_hash.is_some() {
            faults.add(&member(Field::KeyHash), "must not be given together with secrets");
        }
        let mut seen = Vec::new();
        let mut reader = Reader { value, at, faults };
        let secrets = reader.list("secrets", MOST_SECRETS, |item| {
            let secret = self.secret(item, prefix)?;
            if seen.contains(secret.hash.digest()) {
                return item.fault("is listed twice");
            }
            seen.push(*secret.hash.digest());
            Some(secret)
        });
        if secrets.as_ref().is_some_and(Vec::is_empty) {
            reader.fault::<()>("must list at least one secret");
        }
        secrets.unwrap_or_default()
    }

    fn secret(&self, item: &mut Reader<'_>, prefix: &Prefix) -> Option<StoredSecret> {
        let Value::Object(members) = item.value else {
            let kind = item.value.kind();
            return item.fault(format_args!("must be an object, not {kind}"));
        };
        let (mut hash, mut shown, mut created_at, mut retires_at) = (None, None, None, None);
        for (name, value) in members {
            let mut from = Reader { value, at: Path::Member(&item.at, name), faults: &mut *item.faults };
            match &**name {
                "hash" => hash = from.parsed::<SecretHash>(),
                "hint" => {
                    let words = "a hint as the key itself shows it";
                    shown = from.or_none(|from| from.word(|text| Shown::parse(text, prefix), words));
                }
                "created_at" => created_at = from.parsed(),
                "retires_at" => retires_at = from.or_none(Reader::parsed),
                _ => from
                    .fault("unknown field; a secret has hash, hint, created_at and retires_at")
                    .unwrap_or(()),
            }
        }
        if !members.iter().any(|(name, _)| name == "hash") {
            return item.fault("has no hash");
        }
        Some(StoredSecret {
            hash: hash?,
            shown: shown.unwrap_or(Shown::NOTHING),
            created_at: created_at.unwrap_or(self.created_at),
            retires_at,
        })
    }
}

fn member(field: Field) -> Path<'static> {
    Path::Member(&Path::Root, field.name())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::testing::{at, key_of};
    use crate::key::{HintStyle, NewSecret, Peppers, Secret, SecretFormat};

    const HASH: &str = "sha256:746883a28b1d06fc1e28c83f67c1c47e7067bb8c7ba3cbfb9a2639ddb134f339";

    fn faults(json: &str) -> String {
        Key::from_record_json(json).unwrap_err().to_string()
    }

    #[test]
    fn a_record_written_by_hand_needs_an_id_a_name_and_a_hash() {
        let key = Key::from_record_json(format!(r#"{{"id":"a","name":"A","key_hash":"{HASH}"}}"#)).unwrap();
        assert_eq!((key.revision(), key.created_at(), key.secrets().count()), (1, Timestamp::EPOCH, 1));
        assert_eq!(faults("{}"), "/id: is required; /name: is required; /secrets: is required, or key_hash");
    }

    #[test]
    fn plaintext_is_not_stored() {
        for name in ["key", "secret", "api_key"] {
            let json = format!(
                r#"{{"id":"a","name":"A","key_hash":"{HASH}","{name}":"en_8f3d4e2a9b1c6d5f7e8a3b4c"}}"#
            );
            assert_eq!(faults(&json), format!("/{name}: store key_hash, not the key"));
        }
    }

    #[test]
    fn a_key_that_ended_is_still_read() {
        let json =
            format!(r#"{{"id":"a","name":"A","key_hash":"{HASH}","expires_at":"2001-01-01T00:00:00Z"}}"#);
        assert!(Key::from_record_json(json).is_ok());
    }

    #[test]
    fn bad_secrets_are_named_where_they_are() {
        for (secrets, fault) in [
            ("[]".to_owned(), "/secrets: must list at least one secret"),
            ("5".to_owned(), "/secrets: must be a list of secrets, not a number"),
            ("[{}]".to_owned(), "/secrets/0: has no hash"),
            (format!(r#"["{HASH}"]"#), "/secrets/0: must be an object, not text"),
            (format!(r#"[{{"hash":"{HASH}"}},{{"hash":"{HASH}"}}]"#), "/secrets/1: is listed twice"),
            (
                format!(r#"[{{"hash":"{HASH}","hint":"en_8f3d4e2a9b1c…"}}]"#),
                "/secrets/0/hint: must be a hint",
            ),
            (format!(r#"[{{"hash":"{HASH}","key":"x"}}]"#), "/secrets/0/key: unknown field"),
            (
                format!(r#"[{{"hash":"{HASH}","retires_at":"2026-01-01T00:00:00"}}]"#),
                "/secrets/0/retires_at: must be an RFC",
            ),
        ] {
            let found = faults(&format!(r#"{{"id":"a","name":"A","secrets":{secrets}}}"#));
            assert!(found.starts_with(fault), "{found}");
        }
    }

    #[test]
    fn people_see_no_hash_and_every_field() {
        let key = key_of(
            r#"{"name":"k","secret":"en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a","id":"a","daily_spend_limit":50,
            "alert_threshold":0.80,"metadata":{"n":1e400}}"#,
        );
        assert_eq!(
            key.to_json(),
            r#"{"id":"a","name":"k","description":"","prefix":"en_","secret_format":"hex","hint_style":"ends","hint":"en_8f3d…1e6a","model_access":"all","allowed_models":[],"denied_models":[],"purpose":null,"daily_spend_limit":"50.00","monthly_spend_limit":null,"daily_token_limit":null,"alert_threshold":0.8,"allowed_ips":null,"allowed_endpoints":null,"not_before":null,"expires_at":null,"timezone":"UTC","metadata":{"n":1e400},"tags":[],"enabled":true,"revoked_at":null,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","revision":1,"secrets":[{"hint":"en_8f3d…1e6a","created_at":"2026-01-01T00:00:00Z","retires_at":null}]}"#
        );
        assert_eq!(
            key.to_record_json(),
            format!(
                r#"{{"id":"a","name":"k","daily_spend_limit":"50.00","alert_threshold":0.8,"metadata":{{"n":1e400}},"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","revision":1,"secrets":[{{"hash":"{HASH}","hint":"en_8f3d…1e6a","created_at":"2026-01-01T00:00:00Z"}}]}}"#
            )
        );
    }

    fn member(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
        let value = proptest::sample::select(values);
        proptest::option::of(value)
            .prop_map(move |value| value.map(|value| format!(",\"{name}\":{value}")).unwrap_or_default())
    }

    proptest! {
        #[test]
        fn every_record_reads_back(
            fields in (
                member("description", &[r#""d""#, r#""line\nline é""#]),
                member("prefix", &[r#""my_company_""#]),
                member("allowed_models", &["[]", r#"["gpt-4","a/*"]"#, r#"["1","2","3","4","5","6","7","8","9","*"]"#]),
                member("denied_models", &[r#"["x"]"#]),
                member("purpose", &[r#""chat""#]),
                member("daily_spend_limit", &["0", "1e-12", "999999999.999999999999", r#""50.00""#]),
                member("monthly_spend_limit", &["1000000000"]),
                member("daily_token_limit", &["0", "9007199254740991"]),
                member("alert_threshold", &["0.0001", "1", "0.85"]),
                member("allowed_ips", &[r#"["10.0.0.0/8","::1","::ffff:1.2.3.4"]"#]),
                member("allowed_endpoints", &[r#"["POST /v1/*","/v1/models"]"#]),
                (
                    member("not_before", &[r#""2026-01-01T00:00:00.000001Z""#]),
                    member("expires_at", &[r#""2027-01-01T00:00:00+02:00""#]),
                    member("timezone", &[r#""Europe/Berlin""#, r#""UTC""#]),
                    member("metadata", &["{}", r#"{"a":[1.10,{"b":null}],"é":"\u0000"}"#]),
                    member("tags", &[r#"["a","b"]"#]),
                    member("enabled", &["true", "false"]),
                    member("secret_format", &[r#""checked_base62""#]),
                    member("hint_style", &[r#""last4""#, r#""none""#]),
                ),
            ),
            rotations in proptest::collection::vec(0_u64..100, 0..6),
            peppered: bool,
            revoked: bool,
        ) {
            let (a, b, c, d, e, f, g, h, i, j, k, (l, m, n, o, p, q, r, s)) = fields;
            let json = format!("{{\"name\":\"k\"{}}}", [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s].concat());
            let bytes: Vec<u8> = (0..32).collect();
            let peppers = if peppered { Peppers::new([("p-1", &*bytes)]).unwrap() } else { Peppers::none() };
            let mut now = at("2026-02-01T00:00:00Z");
            let spec = crate::key::KeySpec::from_json(&json).unwrap();
            let mut key = spec.create(&peppers, now).unwrap().key;
            for overlap in rotations {
                now = now.saturating_add(std::time::Duration::from_micros(1_234_567));
                let secret = Secret::generate(key.prefix(), SecretFormat::Hex).unwrap();
                let secret = NewSecret::of(&secret, &peppers, HintStyle::Ends);
                key = key.rotated(secret, std::time::Duration::from_secs(overlap), now).unwrap_or(key);
            }
            if revoked {
                key = key.revoke(now);
            }
            let json = key.to_record_json();
            let read = Key::from_record_json(&json).unwrap();
            prop_assert_eq!(&read, &key, "{}", json);
            prop_assert_eq!(read.to_record_json(), json);
            prop_assert!(!key.to_json().contains("256:"));
        }
    }
}
