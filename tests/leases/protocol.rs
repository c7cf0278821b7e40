//! The protocol as a small model, and every state that it can come to: two processes, a cap, and messages that may be lost,
//! answered or not, and come again at any later time. Processes die, and an operator settles what they left.
//!
//! What is modelled is what `src/ledger/lease` does with one owner and one unit: a letter is sent until it is answered, each
//! names the revision that it expects, and what is handed out was granted before.

use std::collections::{BTreeSet, HashSet, VecDeque};

const PROCESSES: usize = 2;

/// What the bounds of a search are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) cap: u8,
    /// The most letters that each process writes.
    pub(crate) letters: [u8; PROCESSES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    /// Asks for so much more.
    Grow(u8),
    /// Reports so much as used, and leaves so much.
    Report(u8, u8),
    /// The same for the last time: nothing is left.
    End(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Letter {
    of: usize,
    expects: u8,
    kind: Kind,
}

/// A lease as the shared ledger has it; revision 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Lease {
    revision: u8,
    holds: u8,
    over: bool,
    // By which kind of letter it came to this: a lease that grew ends at another time than one that was reported.
    grew: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Process {
    dead: bool,
    // The lease as it was last known here, what was reported, used, and may be used.
    known: Lease,
    reported: u8,
    used: u8,
    granted: u8,
    letter: Option<Kind>,
    written: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    used: u8,
    leases: [Lease; PROCESSES],
    processes: [Process; PROCESSES],
    // Letters that were delivered once and may be again.
    late: BTreeSet<Letter>,
    // What operators charged for the dead.
    reconciled: u8,
}

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) used_all: bool,
    pub(crate) deaths: usize,
}

impl State {
    fn held(&self) -> u8 {
        self.leases.iter().map(|lease| lease.holds).sum()
    }

    fn really_used(&self) -> u8 {
        self.processes.iter().map(|process| process.used).sum()
    }

    // What must hold in every state.
    fn check(&self, bounds: Bounds) {
        assert!(self.used + self.held() <= bounds.cap, "the ledger passes the cap: {self:?}");
        assert!(self.really_used() <= bounds.cap, "the calls pass the cap: {self:?}");
        assert!(self.used <= self.really_used() + self.reconciled, "something is charged twice: {self:?}");
        for (process, lease) in self.processes.iter().zip(&self.leases) {
            let unreported = process.used - process.reported;
            let covered = lease.holds + u8::from(lease.over) * self.reconciled;
            // A report that was taken and not answered is in `used` already.
            let told = match process.letter {
                Some(Kind::Report(used, _) | Kind::End(used)) if lease.revision > process.known.revision => {
                    used
                }
                _ => 0,
            };
            assert!(unreported <= covered + told, "a charge can be lost: {self:?}");
        }
    }

    // The shared ledger's part: takes a letter that expects what there is and fits. True unless it was refused.
    fn deliver(&mut self, letter: Letter, bounds: Bounds) -> bool {
        let room = bounds.cap - self.used - self.held();
        let lease = &mut self.leases[letter.of];
        if lease.revision != letter.expects || lease.over {
            return true;
        }
        match letter.kind {
            Kind::Grow(more) if more > room => return false,
            Kind::Grow(more) => lease.holds += more,
            Kind::Report(used, left) => {
                self.used += used;
                lease.holds = left;
            }
            Kind::End(used) => {
                self.used += used;
                (lease.holds, lease.over) = (0, true);
            }
        }
        lease.grew = matches!(letter.kind, Kind::Grow(_));
        lease.revision += 1;
        true
    }

    // The process's part: the answer to its letter, which tells the lease as it is.
    fn answer(&mut self, of: usize, taken: bool) {
        let (lease, process) = (self.leases[of], &mut self.processes[of]);
        let Some(kind) = process.letter.take() else { return };
        if !taken {
            return;
        }
        let is_ours = lease.revision == process.known.revision + 1
            && match kind {
                Kind::Grow(more) => lease.grew && lease.holds == process.known.holds + more,
                Kind::Report(_, left) => !lease.grew && !lease.over && lease.holds == left,
                Kind::End(_) => lease.over,
            };
        if let (true, Kind::Report(used, _) | Kind::End(used)) = (is_ours, kind) {
            process.reported += used;
        }
        process.known = lease;
        process.granted = process.reported + lease.holds;
    }

    fn next(&self, bounds: Bounds) -> Vec<Self> {
        let mut next = Vec::new();
        let mut go = |change: &dyn Fn(&mut Self)| {
            let mut state = self.clone();
            change(&mut state);
            next.push(state);
        };
        for of in 0..PROCESSES {
            let process = self.processes[of];
            if process.dead {
                let lease = self.leases[of];
                if !lease.over && lease.revision > 0 {
                    // In full: what the dead had not reported is not known.
                    go(&|state| {
                        state.used += lease.holds;
                        state.reconciled += lease.holds;
                        let lease = &mut state.leases[of];
                        (lease.holds, lease.over, lease.revision) = (0, true, lease.revision + 1);
                    });
                }
                continue;
            }
            go(&|state| state.processes[of].dead = true);
            if process.used < process.granted {
                go(&|state| state.processes[of].used += 1);
            }
            if let Some(kind) = process.letter {
                let letter = Letter { of, expects: process.known.revision, kind };
                for answered in [false, true] {
                    go(&|state| {
                        let taken = state.deliver(letter, bounds);
                        // A report is never refused, so it cannot be taken at another time than the first.
                        if matches!(kind, Kind::Grow(_)) {
                            state.late.insert(letter);
                        }
                        if answered {
                            state.answer(of, taken);
                        }
                    });
                }
                continue;
            }
            if process.written == bounds.letters[of] || process.known.over {
                continue;
            }
            let unreported = process.used - process.reported;
            let left = process.granted - process.used;
            let mut kinds = vec![Kind::Grow(1), Kind::Grow(2)];
            if process.known.revision > 0 {
                kinds.extend([
                    Kind::Report(unreported, left),
                    Kind::Report(unreported, 0),
                    Kind::End(unreported),
                ]);
            }
            for kind in kinds {
                go(&|state| {
                    let process = &mut state.processes[of];
                    process.letter = Some(kind);
                    process.written += 1;
                    // Whoever gives back hands out no more, before the ledger is told.
                    if !matches!(kind, Kind::Grow(_) | Kind::Report(_, 1..)) {
                        process.granted = process.used;
                    }
                });
            }
        }
        for &letter in &self.late {
            go(&|state| {
                state.late.remove(&letter);
                state.deliver(letter, bounds);
            });
        }
        next
    }
}

/// Looks at every state there is.
pub(crate) fn explore(bounds: Bounds) -> Found {
    let first = State {
        used: 0,
        leases: [Lease::default(); PROCESSES],
        processes: [Process::default(); PROCESSES],
        late: BTreeSet::new(),
        reconciled: 0,
    };
    let (mut seen, mut waiting) = (HashSet::from([first.clone()]), VecDeque::from([first]));
    let mut found = Found::default();
    while let Some(state) = waiting.pop_front() {
        state.check(bounds);
        found.states += 1;
        found.used_all |= state.really_used() == bounds.cap;
        found.deaths += usize::from(state.processes.iter().any(|process| process.dead));
        for next in state.next(bounds) {
            if seen.insert(next.clone()) {
                waiting.push_back(next);
            }
        }
    }
    found
}
