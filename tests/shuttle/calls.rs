//! Calls of one key that race each other, its end, and time.

use std::sync::Mutex;

use enclava_keys::budget::{Calendar, Hold, HoldId, Limits, Meter, Owner, Zone};
use enclava_keys::ledger::{Account, Books, Ledger, MemoryLedger, NotReserved, OnLapse, Terms};
use enclava_keys::{Error, Settlement};

use super::*;

const LIFETIME: Duration = Duration::from_mins(10);

fn settled(result: Result<Settlement, Error>) -> Option<u64> {
    match result {
        Ok(settlement) => Some(settlement.usage.tokens),
        Err(Error::AlreadySettled(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn as_many_calls_are_admitted_as_fit() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(5));
        let call = || {
            task(&desk, |desk| {
                let call = || desk.authorize(2).map(|mut permit| permit.settle(tokens(2)).unwrap());
                [call(), call()].iter().filter(|admitted| admitted.is_ok()).count()
            })
        };
        let admitted: usize = at_once(vec![call(), call(), call()]).iter().sum();
        assert_eq!((admitted, desk.standing()), (2, (4, 0)));
    });
}

#[test]
fn the_limit_holds_whatever_calls_do() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(6));
        let grows = task(&desk, |desk| {
            let Ok(mut permit) = desk.authorize(2) else { return 0 };
            let _ = permit.extend(tokens(2));
            settled(permit.settle(permit.estimate())).unwrap()
        });
        let is_dropped = task(&desk, |desk| {
            let Ok(mut permit) = desk.authorize(3) else { return 0 };
            permit.progress(tokens(1));
            1
        });
        let is_released = task(&desk, |desk| {
            let Ok(mut permit) = desk.authorize(2) else { return 0 };
            permit.release().unwrap();
            drop(desk.authorize(4));
            0
        });
        let watches = task(&desk, |desk| {
            for _ in 0..2 {
                let (used, held) = desk.standing();
                assert!(used + held <= 6, "{used} used and {held} held");
            }
            0
        });
        let used = at_once(vec![grows, is_dropped, is_released, watches]).iter().sum();
        assert_eq!(desk.standing(), (used, 0));
    });
}

#[test]
fn a_permit_is_charged_once_whoever_settles_it() {
    explore(|| {
        let desk = Desk::with(|spec| spec);
        let mut permit = desk.authorize(5).unwrap();
        let (one, other) = (permit.id(), permit.id());
        let tasks = vec![
            task(&desk, move |_| settled(permit.settle(tokens(7)))),
            task(&desk, move |desk| settled(desk.gate.settle(&one, tokens(8)))),
            task(&desk, move |desk| match desk.gate.release(&other) {
                Ok(()) => Some(0),
                Err(Error::AlreadySettled(_)) => None,
                Err(error) => panic!("{error}"),
            }),
        ];
        let charged: Vec<u64> = at_once(tasks).into_iter().flatten().collect();
        assert_eq!(charged.len(), 1, "ended {} times", charged.len());
        assert_eq!(desk.standing(), (charged[0], 0));
    });
}

#[test]
fn a_settlement_replaces_what_a_drop_decides() {
    explore(|| {
        let desk = Desk::with(|spec| spec);
        let mut permit = desk.authorize(5).unwrap();
        permit.dispatched();
        let id = permit.id();
        let drops = task(&desk, move |_| {
            drop(permit);
            None
        });
        let settles = task(&desk, move |desk| settled(desk.gate.settle(&id, tokens(8))));
        assert_eq!(at_once(vec![drops, settles]), [None, Some(8)]);
        assert_eq!(desk.standing(), (8, 0));
    });
}

#[test]
fn a_lapse_never_undoes_a_settlement() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(20));
        let mut permit = desk.authorize(5).unwrap();
        desk.clock.advance(LIFETIME);
        let tasks = vec![
            task(&desk, move |_| Some(permit.settle(tokens(3)).unwrap().late)),
            task(&desk, |desk| {
                desk.standing();
                None
            }),
            task(&desk, |desk| {
                // Lapses what is due on its way.
                desk.authorize(6).unwrap().settle(tokens(6)).unwrap();
                None
            }),
        ];
        let late = at_once(tasks)[0].unwrap();
        assert_eq!(desk.standing(), (9, 0));
        assert_eq!(desk.gate.stats().lapsed, u64::from(late));
    });
}

#[test]
fn a_lapse_never_undoes_an_extension() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(10));
        let mut permit = desk.authorize(1).unwrap();
        desk.clock.advance(LIFETIME);
        let extends = task(&desk, move |_| match permit.extend(tokens(8)) {
            Ok(()) => Some(permit),
            Err(Error::Conflict(_)) => None,
            Err(other) => panic!("{other}"),
        });
        let looks = task(&desk, |desk| {
            desk.standing();
            None
        });
        let extended = at_once(vec![extends, looks]).swap_remove(0);
        let lapsed = extended.is_none();
        assert_eq!(desk.standing(), if lapsed { (1, 0) } else { (0, 9) });
        if let Some(mut permit) = extended {
            permit.settle(tokens(9)).unwrap();
            assert_eq!(desk.standing(), (9, 0));
        }
    });
}

#[test]
fn an_alert_is_told_once() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(10).alert_threshold("0.5"));
        let heard = Arc::new(Mutex::new(0_usize));
        let counts = Arc::clone(&heard);
        desk.gate.on_alert(move |_| *counts.lock().unwrap() += 1);
        let call = |settles: u64| {
            task(&desk, move |desk| {
                let mut permit = desk.authorize(2).unwrap();
                permit.settle(tokens(settles)).unwrap().alerts.len()
            })
        };
        let told: usize = at_once(vec![call(2), call(2), call(3)]).iter().sum();
        desk.gate.flush().unwrap();
        assert_eq!((told, *heard.lock().unwrap(), desk.gate.take_alerts(9).len()), (1, 1, 1));
    });
}

#[test]
fn a_request_that_comes_twice_holds_once() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(5));
        let call = || task(&desk, |desk| desk.gate.authorize(&request(5).request_id("r")).unwrap());
        let permits = at_once(vec![call(), call()]);
        let (views, makers): (Vec<_>, Vec<_>) = permits.into_iter().partition(Permit::is_view);
        assert_eq!((views.len(), makers.len()), (1, 1));
        drop(views);
        assert_eq!(desk.standing(), (0, 5));
        drop(makers);
        assert_eq!(desk.standing(), (0, 0));
        let record = || {
            task(&desk, |desk| match desk.gate.record(&desk.id, tokens(3), Some("s")) {
                Ok(_) => 1,
                Err(Error::Conflict(_)) => 0,
                Err(other) => panic!("{other}"),
            })
        };
        assert_eq!(at_once(vec![record(), record()]).iter().sum::<u64>(), 1);
        assert_eq!(desk.standing(), (3, 0));
    });
}

// Shuttle's waits never give up by themselves: a waiter that nobody wakes would hang here, and shuttle says so.
#[test]
fn a_call_that_waits_is_woken() {
    explore(|| {
        let desk = Desk::with(|spec| spec.daily_token_limit(10));
        let mut held = desk.authorize(10).unwrap();
        let wait = |released: bool| {
            task(&desk, move |desk| {
                let mut permit = desk.gate.authorize(&request(10).wait(Duration::MAX)).unwrap();
                if released {
                    permit.release().unwrap();
                }
            })
        };
        let ends = task(&desk, move |_| drop(held.settle(tokens(0)).unwrap()));
        at_once(vec![wait(true), wait(false), ends]);
        assert_eq!(desk.standing(), (0, 0));
    });
}

#[test]
fn a_key_that_is_deleted_still_settles_and_is_then_forgotten() {
    explore(|| {
        let ledger = Arc::new(MemoryLedger::new());
        let gate = Gate::builder().ledger(ledger.clone()).open("memory:").unwrap();
        let key = gate.import_key(&KeySpec::new("k").id("k").secret(SECRET)).unwrap();
        let desk = Arc::new(Desk {
            gate,
            clock: Arc::new(ManualClock::new(key.created_at())),
            id: key.id().clone(),
        });
        let (mut first, mut second) = (desk.authorize(5).unwrap(), desk.authorize(6).unwrap());
        second.dispatched();
        let (first_id, second_id) = (first.id(), second.id());
        let tasks = vec![
            task(&desk, move |_| assert_eq!(settled(first.settle(tokens(4))), Some(4))),
            task(&desk, move |_| drop(second)),
            task(&desk, |desk| desk.gate.delete_key(&desk.id).unwrap()),
        ];
        at_once(tasks);
        let owner = Owner::new(desk.id.clone());
        for id in [first_id, second_id] {
            assert_eq!(ledger.hold(&owner, id.hold), Ok(None), "kept after the last call had ended");
        }
        assert_eq!(desk.gate.stats().settled, 1);
    });
}

#[test]
fn owners_in_opposite_orders_neither_deadlock_nor_pass_a_limit() {
    explore(|| {
        let terms = Terms { lifetime: LIFETIME, on_lapse: OnLapse::Charge, most_live: 9 };
        let books = Arc::new(Books::new(Arc::new(MemoryLedger::new()), terms));
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let reserve = |names: [&'static str; 2], id: u128| -> Box<dyn FnOnce() -> usize + Send> {
            let books = Arc::clone(&books);
            Box::new(move || {
                let owners = names.map(|name| Owner::new(name.parse().unwrap()));
                let limits = Limits { daily_tokens: Some(5), ..Limits::default() };
                let calendar = Calendar::new(Zone::utc());
                let accounts =
                    owners.each_ref().map(|owner| Account { owner, limits: &limits, calendar: &calendar });
                let mut hold = Hold::new(HoldId(id), 0);
                match books.reserve(&accounts, &mut hold, tokens(3), None, now, &mut Vec::new()) {
                    Ok(_) => 1,
                    Err(NotReserved::Refused(refusal)) => {
                        assert_eq!((refusal.meter, refusal.held), (Meter::DailyTokens, 3));
                        0
                    }
                    Err(other) => panic!("{other:?}"),
                }
            })
        };
        let tasks = vec![reserve(["a", "b"], 1), reserve(["b", "a"], 2), reserve(["a", "c"], 3)];
        assert_eq!(at_once(tasks).iter().sum::<usize>(), 1);
    });
}
