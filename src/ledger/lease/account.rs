//! One owner in this process: its leases, and the calls that draw on them. Whatever is answered here is answered without
//! asking anybody.

use std::sync::Arc;

use super::super::LedgerError;
use super::super::memory::holds::Holds;
use super::super::seats::Kept;
use super::day::{Charge, Day, Models};
use super::elsewhere::Elsewhere;
use super::line::Line;
use super::slice::Slice;
use super::units::{Ask, Units, is_overrun};
use crate::budget::{Hold, HoldId, Limits, Outcome, Party, Step, Windows};
use crate::id::KeyId;
use crate::sync::Mutex;
use crate::time::Timestamp;

/// With so many names of models, those of days gone by are forgotten when nobody needs them.
const MANY_MODELS: usize = 64;

#[derive(Default)]
pub(super) struct Account {
    owner: Option<KeyId>,
    /// What the last step said that the owner may use.
    pub(super) limits: Limits,
    pub(super) days: Vec<Day>,
    // When the last day and the last month began that it ever had, here or in the shared ledger, whatever the clock did since.
    latest_day: Timestamp,
    latest_month: Timestamp,
    holds: Holds,
    models: Models,
    /// Where those wait who have to ask the shared ledger about this owner.
    pub(super) line: Arc<Mutex<Line>>,
    /// Whether it is on the list of owners to look after.
    pub(super) is_listed: bool,
    /// Whether it is to be forgotten.
    pub(super) is_leaving: bool,
    // What the shared ledger keeps for calls of this process.
    elsewhere: Elsewhere,
}

/// What an owner's leases answer to a step.
pub(super) enum Here {
    /// It was taken.
    Taken { next_lapse: Timestamp, seat: u32, then: Then },
    /// It was not, and asking further would not help.
    Not(Outcome),
    /// There is not enough left, or not of these windows or under these limits.
    Short,
    /// It is about a hold that the shared ledger keeps.
    Elsewhere,
}

/// What is to be done after a step was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// Put the owner on the list: there is something to report.
    List,
    /// Ask for more: little is left, or less than nothing.
    Fetch,
}

/// What a lease comes to at one moment.
pub(super) struct Sum {
    pub(super) used: Units,
    pub(super) held: Units,
    pub(super) granted: Units,
    /// Whether a call that is over may still be corrected.
    pub(super) is_open: bool,
}

impl Sum {
    /// What is left to hand out.
    pub(super) fn left(&self) -> Units {
        self.granted.minus(self.used).minus(self.held)
    }
}

impl Kept for Account {
    fn of(owner: KeyId) -> Self {
        Self { owner: Some(owner), ..Self::default() }
    }

    #[inline]
    fn owner(&self) -> Option<&KeyId> {
        self.owner.as_ref()
    }
}

impl Account {
    /// Takes a step of this owner alone, if that can be answered here.
    #[inline]
    pub(super) fn take(&mut self, step: &Step<'_>, party: &Party<'_>) -> Result<Here, LedgerError> {
        let is_new = step.expected() == 0;
        // A name that was drawn for a new hold is nobody else's: only a request's needs to be looked for.
        let found = if is_new && step.hold.fingerprint == 0 {
            None
        } else {
            let found = self.holds.find(step.id(), step.hold.seat);
            match found.and_then(|seat| self.holds.get(seat)) {
                Some(hold) if hold.standing.revision != step.expected() => {
                    return Ok(Here::Not(Outcome::Unexpected(Some(Box::new(hold.clone())))));
                }
                Some(_) => found,
                None => match self.holds.resolved(step.id()) {
                    Some(hold) => return Ok(Here::Not(Outcome::Unexpected(Some(Box::new(hold))))),
                    None if !is_new || self.elsewhere.has(step.id()) => return Ok(Here::Elsewhere),
                    None => None,
                },
            }
        };
        if is_new && self.is_leaving {
            // Whoever was to be forgotten has come back under the same name: that is the shared ledger's to know first.
            return Ok(Here::Elsewhere);
        }
        if step.asks {
            if let Some(most) = step.most_live {
                if self.holds.live() >= most {
                    return Ok(Here::Not(Outcome::Crowded));
                }
                // Of those that it keeps the shared ledger knows better which are over.
                if self.holds.live().saturating_add(self.elsewhere.live()) >= most {
                    return Ok(Here::Elsewhere);
                }
            }
            if *party.limits != self.limits {
                return Ok(Here::Short);
            }
        } else if is_new {
            // A charge without a reservation has nothing to wait for here.
            return Ok(Here::Elsewhere);
        } else {
            // The limits of now decide whom the report tells of the charge.
            self.heed(party.limits);
        }
        let Some(day) = self.days.iter_mut().find(|day| day.windows == party.windows) else {
            return if is_new { Ok(Here::Short) } else { Err(LedgerError::new("a hold without a day")) };
        };
        if step.asks && !day.has_room(&Ask::of(step, party)) {
            return Ok(Here::Short);
        }
        day.shift(step.spend, step.tokens);
        let before = found.and_then(|seat| self.holds.get(seat)).map(|hold| hold.standing);
        let seat = self.holds.put(found, step.hold, &step.becomes);
        let mut then = Then::Nothing;
        if step.asks {
            day.is_active = true;
            if is_new {
                self.models.note(seat, step.model);
            }
            if !day.is_low && day.runs_low() {
                day.is_low = true;
                then = Then::Fetch;
            }
        } else {
            let was_charged = before.is_some_and(|before| before.is_charged());
            let count = i64::from(step.becomes.is_charged()).saturating_sub(i64::from(was_charged));
            let units = Units { spend: step.spend.used, tokens: step.tokens.used };
            day.tally(self.models.of(seat), count, units);
            if !day.is_low && is_overrun(&self.limits, day.left()) {
                day.is_low = true;
                then = Then::Fetch;
            }
        }
        if !self.is_listed {
            self.is_listed = true;
            then = Then::List;
        }
        let next_lapse = self.holds.next_lapse().min(self.elsewhere.next_lapse());
        Ok(Here::Taken { next_lapse, seat, then })
    }

    /// The account of the lease of `windows`, if it has one.
    pub(super) fn day(&mut self, windows: Windows) -> Option<&mut Day> {
        self.days.iter_mut().find(|day| day.windows == windows)
    }

    /// Makes the account of a lease of `windows`, and puts the owner on the list; true if it was not there.
    pub(super) fn begin(&mut self, windows: Windows) -> bool {
        if self.day(windows).is_none() {
            self.days.push(Day::new(windows));
            self.reached(windows);
        }
        !std::mem::replace(&mut self.is_listed, true)
    }

    /// The shared ledger has these windows: it may keep none before them.
    pub(super) fn reached(&mut self, windows: Windows) {
        self.latest_day = self.latest_day.max(windows.day.start);
        self.latest_month = self.latest_month.max(windows.month.start);
    }

    /// Whether these are of a day or a month before the last that it had, which the shared ledger may have let go.
    pub(super) fn is_past(&self, windows: Windows) -> bool {
        self.latest_day > windows.day.start || self.latest_month > windows.month.start
    }

    /// Goes by `limits` from now on; true if they are others than before. What was granted under those is not handed out.
    pub(super) fn heed(&mut self, limits: &Limits) -> bool {
        if self.limits == *limits {
            return false;
        }
        self.limits = *limits;
        self.tighten();
        self.days.iter_mut().for_each(|day| day.slice = Slice::NONE);
        true
    }

    /// Whether more was used than was set aside for it, and the shared ledger may not know.
    pub(super) fn is_overrun(&self) -> bool {
        self.days.iter().any(|day| is_overrun(&self.limits, day.left()))
    }

    /// Hands out nothing of what is left until the shared ledger was asked again.
    pub(super) fn tighten(&mut self) {
        self.days.iter_mut().for_each(Day::tighten);
    }

    /// What the lease of `windows` comes to.
    pub(super) fn sum(&self, windows: Windows) -> Sum {
        let Some(day) = self.days.iter().find(|day| day.windows == windows) else {
            return Sum { used: Units::ZERO, held: Units::ZERO, granted: Units::ZERO, is_open: false };
        };
        let is_open = !self.is_ending() && self.holds.open().any(|hold| hold.windows == windows);
        Sum { used: day.used, held: day.held, granted: day.granted, is_open }
    }

    /// What was charged in `windows` since this was asked last, by model.
    pub(super) fn take_charges(&mut self, windows: Windows) -> Vec<Charge> {
        let tallied = self.day(windows).map(Day::take_tallies).unwrap_or_default();
        self.models.named(&tallied)
    }

    pub(super) fn hold(&self, id: HoldId) -> Option<Hold> {
        match self.holds.find(id, 0) {
            Some(seat) => self.holds.get(seat).map(|hold| Hold { seat, ..hold.clone() }),
            None => self.holds.resolved(id),
        }
    }

    /// Whether it is to be forgotten, and nothing is in flight any more: what was given up is not corrected then.
    pub(super) fn is_ending(&self) -> bool {
        self.is_leaving && self.holds.live() == 0 && self.elsewhere.live() == 0
    }

    /// Whether there is nothing to be told of it either.
    pub(super) fn has_left(&self) -> bool {
        self.is_ending() && self.days.is_empty()
    }

    pub(super) fn live(&self) -> u32 {
        self.holds.live()
    }

    /// The shared ledger took a step itself, and says when the next call lapses.
    pub(super) fn went_elsewhere(&mut self, step: &Step<'_>, next_lapse: Timestamp) {
        if step.expected() == 0 {
            self.is_leaving = false;
        }
        self.elsewhere.note(step, next_lapse);
    }

    /// The live holds whose lifetime has passed. The shared ledger is about to be asked for its own.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Hold> {
        self.elsewhere.ask(now);
        self.holds.due(now, most)
    }

    /// Lets go of the days of which there is nothing more to tell, as far as `told` knows them, and takes the owner off the
    /// list if none is left.
    pub(super) fn tidy(&mut self, told: impl Fn(&Day) -> Told) {
        let (holds, is_ending) = (&self.holds, self.is_ending());
        let is_pinned = |day: &Day| !is_ending && holds.open().any(|hold| hold.windows == day.windows);
        self.days.retain(|day| day.has_tallies() || told(day) != Told::Ended || is_pinned(day));
        self.is_listed = self.days.iter().any(|day| day.has_tallies() || told(day) == Told::Under);
        if self.models.len() > MANY_MODELS && self.days.is_empty() {
            self.models.clear();
        }
    }
}

/// How far the shared ledger knows a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// There is something to tell, or in flight.
    Under,
    /// It knows all there is, and keeps the lease for corrections.
    All,
    /// It knows all there is, and the lease is over.
    Ended,
}
