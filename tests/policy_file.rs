//! A gate over a policy file: read, read again, and never half.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use enclava_keys::key::Peppers;
use enclava_keys::ledger::MemoryLedger;
use enclava_keys::store::PolicyFile;
use enclava_keys::{Error, Gate, KeySpec, ManualClock, Reason, Request, Usage};

const ALICE: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
const BOB: &str = "en_00112233445566778899aabbccddeeff";
const CAROL: &str = "en_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct Scene {
    _folder: tempfile::TempDir,
    path: PathBuf,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn new(keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.json");
        let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
        let scene = Self { _folder: folder, path, clock };
        scene.write(keys);
        scene
    }

    // As an operator should: a new file, moved over the old one.
    fn write(&self, keys: &str) {
        let next = self.path.with_extension("next");
        fs::write(&next, format!(r#"{{"version": 1, "keys": [{keys}]}}"#)).unwrap();
        fs::rename(next, &self.path).unwrap();
    }

    fn open(&self) -> Gate {
        let url = format!("file://{}", self.path.display());
        Gate::builder().clock(self.clock.clone()).open(&url).unwrap()
    }

    // A gate over a file that other gates read too, each with a ledger of its own or all with `ledger`.
    fn open_over(&self, file: &Arc<PolicyFile>, ledger: &Arc<MemoryLedger>) -> Gate {
        let builder = Gate::builder().clock(self.clock.clone()).store(file.clone());
        builder.ledger(ledger.clone()).open("memory:").unwrap()
    }

    fn set(&self, now: &str) {
        self.clock.set(now.parse().unwrap());
    }
}

// Whether another dollar is admitted; it is spent then.
fn spends_a_dollar(gate: &Gate, secret: &str) -> bool {
    let dollar = "1".parse().unwrap();
    match gate.authorize(&Request::new(secret).cost(dollar)) {
        Ok(mut permit) => permit.settle(Usage::new(dollar, 1)).is_ok(),
        Err(denial) => {
            assert_eq!(denial.reason(), Reason::DailySpendExceeded, "{}", denial.message());
            false
        }
    }
}

fn record(id: &str, secret: &str, more: &str) -> String {
    let hash = Peppers::none().hash(secret.as_bytes());
    format!(r#"{{"id": "{id}", "name": "{id}", "key_hash": "{hash}"{more}}}"#)
}

#[test]
fn keys_come_from_the_file_and_budgets_outlive_a_reload() {
    let scene = Scene::new(&record("alice", ALICE, r#", "daily_spend_limit": 1"#));
    let gate = scene.open();
    let id = "alice".parse().unwrap();
    gate.authorize(&Request::new(ALICE)).unwrap().settle(Usage::new("0.75".parse().unwrap(), 1)).unwrap();
    scene.write(&format!(
        "{}, {}",
        record("alice", ALICE, r#", "daily_spend_limit": 2"#),
        record("bob", BOB, "")
    ));
    scene.clock.advance(Duration::from_secs(1));
    assert!(gate.verify(BOB).is_ok(), "the new key works within the refresh interval");
    let today = gate.usage(&id).unwrap().daily_spend;
    assert_eq!((today.used.to_string(), today.limit.unwrap().to_string()), ("$0.75".into(), "$2.00".into()));
}

#[test]
fn a_key_that_left_the_file_is_unknown() {
    let scene = Scene::new(&format!("{}, {}", record("alice", ALICE, ""), record("bob", BOB, "")));
    let gate = scene.open();
    scene.write(&record("bob", BOB, ""));
    gate.refresh().unwrap();
    assert_eq!(gate.verify(ALICE).unwrap_err().reason(), Reason::UnknownKey);
    assert!(gate.verify(BOB).is_ok());
}

#[test]
fn a_broken_file_keeps_the_last_good_one_in_force() {
    let scene = Scene::new(&record("alice", ALICE, ""));
    let gate = scene.open();
    for broken in [
        record("alice", ALICE, r#", "daily_limit": 1"#),
        format!("{}, {}", record("alice", ALICE, ""), record("alice", BOB, "")),
        "{".to_owned(),
    ] {
        scene.write(&broken);
        assert!(matches!(gate.refresh(), Err(Error::InvalidRecord(_))), "{broken}");
        assert!(gate.verify(ALICE).is_ok());
    }
    fs::write(&scene.path, "").unwrap();
    assert!(gate.refresh().is_err(), "an empty file is not a file without keys");
    assert!(gate.verify(ALICE).is_ok());
    assert!(gate.stats().refresh_failures >= 4);
}

#[test]
fn there_is_no_gate_without_a_good_file() {
    let missing = Gate::open("file:///nowhere/policy.json").unwrap_err();
    assert!(matches!(&missing, Error::Ledger(_)), "{missing}");
    let told = "the store cannot answer: policy file /nowhere/policy.json: No such file or directory";
    assert_eq!(missing.to_string(), told);
    let scene = Scene::new(&record("alice", ALICE, r#", "alert_threshold": 80"#));
    let invalid = Gate::open(&format!("file://{}", scene.path.display())).unwrap_err();
    assert!(invalid.to_string().contains("/keys/0/alert_threshold"), "{invalid}");
}

#[test]
fn keys_are_edited_in_the_file_alone() {
    let scene = Scene::new(&record("alice", ALICE, ""));
    let gate = scene.open();
    assert!(matches!(gate.create_key(&KeySpec::new("x")), Err(Error::Conflict(_))));
    assert!(matches!(gate.revoke_key(&"alice".parse().unwrap()), Err(Error::Conflict(_))));
    assert!(gate.verify(ALICE).is_ok(), "what could not be kept is not in force either");
}

#[test]
fn a_reload_tells_what_it_widened_and_may_refuse_to() {
    let narrow = record("alice", ALICE, r#", "allowed_models": ["gpt-4"]"#);
    let scene = Scene::new(&narrow);
    let file = Arc::new(PolicyFile::at(&scene.path));
    let gate = Gate::builder().store(file.clone()).open("memory:").unwrap();
    scene.write(&record("alice", ALICE, ""));
    gate.refresh().unwrap();
    let widened = file.last_reload().unwrap().widened;
    assert_eq!(widened, [("alice".parse().unwrap(), vec!["allowed_models"])]);

    scene.write(&narrow);
    let strict = Arc::new(PolicyFile::at(&scene.path).refuse_widening());
    let gate = Gate::builder().store(strict).open("memory:").unwrap();
    scene.write(&record("alice", ALICE, ""));
    assert!(gate.refresh().unwrap_err().to_string().contains("would widen alice"));
    assert_eq!(
        gate.authorize(&Request::new(ALICE).model("gpt-5")).unwrap_err().reason(),
        Reason::ModelNotAllowed
    );
}

#[test]
fn a_key_that_is_in_force_again_is_widened() {
    let retiring = |at: &str| {
        let [newest, older] = [ALICE, BOB].map(|secret| Peppers::none().hash(secret.as_bytes()));
        let older =
            format!(r#"{{"hash": "{older}", "created_at": "2026-01-01T00:00:00Z", "retires_at": {at}}}"#);
        format!(r#"{{"id": "alice", "name": "alice", "secrets": [{{"hash": "{newest}"}}, {older}]}}"#)
    };
    let alice = |more: &str| record("alice", ALICE, more);
    for (before, after, field) in [
        (alice(r#", "enabled": false"#), alice(""), "enabled"),
        (alice(r#", "revoked_at": "2026-01-01T00:00:00Z""#), alice(""), "revoked_at"),
        (
            alice(r#", "revoked_at": "2026-01-01T00:00:00Z""#),
            alice(r#", "revoked_at": "2099-01-01T00:00:00Z""#),
            "revoked_at",
        ),
        (retiring(r#""2026-02-01T00:00:00Z""#), retiring(r#""2099-02-01T00:00:00Z""#), "secrets"),
        (retiring(r#""2026-02-01T00:00:00Z""#), retiring("null"), "secrets"),
    ] {
        let scene = Scene::new(&before);
        let told = Arc::new(PolicyFile::at(&scene.path));
        let open = Gate::builder().store(told.clone()).open("memory:").unwrap();
        let strict = Gate::builder()
            .store(Arc::new(PolicyFile::at(&scene.path).refuse_widening()))
            .open("memory:")
            .unwrap();
        scene.write(&after);
        open.refresh().unwrap();
        assert_eq!(told.last_reload().unwrap().widened, [("alice".parse().unwrap(), vec![field])]);
        let refused = strict.refresh().unwrap_err().to_string();
        assert!(refused.contains(&format!("would widen alice ({field})")), "{refused}");
        // The other way is no widening.
        scene.write(&before);
        strict.refresh().unwrap();
        open.refresh().unwrap();
        assert_eq!(told.last_reload().unwrap().widened, []);
    }
}

#[test]
fn an_edit_in_place_is_seen_though_it_keeps_length_and_time() {
    let limited = |limit: u8| record("alice", ALICE, &format!(r#", "daily_spend_limit": {limit}"#));
    let scene = Scene::new(&limited(90));
    let gate = scene.open();
    let modified = fs::metadata(&scene.path).unwrap().modified().unwrap();
    // The clock of a file system ticks.
    std::thread::sleep(Duration::from_millis(20));
    let text = fs::read_to_string(&scene.path).unwrap();
    fs::write(&scene.path, text.replace("90", "10")).unwrap();
    fs::File::options().write(true).open(&scene.path).unwrap().set_modified(modified).unwrap();
    gate.refresh().unwrap();
    assert_eq!(gate.key(&"alice".parse().unwrap()).unwrap().daily_spend_limit(), "10".parse().ok());
}

#[test]
fn a_zone_that_is_edited_waits_for_the_window_to_end() {
    let limits = r#", "daily_spend_limit": 1, "monthly_spend_limit": 9"#;
    let zoned = |zone: &str| record("alice", ALICE, &format!(r#"{limits}, "timezone": "{zone}""#));
    let scene = Scene::new(&record("alice", ALICE, limits));
    let (file, ledger) = (Arc::new(PolicyFile::at(&scene.path)), Arc::default());
    let gate = scene.open_over(&file, &ledger);
    assert!(spends_a_dollar(&gate, ALICE));
    for zone in ["Asia/Tokyo", "Asia/Kolkata", "America/New_York", "UTC", "Asia/Tokyo"] {
        scene.write(&zoned(zone));
        gate.refresh().unwrap();
        assert_eq!(gate.key(&"alice".parse().unwrap()).unwrap().timezone(), zone);
        assert!(!spends_a_dollar(&gate, ALICE), "{zone}");
        // Who opens the file later finds the same windows.
        assert!(!spends_a_dollar(&scene.open_over(&file, &ledger), ALICE), "{zone}");
    }
    // Another edit does not make the zone count sooner, and a file that says the same is no news.
    scene.write(&zoned("Asia/Tokyo").replace(r#""name": "alice""#, r#""name": "Alice""#));
    gate.refresh().unwrap();
    assert!(!spends_a_dollar(&gate, ALICE));
    let generation = file.last_reload().unwrap().generation;
    scene.write(&format!("{} ", zoned("Asia/Tokyo").replace(r#""name": "alice""#, r#""name": "Alice""#)));
    gate.refresh().unwrap();
    assert_eq!(file.last_reload().unwrap().generation, generation);
    // The day ends in UTC once more, and the next one in Tokyo.
    scene.set("2026-11-23T23:59:59Z");
    assert!(!spends_a_dollar(&gate, ALICE));
    scene.set("2026-11-24T00:00:00Z");
    assert!(spends_a_dollar(&gate, ALICE) && !spends_a_dollar(&gate, ALICE));
    scene.set("2026-11-24T15:00:00Z");
    assert!(spends_a_dollar(&gate, ALICE) && !spends_a_dollar(&gate, ALICE));
    let month = gate.usage(&"alice".parse().unwrap()).unwrap().monthly_spend;
    assert_eq!(
        (month.used.to_string(), month.resets_at.to_string()),
        ("$3.00".into(), "2026-12-01T00:00:00Z".into())
    );
}

#[test]
fn a_zone_that_a_file_begins_with_counts_at_once() {
    let scene = Scene::new(&record("alice", ALICE, r#", "timezone": "Asia/Tokyo""#));
    let today = scene.open().usage(&"alice".parse().unwrap()).unwrap().daily_spend;
    assert_eq!(today.resets_at.to_string(), "2026-11-23T15:00:00Z");
}

#[test]
fn secrets_move_between_keys_and_nothing_else_waits_for_it() {
    let three = |a: &str, b: &str, more: &str| {
        format!("{}, {}, {}", record("a", a, ""), record("b", b, ""), record("z", "en_zzzzzzzzzzzz", more))
    };
    let scene = Scene::new(&three(ALICE, BOB, ""));
    let gate = scene.open();
    let owner =
        |secret| gate.verify(secret).map(|key| key.id().to_string()).map_err(|denial| denial.reason());
    scene.write(&three(BOB, CAROL, r#", "enabled": false"#));
    gate.refresh().unwrap();
    assert_eq!(owner("en_zzzzzzzzzzzz"), Err(Reason::KeyDisabled));
    assert_eq!([ALICE, BOB, CAROL].map(owner), [Err(Reason::UnknownKey), Ok("a".into()), Ok("b".into())]);
    // Around in a circle, and to a new key whose name comes first.
    scene.write(&three(CAROL, BOB, ""));
    gate.refresh().unwrap();
    assert_eq!([BOB, CAROL].map(owner), [Ok("b".into()), Ok("a".into())]);
    scene.write(&format!("{}, {}", record("0", CAROL, ""), record("a", ALICE, "")));
    gate.refresh().unwrap();
    assert_eq!([ALICE, BOB, CAROL].map(owner), [Ok("a".into()), Err(Reason::UnknownKey), Ok("0".into())]);
    assert_eq!(gate.keys(None, 9).len(), 2);
}

#[test]
fn a_key_that_stays_is_never_unknown_while_its_secret_moves() {
    let two = |a: &str, b: &str| format!("{}, {}", record("a", a, ""), record("b", b, ""));
    let scene = Scene::new(&two(ALICE, BOB));
    let gate = scene.open();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert!(gate.verify(ALICE).is_ok() && gate.verify(BOB).is_ok());
            }
        });
        for turn in 0..200 {
            scene.write(&if turn % 2 == 0 { two(BOB, ALICE) } else { two(ALICE, BOB) });
            gate.refresh().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_key_that_comes_back_is_news_to_every_gate() {
    let limit = |dollars: u32| record("alice", ALICE, &format!(r#", "daily_spend_limit": {dollars}"#));
    let scene = Scene::new(&limit(100));
    let file = Arc::new(PolicyFile::at(&scene.path));
    let (first, second) = (scene.open_over(&file, &Arc::default()), scene.open_over(&file, &Arc::default()));
    let id = "alice".parse().unwrap();
    let before = first.key(&id).unwrap().revision();
    scene.write("");
    first.refresh().unwrap();
    scene.write(&limit(1));
    for gate in [first, second] {
        gate.refresh().unwrap();
        assert_eq!(gate.usage(&id).unwrap().daily_spend.limit.unwrap().to_string(), "$1.00");
        assert!(gate.key(&id).unwrap().revision() > before);
    }
}

#[test]
fn a_file_is_read_up_to_one_size() {
    let scene = Scene::new("");
    let gate = scene.open();
    let room = " ".repeat(65 << 20);
    scene.write(&format!("{room}{}", record("alice", ALICE, "")));
    gate.refresh().unwrap();
    assert!(gate.verify(ALICE).is_ok());
    // One that is larger is a file that is not valid.
    fs::File::options().write(true).open(&scene.path).unwrap().set_len((512 << 20) + 1).unwrap();
    let Err(Error::InvalidRecord(fault)) = gate.refresh() else { panic!("it was read") };
    assert!(fault.to_string().contains("larger than 512 MiB"), "{fault}");
    scene.clock.advance(Duration::from_mins(1));
    assert!(gate.verify(ALICE).is_ok());
}
