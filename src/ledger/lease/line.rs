//! Asking the shared ledger about one owner: one step at a time, each until its answer is known.

use super::super::LedgerError;
use super::account::Told;
use super::day::Day;
use super::desk::{CLEAR, Desk, Rows};
use super::letter::{Found, Letter};
use super::name;
use super::units::Units;
use crate::budget::{Hold, Outcome, Owner, Phase, Standing, Windows};
use crate::time::Timestamp;

/// What the shared ledger knows of one owner's leases here. Whoever holds the lock is the one who asks.
#[derive(Debug, Default)]
pub(super) struct Line {
    backings: Vec<Backing>,
}

/// What stands behind one day's account.
#[derive(Debug)]
pub(super) struct Backing {
    windows: Windows,
    /// The lease as the shared ledger has it, while there is one.
    pub(super) lease: Option<Hold>,
    /// What is used according to the reports.
    pub(super) reported: Units,
    // Asked for, and not there yet: whenever it comes, it is known by its name.
    draft: Option<Hold>,
    // Sent, and not answered yet.
    letter: Option<Letter>,
}

impl Backing {
    fn new(windows: Windows) -> Self {
        Self { windows, lease: None, reported: Units::ZERO, draft: None, letter: None }
    }

    /// What the lease holds.
    pub(super) fn holds(&self) -> Units {
        self.lease.as_ref().map_or(Units::ZERO, |lease| Units::of(lease.standing.usage))
    }

    /// What the account may come to on its strength.
    pub(super) fn backs(&self) -> Units {
        self.reported.plus(self.holds())
    }

    /// The lease, or the one to ask for.
    pub(super) fn lease(&mut self, now: Timestamp) -> Result<Hold, LedgerError> {
        if let Some(lease) = self.lease.as_ref().or(self.draft.as_ref()) {
            return Ok(lease.clone());
        }
        let draft = Hold { windows: self.windows, ..name::draw(now)? };
        Ok(self.draft.insert(draft).clone())
    }

    fn told(&self, day: &Day) -> Told {
        let is_unanswered = self.letter.is_some();
        if is_unanswered
            || day.used != self.reported
            || day.held != Units::ZERO
            || self.holds() != Units::ZERO
        {
            return Told::Under;
        }
        if self.lease.is_some() { Told::All } else { Told::Ended }
    }
}

impl Line {
    /// What stands behind the account of `windows`.
    pub(super) fn backing(&mut self, windows: Windows) -> Result<&mut Backing, LedgerError> {
        let is_new = !self.backings.iter().any(|backing| backing.windows == windows);
        if is_new {
            self.backings.push(Backing::new(windows));
        }
        let found = self.backings.iter_mut().find(|backing| backing.windows == windows);
        found.ok_or_else(|| LedgerError::new("a lease that is not there"))
    }
}

/// How a letter was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    Refused,
    /// The shared ledger's clock says another time.
    Elsewhen(Timestamp),
    /// The lease was not as it was known; now it is. To be sent again.
    Again,
}

/// An errand to the shared ledger: the only one of its owner's that is under way.
pub(super) struct Errand<'a> {
    pub(super) desk: &'a Desk,
    pub(super) owner: &'a Owner,
    pub(super) line: &'a mut Line,
}

impl<'a> Errand<'a> {
    pub(super) fn new(desk: &'a Desk, owner: &'a Owner, line: &'a mut Line) -> Self {
        Self { desk, owner, line }
    }

    /// Sends a letter and carries out what its answer says. The one before was answered.
    pub(super) fn send(&mut self, letter: Letter, rows: &mut Rows) -> Result<Answer, LedgerError> {
        let windows = letter.windows();
        self.line.backing(windows)?.letter = Some(letter);
        self.deliver(windows, rows)
    }

    /// Has it answered what was left unanswered about the lease of `windows`.
    pub(super) fn catch_up(&mut self, windows: Windows) -> Result<(), LedgerError> {
        let answered = self.deliver(windows, &mut CLEAR.clone());
        if answered.is_err() && self.may_give_up(windows)? {
            self.line.backing(windows)?.letter = None;
            return Ok(());
        }
        answered.map(drop)
    }

    // Whether what was asked for is a lease of windows that are over, and not there. They may be over for the shared ledger
    // as well, which then never answers anything else.
    fn may_give_up(&mut self, windows: Windows) -> Result<bool, LedgerError> {
        let asked = self.line.backing(windows)?.letter.as_ref().and_then(Letter::opens);
        let is_past = self.desk.with(self.owner, |account| account.is_past(windows))?;
        match asked {
            Some(id) if is_past => Ok(self.desk.engine.hold(self.owner, id)?.is_none()),
            _ => Ok(false),
        }
    }

    fn deliver(&mut self, windows: Windows, rows: &mut Rows) -> Result<Answer, LedgerError> {
        let backing = self.line.backing(windows)?;
        let Some(letter) = &backing.letter else { return Ok(Answer::Taken) };
        let outcome = letter.read(self.owner, |step| {
            let outcome = self.desk.engine.apply(step, rows)?;
            if let Outcome::Taken { .. } = outcome {
                self.desk.notices.keep(step, rows);
            }
            Ok(outcome)
        })?;
        let Some(letter) = backing.letter.take() else { return Err(inconsistent()) };
        match outcome {
            Outcome::Taken { .. } => {
                self.desk.see(self.owner, windows, rows);
                self.taken(letter).map(|()| Answer::Taken)
            }
            Outcome::Refused => {
                self.desk.see(self.owner, windows, rows);
                Ok(Answer::Refused)
            }
            Outcome::Elsewhen(now) => Ok(Answer::Elsewhen(now)),
            Outcome::Unexpected(found) => {
                let found = found.map(|found| found.standing);
                match (letter.found(found.as_ref()), found) {
                    (Found::Taken, _) => self.taken(letter).map(|()| Answer::Taken),
                    (Found::Gone { taken }, _) => self.not_taken(letter, taken, None).map(|()| Answer::Again),
                    (Found::Ahead, Some(found)) => {
                        self.not_taken(letter, false, Some(found)).map(|()| Answer::Again)
                    }
                    (Found::Ahead | Found::Wrong, _) => Err(inconsistent()),
                }
            }
            Outcome::Crowded => Err(inconsistent()),
        }
    }

    fn taken(&mut self, letter: Letter) -> Result<(), LedgerError> {
        let Letter { lease, becomes, used, .. } = letter;
        let windows = lease.windows;
        let backing = self.line.backing(windows)?;
        backing.reported = backing.reported.plus(used);
        backing.draft = None;
        backing.lease = (becomes.phase == Phase::Live).then_some(Hold { standing: becomes, ..lease });
        self.grant(windows)
    }

    // The lease is another than the letter was written about, or none of ours any more. What is not reported is reported
    // by another letter.
    fn not_taken(
        &mut self,
        letter: Letter,
        but_used: bool,
        found: Option<Standing>,
    ) -> Result<(), LedgerError> {
        let windows = letter.windows();
        let backing = self.line.backing(windows)?;
        if but_used {
            backing.reported = backing.reported.plus(letter.used);
        } else {
            self.desk.with(self.owner, |account| {
                account.day(windows).into_iter().for_each(|day| day.put_back(&letter.charges));
            })?;
        }
        let backing = self.line.backing(windows)?;
        backing.draft = None;
        backing.lease = found.map(|standing| Hold { standing, ..letter.lease });
        self.grant(windows)
    }

    /// Makes the account of the lease of `windows`, which is looked after from now on.
    pub(super) fn open(&self, windows: Windows) -> Result<(), LedgerError> {
        if self.desk.with(self.owner, |account| account.begin(windows))? {
            self.desk.keeper.list(self.owner);
        }
        Ok(())
    }

    // The account may come to what stands behind it, and not to more.
    fn grant(&mut self, windows: Windows) -> Result<(), LedgerError> {
        let backs = self.line.backing(windows)?.backs();
        self.open(windows)?;
        self.desk.with(self.owner, |account| {
            account.day(windows).into_iter().for_each(|day| day.granted = backs);
        })
    }

    /// Lets go of the days of which there is nothing more to tell; true if some are left to look after.
    pub(super) fn tidy(&mut self) -> Result<bool, LedgerError> {
        let backings = &mut self.line.backings;
        self.desk.with(self.owner, |account| {
            let told = |day: &Day| {
                let backing = backings.iter().find(|backing| backing.windows == day.windows);
                backing.map_or(Told::Under, |backing| backing.told(day))
            };
            account.tidy(told);
            backings.retain(|backing| {
                let is_known = backing.lease.is_some() || backing.letter.is_some();
                is_known || account.days.iter().any(|day| day.windows == backing.windows)
            });
            account.is_listed
        })
    }
}

fn inconsistent() -> LedgerError {
    LedgerError::new("its answer about a lease does not fit the question")
}
