//! What is asked of the shared ledger: more, or to take down what was used.

use super::super::LedgerError;
use super::desk::{ATTEMPTS, CLEAR, Rows};
use super::letter::Letter;
use super::line::{Answer, Errand};
use super::units::{Ask, Units};
use crate::budget::{Limits, Usage, Windows};

/// How much to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// What the call misses.
    Exact,
    /// That, and a slice for those that follow, where one is worth it.
    Slice,
}

/// What a report leaves of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    /// All that is left.
    All,
    /// What is needed soon. It is the end of a round.
    Some,
    /// What calls in flight hold. A lease of none is over, unless one of its calls may still be corrected.
    Held,
    /// The same, whatever might be corrected: the process ends.
    Nothing,
}

impl Errand<'_> {
    /// Asks for more on the lease of `windows`, or for a new one. `None` where a slice is not worth asking for.
    pub(super) fn grow(
        &mut self,
        windows: Windows,
        ask: &Ask,
        size: Size,
        current: bool,
        rows: &mut Rows,
    ) -> Result<Option<Answer>, LedgerError> {
        self.open(windows)?;
        self.catch_up(windows)?;
        let sum = self.desk.with(self.owner, |account| account.sum(windows))?;
        if self.line.backing(windows)?.backs().is_above(sum.granted) {
            // It holds more than is handed out, under limits that were others: that is given back, and then asked for.
            self.report(windows, Leaves::Held)?;
        }
        let round = self.desk.keeper.round();
        let (sum, missing, slice) = self.desk.with(self.owner, |account| {
            let sum = account.sum(windows);
            let missing = ask.missing(sum.left());
            let slice = match size {
                Size::Exact => Some(Units::ZERO),
                Size::Slice => account.day(windows).and_then(|day| day.slice.next(ask, missing, round)),
            };
            (sum, missing, slice)
        })?;
        let Some(slice) = slice else { return Ok(None) };
        let backs = self.line.backing(windows)?.backs();
        let more = sum.granted.plus(missing).plus(slice).minus(backs).max(Units::ZERO);
        let lease = self.line.backing(windows)?.lease(self.desk.clock.now())?;
        let limits = self.limits()?;
        let answer = self.send(Letter::grow(lease, more, limits, current), rows)?;
        let ahead = if answer == Answer::Taken { slice } else { Units::ZERO };
        self.desk.with(self.owner, |account| {
            account.day(windows).into_iter().for_each(|day| day.ask_below(ahead));
        })?;
        Ok(Some(answer))
    }

    /// Reports the account of `windows`, if there is anything to tell; true if there was.
    pub(super) fn report(&mut self, windows: Windows, leaves: Leaves) -> Result<bool, LedgerError> {
        for _ in 0..ATTEMPTS {
            match self.report_once(windows, leaves)? {
                None => return Ok(false),
                Some(Answer::Again) => {}
                Some(_) => return Ok(true),
            }
        }
        Err(LedgerError::new("a lease that is taken away again and again"))
    }

    fn report_once(&mut self, windows: Windows, leaves: Leaves) -> Result<Option<Answer>, LedgerError> {
        self.catch_up(windows)?;
        let limits = self.limits()?;
        if self.line.backing(windows)?.lease.is_none() {
            match self.reopen(windows, limits)? {
                Some(Answer::Taken) => {}
                answer => return Ok(answer),
            }
        }
        let round = self.desk.keeper.round();
        let (sum, is_idle, charges) = self.desk.with(self.owner, |account| {
            let mut is_idle = true;
            if let Some(day) = account.day(windows) {
                match leaves {
                    Leaves::All => {}
                    Leaves::Some => {
                        is_idle = !std::mem::take(&mut day.is_active);
                        day.rest(is_idle, round);
                    }
                    Leaves::Held | Leaves::Nothing => day.tighten(),
                }
            }
            (account.sum(windows), is_idle, account.take_charges(windows))
        })?;
        let left = sum.granted.minus(sum.used).max(sum.held);
        let is_over = left.to_usage() == Usage::ZERO && sum.held == Units::ZERO;
        let ends = match leaves {
            Leaves::All => false,
            Leaves::Some | Leaves::Held => is_idle && is_over && !sum.is_open,
            Leaves::Nothing => is_over,
        };
        let backing = self.line.backing(windows)?;
        let used = sum.used.minus(backing.reported);
        let is_news =
            used != Units::ZERO || left.to_usage() != backing.holds().to_usage() || !charges.is_empty();
        if !is_news && !ends {
            return Ok(None);
        }
        let lease = self.line.backing(windows)?.lease(self.desk.clock.now())?;
        let letter = Letter::report(lease, used, left, ends, charges, limits);
        self.send(letter, &mut CLEAR.clone()).map(Some)
    }

    /// Reports every account, whatever becomes of the others; true if there was anything to tell.
    pub(super) fn report_all(&mut self, leaves: Leaves) -> Result<bool, LedgerError> {
        let windows = |day: &super::day::Day| day.windows;
        let days: Vec<Windows> =
            self.desk.with(self.owner, |account| account.days.iter().map(windows).collect())?;
        let mut told = Ok(false);
        for windows in days {
            let report = self.report(windows, leaves);
            told = told.and_then(|told| Ok(told | report?));
        }
        told
    }

    // Makes a lease for what is to be told where there is none: it was the last report's, or somebody ended it. What is in
    // flight is a fact, for which there need not be room.
    fn reopen(&mut self, windows: Windows, limits: Limits) -> Result<Option<Answer>, LedgerError> {
        let reported = self.line.backing(windows)?.reported;
        let held = self.desk.with(self.owner, |account| {
            let sum = account.sum(windows);
            let has_news = account.day(windows).is_some_and(|day| day.has_tallies() || day.used != reported);
            (has_news || sum.held != Units::ZERO).then_some(sum.held)
        })?;
        let Some(held) = held else { return Ok(None) };
        let lease = self.line.backing(windows)?.lease(self.desk.clock.now())?;
        self.send(Letter::reopen(lease, held, limits), &mut CLEAR.clone()).map(Some)
    }

    fn limits(&self) -> Result<Limits, LedgerError> {
        self.desk.with(self.owner, |account| account.limits)
    }
}
