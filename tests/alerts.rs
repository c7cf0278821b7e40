//! A ledger that keeps alerts until somebody was told: what the gate asks of it and when, and what it says back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use enclava_keys::budget::{AlertId, Hold, HoldId, Meter, Moved, Notice, Outcome, Owner, Row, Step, Window};
use enclava_keys::gate::EventKind;
use enclava_keys::ledger::{LedgerError, MemoryLedger};
use enclava_keys::{Alert, Gate, KeyId, KeySpec, Ledger, NewKey, Request, Timestamp, Usage};

/// The ledger in memory with an outbox, whose claims end when the test says so.
#[derive(Debug, Default)]
struct Outboxed {
    ledger: MemoryLedger,
    free: Mutex<VecDeque<Notice>>,
    claimed: Mutex<Vec<Notice>>,
    down: AtomicBool,
    // The claims of those who are to be stood in for are short.
    hasty: bool,
}

impl Outboxed {
    fn up(&self) -> Result<(), LedgerError> {
        if self.down.load(Ordering::SeqCst) { Err(LedgerError::new("cut off")) } else { Ok(()) }
    }

    /// As when every process that had one died.
    fn end_claims(&self) {
        self.free.lock().unwrap().extend(self.claimed.lock().unwrap().drain(..));
    }

    fn waiting(&self) -> usize {
        self.free.lock().unwrap().len().saturating_add(self.claimed.lock().unwrap().len())
    }
}

impl Ledger for Outboxed {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let outcome = self.ledger.apply(step, rows)?;
        if matches!(outcome, Outcome::Taken { .. }) {
            let owner = step.parties.first().unwrap().owner.id();
            let crossed = step.changes().zip(rows.iter());
            let crossed = crossed.filter_map(|(change, moved)| Notice::of(owner, &change, moved));
            self.claimed.lock().unwrap().extend(crossed);
        }
        Ok(outcome)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.ledger.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.ledger.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.ledger.due(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.ledger.forget(owner)
    }

    fn claim(&self) -> Option<Duration> {
        Some(if self.hasty { Duration::ZERO } else { Duration::from_hours(1) })
    }

    fn untold(&self, most: usize) -> Result<Vec<Notice>, LedgerError> {
        self.up()?;
        let mut free = self.free.lock().unwrap();
        let count = free.len().min(most);
        let handed_out: Vec<Notice> = free.drain(..count).collect();
        self.claimed.lock().unwrap().extend(handed_out.iter().cloned());
        Ok(handed_out)
    }

    fn told(&self, alerts: &[AlertId]) -> Result<(), LedgerError> {
        self.up()?;
        self.free.lock().unwrap().retain(|notice| !alerts.contains(&notice.id));
        self.claimed.lock().unwrap().retain(|notice| !alerts.contains(&notice.id));
        Ok(())
    }
}

fn open(ledger: &Arc<Outboxed>) -> Gate {
    let ledger = Arc::clone(ledger);
    Gate::builder().ledger(ledger).refresh_interval(Duration::from_millis(2)).open("memory:").unwrap()
}

fn key(gate: &Gate, id: &str) -> NewKey {
    let spec = KeySpec::new(format!("{id} by name")).id(id).daily_token_limit(10).alert_threshold("0.5");
    gate.create_key(&spec).unwrap()
}

fn cross(gate: &Gate, made: &NewKey) -> Vec<Alert> {
    let mut permit = gate.authorize(&Request::new(made.secret.reveal()).tokens(6)).unwrap();
    permit.settle(Usage::new("0".parse().unwrap(), 6)).unwrap().alerts
}

// A notice that no step of this process made.
fn found(key: &str) -> Notice {
    let id: AlertId = format!("{key}:daily_tokens:2026-11-23T00:00:00Z:0.5").parse().unwrap();
    let window = Window { start: id.window_start, end: "2026-11-24T00:00:00Z".parse().unwrap() };
    Notice { id, window, used: 7, cap: 10 }
}

fn heard(gate: &Gate) -> mpsc::Receiver<Alert> {
    let (say, hear) = mpsc::channel();
    gate.on_alert(move |alert| say.send(alert.clone()).map_err(|_| "nobody listens"));
    hear
}

#[track_caller]
fn next(hear: &mpsc::Receiver<Alert>) -> Alert {
    hear.recv_timeout(Duration::from_mins(1)).unwrap()
}

#[test]
fn what_was_told_is_forgotten() {
    let ledger = Arc::new(Outboxed::default());
    let gate = open(&ledger);
    let (made, hear) = (key(&gate, "k"), heard(&gate));
    let settled = cross(&gate, &made);
    let told = next(&hear);
    assert_eq!(settled.first(), Some(&told));
    assert!(told.id.to_string().starts_with("k:daily_tokens:") && told.id.to_string().ends_with("Z:0.5"));
    gate.flush().unwrap();
    assert_eq!(ledger.waiting(), 0);
    ledger.end_claims();
    gate.flush().unwrap();
    assert!(hear.try_recv().is_err(), "once");
}

#[test]
fn what_others_left_is_told_by_who_is_there() {
    let ledger = Arc::new(Outboxed::default());
    let gate = open(&ledger);
    let _key = key(&gate, "k");
    ledger.free.lock().unwrap().extend([found("k"), found("gone")]);
    let hear = heard(&gate);
    let (known, gone) = (next(&hear), next(&hear));
    assert_eq!((known.id, &*known.key_name), (found("k").id, "k by name"));
    assert_eq!((gone.id, &*gone.key_name), (found("gone").id, ""));
    assert_eq!((known.used.to_string(), known.limit.to_string()), ("7 tokens".into(), "10 tokens".into()));
    assert_eq!(known.resets_at, found("k").window.end);
    // Later as well, although no call of this gate crosses anything.
    ledger.free.lock().unwrap().push_back(found("later"));
    assert_eq!(next(&hear).id, found("later").id);
    gate.flush().unwrap();
    assert_eq!(ledger.waiting(), 0);
}

#[test]
fn a_gate_that_tells_nobody_leaves_them_to_others() {
    let ledger = Arc::new(Outboxed::default());
    let (here, there) = (open(&ledger), open(&ledger));
    let made = key(&here, "k");
    cross(&here, &made);
    assert!(there.take_alerts(9).is_empty(), "the gate that crossed it has it");
    drop(here);
    ledger.end_claims();
    let taken = there.take_alerts(9);
    assert_eq!(taken.len(), 1);
    assert_eq!(taken.first().unwrap().key_id, "k".parse::<KeyId>().unwrap());
    assert_eq!(ledger.waiting(), 0, "taken is told");
    assert!(there.take_alerts(9).is_empty());
}

#[test]
fn an_alert_whose_callback_failed_is_told_again_under_the_same_id() {
    for panics in [false, true] {
        let ledger = Arc::new(Outboxed::default());
        let gate = open(&ledger);
        let made = key(&gate, "k");
        let (say, hear) = mpsc::channel();
        let tries = AtomicBool::new(false);
        gate.on_alert(move |alert| {
            say.send(alert.clone()).unwrap();
            if tries.swap(true, Ordering::SeqCst) {
                return Ok(());
            }
            assert!(!panics, "on purpose");
            Err("the webhook does not answer")
        });
        let settled = cross(&gate, &made);
        assert_eq!(settled, [next(&hear)]);
        gate.flush().unwrap();
        assert_eq!(ledger.waiting(), 1, "nobody was told");
        ledger.end_claims();
        assert_eq!(settled, [next(&hear)]);
        gate.flush().unwrap();
        assert_eq!(ledger.waiting(), 0);
    }
}

#[test]
fn what_waited_too_long_here_is_left_to_whoever_gets_it() {
    let ledger = Arc::new(Outboxed { hasty: true, ..Outboxed::default() });
    let gate = open(&ledger);
    let made = key(&gate, "k");
    assert_eq!(cross(&gate, &made).len(), 1);
    assert!(gate.take_alerts(9).is_empty(), "somebody else may have it by now");
    ledger.end_claims();
    assert_eq!(gate.take_alerts(9).len(), 1);
}

#[test]
fn a_ledger_that_is_down_is_told_later() {
    let ledger = Arc::new(Outboxed::default());
    let gate = open(&ledger);
    let (made, hear) = (key(&gate, "k"), heard(&gate));
    ledger.down.store(true, Ordering::SeqCst);
    cross(&gate, &made);
    next(&hear);
    while !gate.take_events(99).iter().any(|event| event.kind == EventKind::LedgerUnavailable) {
        std::thread::yield_now();
    }
    assert_eq!(ledger.waiting(), 1);
    ledger.down.store(false, Ordering::SeqCst);
    gate.flush().unwrap();
    assert_eq!(ledger.waiting(), 0);
    assert!(hear.try_recv().is_err(), "it was told, and only that could not be said");
}

#[test]
fn more_than_wait_at_once_are_told() {
    let ledger = Arc::new(Outboxed::default());
    let gate = open(&ledger);
    let names: Vec<String> = (0..300).map(|number| format!("k{number}")).collect();
    ledger.free.lock().unwrap().extend(names.iter().map(|name| found(name)));
    let hear = heard(&gate);
    gate.flush().unwrap();
    let told: Vec<String> = hear.try_iter().map(|alert| alert.key_id.to_string()).collect();
    assert_eq!(told, names, "the oldest first");
}

#[test]
fn a_gate_may_go_while_it_asks() {
    let ledger = Arc::new(Outboxed::default());
    let mut told = 0;
    for round in 0..50 {
        let gate = open(&ledger);
        let made = key(&gate, &format!("k{round}"));
        let hear = heard(&gate);
        let permit = gate.authorize(&Request::new(made.secret.reveal()).tokens(6)).unwrap();
        ledger.free.lock().unwrap().push_back(found("k"));
        drop(gate);
        // What a permit crosses that outlived its gate is still told.
        let alerts = { permit }.settle(Usage::new("0".parse().unwrap(), 6)).unwrap().alerts;
        let heard: Vec<Alert> = hear.iter().collect();
        assert!(heard.contains(alerts.first().unwrap()));
        told += heard.len();
        ledger.end_claims();
    }
    assert!(told >= 50);
}

#[test]
fn an_alert_that_was_heard_or_is_kept_is_not_lost() {
    let many = 1_100;
    let crosses = |gate: &Gate| {
        for key in 0..many {
            let spec = KeySpec::new("k").daily_token_limit(10).alert_threshold("0.5").id(format!("k{key}"));
            let made = gate.create_key(&spec).unwrap();
            let request = Request::new(made.secret.reveal()).tokens(6);
            gate.authorize(&request).unwrap().settle(Usage::new(enclava_keys::Money::ZERO, 6)).unwrap();
            if key % 500 == 499 {
                gate.flush().unwrap();
            }
        }
        gate.flush().unwrap();
    };
    let polled = Gate::open("memory:").unwrap();
    crosses(&polled);
    assert_eq!((polled.take_alerts(usize::MAX).len(), polled.stats().alerts_lost), (1_024, 76));
    let (hears, heard) = mpsc::channel();
    let told = Gate::open("memory:").unwrap();
    told.on_alert(move |alert| hears.send(alert.id.clone()));
    crosses(&told);
    assert_eq!((heard.try_iter().count(), told.stats().alerts_lost), (many, 0));
    let kept = Gate::builder().ledger(Arc::new(Outboxed::default())).open("memory:").unwrap();
    crosses(&kept);
    assert_eq!(kept.stats().alerts_lost, 0);
}
