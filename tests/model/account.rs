//! One owner's facts: every hold there ever was, never forgotten here, and added up for every question.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use enclava_keys::budget::{Limits, Meter, Phase, Windows};
use enclava_keys::ledger::MemoryLedger;
use enclava_keys::{Timestamp, Usage};

/// What a hold is called: a number of its own, or the request id that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Drawn(usize),
    Request(u8),
}

#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) name: Name,
    /// The estimate that the request id stands for; `None` if it stands for a record.
    pub(crate) asked: Option<Usage>,
    pub(crate) phase: Phase,
    pub(crate) usage: Usage,
    pub(crate) windows: Windows,
    pub(crate) expires: Timestamp,
    /// Whether the ledger still knows it.
    pub(crate) known: bool,
}

/// A threshold that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) slot: usize,
    pub(crate) meter: Meter,
    pub(crate) window_start: Timestamp,
    pub(crate) threshold: u16,
    pub(crate) limit: i128,
    pub(crate) used: i128,
    pub(crate) resets_at: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) holds: Vec<Hold>,
    /// Whether its key was deleted: it goes with its last call.
    pub(crate) leaving: bool,
    // The windows that are kept, with the thresholds told in each.
    windows: BTreeMap<(Meter, Timestamp), BTreeSet<u16>>,
    // By how much facts have passed the cap, in each window.
    excess: BTreeMap<(Meter, Timestamp), i128>,
    // Windows up to here were let go, and are not opened again.
    let_go: BTreeMap<Meter, Timestamp>,
    // The calls ended for good that are remembered, oldest first.
    ended: VecDeque<usize>,
    // How many calls have ended in any way, if the ledger is one on disk: it forgets the oldest now and then, and not one
    // for another.
    sweeps: Option<usize>,
}

pub(crate) type Unopened = (BTreeMap<(Meter, Timestamp), BTreeSet<u16>>, BTreeMap<Meter, Timestamp>);

/// How often a ledger sweeps that does so now and then.
const SWEEP: usize = 8;

impl Account {
    /// One of a ledger that sweeps, or of one that forgets as that in memory does.
    pub(crate) fn new(sweeps: bool) -> Self {
        Self { sweeps: sweeps.then_some(0), ..Self::default() }
    }

    pub(crate) fn live(&self) -> usize {
        self.holds.iter().filter(|hold| hold.phase == Phase::Live).count()
    }

    pub(crate) fn due(&self, now: Timestamp) -> Vec<usize> {
        let due = |hold: &Hold| hold.phase == Phase::Live && hold.expires <= now;
        (0..self.holds.len()).filter(|&place| due(&self.holds[place])).collect()
    }

    pub(crate) fn find(&self, name: Name) -> Option<usize> {
        self.holds.iter().rposition(|hold| hold.known && hold.name == name)
    }

    /// What is used and held in a window: the sum of all facts. Nothing is known of a window that was let go.
    pub(crate) fn sum(&self, meter: Meter, start: Timestamp) -> (i128, i128) {
        if !self.windows.contains_key(&(meter, start)) {
            return (0, 0);
        }
        let here = self.holds.iter().filter(|hold| hold.windows.of(meter).start == start);
        here.fold((0, 0), |(used, held), hold| match hold.phase {
            Phase::Live => (used, held + hold.usage.on(meter)),
            _ => (used + hold.usage.on(meter), held),
        })
    }

    /// Every window that anything was ever charged to or set aside in.
    pub(crate) fn known_windows(&self) -> BTreeSet<(Meter, Timestamp)> {
        let of = |hold: &Hold| Meter::ALL.map(|meter| (meter, hold.windows.of(meter).start));
        self.holds.iter().flat_map(of).collect()
    }

    pub(crate) fn excess(&self, meter: Meter, start: Timestamp) -> i128 {
        self.excess.get(&(meter, start)).copied().unwrap_or_default()
    }

    /// So much was charged that was never set aside.
    pub(crate) fn excuse(&mut self, windows: Windows, beyond: Usage) {
        for meter in Meter::ALL {
            *self.excess.entry((meter, windows.of(meter).start)).or_default() += beyond.on(meter);
        }
    }

    /// The limits are others: what there is stays.
    pub(crate) fn measure(&mut self, limits: &Limits) {
        for (meter, start) in self.known_windows() {
            let (used, held) = self.sum(meter, start);
            let beyond = limits.cap(meter).map_or(0, |cap| (used + held - cap).max(0));
            self.excess.insert((meter, start), beyond);
        }
    }

    /// Whether the windows are open, now or again: the last two of each meter are, and those that a call pins which may
    /// still be ended.
    pub(crate) fn open(&mut self, windows: Windows) -> bool {
        Meter::ALL.into_iter().all(|meter| self.open_one(meter, windows.of(meter).start))
    }

    /// The windows as they are: of a step which is refused a ledger writes nothing, not even that its windows were looked
    /// for.
    pub(crate) fn unopened(&self) -> Unopened {
        (self.windows.clone(), self.let_go.clone())
    }

    pub(crate) fn put_back(&mut self, unopened: Unopened) {
        (self.windows, self.let_go) = unopened;
    }

    fn open_one(&mut self, meter: Meter, start: Timestamp) -> bool {
        if self.windows.contains_key(&(meter, start)) {
            return true;
        }
        let kept: Vec<Timestamp> =
            self.windows.keys().filter(|(of, _)| *of == meter).map(|(_, start)| *start).collect();
        if let Some(&newest) = kept.last().filter(|&&newest| newest < start) {
            let pinned = |start| {
                let may_end = |hold: &&Hold| hold.known && hold.phase.is_open();
                self.holds.iter().filter(may_end).any(|hold| hold.windows.of(meter).start == start)
            };
            let gone: Vec<_> = kept.into_iter().filter(|&start| start != newest && !pinned(start)).collect();
            for start in gone {
                self.windows.remove(&(meter, start));
                let last = self.let_go.entry(meter).or_default();
                *last = start.max(*last);
            }
        } else if self.let_go.get(&meter).is_some_and(|&last| start <= last) {
            return false;
        }
        self.windows.insert((meter, start), BTreeSet::new());
        true
    }

    /// A new hold; one more remembered.
    pub(crate) fn add(&mut self, hold: Hold) -> usize {
        self.leaving = false;
        let place = self.holds.len();
        let ended = !hold.phase.is_open();
        self.holds.push(hold);
        if ended {
            self.remember(place);
            self.sweep();
        }
        place
    }

    fn sweep(&mut self) {
        let Some(count) = &mut self.sweeps else { return };
        *count += 1;
        if *count % SWEEP == 0 {
            while self.ended.len() > MemoryLedger::REMEMBERED_FINAL {
                self.forget_oldest();
            }
        }
    }

    fn remember(&mut self, place: usize) {
        self.ended.push_back(place);
        if self.sweeps.is_none() && self.ended.len() > MemoryLedger::REMEMBERED_FINAL {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.ended.pop_front().unwrap();
        self.holds[oldest].known = false;
    }

    /// Ends a hold, or replaces how it ended, and tells the thresholds of `limits` that its charge reached.
    pub(crate) fn end(
        &mut self,
        slot: usize,
        place: usize,
        phase: Phase,
        usage: Usage,
        limits: Option<&Limits>,
    ) -> Vec<Told> {
        let before = self.holds[place].clone();
        self.holds[place].phase = phase;
        self.holds[place].usage = usage;
        if !phase.is_open() {
            self.remember(place);
        }
        self.sweep();
        let charged = |meter| if before.phase == Phase::Live { 0 } else { before.usage.on(meter) };
        let more = Meter::ALL.into_iter().filter(|&meter| usage.on(meter) > charged(meter));
        let meters: Vec<Meter> = more.collect();
        self.tell(slot, before.windows, &meters, limits)
    }

    /// The thresholds that were just reached on `meters`.
    pub(crate) fn tell(
        &mut self,
        slot: usize,
        windows: Windows,
        meters: &[Meter],
        limits: Option<&Limits>,
    ) -> Vec<Told> {
        const MOST_TOLD: usize = 4;
        let mut told = Vec::new();
        for &meter in meters {
            let window = windows.of(meter);
            let (used, _) = self.sum(meter, window.start);
            let threshold =
                limits.and_then(|limits| Some((limits.alert_threshold?.basis_points(), limits.cap(meter)?)));
            let Some((threshold, limit)) = threshold.filter(|&(_, limit)| limit > 0) else { continue };
            let marks = self.windows.get_mut(&(meter, window.start)).unwrap();
            let reached = used * 10_000 >= limit * i128::from(threshold);
            if reached && marks.len() < MOST_TOLD && marks.insert(threshold) {
                let (window_start, resets_at) = (window.start, window.end);
                told.push(Told { slot, meter, window_start, threshold, limit, used, resets_at });
            }
        }
        told
    }
}
