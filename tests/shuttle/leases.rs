//! Processes that draw on one budget by leases: their calls, their reports, and their end.

use enclava_keys::Timestamp;
use enclava_keys::budget::{Calendar, Hold, HoldId, Limits, Meter, Owner, Phase, Row, Zone};
use enclava_keys::ledger::{Account, Books, LeasedLedger, Ledger, MemoryLedger, NotReserved, OnLapse, Terms};

use super::*;

const LIMIT: u64 = 20;

/// A process with leases of its own.
struct Process {
    ledger: Arc<LeasedLedger>,
    books: Books,
    owner: Owner,
}

impl Process {
    fn on(engine: &Arc<MemoryLedger>) -> Arc<Self> {
        let clock = Arc::new(ManualClock::new(now()));
        let ledger = Arc::new(LeasedLedger::tended_by_hand(engine.clone(), clock));
        let lifetime = Duration::from_mins(10);
        let terms = Terms { lifetime, on_lapse: OnLapse::Charge, most_live: 9 };
        let books = Books::new(ledger.clone(), terms);
        Arc::new(Self { ledger, books, owner: owner() })
    }

    /// Makes one call; what it was charged, if it was admitted. Nothing is refused for good that would fit.
    fn call(&self, id: u128, estimate: u64, used: u64) -> u64 {
        let limits = Limits { daily_tokens: Some(LIMIT), ..Limits::default() };
        let calendar = Calendar::new(Zone::utc());
        let account = Account { owner: &self.owner, limits: &limits, calendar: &calendar };
        let mut hold = Hold::new(HoldId(id), 0);
        match self.books.reserve(&[account], &mut hold, tokens(estimate), None, now(), &mut Vec::new()) {
            Ok(_) => {
                assert!(self.books.close(&[account], &mut hold, Phase::Settled, tokens(used)).is_ok());
                used
            }
            Err(NotReserved::Refused(refusal)) => {
                let fits = refusal.used + i128::from(estimate) <= i128::from(LIMIT);
                assert_eq!(refusal.transient, fits, "{refusal:?}");
                0
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn owner() -> Owner {
    Owner::new("shared".parse().unwrap())
}

fn row(ledger: &dyn Ledger) -> Row {
    ledger.row(&owner(), Meter::DailyTokens, Calendar::new(Zone::utc()).windows(now()).day.start).unwrap()
}

fn of<T>(
    process: &Arc<Process>,
    run: impl FnOnce(&Process) -> T + Send + 'static,
) -> Box<dyn FnOnce() -> T + Send> {
    let process = Arc::clone(process);
    Box::new(move || run(&process))
}

#[test]
fn processes_with_leases_never_pass_the_limit_together() {
    explore(|| {
        let engine = Arc::new(MemoryLedger::new());
        let (one, other) = (Process::on(&engine), Process::on(&engine));
        let watches = engine.clone();
        let tasks: Vec<Box<dyn FnOnce() -> u64 + Send>> = vec![
            of(&one, |process| process.call(1, 1, 1) + process.call(2, 12, 12)),
            of(&one, |process| process.call(3, 2, 0) + process.call(4, 4, 4)),
            of(&one, |process| {
                process.ledger.tend().unwrap();
                0
            }),
            of(&other, |process| process.call(5, 1, 1) + process.call(6, 9, 9)),
            Box::new(move || {
                let Row { used, held, .. } = row(&*watches);
                assert!(used + held <= i128::from(LIMIT), "{used} used and {held} held");
                0
            }),
        ];
        let charged: u64 = at_once(tasks).iter().sum();
        for process in [&one, &other] {
            process.ledger.flush().unwrap();
        }
        let Row { used, held, .. } = row(&*engine);
        assert_eq!((used, held), (i128::from(charged), 0));
        assert!(charged <= LIMIT, "{charged} charged");
    });
}

#[test]
fn a_flush_in_the_middle_of_a_round_leaves_nothing_untold() {
    explore(|| {
        let engine = Arc::new(MemoryLedger::new());
        let process = Process::on(&engine);
        process.call(1, 1, 1);
        let asks = engine.clone();
        let flush = of(&process, move |process| {
            process.ledger.flush().unwrap();
            let Row { used, held, .. } = row(&*asks);
            assert_eq!((used, held), (1, 0));
        });
        at_once(vec![of(&process, |process| process.ledger.tend().unwrap()), flush]);
    });
}

#[test]
fn a_process_that_ends_reports_what_its_last_calls_used() {
    explore(|| {
        let engine = Arc::new(MemoryLedger::new());
        let process = Process::on(&engine);
        let last = of(&process, |process| process.call(1, 1, 1));
        let other = of(&process, |process| process.call(2, 3, 2));
        // Whoever lets go last ends it.
        drop(process);
        let charged: u64 = at_once(vec![last, other]).iter().sum();
        let Row { used, held, .. } = row(&*engine);
        assert_eq!((charged, used, held), (3, 3, 0));
    });
}
