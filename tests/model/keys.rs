//! What managing keys does, and whose call is whose.

use std::time::Duration;

use enclava_keys::budget::{Calendar, Limits, Meter, Phase, Zone};
use enclava_keys::ledger::OnLapse;
use enclava_keys::{Timestamp, Usage};

use crate::account::Account;
use crate::ops::{Change, ZONES};
use crate::oracle::{Answer, Call, Key, Oracle};

impl Oracle {
    pub(crate) fn create(&mut self, slot: usize, limits: Limits, zone: usize) -> Answer {
        if self.keys[slot].is_some() {
            return Answer::Conflict;
        }
        let calendar = Calendar::new(Zone::named(ZONES[zone]).unwrap());
        self.keys[slot] =
            Some(Key { limits, calendar, enabled: true, revoked: false, secrets: vec![(None, false)] });
        // Calls of a key that had this name before are still in flight.
        if let Some(account) = self.current[slot] {
            self.accounts[account].measure(&limits);
        }
        Answer::Done
    }

    pub(crate) fn in_hand(&self, call: usize) -> Option<(usize, Call)> {
        let place = self.nth(call)?;
        self.calls[place].held.then(|| (place, self.calls[place].clone()))
    }

    pub(crate) fn with(&mut self, call: usize, change: impl FnOnce(&mut Call)) -> Answer {
        let Some((place, _)) = self.in_hand(call) else { return Answer::Nothing };
        change(&mut self.calls[place]);
        Answer::Done
    }

    // The record in force, or the last one that the call knew of a key that is gone.
    pub(crate) fn limits_of(&self, call: &Call) -> Limits {
        self.keys[call.slot].as_ref().map_or(call.limits, |key| key.limits)
    }

    // The call's own hold, if the ledger still knows it: not one of the same name that was made later.
    pub(crate) fn known(&self, call: &Call) -> Option<usize> {
        let current = self.current[call.slot] == Some(call.account);
        (current && self.accounts[call.account].holds[call.hold].known).then_some(call.hold)
    }

    pub(crate) fn open_account(&mut self, slot: usize) -> usize {
        let next = self.accounts.len();
        let current = *self.current[slot].get_or_insert(next);
        if current == next {
            self.accounts.push(Account::new(self.sweeps));
        }
        current
    }

    // Ends what lapsed; answers how many did.
    pub(crate) fn lapse(&mut self, slot: usize, limits: &Limits) -> usize {
        let Some(current) = self.current[slot] else { return 0 };
        let due = self.accounts[current].due(self.now);
        for &hold in &due {
            let usage = match self.on_lapse {
                OnLapse::Charge => self.accounts[current].holds[hold].usage,
                OnLapse::Release => Usage::ZERO,
            };
            self.close(slot, hold, Phase::Lapsed, usage, Some(limits));
        }
        self.lapsed += due.len();
        if !due.is_empty() {
            self.lapsed_in[slot] = current;
        }
        due.len()
    }

    pub(crate) fn switch(&mut self, slot: usize, change: impl FnOnce(&mut Key)) -> Answer {
        let Some(key) = &mut self.keys[slot] else { return Answer::NotFound };
        change(key);
        Answer::Done
    }

    pub(crate) fn edit(&mut self, slot: usize, change: Change, widen: bool) -> Answer {
        let Some(key) = &mut self.keys[slot] else { return Answer::NotFound };
        let before = key.limits;
        let mut limits = before;
        match change {
            Change::DailySpend(limit) => limits.daily_spend = limit,
            Change::MonthlySpend(limit) => limits.monthly_spend = limit,
            Change::DailyTokens(limit) => limits.daily_tokens = limit,
            Change::Threshold(threshold) => limits.alert_threshold = threshold,
            Change::Zone(zone) => {
                key.calendar = key.calendar.changed(Zone::named(ZONES[zone]).unwrap(), self.now);
            }
        }
        let cap = |limits: &Limits, meter| limits.cap(meter).unwrap_or(i128::MAX);
        let wider = Meter::ALL.into_iter().any(|meter| cap(&limits, meter) > cap(&before, meter));
        if wider && !widen {
            return Answer::Conflict;
        }
        key.limits = limits;
        if let Some(account) = self.current[slot] {
            self.accounts[account].measure(&limits);
        }
        Answer::Done
    }

    pub(crate) fn rotate(&mut self, slot: usize, overlap: u64) -> Answer {
        const LIVE: usize = 5;
        const RETIRED: usize = 8;
        let now = self.now;
        let Some(key) = &mut self.keys[slot] else { return Answer::NotFound };
        if key.revoked || !key.enabled {
            return Answer::Conflict;
        }
        let end = now.saturating_add(Duration::from_secs(overlap));
        let mut secrets = key.secrets.clone();
        for (ends, _) in &mut secrets {
            *ends = Some(ends.map_or(end, |earlier| earlier.min(end)));
        }
        let retired = |ends: &Option<Timestamp>| ends.is_some_and(|end| end <= now);
        let live = secrets.iter().filter(|(ends, forgotten)| !forgotten && !retired(ends)).count();
        if live >= LIVE {
            return Answer::Conflict;
        }
        let known = secrets.iter_mut().rev().filter(|(ends, forgotten)| !*forgotten && retired(ends));
        known.skip(RETIRED).for_each(|(_, forgotten)| *forgotten = true);
        secrets.push((None, false));
        key.secrets = secrets;
        Answer::Done
    }

    pub(crate) fn delete(&mut self, slot: usize) -> Answer {
        if self.keys[slot].take().is_none() {
            return Answer::NotFound;
        }
        if let Some(account) = self.current[slot] {
            self.accounts[account].leaving = true;
        }
        self.leave(slot);
        Answer::Done
    }

    // The account of a deleted key goes with its last call.
    pub(crate) fn leave(&mut self, slot: usize) {
        let gone = |account: usize| self.accounts[account].leaving && self.accounts[account].live() == 0;
        self.current[slot] = self.current[slot].filter(|&account| !gone(account));
    }
}
