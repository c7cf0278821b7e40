//! A world of processes that share one budget: each with leases of its own, a clock that may be wrong, and a bad line to
//! the ledger. What really happened is written down here, and compared with what the ledger says.

#[path = "balance.rs"]
mod balance;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::budget::{
    Calendar, Hold, HoldId, Limits, Meter, Money, Owner, Phase, Row, Usage, Windows, Zone,
};
use enclava_keys::ledger::{
    Account, Books, Closing, Lease, LeasedLedger, Ledger, MemoryLedger, NotReserved, OnLapse, Terms,
};
use enclava_keys::{ManualClock, Timestamp};

use crate::link::{Counts, Faults, Link};
use crate::random::Random;

const START: i64 = 1_795_392_000; // noon of a day in the middle of a month
const DAY: i64 = 86_400;
const LIMIT: u64 = 400;

/// What a world may bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    faults: Faults,
    skew: i64,
    overruns: bool,
    crashes: bool,
    corrections: bool,
}

/// What came of a world.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tale {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    pub(crate) finally: u64,
    pub(crate) failed: u64,
    pub(crate) crashed: u64,
    pub(crate) local: u64,
    pub(crate) links: Counts,
}

impl Tale {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { admitted, refused, finally, failed, crashed, local, links } = self;
        *admitted += other.admitted;
        *refused += other.refused;
        *finally += other.finally;
        *failed += other.failed;
        *crashed += other.crashed;
        *local += other.local;
        links.add(other.links);
    }
}

struct Process {
    link: Arc<Link>,
    ledger: Arc<LeasedLedger>,
    books: Books,
    // How far its clock is off, in seconds.
    skew: i64,
    calls: Vec<Call>,
}

struct Call {
    hold: Hold,
    // What the ledger was told to charge, if its answer is not known.
    closing: Option<(Phase, Usage)>,
    // Ended provisionally with so much.
    dropped: Option<Usage>,
}

pub(crate) struct World {
    random: Random,
    weather: Weather,
    engine: Arc<MemoryLedger>,
    owner: Owner,
    limits: Limits,
    calendar: Calendar,
    now: i64,
    next: u128,
    processes: Vec<Process>,
    // What was really charged and is in flight, by the start of the day; and what calls cost beyond their estimates.
    used: BTreeMap<Timestamp, u64>,
    held: BTreeMap<Timestamp, u64>,
    overrun: BTreeMap<Timestamp, u64>,
    // Reservations whose answers were lost.
    unknown: Vec<Hold>,
    dead: Vec<Call>,
    tale: Tale,
}

fn tokens(tokens: u64) -> Usage {
    // Dollars go along, so that both units and three meters move.
    Usage::new(Money::from_picos(i128::from(tokens) * 1_000).unwrap(), tokens)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut rate = |most: u64| if random.happens(600) { random.below(most) } else { 0 };
        let faults = Faults { lost: rate(150), unanswered: rate(150), doubled: rate(150) };
        let skew = i64::try_from(rate(200_000)).unwrap();
        let weather = Weather {
            faults,
            skew,
            overruns: rate(3) == 1,
            crashes: rate(2) == 1,
            corrections: rate(2) == 1,
        };
        let limits = Limits {
            daily_tokens: Some(LIMIT),
            daily_spend: (rate(2) == 1).then(|| tokens(LIMIT).cost),
            monthly_spend: (rate(2) == 1).then(|| tokens(LIMIT * 3 / 2).cost),
            alert_threshold: None,
        };
        let mut world = Self {
            random,
            weather,
            engine: Arc::new(MemoryLedger::new()),
            owner: Owner::new("shared".parse().unwrap()),
            limits,
            calendar: Calendar::new(Zone::utc()),
            now: START,
            next: 0,
            processes: Vec::new(),
            used: BTreeMap::new(),
            held: BTreeMap::new(),
            overrun: BTreeMap::new(),
            unknown: Vec::new(),
            dead: Vec::new(),
            tale: Tale::default(),
        };
        for _ in 0..2 + world.random.below(3) {
            world.start();
        }
        world
    }

    /// Lives for so many steps, and is looked at after each; then everything is healed and the books must balance.
    pub(crate) fn live(mut self, steps: u64) -> Tale {
        for _ in 0..steps {
            self.step();
            self.look();
        }
        self.end()
    }

    fn start(&mut self) {
        let link = Link::new(&self.engine, self.random.below(u64::MAX), self.weather.faults);
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(self.now)));
        let ledger = Arc::new(LeasedLedger::tended_by_hand(Arc::<Link>::clone(&link), clock));
        let terms =
            Terms { lifetime: Duration::from_hours(100_000), on_lapse: OnLapse::Charge, most_live: 1_000 };
        let books = Books::new(Arc::<LeasedLedger>::clone(&ledger), terms);
        let skew = self.skew();
        self.processes.push(Process { link, ledger, books, skew, calls: Vec::new() });
    }

    fn skew(&mut self) -> i64 {
        let most = self.weather.skew;
        if most == 0 { 0 } else { i64::try_from(self.random.below(2 * most as u64)).unwrap() - most }
    }

    fn step(&mut self) {
        self.now += i64::try_from(self.random.below(600)).unwrap();
        let process = self.random.below(self.processes.len() as u64) as usize;
        match self.random.below(100) {
            0..40 => self.reserve(process),
            40..70 => self.close(process),
            70..76 => self.extend(process),
            76..80 => self.correct(process),
            80..82 => self.record(process),
            82..95 => drop(self.processes[process].ledger.tend()),
            95..97 => self.processes[process].skew = self.skew(),
            97..98 => {
                let cut = self.random.happens(500);
                self.processes[process].link.cut(cut && self.weather.faults.lost > 0);
            }
            98..99 if self.weather.crashes => self.crash(process),
            _ => self.now += DAY / 4,
        }
    }

    fn amount(&mut self) -> u64 {
        match self.random.below(20) {
            0 => 0,
            1 => 1 + self.random.below(LIMIT / 2),
            _ => 1 + self.random.below(12),
        }
    }

    fn reserve(&mut self, process: usize) {
        let estimate = self.amount();
        let now = Timestamp::from_seconds(self.now + self.processes[process].skew);
        let mut hold = self.draw();
        let account = Account { owner: &self.owner, limits: &self.limits, calendar: &self.calendar };
        let books = &self.processes[process].books;
        match books.reserve(&[account], &mut hold, tokens(estimate), None, now, &mut Vec::new()) {
            Ok(_) => {
                *self.held.entry(hold.windows.day.start).or_default() += estimate;
                self.check_caps(hold.windows, "admitted");
                self.tale.admitted += 1;
                self.tale.local += u64::from(self.engine.hold(&self.owner, hold.id).unwrap().is_none());
                self.processes[process].calls.push(Call { hold, closing: None, dropped: None });
            }
            Err(NotReserved::Refused(refusal)) => {
                self.tale.refused += 1;
                if !refusal.transient {
                    self.tale.finally += 1;
                    let (used, limit) = self.used_on(refusal.meter, refusal.window.start);
                    let asked = estimate.max(1);
                    // A charge that is corrected downwards later makes room again.
                    let slack = if self.weather.corrections { LIMIT } else { 0 };
                    // Nor is it known here yet what was charged without an answer.
                    let slack = slack + self.ending(|of| of.of(refusal.meter) == refusal.window);
                    assert!(
                        used + asked + slack > limit,
                        "{used} used of {limit}, and {asked} refused for good"
                    );
                }
            }
            Err(NotReserved::Failed(_)) => {
                self.tale.failed += 1;
                self.unknown.push(hold);
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn close(&mut self, process: usize) {
        let Some(place) = self.pick(process) else { return };
        let estimate = self.processes[process].calls[place].hold.standing.usage.tokens;
        let (phase, used) = match self.random.below(10) {
            0..2 => (Phase::Released, 0),
            2..4 if self.weather.corrections => (Phase::Dropped, estimate),
            4 if self.weather.overruns => (Phase::Settled, estimate + self.random.below(30)),
            _ => (Phase::Settled, if estimate == 0 { 0 } else { self.random.below(estimate + 1) }),
        };
        self.end_as(process, place, phase, tokens(used));
    }

    // What a dropped call really came to.
    fn correct(&mut self, process: usize) {
        let calls = &self.processes[process].calls;
        let Some(place) = calls.iter().position(|call| call.dropped.is_some()) else { return };
        let charged = calls[place].dropped.unwrap().tokens;
        let used = self.random.below(charged + 1);
        self.end_as(process, place, Phase::Settled, tokens(used));
    }

    fn end_as(&mut self, process: usize, place: usize, phase: Phase, usage: Usage) {
        let account = Account { owner: &self.owner, limits: &self.limits, calendar: &self.calendar };
        let Process { books, calls, .. } = &mut self.processes[process];
        let call = &mut calls[place];
        // Whoever does not know whether it was taken says the same again.
        let is_again = call.closing.is_some();
        let (phase, usage) = call.closing.unwrap_or((phase, usage));
        call.closing = Some((phase, usage));
        let before = call.hold.standing.usage.tokens;
        let was_live = call.dropped.is_none();
        let done = match books.close(&[account], &mut call.hold, phase, usage) {
            Ok(_) => {
                call.hold.standing.close(phase, usage);
                true
            }
            // The answer was lost, and it was taken: so long ago, perhaps, that it is forgotten.
            Err(Closing::Already | Closing::NotFound) if is_again => true,
            Err(Closing::Failed(_)) => false,
            Err(other) => panic!("{:?}: {other:?}", call.hold),
        };
        if !done {
            self.tale.failed += 1;
            return;
        }
        let day = call.hold.windows.day.start;
        let used = self.used.entry(day).or_default();
        if was_live {
            *self.held.get_mut(&day).unwrap() -= before;
            *self.overrun.entry(day).or_default() += usage.tokens.saturating_sub(before);
            *used += usage.tokens;
        } else {
            *used = *used - call.dropped.unwrap().tokens + usage.tokens;
        }
        call.closing = None;
        if phase == Phase::Dropped {
            call.dropped = Some(usage);
        } else {
            calls.swap_remove(place);
        }
    }

    fn extend(&mut self, process: usize) {
        let Some(place) = self.pick(process) else { return };
        if self.processes[process].calls[place].closing.is_some() {
            return;
        }
        let more = 1 + self.random.below(10);
        let now = Timestamp::from_seconds(self.now + self.processes[process].skew);
        let account = Account { owner: &self.owner, limits: &self.limits, calendar: &self.calendar };
        let Process { books, calls, .. } = &mut self.processes[process];
        let call = &mut calls[place];
        let before = call.hold.standing;
        match books.extend(&[account], &mut call.hold, tokens(more), now, &mut Vec::new()) {
            Ok(()) => {
                // It may have grown more than once: an answer was lost.
                let grown = call.hold.standing.usage.tokens - before.usage.tokens;
                let windows = call.hold.windows;
                *self.held.get_mut(&windows.day.start).unwrap() += grown;
                self.check_caps(windows, "grown");
            }
            Err(NotReserved::Failed(_)) => {
                // Whether it grew is found out when it is closed: the sum is what the hold says then.
                self.tale.failed += 1;
                let found = self.engine.hold(&self.owner, call.hold.id).unwrap();
                if let Some(found) = found.filter(|found| found.standing.revision > before.revision) {
                    let grown = found.standing.usage.tokens - before.usage.tokens;
                    *self.held.get_mut(&found.windows.day.start).unwrap() += grown;
                    call.hold.standing = found.standing;
                }
            }
            Err(NotReserved::Refused(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    // A fact that nobody set anything aside for.
    fn record(&mut self, process: usize) {
        if !self.weather.overruns {
            return;
        }
        let used = self.random.below(20);
        let now = Timestamp::from_seconds(self.now + self.processes[process].skew);
        // Named, so that it can be asked for again.
        let mut hold = Hold { fingerprint: 1, ..self.draw() };
        let account = Account { owner: &self.owner, limits: &self.limits, calendar: &self.calendar };
        let books = &self.processes[process].books;
        let recorded = books.record(account, &mut hold, tokens(used), now);
        let is_there = self.engine.hold(&self.owner, hold.id).unwrap().is_some();
        assert!(is_there || recorded.is_err());
        if is_there {
            let day = hold.windows.day.start;
            *self.used.entry(day).or_default() += used;
            *self.overrun.entry(day).or_default() += used;
        }
    }

    fn crash(&mut self, process: usize) {
        let process = self.processes.swap_remove(process);
        // Nothing that it does on its way out arrives.
        process.link.cut(true);
        self.count(&process.link);
        self.dead.extend(process.calls);
        self.tale.crashed += 1;
        drop((process.books, process.ledger));
        self.start();
    }

    fn count(&mut self, link: &Link) {
        self.tale.links.add(link.counts());
    }

    fn draw(&mut self) -> Hold {
        self.next += 1;
        Hold::new(HoldId(self.next), 0)
    }

    // A live call.
    fn pick(&mut self, process: usize) -> Option<usize> {
        let live: Vec<usize> = (0_usize..)
            .zip(&self.processes[process].calls)
            .filter(|(_, call)| call.dropped.is_none())
            .map(|(place, _)| place)
            .collect();
        (!live.is_empty()).then(|| live[self.random.below(live.len() as u64) as usize])
    }
}
