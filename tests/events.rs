//! What happened, as an operator polls it: what a store does to a gate, the notes, and the bound.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::gate::{Event, EventKind};
use enclava_keys::key::Peppers;
use enclava_keys::store::MemoryStore;
use enclava_keys::{Gate, KeyEdit, KeySpec, ManualClock};

const SECRET: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()))
}

fn told(gate: &Gate) -> Vec<(EventKind, String)> {
    gate.take_events(usize::MAX).into_iter().map(|event| (event.kind, event.note)).collect()
}

fn write(path: &Path, limit: &str) {
    let hash = Peppers::none().hash(SECRET.as_bytes());
    let keys = format!(r#"[{{"id": "a", "name": "a", "key_hash": "{hash}", "daily_spend_limit": {limit}}}]"#);
    let next = path.with_extension("next");
    fs::write(&next, format!(r#"{{"version": 1, "keys": {keys}}}"#)).unwrap();
    fs::rename(next, path).unwrap();
}

#[test]
fn a_policy_file_is_applied_refused_and_well_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.json");
    write(&path, "1");
    let clock = clock();
    let gate = Gate::builder().clock(clock.clone()).open(&format!("file://{}", path.display())).unwrap();
    assert_eq!(told(&gate), [], "how a gate begins is no event");
    let look = || {
        clock.advance(Duration::from_secs(2));
        gate.verify(SECRET).unwrap();
        told(&gate)
    };
    write(&path, "20");
    assert_eq!(look(), [(EventKind::StoreChanged, "1 put, 0 removed".to_owned())]);
    assert_eq!(look(), []);
    write(&path, "-3");
    let refused = look();
    assert_eq!(refused.first().map(|(kind, _)| *kind), Some(EventKind::StoreRefused));
    assert!(refused.first().unwrap().1.contains("/keys/0/daily_spend_limit"), "{refused:?}");
    assert_eq!(look(), [], "told once, however often it is read");
    fs::remove_file(&path).unwrap();
    assert_eq!(look().first().map(|(kind, _)| *kind), Some(EventKind::StoreUnavailable));
    assert_eq!(look(), []);
    write(&path, "20");
    assert_eq!(look(), [(EventKind::StoreRecovered, String::new())]);
    assert_eq!(gate.stats().refresh_failures, 4);
}

#[test]
fn a_key_that_nobody_can_use_here_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.json");
    let key = |id: &str, hash: &str| format!(r#"{{"id": "{id}", "name": "k", "key_hash": "{hash}"}}"#);
    let digest = |digit: &str| digit.repeat(64);
    let file = |keys: &[String]| {
        fs::write(&path, format!(r#"{{"version": 1, "keys": [{}]}}"#, keys.join(","))).unwrap();
    };
    let mut keys = vec![
        key("plain", &format!("sha256:{}", digest("0"))),
        key("known", &format!("hs256:now:{}", digest("1"))),
        key("old", &format!("hs256:then:{}", digest("2"))),
    ];
    file(&keys);
    let peppers = Peppers::new([("now", &b"0123456789abcdef0123456789abcdef"[..])]).unwrap();
    let gate = Gate::builder().peppers(peppers).open(&format!("file://{}", path.display())).unwrap();
    let note = "keyed with then, and no such pepper is configured here";
    assert_eq!(told(&gate), [(EventKind::KeyUnreadable, note.to_owned())]);
    gate.refresh().unwrap();
    assert_eq!(told(&gate), []);
    keys.push(key("older", &format!("hs256:before:{}", digest("3"))));
    file(&keys);
    gate.refresh().unwrap();
    let more = (EventKind::KeyUnreadable, format!("{note}; the same of 1 more"));
    assert_eq!(told(&gate), [more, (EventKind::StoreChanged, "1 put, 0 removed".to_owned())]);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_write_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.json");
    write(&path, "1");
    let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let note = |mode| format!("{}: others may write the file (mode {mode}): chmod go-w", path.display());
    allow(0o664);
    let gate = Gate::open(&format!("file://{}", path.display())).unwrap();
    assert_eq!(told(&gate), [(EventKind::StoreExposed, note("664"))]);
    for (mode, expected) in [
        (0o664, vec![]),
        (0o606, vec![(EventKind::StoreExposed, note("606"))]),
        (0o644, vec![]),
        (0o602, vec![(EventKind::StoreExposed, note("602"))]),
    ] {
        allow(mode);
        gate.refresh().unwrap();
        assert_eq!(told(&gate), expected, "{mode:o}");
    }
}

#[cfg(all(unix, feature = "sqlite"))]
#[test]
fn a_database_that_others_may_use_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let open = || Gate::open(&format!("sqlite:///{}", path.display())).unwrap();
    assert_eq!(told(&open()), [], "made for its owner alone");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let note = format!("{}: others may use the file (mode 640): chmod 600", path.display());
    assert_eq!(told(&open()), [(EventKind::StoreExposed, note)]);
}

#[test]
fn words_that_came_with_a_file_are_told_with_the_first_of_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.json");
    let key = |id: &str, digit: &str, models: &str| {
        let hash = digit.repeat(64);
        format!(r#"{{"id": "{id}", "name": "k", "key_hash": "sha256:{hash}", "allowed_models": {models}}}"#)
    };
    let keys =
        [key("a", "0", r#"["gpt-4"]"#), key("b", "1", r#"["x", "all"]"#), key("c", "2", r#"["none"]"#)];
    fs::write(&path, format!(r#"{{"version": 1, "keys": [{}]}}"#, keys.join(","))).unwrap();
    let gate = Gate::open(&format!("file://{}", path.display())).unwrap();
    let events = gate.take_events(9);
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::ModelWord).collect();
    let [event] = told[..] else { panic!("{events:?}") };
    assert_eq!(event.key_id, Some("b".parse().unwrap()));
    assert_eq!(
        event.note,
        "allowed_models: all is the name of one model; * stands for every one; the same of 1 more"
    );
}

#[test]
fn what_others_did_to_keys_is_told_where_it_arrives() {
    let (store, clock) = (MemoryStore::new(), clock());
    let open = || {
        let store = Arc::new(store.clone());
        Gate::builder().clock(clock.clone()).store(store).open("memory:").unwrap()
    };
    let (here, there) = (open(), open());
    let key = here.create_key(&KeySpec::new("k").secret(SECRET)).unwrap().key;
    here.refresh().unwrap();
    there.refresh().unwrap();
    let expected = [(EventKind::KeyCreated, String::new())];
    assert_eq!(told(&here), expected, "what it did itself is not told again");
    assert_eq!(told(&there), [(EventKind::StoreChanged, "1 put, 0 removed".to_owned())]);
    here.delete_key(key.id()).unwrap();
    there.refresh().unwrap();
    assert_eq!(told(&there), [(EventKind::StoreChanged, "0 put, 1 removed".to_owned())]);
}

#[test]
fn an_edit_that_widens_says_what() {
    let gate = Gate::builder().clock(clock()).open("memory:").unwrap();
    let spec = KeySpec::new("k").daily_spend_limit(1).allowed_models(["gpt-4"]);
    let key = gate.create_key(&spec).unwrap().key;
    let wider = KeyEdit::new().daily_spend_limit(2).allowed_models(["gpt-*"]).widen();
    gate.update_key(key.id(), &wider).unwrap();
    gate.update_key(key.id(), &KeyEdit::new().daily_spend_limit(1)).unwrap();
    let events = gate.take_events(usize::MAX);
    let notes: Vec<_> = events.iter().map(|event| event.note.as_str()).collect();
    assert_eq!(notes, ["", "widened allowed_models, daily_spend_limit", ""]);
    assert!(events.iter().all(|event| event.key_id.as_ref() == Some(key.id()) && event.times == 1));
    let json = serde_json::to_value(&events[1]).unwrap();
    assert_eq!(json["kind"], "key_updated");
    assert_eq!(json["at"], "2026-11-23T12:00:00Z");
}

#[test]
fn the_queue_is_bounded_and_counts_what_it_lost() {
    let gate = Gate::builder().clock(clock()).open("memory:").unwrap();
    let first = gate.create_key(&KeySpec::new("first")).unwrap().key;
    let keys: Vec<_> = (0..1_030).map(|_| gate.create_key(&KeySpec::new("k")).unwrap().key).collect();
    assert_eq!(gate.stats().events_lost, 7);
    let events: Vec<Event> = gate.take_events(3);
    let ids: Vec<_> = events.iter().map(|event| event.key_id.clone().unwrap()).collect();
    assert!(!ids.contains(first.id()));
    assert_eq!(ids, [6, 7, 8].map(|place: usize| keys[place].id().clone()));
    assert_eq!(gate.take_events(usize::MAX).len(), 1_021);
    assert_eq!(gate.take_events(usize::MAX), []);
    assert_eq!(gate.stats().events_lost, 7);
}

#[test]
fn every_switch_is_told_in_its_turn() {
    let gate = Gate::builder().clock(clock()).open("memory:").unwrap();
    let key = gate.create_key(&KeySpec::new("k")).unwrap().key;
    for _ in 0..2 {
        gate.disable_key(key.id()).unwrap();
        gate.enable_key(key.id()).unwrap();
    }
    let kinds: Vec<_> = told(&gate).into_iter().map(|(kind, _)| kind).collect();
    let (off, on) = (EventKind::KeyDisabled, EventKind::KeyEnabled);
    assert_eq!(kinds, [EventKind::KeyCreated, off, on, off, on]);
}
