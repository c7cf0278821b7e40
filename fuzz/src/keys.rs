//! Records of keys: stored, asked for, edited, and in policy files.

use std::collections::HashSet;

use enclava_keys::key::{InvalidRecord, Peppers, read_policy};
use enclava_keys::policy::{Facts, Purpose};
use enclava_keys::{Key, KeyEdit, KeySpec, Timestamp};

/// A stored record reads back as the same key, and what people are shown of it has no hash in it.
pub fn key_record(data: &[u8]) {
    match Key::from_record_json(data) {
        Ok(key) => is_sound(&key),
        Err(invalid) => are_told(&invalid),
    }
}

/// A key that was made is the one that was asked for: it opens with its secret, and nothing prints that.
pub fn key_spec(data: &[u8]) {
    let spec = match KeySpec::from_json(data) {
        Ok(spec) => spec,
        Err(invalid) => return are_told(&invalid),
    };
    let Ok(made) = spec.create(&Peppers::none(), now()) else { return };
    is_sound(&made.key);
    assert_eq!(made.key.revision(), 1);
    let Some(secret) = &made.secret else { return };
    let text = secret.reveal();
    let digest = *Peppers::none().hash(text.as_bytes()).digest();
    assert!(made.key.secret(&digest).is_some());
    // What people wrote elsewhere in the record is theirs, whatever it happens to be.
    if theirs(&made.key).iter().any(|own| own.contains(text)) {
        return;
    }
    for shown in [format!("{spec:?} {made:?}"), made.key.to_json(), made.key.to_record_json()] {
        assert!(!shown.contains(text));
    }
}

/// An edit that is not said to widen a key lets no request through that the key refused before. The key on the first
/// line, the edit on the second.
pub fn key_edit(data: &[u8]) {
    let (spec, edit) = match data.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (br#"{"name":"k"}"#.as_slice(), data),
    };
    let Some(before) = KeySpec::from_json(spec)
        .ok()
        .and_then(|spec| spec.id("k").create(&Peppers::none(), now()).ok())
        .map(|made| made.key)
    else {
        return;
    };
    let edit = match KeyEdit::from_json(edit) {
        Ok(edit) => edit,
        Err(invalid) => return are_told(&invalid),
    };
    let Ok(edited) = before.edited(&edit, now()) else { return };
    let after = edited.key;
    is_sound(&after);
    assert_eq!((after.id(), after.revision()), (before.id(), before.revision() + 1));
    assert!(after.secrets().eq(before.secrets()));
    // The same edit again changes nothing more.
    let again = after.edited(&edit, now()).expect("an edit that was sound").key;
    assert!(after.limits() == again.limits() && after.policy() == again.policy());
    assert_eq!((after.name(), after.metadata()), (again.name(), again.metadata()));
    assert_eq!(after.widened_by(&again), Vec::<&str>::new());
    if edited.widened.is_empty() {
        admits_no_more(&before, &after);
    }
}

/// Records of a policy file are sound, and no two share an id or a secret.
pub fn policy_file(data: &[u8]) {
    let keys = match read_policy(data) {
        Ok(keys) => keys,
        Err(invalid) => return are_told(&invalid),
    };
    let (mut ids, mut digests) = (HashSet::new(), HashSet::new());
    for key in &keys {
        is_sound(key);
        assert!(ids.insert(key.id()));
        assert!(key.secrets().all(|secret| digests.insert(*secret.hash().digest())));
    }
    let records: Vec<String> = keys.iter().map(Key::to_record_json).collect();
    let file = format!("{{\"version\":1,\"keys\":[{}]}}", records.join(","));
    assert_eq!(read_policy(file.as_bytes()).as_ref(), Ok(&keys));
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000)
}

fn is_sound(key: &Key) {
    assert_eq!(Key::from_record_json(key.to_record_json()).as_ref(), Ok(key));
    let (shown, stored) = (key.to_json(), key.to_record_json());
    for secret in key.secrets() {
        let hash = secret.hash().to_string();
        let digest = hash.rsplit(':').next().unwrap_or_default();
        assert!(shown.matches(digest).count() < stored.matches(digest).count());
    }
    assert_eq!(key.widened_by(key), Vec::<&str>::new());
    let secrets = key.secrets().count();
    assert!((1..=64).contains(&secrets), "{secrets} secrets");
}

fn theirs(key: &Key) -> Vec<String> {
    let texts =
        [key.id().to_string(), key.name().to_owned(), key.description().into(), key.metadata().into()];
    let lists =
        key.tags().chain(key.allowed_models()).chain(key.denied_models()).chain(key.allowed_endpoints());
    texts.into_iter().chain(lists.map(str::to_owned)).collect()
}

fn are_told(invalid: &InvalidRecord) {
    assert!(!invalid.errors.is_empty() && invalid.errors.len() <= 101);
    assert!(invalid.errors.iter().all(|fault| fault.path.is_empty() || fault.path.starts_with('/')));
    assert!(!invalid.to_string().is_empty());
}

// Asks both of everything that either of them names, and of something that none does.
fn admits_no_more(before: &Key, after: &Key) {
    let models: Vec<String> = [before, after]
        .into_iter()
        .flat_map(|key| key.allowed_models().chain(key.denied_models()))
        .flat_map(|entry| [entry.to_owned(), entry.replace('*', "0"), format!("{entry}0")])
        .collect();
    let models = || models.iter().map(|model| Some(model.as_str())).chain([Some("unheard-of"), None]);
    let endpoints: Vec<String> = [before, after]
        .into_iter()
        .flat_map(Key::allowed_endpoints)
        .flat_map(|entry| [entry.replace('*', "x"), format!("GET {entry}"), format!("{entry}/y")])
        .collect();
    let endpoints = || endpoints.iter().map(|endpoint| Some(endpoint.as_str())).chain([None]);
    let purposes = || [before, after].into_iter().map(|key| key.purpose().map(Purpose::as_str)).chain([None]);
    let addresses: Vec<String> = [before, after]
        .into_iter()
        .flat_map(Key::allowed_ips)
        .map(|entry| entry.split('/').next().unwrap_or_default().to_owned())
        .collect();
    let addresses = || addresses.iter().map(|ip| Some(ip.as_str())).chain([Some("203.0.113.9"), None]);
    let (old, new) = (before.policy(), after.policy());
    for model in models() {
        let widens = new.check_model(model).is_ok() && old.check_model(model).is_err();
        assert!(!widens, "{model:?}");
    }
    for (endpoint, purpose) in endpoints().flat_map(|endpoint| purposes().map(move |p| (endpoint, p))) {
        for ip in addresses() {
            let facts = Facts { ip: ip.into(), endpoint, purpose, model: Some("a") };
            let widens = [
                (new.check_ip(facts.ip), old.check_ip(facts.ip)),
                (new.check_endpoint(endpoint), old.check_endpoint(endpoint)),
                (new.check_purpose(purpose), old.check_purpose(purpose)),
            ];
            assert!(widens.iter().all(|(new, old)| new.is_err() || old.is_ok()), "{facts:?}");
        }
    }
    let (old, new) = (before.limits(), after.limits());
    for meter in enclava_keys::budget::Meter::ALL {
        assert!(new.cap(meter).unwrap_or(i128::MAX) <= old.cap(meter).unwrap_or(i128::MAX), "{meter:?}");
    }
    let end = |key: &Key| key.expires_at().unwrap_or(Timestamp::MAX);
    let start = |key: &Key| key.not_before().unwrap_or(Timestamp::EPOCH);
    assert!(end(after) <= end(before) && start(after) >= start(before));
}
