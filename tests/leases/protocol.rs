//! The protocol as a small model, every state of which is looked at: two processes, a cap, and messages that may be lost,
//! answered or not, and come again at any later time. Processes die, and an operator settles what they left.
//!
//! What is modelled is what `src/ledger/lease` does with one owner and one unit: a letter is sent until it is answered, each
//! names the revision that it expects, and what is handed out was granted before.

use std::collections::BTreeSet;

use stateright::{Checker, Model, Property};

const PROCESSES: usize = 2;

/// What the bounds of a search are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) cap: u8,
    /// The most letters that each process writes.
    pub(crate) letters: [u8; PROCESSES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Asks for so much more.
    Grow(u8),
    /// Reports so much as used, and leaves so much.
    Report(u8, u8),
    /// The same for the last time: nothing is left.
    End(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Letter {
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
pub(crate) struct State {
    used: u8,
    leases: [Lease; PROCESSES],
    processes: [Process; PROCESSES],
    // Letters that were delivered once and may be again.
    late: BTreeSet<Letter>,
    // What operators charged for the dead.
    reconciled: u8,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// A process ends where it is.
    Die(usize),
    /// An operator settles the lease of a dead one.
    Reconcile(usize),
    /// A call uses one unit of what was granted.
    Use(usize),
    /// A process writes a letter.
    Write(usize, Kind),
    /// It sends it, and gets the answer or not.
    Send { of: usize, answered: bool },
    /// A letter comes once more.
    ComeAgain(Letter),
}

impl State {
    fn held(&self) -> u8 {
        self.leases.iter().map(|lease| lease.holds).sum()
    }

    fn really_used(&self) -> u8 {
        self.processes.iter().map(|process| process.used).sum()
    }

    // Whether what a process used and did not report is held, or was told.
    fn covers_all(&self) -> bool {
        self.processes.iter().zip(&self.leases).all(|(process, lease)| {
            let unreported = process.used - process.reported;
            let covered = lease.holds + u8::from(lease.over) * self.reconciled;
            // A report that was taken and not answered is in `used` already.
            let told = match process.letter {
                Some(Kind::Report(used, _) | Kind::End(used)) if lease.revision > process.known.revision => {
                    used
                }
                _ => 0,
            };
            unreported <= covered + told
        })
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

    // What a process may do that is alive.
    fn moves(&self, of: usize, bounds: Bounds, actions: &mut Vec<Action>) {
        let process = self.processes[of];
        actions.push(Action::Die(of));
        if process.used < process.granted {
            actions.push(Action::Use(of));
        }
        if process.letter.is_some() {
            actions.extend([false, true].map(|answered| Action::Send { of, answered }));
            return;
        }
        if process.written == bounds.letters[of] || process.known.over {
            return;
        }
        let (unreported, left) = (process.used - process.reported, process.granted - process.used);
        actions.extend([Kind::Grow(1), Kind::Grow(2)].map(|kind| Action::Write(of, kind)));
        if process.known.revision > 0 {
            let reports =
                [Kind::Report(unreported, left), Kind::Report(unreported, 0), Kind::End(unreported)];
            actions.extend(reports.map(|kind| Action::Write(of, kind)));
        }
    }

    fn carry_out(&mut self, action: &Action, bounds: Bounds) {
        match *action {
            Action::Die(of) => self.processes[of].dead = true,
            Action::Reconcile(of) => {
                // In full: what the dead had not reported is not known.
                let lease = &mut self.leases[of];
                self.used += lease.holds;
                self.reconciled += lease.holds;
                (lease.holds, lease.over, lease.revision) = (0, true, lease.revision + 1);
            }
            Action::Use(of) => self.processes[of].used += 1,
            Action::Write(of, kind) => {
                let process = &mut self.processes[of];
                process.letter = Some(kind);
                process.written += 1;
                // Whoever gives back hands out no more, before the ledger is told.
                if !matches!(kind, Kind::Grow(_) | Kind::Report(_, 1..)) {
                    process.granted = process.used;
                }
            }
            Action::Send { of, answered } => {
                let Process { known, letter: Some(kind), .. } = self.processes[of] else { return };
                let letter = Letter { of, expects: known.revision, kind };
                let taken = self.deliver(letter, bounds);
                // A report is never refused, so it cannot be taken at another time than the first.
                if matches!(kind, Kind::Grow(_)) {
                    self.late.insert(letter);
                }
                if answered {
                    self.answer(of, taken);
                }
            }
            Action::ComeAgain(letter) => {
                self.late.remove(&letter);
                self.deliver(letter, bounds);
            }
        }
    }
}

impl Model for Bounds {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            used: 0,
            leases: [Lease::default(); PROCESSES],
            processes: [Process::default(); PROCESSES],
            late: BTreeSet::new(),
            reconciled: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (of, (process, lease)) in state.processes.iter().zip(&state.leases).enumerate() {
            if !process.dead {
                state.moves(of, *self, actions);
            } else if !lease.over && lease.revision > 0 {
                actions.push(Action::Reconcile(of));
            }
        }
        actions.extend(state.late.iter().map(|&letter| Action::ComeAgain(letter)));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.carry_out(&action, *self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the ledger keeps to the cap", |model: &Self, state: &State| {
                state.used + state.held() <= model.cap
            }),
            Property::always("the calls keep to the cap", |model: &Self, state: &State| {
                state.really_used() <= model.cap
            }),
            Property::always("nothing is charged twice", |_, state: &State| {
                state.used <= state.really_used() + state.reconciled
            }),
            Property::always("no charge can be lost", |_, state: &State| state.covers_all()),
            Property::sometimes("all of it is used", |model, state: &State| state.really_used() == model.cap),
            Property::sometimes("an operator settles what the dead left", |_, state: &State| {
                state.reconciled > 0
            }),
        ]
    }
}

/// Looks at every state there is; how many there are.
pub(crate) fn explore(bounds: Bounds) -> usize {
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}
