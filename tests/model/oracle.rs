//! What the gate must answer.

use std::time::Duration;

use enclava_keys::budget::{Calendar, Limits, Meter, Phase, Window};
use enclava_keys::ledger::OnLapse;
use enclava_keys::{Reason, Timestamp, Usage};

use crate::account::{Account, Hold, Name, Told};
use crate::ops::{Bill, Clock, Op, SLOTS};

pub(crate) const MOST_LIVE: u32 = 5;
const LIFETIME: Duration = Duration::from_mins(10);

/// What comes of one [`Op`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// There was nothing that it could happen to.
    Nothing,
    Done,
    Admitted {
        view: bool,
    },
    Denied(Refusal),
    /// Told twice over: by the settlement, and by the queue of alerts.
    Settled {
        usage: Usage,
        overrun: Usage,
        late: bool,
        alerts: Vec<Told>,
    },
    AlreadySettled(Usage),
    NotFound,
    Conflict,
    /// The ledger does not know the window any more.
    Unavailable,
}

impl Answer {
    /// Whether it is about a call that has been over for so long that `expected` says nothing of it: with leases, each process
    /// and the shared ledger remember as many as the ledger alone.
    pub(crate) fn remembers_more_than(&self, expected: &Self) -> bool {
        let is_conflict = |refusal: &Refusal| refusal.reason == Reason::InternalError;
        match (self, expected) {
            (Self::Denied(refusal), Self::Admitted { .. } | Self::Denied(_)) => {
                is_conflict(refusal) && *self != *expected
            }
            (Self::Conflict, Self::Settled { .. } | Self::Unavailable)
            | (Self::AlreadySettled(_), Self::NotFound) => true,
            _ => false,
        }
    }

    /// Takes the alerts of a settlement for told, which are told later unless the shared ledger was asked itself.
    pub(crate) fn tell_alerts_of(&mut self, expected: &Self) {
        if let (Self::Settled { alerts, .. }, Self::Settled { alerts: expected, .. }) = (self, expected)
            && alerts.is_empty()
        {
            alerts.clone_from(expected);
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) transient: bool,
    /// The meter that is named: its cap, used, held, requested, reset.
    pub(crate) meter: Option<(i128, i128, i128, i128, Timestamp)>,
}

// What comes of one attempt to reserve.
enum Reserved {
    As { view: bool, current: usize, hold: usize },
    // The answer, and whether it may be another once something lapsed.
    Not(Answer, bool),
}

/// One meter as `usage()` tells it: used, held, cap, what is left of it, and when it resets.
pub(crate) type Standing = (i128, i128, Option<i128>, Option<i128>, Timestamp);

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) limits: Limits,
    pub(crate) calendar: Calendar,
    pub(crate) enabled: bool,
    pub(crate) revoked: bool,
    // When each ends, oldest first; and whether it is forgotten.
    pub(crate) secrets: Vec<(Option<Timestamp>, bool)>,
}

/// A permit, as its holder sees it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) slot: usize,
    /// The account and the hold that it was given for.
    pub(crate) account: usize,
    pub(crate) hold: usize,
    pub(crate) name: Name,
    pub(crate) limits: Limits,
    pub(crate) view: bool,
    pub(crate) dispatched: bool,
    /// Whether somebody still has it in hand.
    pub(crate) held: bool,
    // What it was told of its hold last.
    pub(crate) phase: Phase,
    pub(crate) seen: Usage,
    pub(crate) progress: Option<Usage>,
}

#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    pub(crate) now: Timestamp,
    pub(crate) sweeps: bool,
    pub(crate) on_lapse: OnLapse,
    /// Whether the usage of every key is asked for after each step.
    pub(crate) looks: bool,
    pub(crate) keys: [Option<Key>; SLOTS],
    pub(crate) accounts: Vec<Account>,
    // The account of each slot, once it was used.
    pub(crate) current: [Option<usize>; SLOTS],
    pub(crate) calls: Vec<Call>,
    pub(crate) answer: Answer,
    /// The alerts of the last step, in order, and how many of them come from holds that lapsed together.
    pub(crate) told: Vec<Told>,
    pub(crate) lapsed: usize,
    /// The account of each slot in which something lapsed last: it may be gone.
    pub(crate) lapsed_in: [usize; SLOTS],
}

impl Oracle {
    /// Nothing has happened yet, and the ledger forgets as that in memory does, or `sweeps`.
    pub(crate) fn new(now: Timestamp, sweeps: bool, on_lapse: OnLapse) -> Self {
        Self {
            now,
            sweeps,
            on_lapse,
            looks: false,
            keys: [const { None }; SLOTS],
            accounts: Vec::new(),
            current: [None; SLOTS],
            calls: Vec::new(),
            answer: Answer::Nothing,
            told: Vec::new(),
            lapsed: 0,
            lapsed_in: [0; SLOTS],
        }
    }

    /// The call that an operation means, if there is one.
    pub(crate) fn nth(&self, call: usize) -> Option<usize> {
        let last = self.calls.len().checked_sub(1)?;
        Some(last - call % self.calls.len())
    }

    pub(crate) fn step(&mut self, op: &Op) {
        self.told.clear();
        self.lapsed = 0;
        self.answer = self.happen(op);
        for slot in 0..SLOTS {
            if self.looks {
                self.look(slot);
            }
            self.check_caps(slot);
        }
    }

    // What is charged and set aside passes a cap by no more than what calls cost beyond what was set aside for them, and what
    // was recorded, in the same window.
    fn check_caps(&self, slot: usize) {
        let (Some(key), Some(account)) = (&self.keys[slot], self.current[slot]) else { return };
        let account = &self.accounts[account];
        for (meter, start) in account.known_windows() {
            let (used, held) = account.sum(meter, start);
            assert!(used >= 0 && held >= 0, "less than nothing");
            let most = key.limits.cap(meter).map(|cap| cap + account.excess(meter, start));
            assert!(most.is_none_or(|most| used + held <= most), "{meter} from {start} is past its cap");
        }
    }

    // The usage of a key is asked for.
    fn look(&mut self, slot: usize) -> Answer {
        let Some(limits) = self.keys[slot].as_ref().map(|key| key.limits) else { return Answer::NotFound };
        self.lapse(slot, &limits);
        Answer::Done
    }

    pub(crate) fn standing(&self, slot: usize) -> Option<[Standing; 3]> {
        let key = self.keys[slot].as_ref()?;
        let windows = key.calendar.windows(self.now);
        Some(Meter::ALL.map(|meter| {
            let Window { start, end } = windows.of(meter);
            let (used, held) = self.sum(slot, meter, start).unwrap_or_default();
            let cap = key.limits.cap(meter);
            (used, held, cap, cap.map(|cap| (cap - used - held).max(0)), end)
        }))
    }

    pub(crate) fn sum(&self, slot: usize, meter: Meter, start: Timestamp) -> Option<(i128, i128)> {
        Some(self.accounts[self.current[slot]?].sum(meter, start))
    }

    fn happen(&mut self, op: &Op) -> Answer {
        match *op {
            Op::Create { slot, limits, zone } => self.create(slot, limits, zone),
            Op::Authorize { slot, secret, estimate, request, foretold } => {
                self.authorize(slot, secret, estimate, request, foretold)
            }
            Op::Look { slot } => self.look(slot),
            Op::Dispatched { call } => self.with(call, |call| call.dispatched = true),
            Op::Progress { call, usage } => self.with(call, |call| {
                (call.dispatched, call.progress) = (true, Some(usage));
            }),
            Op::Extend { call, more } => self.extend(call, more),
            Op::Settle { call, bill } => self.end(call, Phase::Settled, Some(bill)),
            Op::Release { call } => self.end(call, Phase::Released, None),
            Op::Drop { call } => self.drop(call),
            Op::Detach { call } | Op::Crash { call } => self.with(call, |call| call.held = false),
            Op::SettleById { call, bill } => self.end_by_id(call, Phase::Settled, Some(bill)),
            Op::ReleaseById { call } => self.end_by_id(call, Phase::Released, None),
            Op::Record { slot, usage, request } => self.record(slot, usage, request),
            Op::Clock(clock) => self.move_clock(clock),
            Op::Edit { slot, change, widen } => self.edit(slot, change, widen),
            Op::Disable { slot } => self.switch(slot, |key| key.enabled = false),
            Op::Enable { slot } => match &self.keys[slot] {
                Some(key) if key.revoked => Answer::Conflict,
                _ => self.switch(slot, |key| key.enabled = true),
            },
            Op::Revoke { slot } => self.switch(slot, |key| key.revoked = true),
            Op::Rotate { slot, overlap } => self.rotate(slot, overlap),
            Op::Delete { slot } => self.delete(slot),
        }
    }

    fn authorize(
        &mut self,
        slot: usize,
        secret: usize,
        estimate: Usage,
        request: Option<u8>,
        foretold: bool,
    ) -> Answer {
        let denied = |reason| Answer::Denied(Refusal { reason, transient: false, meter: None });
        let Some(key) = self.keys[slot].clone() else { return denied(Reason::UnknownKey) };
        let (ends, forgotten) = key.secrets[key.secrets.len() - 1 - secret % key.secrets.len()];
        if forgotten {
            return denied(Reason::UnknownKey);
        } else if ends.is_some_and(|end| end <= self.now) {
            return denied(Reason::SecretRetired);
        } else if key.revoked {
            return denied(Reason::KeyRevoked);
        } else if !key.enabled {
            return denied(Reason::KeyDisabled);
        }
        if foretold {
            self.lapse(slot, &key.limits);
        }
        let name = request.map_or(Name::Drawn(self.calls.len()), Name::Request);
        let (view, current, hold) = loop {
            match self.try_reserve(slot, &key, name, estimate) {
                Reserved::As { view, current, hold } => break (view, current, hold),
                // What is due lapses for whoever finds no room, or what it lives under the same name.
                Reserved::Not(_, true) if self.lapse(slot, &key.limits) > 0 => {}
                Reserved::Not(answer, _) => return answer,
            }
        };
        let account = &self.accounts[current];
        let seen = account.holds[hold].usage;
        self.calls.push(Call {
            slot,
            account: current,
            hold,
            name,
            limits: key.limits,
            view,
            dispatched: false,
            held: true,
            phase: Phase::Live,
            seen,
            progress: None,
        });
        if !view {
            self.lapse(slot, &key.limits);
        }
        Answer::Admitted { view }
    }

    fn try_reserve(&mut self, slot: usize, key: &Key, name: Name, estimate: Usage) -> Reserved {
        let denied = |reason, transient| Answer::Denied(Refusal { reason, transient, meter: None });
        let (windows, expires) = (key.calendar.windows(self.now), self.now.saturating_add(LIFETIME));
        let current = self.open_account(slot);
        let account = &mut self.accounts[current];
        if let Some(place) = account.find(name) {
            let hold = &account.holds[place];
            let is_same = hold.phase == Phase::Live && hold.asked == Some(estimate);
            let is_view = is_same && hold.expires > self.now;
            return if is_view {
                Reserved::As { view: true, current, hold: place }
            } else {
                Reserved::Not(denied(Reason::InternalError, false), is_same)
            };
        }
        if account.live() >= usize::try_from(MOST_LIVE).unwrap() {
            return Reserved::Not(denied(Reason::RateLimited, true), true);
        }
        let unopened = account.unopened();
        if !account.open(windows) {
            account.put_back(unopened);
            return Reserved::Not(denied(Reason::LedgerUnavailable, true), false);
        }
        if let Some(refusal) = refuse(account, &key.limits, windows, estimate, Usage::ZERO, |_| false) {
            account.put_back(unopened);
            return Reserved::Not(Answer::Denied(refusal), true);
        }
        let (phase, usage) = (Phase::Live, estimate);
        let hold = Hold { name, asked: Some(estimate), phase, usage, windows, expires, known: true };
        Reserved::As { view: false, current, hold: account.add(hold) }
    }

    fn extend(&mut self, call: usize, more: Usage) -> Answer {
        let Some(mut call) = self.in_hand(call) else { return Answer::Nothing };
        let answer = self.try_extend(&mut call.1, more);
        self.calls[call.0] = call.1;
        answer
    }

    fn try_extend(&mut self, call: &mut Call, more: Usage) -> Answer {
        let limits = self.limits_of(call);
        loop {
            if call.phase != Phase::Live || self.known(call).is_none() {
                return Answer::Conflict;
            }
            let account = &mut self.accounts[call.account];
            let hold = account.holds[call.hold].clone();
            (call.phase, call.seen) = (hold.phase, hold.usage);
            if hold.phase != Phase::Live {
                return Answer::Conflict;
            }
            // What holds something already and is asked for no more is not asked again.
            let settled = |meter: Meter| more.on(meter) == 0 && hold.usage.on(meter) > 0;
            match refuse(account, &limits, hold.windows, more, hold.usage, settled) {
                None => {
                    let expires = self.now.saturating_add(LIFETIME).max(hold.expires);
                    call.seen = hold.usage.saturating_add(more);
                    account.holds[call.hold] = Hold { usage: call.seen, expires, ..hold };
                    return Answer::Done;
                }
                Some(_) if self.lapse(call.slot, &limits) > 0 => {}
                Some(refusal) => return Answer::Denied(refusal),
            }
        }
    }

    fn end(&mut self, call: usize, phase: Phase, bill: Option<Bill>) -> Answer {
        let Some((place, call)) = self.in_hand(call) else { return Answer::Nothing };
        let usage = bill.map_or(Usage::ZERO, |bill| of(bill, &call));
        if !call.phase.is_open() {
            return Answer::AlreadySettled(call.seen);
        }
        let limits = self.limits_of(&call);
        let Some(hold) = self.known(&call) else { return Answer::NotFound };
        let answer = self.close(call.slot, hold, phase, usage, Some(&limits));
        // Whoever tried knows how it ended, even if somebody else had ended it.
        let hold = &self.accounts[call.account].holds[call.hold];
        (self.calls[place].phase, self.calls[place].seen) = (hold.phase, hold.usage);
        answer
    }

    fn end_by_id(&mut self, call: usize, phase: Phase, bill: Option<Bill>) -> Answer {
        let Some(call) = self.nth(call).map(|call| self.calls[call].clone()) else { return Answer::Nothing };
        let usage = bill.map_or(Usage::ZERO, |bill| of(bill, &call));
        let account = self.current[call.slot];
        let Some(hold) = account.and_then(|account| self.accounts[account].find(call.name)) else {
            return Answer::NotFound;
        };
        let limits = self.keys[call.slot].as_ref().map(|key| key.limits);
        self.close(call.slot, hold, phase, usage, limits.as_ref())
    }

    pub(crate) fn close(
        &mut self,
        slot: usize,
        hold: usize,
        phase: Phase,
        usage: Usage,
        limits: Option<&Limits>,
    ) -> Answer {
        let current = self.current[slot].unwrap();
        let account = &mut self.accounts[current];
        let before = account.holds[hold].clone();
        if !before.phase.is_open() {
            return Answer::AlreadySettled(before.usage);
        }
        let alerts = account.end(slot, hold, phase, usage, limits);
        self.told.extend(&alerts);
        let overrun = Usage::new(
            usage.cost.saturating_sub(before.usage.cost),
            usage.tokens.saturating_sub(before.usage.tokens),
        );
        account.excuse(before.windows, overrun);
        self.leave(slot);
        Answer::Settled { usage, overrun, late: before.phase != Phase::Live, alerts }
    }

    fn drop(&mut self, call: usize) -> Answer {
        let Some((place, call)) = self.in_hand(call) else { return Answer::Nothing };
        self.calls[place].held = false;
        let mine = !call.view && call.phase == Phase::Live;
        let Some(hold) = self.known(&call).filter(|_| mine) else { return Answer::Done };
        let known = &self.accounts[call.account].holds[hold];
        if known.phase == Phase::Live {
            // All that was set aside, whoever asked for it.
            let charged = if call.dispatched { call.progress.unwrap_or(known.usage) } else { Usage::ZERO };
            let limits = self.limits_of(&call);
            self.close(call.slot, hold, Phase::Dropped, charged, Some(&limits));
        }
        Answer::Done
    }

    fn record(&mut self, slot: usize, usage: Usage, request: Option<u8>) -> Answer {
        let Some(key) = self.keys[slot].clone() else { return Answer::NotFound };
        let (windows, expires) = (key.calendar.windows(self.now), self.now);
        let current = self.open_account(slot);
        let account = &mut self.accounts[current];
        let name = request.map_or(Name::Drawn(usize::MAX), Name::Request);
        if request.is_some() && account.find(name).is_some() {
            return Answer::Conflict;
        }
        let unopened = account.unopened();
        if !account.open(windows) {
            account.put_back(unopened);
            return Answer::Unavailable;
        }
        account.add(Hold { name, asked: None, phase: Phase::Settled, usage, windows, expires, known: true });
        let meters: Vec<Meter> = Meter::ALL.into_iter().filter(|&meter| usage.on(meter) > 0).collect();
        let alerts = account.tell(slot, windows, &meters, Some(&key.limits));
        self.told.extend(&alerts);
        account.excuse(windows, usage);
        Answer::Settled { usage, overrun: Usage::ZERO, late: false, alerts }
    }

    fn move_clock(&mut self, clock: Clock) -> Answer {
        let micros = match clock {
            Clock::By(seconds) => self.now.as_micros() + seconds * 1_000_000,
            Clock::ToEnd { slot, month, off } => {
                let windows = self.keys[slot].as_ref().map(|key| key.calendar.windows(self.now));
                let Some(windows) = windows else { return Answer::Nothing };
                (if month { windows.month } else { windows.day }).end.as_micros() + off
            }
        };
        self.now = Timestamp::from_micros(micros);
        Answer::Done
    }
}

/// What a bill comes to for a call.
pub(crate) fn of(bill: Bill, call: &Call) -> Usage {
    match bill {
        Bill::Estimate => call.seen,
        Bill::Of(usage) => usage,
    }
}

/// Admission from first principles (B3), and which meter is to be named.
fn refuse(
    account: &Account,
    limits: &Limits,
    windows: enclava_keys::budget::Windows,
    asked: Usage,
    // What the call holds already, which is not let go meanwhile.
    own: Usage,
    skip: impl Fn(Meter) -> bool,
) -> Option<Refusal> {
    let refusing = Meter::ALL.into_iter().filter(|&meter| !skip(meter)).filter_map(|meter| {
        let (cap, asked, window) = (limits.cap(meter)?, asked.on(meter), windows.of(meter));
        let (used, held) = account.sum(meter, window.start);
        let fits = |held| if asked > 0 { used + held + asked <= cap } else { used + held < cap };
        (!fits(held)).then(|| Refusal {
            reason: Reason::exceeded(meter),
            transient: fits(own.on(meter)),
            meter: Some((cap, used, held, asked, window.end)),
        })
    });
    // Final ones first, then the latest reset; of equals the first.
    refusing.min_by_key(|refusal| (refusal.transient, std::cmp::Reverse(refusal.meter.unwrap().4)))
}
