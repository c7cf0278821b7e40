//! Records that change while calls look at them.

use enclava_keys::store::MemoryStore;
use enclava_keys::{Error, Key, KeyEdit};
use shuttle::sync::atomic::{AtomicBool, Ordering};

use super::*;

// Calls race `change`; what begins after it returned is denied for `reason`. So it is with a key that is met for the first
// time, and with one that a thread has met before.
fn bites_at_once(change: fn(&Desk), reason: Reason) {
    for meetings in [0, 2] {
        races(change, reason, meetings);
    }
}

fn races(change: fn(&Desk), reason: Reason, meetings: usize) {
    let desk = Desk::with(|spec| spec.daily_token_limit(100));
    (0..meetings).for_each(|_| drop(desk.gate.verify(SECRET).unwrap()));
    let changed = Arc::new(AtomicBool::new(false));
    let call = || {
        let changed = Arc::clone(&changed);
        task(&desk, move |desk| {
            for _ in 0..2 {
                let before = changed.load(Ordering::SeqCst);
                match desk.authorize(1) {
                    Ok(mut permit) => {
                        assert!(!before, "admitted after the change had returned");
                        permit.settle(tokens(1)).unwrap();
                    }
                    Err(denial) => assert_eq!(denial.reason(), reason),
                }
            }
        })
    };
    let done = Arc::clone(&changed);
    let changes = task(&desk, move |desk| {
        change(desk);
        done.store(true, Ordering::SeqCst);
    });
    at_once(vec![call(), call(), changes]);
}

#[test]
fn a_revoked_key_admits_nothing() {
    explore(|| bites_at_once(|desk| drop(desk.gate.revoke_key(&desk.id).unwrap()), Reason::KeyRevoked));
}

#[test]
fn a_disabled_key_admits_nothing() {
    explore(|| bites_at_once(|desk| drop(desk.gate.disable_key(&desk.id).unwrap()), Reason::KeyDisabled));
}

#[test]
fn a_deleted_key_is_unknown() {
    explore(|| bites_at_once(|desk| desk.gate.delete_key(&desk.id).unwrap(), Reason::UnknownKey));
}

#[test]
fn a_secret_without_an_overlap_is_retired() {
    explore(|| {
        let rotate = |desk: &Desk| drop(desk.gate.rotate_key(&desk.id, Duration::ZERO).unwrap());
        bites_at_once(rotate, Reason::SecretRetired);
    });
}

#[test]
fn a_lowered_limit_admits_nothing() {
    explore(|| {
        let lower = |desk: &Desk| {
            drop(desk.gate.update_key(&desk.id, &KeyEdit::new().daily_token_limit(0)).unwrap());
        };
        bites_at_once(lower, Reason::DailyTokensExceeded);
    });
}

#[test]
fn no_lookup_misses_a_key_that_changes() {
    explore(|| {
        let desk = Desk::with(|spec| spec);
        let looks = task(&desk, |desk| {
            for _ in 0..3 {
                assert_eq!(desk.gate.verify(SECRET).unwrap().id(), &desk.id);
            }
        });
        let changes = task(&desk, |desk| {
            let made = desk.gate.rotate_key(&desk.id, Duration::from_hours(1)).unwrap();
            assert_eq!(desk.gate.verify(made.secret.reveal()).unwrap().id(), &desk.id);
            drop(desk.gate.update_key(&desk.id, &KeyEdit::new().description("d")).unwrap());
        });
        at_once(vec![looks, changes]);
    });
}

fn has_every_edit(key: &Key) {
    let purpose = key.purpose().map(ToString::to_string);
    assert_eq!((key.description(), purpose.as_deref(), key.secrets().count()), ("d", Some("chat"), 2));
    assert_eq!(key.revision(), 4);
}

#[test]
fn no_edit_is_lost() {
    explore(|| {
        let desk = Desk::with(|spec| spec);
        let edit =
            |edit: KeyEdit| task(&desk, move |desk| drop(desk.gate.update_key(&desk.id, &edit).unwrap()));
        let rotates =
            task(&desk, |desk| drop(desk.gate.rotate_key(&desk.id, Duration::from_hours(1)).unwrap()));
        at_once(vec![edit(KeyEdit::new().description("d")), edit(KeyEdit::new().purpose("chat")), rotates]);
        has_every_edit(&desk.gate.key(&desk.id).unwrap());
    });
}

#[test]
fn no_edit_is_lost_between_gates_that_share_a_store() {
    explore(|| {
        let store = MemoryStore::new();
        let open = || Gate::builder().store(Arc::new(store.clone())).open("memory:").unwrap();
        let (here, there) = (Arc::new(open()), Arc::new(open()));
        let id = here.import_key(&KeySpec::new("k").id("k").secret(SECRET)).unwrap().id().clone();
        let edit = |gate: &Arc<Gate>, edit: KeyEdit| -> Box<dyn FnOnce() + Send> {
            let (gate, id) = (Arc::clone(gate), id.clone());
            Box::new(move || drop(gate.update_key(&id, &edit).unwrap()))
        };
        let rotates: Box<dyn FnOnce() + Send> = {
            let (gate, id) = (Arc::clone(&here), id.clone());
            Box::new(move || drop(gate.rotate_key(&id, Duration::from_hours(1)).unwrap()))
        };
        let describes = edit(&here, KeyEdit::new().description("d"));
        at_once(vec![describes, edit(&there, KeyEdit::new().purpose("chat")), rotates]);
        for gate in [here, there] {
            gate.refresh().unwrap();
            has_every_edit(&gate.key(&id).unwrap());
        }
    });
}

#[test]
fn an_edit_of_a_revision_that_moved_on_is_refused() {
    explore(|| {
        let desk = Desk::with(|spec| spec);
        let revision = desk.gate.key(&desk.id).unwrap().revision();
        let edit = |name: &'static str| {
            task(&desk, move |desk| {
                let edit = KeyEdit::new().name(name).at_revision(revision);
                match desk.gate.update_key(&desk.id, &edit) {
                    Ok(key) => usize::from(key.name() == name),
                    Err(Error::Conflict(_)) => 0,
                    Err(other) => panic!("{other}"),
                }
            })
        };
        assert_eq!(at_once(vec![edit("a"), edit("b")]).iter().sum::<usize>(), 1);
    });
}
