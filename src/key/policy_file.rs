//! A policy file: records of keys, as people and machines write them.

use std::collections::HashMap;

use super::digest::Digest;
use super::faults::{Faults, InvalidRecord, Path, nearest, shortened};
use super::json::{larger_than, parse_object_within};
use super::record::Key;
use super::value::Value;
use crate::KeyId;

/// The only version of the format.
const VERSION: &str = "1";
const MOST_KEYS: usize = 1_000_000;
/// The largest file that is read, in bytes: a million keys fit.
pub(crate) const LARGEST_POLICY: usize = 512 << 20;

/// What to say of a file that is larger.
pub(crate) fn policy_too_large() -> InvalidRecord {
    larger_than(LARGEST_POLICY)
}

/// Reads a policy file: `{"version": 1, "keys": [ … ]}`, each key a record as [`Key::from_record_json`] reads it. Members
/// whose names begin with `x-` are the writer's own.
///
/// # Errors
/// Every fault at once, each with its JSON pointer: of the file, of any record, and ids or secrets that two records share.
pub fn read_policy(json: &[u8]) -> Result<Vec<Key>, InvalidRecord> {
    let members = parse_object_within(json, LARGEST_POLICY)?;
    let mut faults = Faults::default();
    let (mut version, mut keys) = (false, None);
    for (name, value) in &members {
        let at = Path::Member(&Path::Root, name);
        match (&**name, value) {
            ("version", Value::Number(number)) if number == VERSION => version = true,
            ("version", _) => {
                version = true;
                faults.add(&at, "must be 1, the only version that this library reads");
            }
            ("keys", Value::List(items)) if items.len() > MOST_KEYS => {
                faults.add(&at, format_args!("must list at most {MOST_KEYS} keys"));
            }
            ("keys", Value::List(items)) => keys = Some(items),
            ("keys", other) => {
                faults.add(&at, format_args!("must be a list of records, not {}", other.kind()));
            }
            (name, _) if name.starts_with("x-") => {}
            (name, _) => {
                let hint = nearest(name, ["version", "keys"]);
                let hint = hint.map(|(name, _)| format!("; the nearest is `{name}`")).unwrap_or_default();
                faults.add(&at, format_args!("unknown field `{}`{hint}", shortened(name)));
            }
        }
    }
    for (name, there) in [("version", version), ("keys", members.iter().any(|(name, _)| name == "keys"))] {
        if !there {
            faults.add(&Path::Member(&Path::Root, name), "is required");
        }
    }
    let keys = read_keys(keys.map_or(&[][..], Vec::as_slice), &mut faults);
    faults.finish(keys)
}

fn read_keys(items: &[Value<'_>], faults: &mut Faults) -> Vec<Key> {
    let (mut ids, mut digests) = (HashMap::<KeyId, usize>::new(), HashMap::<Digest, usize>::new());
    let mut keys = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let at = format!("/keys/{place}");
        let key = match item {
            Value::Object(members) => Key::from_members(members).map_err(|faults| faults.within(&at)),
            other => Err(InvalidRecord::new(&at, format!("must be a record, not {}", other.kind()))),
        };
        let key = match key {
            Ok(key) => key,
            Err(invalid) => {
                faults.take(invalid);
                continue;
            }
        };
        if let Some(first) = ids.insert(key.id().clone(), place) {
            faults.take(InvalidRecord::new(format!("{at}/id"), format!("is the id of /keys/{first} too")));
        }
        for secret in key.secrets() {
            if let Some(first) = digests.insert(*secret.hash().digest(), place) {
                faults.take(InvalidRecord::new(&at, format!("has a secret that /keys/{first} has too")));
            }
        }
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_many_keys_are_bounded() {
        let keys = vec!["{}"; 1_000].join(",");
        let faults =
            read_policy(format!(r#"{{"version":1,"keys":[{keys}]}}"#).as_bytes()).unwrap_err().errors;
        assert_eq!((faults.len(), &*faults[100].message), (101, "and 2900 more"));
    }

    const A: &str = "sha256:746883a28b1d06fc1e28c83f67c1c47e7067bb8c7ba3cbfb9a2639ddb134f339";
    const B: &str = "sha256:846883a28b1d06fc1e28c83f67c1c47e7067bb8c7ba3cbfb9a2639ddb134f339";

    fn faults(json: &str) -> Vec<String> {
        let faults = read_policy(json.as_bytes()).unwrap_err().errors;
        faults.into_iter().map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn a_file_of_two_keys() {
        let json = format!(
            r#"{{"version":1,"x-team":"ops","keys":[{{"id":"a","name":"A","key_hash":"{A}"}},{{"id":"b","name":"B","key_hash":"{B}","daily_spend_limit":5}}]}}"#
        );
        let keys = read_policy(json.as_bytes()).unwrap();
        assert_eq!(keys.iter().map(Key::name).collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn a_file_of_more_keys_than_one_record_has_room_for() {
        let key = |n: usize| {
            format!(
                r#"{{"id":"k{n}","name":"K","key_hash":"sha256:{n:064x}","tags":["{0}"]}}"#,
                "x".repeat(60)
            )
        };
        let keys: Vec<String> = (0..50_000).map(key).collect();
        let json = format!(r#"{{"version":1,"keys":[{}]}}"#, keys.join(","));
        assert!(json.len() > 8 << 20);
        assert_eq!(read_policy(json.as_bytes()).map(|keys| keys.len()), Ok(50_000));
    }

    #[test]
    fn nothing_is_not_a_file_without_keys() {
        for json in
            ["", "{}", "null", "[]", r#"{"version":1"#, r#"{"version":2,"keys":[]}"#, r#"{"version":1}"#]
        {
            assert!(read_policy(json.as_bytes()).is_err(), "{json}");
        }
        assert_eq!(read_policy(br#"{"version":1,"keys":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn what_an_editor_made_of_a_file_is_told_in_words() {
        assert_eq!(faults("\u{feff}{}"), ["begins with a byte order mark: save it without"]);
        assert_eq!((faults(""), faults(" \n")), (vec!["is empty".into()], vec!["is empty".into()]));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let json = format!(
            r#"{{"version":1,"key":[],"keys":[{{"id":"a","name":"A","key_hash":"{A}"}},{{"id":"a","name":"B","key_hash":"{A}"}},{{"id":"c","name":"C","secret":"en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a"}},7]}}"#
        );
        let faults = faults(&json);
        let told = |start: &str| {
            assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start}: {faults:#?}");
        };
        told("/key: unknown field `key`; the nearest is `keys`");
        told("/keys/1/id: is the id of /keys/0 too");
        told("/keys/1: has a secret that /keys/0 has too");
        told("/keys/2/secret: store key_hash, not the key");
        told("/keys/3: must be a record, not a number");
    }
}
