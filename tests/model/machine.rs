//! The gate under test, and what is compared after every step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::budget::{Amount, Owner, PermitId};
use enclava_keys::gate::{Alert, Balance, Settlement};
use enclava_keys::ledger::{LeasedLedger, Ledger, MemoryLedger, OnLapse};
use enclava_keys::{
    Denial, Error, Gate, KeyEdit, KeyId, KeySpec, ManualClock, Permit, Reason, Request, Usage,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::account::Told;
use crate::ops::{Change, Op, SLOTS, ZONES, anything, create, start};
use crate::oracle::{Answer, MOST_LIVE, Oracle, Refusal, Standing, of};

pub(crate) struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Oracle;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Oracle> {
        (start(), on_lapse()).prop_map(|(now, on_lapse)| Oracle::new(now, false, on_lapse)).boxed()
    }

    fn transitions(oracle: &Oracle) -> BoxedStrategy<Op> {
        // Without a key nothing of interest happens.
        if oracle.keys[0].is_none() {
            prop_oneof![2 => create(Just(0)), 1 => anything()].boxed()
        } else {
            anything().boxed()
        }
    }

    fn apply(mut oracle: Oracle, op: &Op) -> Oracle {
        oracle.step(op);
        oracle
    }
}

/// A gate on a clock that is told what time it is.
pub(crate) struct Subject {
    gate: Gate,
    clock: Arc<ManualClock>,
    secrets: [Vec<String>; SLOTS],
    permits: Vec<Option<Permit>>,
    ids: Vec<PermitId>,
    // Not dropped while anybody looks, and not forgotten: each would keep its gate and that one's files open for good.
    crashed: Vec<Permit>,
    // What the gate must have counted.
    denied: BTreeMap<Reason, u64>,
    ledger: Arc<dyn Ledger>,
    // What is reported after each step. Alerts come with the reports then.
    leases: Option<Arc<LeasedLedger>>,
    // It remembers a call that the oracle has forgotten: from there on they tell different stories.
    remembers_more: bool,
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Subject;
    type Reference = Self;

    fn init_test(oracle: &Oracle) -> Subject {
        Subject::open(oracle, "memory:")
    }

    fn apply(mut subject: Subject, oracle: &Oracle, op: Op) -> Subject {
        if subject.remembers_more {
            return subject;
        }
        let mut answer = subject.happen(oracle, &op);
        if subject.leases.is_some() {
            if answer.remembers_more_than(&oracle.answer) {
                subject.remembers_more = true;
                return subject;
            }
            answer.tell_alerts_of(&oracle.answer);
            subject.report();
        }
        // An engine that could not answer says why.
        let why = if answer == oracle.answer { Vec::new() } else { subject.gate.take_events(99) };
        assert_eq!(answer, oracle.answer, "the answer to {op:?}; {why:?}");
        for slot in (0..SLOTS).filter(|_| oracle.looks) {
            subject.look(oracle, slot);
        }
        subject.compare_alerts(oracle, &op);
        subject.compare_rows(oracle, &op);
        subject
    }

    fn teardown(subject: Subject, _: Oracle) {
        assert_eq!(subject.gate.stats().denied, subject.denied);
    }
}

fn on_lapse() -> impl Strategy<Value = OnLapse> {
    prop_oneof![2 => Just(OnLapse::Charge), 1 => Just(OnLapse::Release)]
}

fn id(slot: usize) -> KeyId {
    format!("key-{slot}").parse().unwrap()
}

fn slot_of(id: &KeyId) -> usize {
    (0..SLOTS).find(|&slot| self::id(slot) == *id).unwrap()
}

fn units(amount: Amount) -> i128 {
    match amount {
        Amount::Spend(money) => money.as_picos(),
        Amount::Tokens(tokens) => tokens.into(),
    }
}

fn told(balance: Balance) -> Standing {
    let Balance { used, held, limit, remaining, resets_at } = balance;
    (units(used), units(held), limit.map(units), remaining.map(units), resets_at)
}

fn alert(alert: &Alert) -> Told {
    Told {
        slot: slot_of(&alert.key_id),
        meter: alert.meter,
        window_start: alert.window_start,
        threshold: alert.threshold.basis_points(),
        limit: units(alert.limit),
        used: units(alert.used),
        resets_at: alert.resets_at,
    }
}

fn refusal(denial: &Denial) -> Refusal {
    let meter = denial.budget_detail().map(|of| (of.limit, of.used, of.held, of.requested, of.resets_at));
    Refusal { reason: denial.reason(), transient: denial.transient(), meter }
}

fn settled(settlement: Settlement) -> Answer {
    let Settlement { usage, overrun, late, alerts } = settlement;
    Answer::Settled { usage, overrun, late, alerts: alerts.iter().map(alert).collect() }
}

fn done<T>(result: Result<T, Error>) -> Answer {
    result.map_or_else(|error| failed(&error), |_| Answer::Done)
}

fn failed(error: &Error) -> Answer {
    match error {
        Error::AlreadySettled(first) => {
            assert!(first.overrun == Usage::ZERO && !first.late && first.alerts.is_empty());
            Answer::AlreadySettled(first.usage)
        }
        Error::NotFound(_) => Answer::NotFound,
        Error::Conflict(_) => Answer::Conflict,
        Error::Denied(denial) => Answer::Denied(refusal(denial)),
        Error::Ledger(_) => Answer::Unavailable,
        other => panic!("{other}"),
    }
}

impl Subject {
    fn open(oracle: &Oracle, url: &str) -> Self {
        let clock = Arc::new(ManualClock::new(oracle.now));
        let ledger: Arc<dyn Ledger> = match url {
            "memory:" => Arc::new(MemoryLedger::new()),
            #[cfg(feature = "sqlite")]
            url => Arc::new(enclava_keys::engine::Sqlite::open(url).unwrap().ledger()),
            #[cfg(not(feature = "sqlite"))]
            url => panic!("{url}"),
        };
        Self::with(oracle, url, ledger, clock)
    }

    fn with(oracle: &Oracle, url: &str, ledger: Arc<dyn Ledger>, clock: Arc<ManualClock>) -> Self {
        let builder = Gate::builder().clock(clock.clone()).ledger(ledger.clone());
        let builder = builder.max_in_flight(MOST_LIVE).on_lapse(oracle.on_lapse);
        Self {
            gate: builder.open(url).unwrap(),
            clock,
            ledger,
            leases: None,
            remembers_more: false,
            secrets: Default::default(),
            permits: Vec::new(),
            ids: Vec::new(),
            crashed: Vec::new(),
            denied: BTreeMap::new(),
        }
    }

    fn report(&self) {
        if let Some(leases) = &self.leases {
            // Who looks has lapse what is due, which is to be reported as well.
            (0..SLOTS).for_each(|slot| drop(self.gate.usage(&id(slot))));
            // It may fail for a day that the ledger has let go, of which it was never told anything.
            let _ = leases.tend();
            let _ = self.gate.flush();
        }
    }

    fn happen(&mut self, oracle: &Oracle, op: &Op) -> Answer {
        match *op {
            Op::Create { slot, limits, zone } => {
                let spec = KeySpec::new(format!("key {slot}"))
                    .id(id(slot).to_string())
                    .daily_spend_limit(limits.daily_spend.map(|limit| limit.to_string()))
                    .monthly_spend_limit(limits.monthly_spend.map(|limit| limit.to_string()))
                    .daily_token_limit(limits.daily_tokens)
                    .alert_threshold(limits.alert_threshold.map(|threshold| threshold.to_string()))
                    .timezone(ZONES[zone]);
                let made = self.gate.create_key(&spec);
                if let Ok(made) = &made {
                    self.secrets[slot] = vec![made.secret.reveal().to_owned()];
                }
                done(made)
            }
            Op::Authorize { slot, secret, estimate, request, foretold } => {
                self.authorize(slot, secret, estimate, request, foretold)
            }
            Op::Look { slot } => {
                self.look(oracle, slot);
                oracle.answer.clone()
            }
            Op::Dispatched { call } => self.with_permit(oracle, call, |permit| {
                permit.dispatched();
                Answer::Done
            }),
            Op::Progress { call, usage } => self.with_permit(oracle, call, |permit| {
                permit.progress(usage);
                Answer::Done
            }),
            Op::Extend { call, more } => self.with_permit(oracle, call, |permit| done(permit.extend(more))),
            Op::Settle { call, bill } => {
                let usage = oracle.nth(call).map(|call| of(bill, &oracle.calls[call]));
                self.with_permit(oracle, call, |permit| {
                    permit.settle(usage.unwrap()).map_or_else(|e| failed(&e), settled)
                })
            }
            Op::Release { call } => {
                let expected = &oracle.answer;
                self.with_permit(oracle, call, |permit| released(permit.release(), expected))
            }
            Op::Drop { call } => self.take(oracle, call, drop),
            Op::Detach { call } => self.take(oracle, call, |permit| drop(permit.detach())),
            Op::Crash { call } => {
                let permit = oracle.nth(call).and_then(|call| self.permits[call].take());
                let crashed = permit.is_some();
                self.crashed.extend(permit);
                if crashed { Answer::Done } else { Answer::Nothing }
            }
            Op::SettleById { call, bill } => match oracle.nth(call) {
                None => Answer::Nothing,
                Some(call) => {
                    let usage = of(bill, &oracle.calls[call]);
                    self.gate.settle(&self.ids[call], usage).map_or_else(|error| failed(&error), settled)
                }
            },
            Op::ReleaseById { call } => match oracle.nth(call) {
                None => Answer::Nothing,
                Some(call) => released(self.gate.release(&self.ids[call]), &oracle.answer),
            },
            Op::Record { slot, usage, request } => {
                let request = request.map(|request| format!("request {request}"));
                let recorded = self.gate.record(&id(slot), usage, request.as_deref());
                recorded.map_or_else(|error| failed(&error), settled)
            }
            Op::Clock(_) => {
                self.clock.set(oracle.now);
                oracle.answer.clone()
            }
            Op::Edit { slot, change, widen } => self.edit(slot, change, widen),
            Op::Disable { slot } => done(self.gate.disable_key(&id(slot))),
            Op::Enable { slot } => done(self.gate.enable_key(&id(slot))),
            Op::Revoke { slot } => done(self.gate.revoke_key(&id(slot))),
            Op::Rotate { slot, overlap } => {
                let made = self.gate.rotate_key(&id(slot), Duration::from_secs(overlap));
                if let Ok(made) = &made {
                    self.secrets[slot].push(made.secret.reveal().to_owned());
                }
                done(made)
            }
            Op::Delete { slot } => done(self.gate.delete_key(&id(slot))),
        }
    }

    fn look(&self, oracle: &Oracle, slot: usize) {
        let standing = self.gate.usage(&id(slot)).ok();
        let standing = standing.map(|all| [all.daily_spend, all.monthly_spend, all.daily_tokens].map(told));
        assert_eq!(standing, oracle.standing(slot), "the usage of key {slot}");
    }

    fn authorize(
        &mut self,
        slot: usize,
        secret: usize,
        estimate: Usage,
        request: Option<u8>,
        foretold: bool,
    ) -> Answer {
        let secrets = &self.secrets[slot];
        let never = "en_00000000000000000000000000000000".to_owned();
        let secret =
            secrets.len().checked_sub(1).map_or(&never, |last| &secrets[last - secret % secrets.len()]);
        let name = request.map(|request| format!("request {request}"));
        let mut asked = Request::new(secret).cost(estimate.cost).tokens(estimate.tokens);
        if let Some(name) = &name {
            asked = asked.request_id(name);
        }
        let foretold = foretold.then(|| self.gate.check(&asked));
        match self.gate.authorize(&asked) {
            Ok(permit) => {
                let view = permit.is_view();
                // A view is admitted whatever the meters say: its call is in flight already.
                assert!(view || foretold.is_none_or(|foretold| foretold.is_allowed()), "a dry run said no");
                self.ids.push(permit.id());
                self.permits.push(Some(permit));
                Answer::Admitted { view }
            }
            Err(denial) => {
                *self.denied.entry(denial.reason()).or_default() += 1;
                if (denial.budget_detail().is_some() || denial.reason() == Reason::RateLimited)
                    && let Some(foretold) = foretold
                {
                    assert_eq!(foretold.denial().map(refusal), Some(refusal(&denial)), "the dry run");
                }
                Answer::Denied(refusal(&denial))
            }
        }
    }

    fn edit(&mut self, slot: usize, change: Change, widen: bool) -> Answer {
        let edit = KeyEdit::new();
        let edit = match change {
            Change::DailySpend(limit) => edit.daily_spend_limit(limit.map(|limit| limit.to_string())),
            Change::MonthlySpend(limit) => edit.monthly_spend_limit(limit.map(|limit| limit.to_string())),
            Change::DailyTokens(limit) => edit.daily_token_limit(limit),
            Change::Threshold(threshold) => {
                edit.alert_threshold(threshold.map(|threshold| threshold.to_string()))
            }
            Change::Zone(zone) => edit.timezone(ZONES[zone]),
        };
        done(self.gate.update_key(&id(slot), &if widen { edit.widen() } else { edit }))
    }

    // The oracle has taken the step already: a permit that is out of hand is found by what there is.
    fn with_permit(
        &mut self,
        oracle: &Oracle,
        call: usize,
        act: impl FnOnce(&mut Permit) -> Answer,
    ) -> Answer {
        let permit = oracle.nth(call).and_then(|call| self.permits[call].as_mut());
        permit.map_or(Answer::Nothing, act)
    }

    fn take(&mut self, oracle: &Oracle, call: usize, act: impl FnOnce(Permit)) -> Answer {
        let permit = oracle.nth(call).and_then(|call| self.permits[call].take());
        permit.map_or(Answer::Nothing, |permit| {
            act(permit);
            Answer::Done
        })
    }

    // Every window, as it is kept and without a look that would change it.
    fn compare_rows(&self, oracle: &Oracle, op: &Op) {
        for slot in 0..SLOTS {
            let Some(account) = oracle.current[slot].map(|account| &oracle.accounts[account]) else {
                continue;
            };
            let owner = Owner::new(id(slot));
            for (meter, start) in account.known_windows() {
                let row = self.ledger.row(&owner, meter, start).unwrap();
                let of = format!("{meter} of key {slot} from {start} on, after {op:?}");
                assert_eq!((row.used, row.held), account.sum(meter, start), "{of}");
            }
        }
    }

    fn compare_alerts(&self, oracle: &Oracle, op: &Op) {
        let key = |told: &Told| (told.slot, told.meter, told.window_start, told.threshold);
        let mut told: Vec<Told> = self.gate.take_alerts(usize::MAX).iter().map(alert).collect();
        let mut expected = oracle.told.clone();
        told.sort();
        expected.sort();
        if oracle.lapsed < 2 {
            assert_eq!(told, expected, "the alerts of {op:?}");
            return;
        }
        // Holds that lapse together are charged in an order that nobody promises: which of them reached the threshold is
        // open, that it was reached is not.
        assert_eq!(told.iter().map(key).collect::<Vec<_>>(), expected.iter().map(key).collect::<Vec<_>>());
        for told in told {
            // The account of a deleted key goes with its last call, and another may be there now.
            let account = &oracle.accounts[oracle.lapsed_in[told.slot]];
            let (used, _) = account.sum(told.meter, told.window_start);
            let is_reached = told.used * 10_000 >= told.limit * i128::from(told.threshold);
            assert!(is_reached && told.used <= used, "{told:?}, of {used}");
        }
    }
}

// A release tells nothing but that it was done.
fn released(result: Result<(), Error>, expected: &Answer) -> Answer {
    match (result, expected) {
        (Ok(()), Answer::Settled { usage: Usage::ZERO, alerts, .. }) if alerts.is_empty() => expected.clone(),
        (result, _) => done(result),
    }
}

/// The same with leases in front of the ledger.
pub(crate) struct OnLeases;

impl ReferenceStateMachine for OnLeases {
    type State = Oracle;
    type Transition = Op;

    // Who looks has lapse what is due, which is reported then: the next step finds it in the ledger.
    fn init_state() -> BoxedStrategy<Oracle> {
        Machine::init_state().prop_map(|oracle| Oracle { looks: true, ..oracle }).boxed()
    }

    fn transitions(oracle: &Oracle) -> BoxedStrategy<Op> {
        Machine::transitions(oracle)
    }

    fn apply(oracle: Oracle, op: &Op) -> Oracle {
        <Machine as ReferenceStateMachine>::apply(oracle, op)
    }
}

impl StateMachineTest for OnLeases {
    type SystemUnderTest = Subject;
    type Reference = Self;

    fn init_test(oracle: &Oracle) -> Subject {
        let clock = Arc::new(ManualClock::new(oracle.now));
        let ledger = LeasedLedger::tended_by_hand(Arc::new(MemoryLedger::new()), clock.clone());
        let ledger = Arc::new(ledger);
        let subject = Subject::with(oracle, "memory:", ledger.clone(), clock);
        Subject { leases: Some(ledger), ..subject }
    }

    fn apply(subject: Subject, oracle: &Oracle, op: Op) -> Subject {
        <Machine as StateMachineTest>::apply(subject, oracle, op)
    }

    fn teardown(subject: Subject, oracle: Oracle) {
        Machine::teardown(subject, oracle);
    }
}

/// The same over a file, which outlives the gate.
#[cfg(feature = "sqlite")]
pub(crate) struct OnSqlite;

#[cfg(feature = "sqlite")]
impl ReferenceStateMachine for OnSqlite {
    type State = Oracle;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Oracle> {
        (start(), on_lapse()).prop_map(|(now, on_lapse)| Oracle::new(now, true, on_lapse)).boxed()
    }

    fn transitions(oracle: &Oracle) -> BoxedStrategy<Op> {
        Machine::transitions(oracle)
    }

    fn apply(oracle: Oracle, op: &Op) -> Oracle {
        <Machine as ReferenceStateMachine>::apply(oracle, op)
    }
}

#[cfg(feature = "sqlite")]
impl StateMachineTest for OnSqlite {
    type SystemUnderTest = (Subject, tempfile::TempDir);
    type Reference = Self;

    fn init_test(oracle: &Oracle) -> Self::SystemUnderTest {
        let directory = tempfile::TempDir::new().unwrap();
        let url = format!("sqlite:///{}/model.db?durability=normal", directory.path().display());
        (Subject::open(oracle, &url), directory)
    }

    fn apply((subject, directory): Self::SystemUnderTest, oracle: &Oracle, op: Op) -> Self::SystemUnderTest {
        (<Machine as StateMachineTest>::apply(subject, oracle, op), directory)
    }

    fn teardown((subject, directory): Self::SystemUnderTest, oracle: Oracle) {
        Machine::teardown(subject, oracle);
        let url = format!("sqlite:///{}/model.db", directory.path().display());
        let faults = enclava_keys::engine::Sqlite::open(&url).unwrap().doctor().unwrap().faults;
        assert_eq!(faults, [""; 0]);
    }
}
