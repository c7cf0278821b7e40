//! Calls of many threads, done together.
//!
//! Whoever comes first leads: it does its own job and those of all who came while it was at it, in one go, and hands
//! them their answers. There is no thread of the engine's own, so a caller that is alone pays for nobody else.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::{Condvar, Mutex};

/// Jobs `J` that are done together, and their answers `A`.
pub(super) struct Group<J, A> {
    line: Mutex<Line<J, A>>,
}

struct Line<J, A> {
    waiting: VecDeque<Arc<Seat<J, A>>>,
    led: bool,
}

/// Where one caller waits.
struct Seat<J, A> {
    state: Mutex<State<J, A>>,
    called: Condvar,
}

enum State<J, A> {
    Waiting(J),
    // A leader has the job.
    Taken,
    // The job is back: its caller leads now.
    Leads(J),
    Answered(A),
    Left,
}

impl<J, A> Group<J, A> {
    pub(super) fn new() -> Self {
        Self { line: Mutex::new(Line { waiting: VecDeque::new(), led: false }) }
    }

    /// Has `job` done, by this thread or another, and answers once it is. `work` does the jobs of a [`Crew`]; one that it
    /// leaves without an answer gets `lost`.
    pub(super) fn call(&self, job: J, lost: fn() -> A, work: impl FnOnce(&mut Crew<'_, J, A>)) -> A {
        let job = match self.line_up(job) {
            Ok(job) => job,
            Err(seat) => match seat.wait() {
                State::Leads(job) => job,
                State::Answered(answer) => return answer,
                State::Waiting(_) | State::Taken | State::Left => return lost(),
            },
        };
        let mut crew = Crew { group: self, lost, own: Place::Job(job), others: Vec::new(), begun: 0 };
        work(&mut crew);
        match std::mem::replace(&mut crew.own, Place::Taken) {
            Place::Answered(answer) => answer,
            Place::Job(_) | Place::Taken => lost(),
        }
    }

    // The job back if there is nobody to lead, or where to wait.
    fn line_up(&self, job: J) -> Result<J, Arc<Seat<J, A>>> {
        let mut line = self.line.lock();
        if !line.led {
            line.led = true;
            return Ok(job);
        }
        let seat = Arc::new(Seat { state: Mutex::new(State::Waiting(job)), called: Condvar::default() });
        line.waiting.push_back(Arc::clone(&seat));
        Err(seat)
    }
}

impl<J, A> Seat<J, A> {
    fn wait(&self) -> State<J, A> {
        let mut state = self.state.lock();
        while matches!(*state, State::Waiting(_) | State::Taken) {
            state = self.called.wait(state);
        }
        std::mem::replace(&mut state, State::Left)
    }

    fn set(&self, next: State<J, A>) {
        *self.state.lock() = next;
        self.called.notify_one();
    }

    fn take(&self) -> Option<J> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Waiting(job) => Some(job),
            other => {
                *state = other;
                None
            }
        }
    }
}

/// A leader at work: its own job, and those of the others that it took on.
///
/// Dropping it hands out the answers, and the lead to whoever is next in line; a leader that panics does so as well.
pub(super) struct Crew<'a, J, A> {
    group: &'a Group<J, A>,
    lost: fn() -> A,
    own: Place<J, A>,
    others: Vec<Other<J, A>>,
    // How many of the others were begun.
    begun: usize,
}

type Other<J, A> = (Arc<Seat<J, A>>, Place<J, A>);

enum Place<J, A> {
    Job(J),
    Taken,
    Answered(A),
}

/// Whose job it is, so that the answer finds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whose(Option<usize>);

impl<J, A> Crew<'_, J, A> {
    /// The next job: the leader's own first, then those of the others, and of whoever came meanwhile; at most `most` of
    /// them.
    pub(super) fn next(&mut self, most: usize) -> Option<(Whose, J)> {
        if let Place::Job(_) = self.own
            && let Place::Job(job) = std::mem::replace(&mut self.own, Place::Taken)
        {
            return Some((Whose(None), job));
        }
        loop {
            if self.begun == self.others.len() {
                self.take_on(most.saturating_sub(self.others.len().saturating_add(1)))?;
            }
            let place = self.begun;
            let (_, other) = self.others.get_mut(place)?;
            self.begun = place.saturating_add(1);
            if let Place::Job(job) = std::mem::replace(other, Place::Taken) {
                return Some((Whose(Some(place)), job));
            }
        }
    }

    /// Takes on everybody who waits.
    pub(super) fn rest(&mut self) -> Vec<(Whose, J)> {
        std::iter::from_fn(|| self.next(usize::MAX)).collect()
    }

    pub(super) fn answer(&mut self, whose: Whose, answer: A) {
        match whose.0 {
            None => self.own = Place::Answered(answer),
            Some(place) => {
                if let Some((_, other)) = self.others.get_mut(place) {
                    *other = Place::Answered(answer);
                }
            }
        }
    }

    // At least one more, or none.
    fn take_on(&mut self, most: usize) -> Option<()> {
        let mut line = self.group.line.lock();
        let count = line.waiting.len().min(most);
        for seat in line.waiting.drain(..count) {
            let job = seat.take().map_or(Place::Taken, Place::Job);
            self.others.push((seat, job));
        }
        (count > 0).then_some(())
    }
}

impl<J, A> Drop for Crew<'_, J, A> {
    fn drop(&mut self) {
        for (seat, place) in self.others.drain(..) {
            seat.set(State::Answered(match place {
                Place::Answered(answer) => answer,
                Place::Job(_) | Place::Taken => (self.lost)(),
            }));
        }
        let mut line = self.group.line.lock();
        while let Some(seat) = line.waiting.pop_front() {
            if let Some(job) = seat.take() {
                seat.set(State::Leads(job));
                return;
            }
        }
        line.led = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn lost() -> Option<usize> {
        None
    }

    // Answers each job with itself, at most `most` in one go.
    fn echo(crew: &mut Crew<'_, usize, Option<usize>>, most: usize) -> usize {
        let mut count = 0;
        while let Some((whose, job)) = crew.next(most) {
            crew.answer(whose, Some(job));
            count += 1;
        }
        count
    }

    #[test]
    fn everybody_is_answered_with_their_own() {
        let (group, start) = (Group::new(), Barrier::new(16));
        let (done, goes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (group, start, done, goes) = (&group, &start, &done, &goes);
                scope.spawn(move || {
                    start.wait();
                    for call in 0..2_000 {
                        let job = thread * 10_000 + call;
                        let answer = group.call(job, lost, |crew| {
                            goes.fetch_add(1, Ordering::Relaxed);
                            done.fetch_add(echo(crew, 5), Ordering::Relaxed);
                        });
                        assert_eq!(answer, Some(job));
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 32_000);
        assert!(!group.line.lock().led && goes.into_inner() <= 32_000);
    }

    #[test]
    fn those_who_come_meanwhile_go_along_up_to_a_number() {
        let group = Group::new();
        let answer = std::thread::scope(|scope| {
            group.call(0, lost, |crew| {
                let (first, job) = crew.next(3).unwrap();
                let others: Vec<_> = (1..=4)
                    .map(|job| {
                        let group = &group;
                        let other = scope.spawn(move || {
                            group.call(job, lost, |crew| {
                                echo(crew, 9);
                            })
                        });
                        while group.line.lock().waiting.len() < job {
                            std::thread::yield_now();
                        }
                        other
                    })
                    .collect();
                crew.answer(first, Some(job));
                assert_eq!(echo(crew, 3), 2, "two more and no third");
                scope.spawn(move || {
                    let answers: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
                    assert_eq!(answers, [Some(1), Some(2), Some(3), Some(4)]);
                });
            })
        });
        assert_eq!(answer, Some(0));
    }

    #[test]
    fn a_leader_that_panics_takes_nobody_along() {
        let group = Group::new();
        std::thread::scope(|scope| {
            let leader = scope.spawn(|| {
                group.call(0, lost, |crew| {
                    let mut taken = 0;
                    while taken < 2 {
                        taken += crew.rest().len();
                        std::thread::yield_now();
                    }
                    panic!("on purpose");
                })
            });
            while !group.line.lock().led {
                std::thread::yield_now();
            }
            let others: Vec<_> = (1..=3)
                .map(|job| {
                    scope.spawn({
                        let group = &group;
                        move || {
                            group.call(job, lost, |crew| {
                                echo(crew, 9);
                            })
                        }
                    })
                })
                .collect();
            assert!(leader.join().is_err());
            let answers: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
            assert!(answers.iter().filter(|answer| answer.is_none()).count() >= 1, "{answers:?}");
        });
        assert_eq!(
            group.call(7, lost, |crew| {
                echo(crew, 9);
            }),
            Some(7)
        );
    }
}
