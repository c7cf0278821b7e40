//! What threads do that fight for one account: each has a portion of the budget to itself.
//!
//! A portion is an account of its own. Its limits are what it was granted, which the owner's account holds for it: whoever
//! asks the account is bounded by what is left, so that what is admitted in all of them together is exact. Nothing that
//! was granted reaches an alert. A call that fits its thread's portion touches nothing else. Whatever does not fit, and
//! all that is not a plain call, is left to the account, which takes back every portion first: what it answers then is
//! what it would if there never had been any.

use super::account::{self, Account, NotTaken, Taken};
use crate::budget::{Hold, HoldId, Limits, Meter, Money, Moved, Party, Row, Step, Windows, quiet_room};
use crate::ledger::seats::Kept;
use crate::sync::atomic::{AtomicI64, Ordering};
use crate::sync::{Mutex, thread_number};
use crate::time::Timestamp;

const PORTIONS: usize = 8;

// A portion gets this part of the account's room.
const PART: i128 = if cfg!(any(test, shuttle)) { 2 } else { 8 };

// This part of the calls that may be live at once may be in one portion: in all of them together half.
const LIVE_PART: u32 = 16;

// One that had room for fewer calls would soon be asked for again. Tests are to come to the ends of portions often.
const FEWEST_CALLS: i128 = if cfg!(any(test, shuttle)) { 0 } else { 16 };

// The number of a portion takes the top bits of a hold's seat.
const NUMBER_SHIFT: u32 = super::holds::SLOT_BITS;

/// The portions of one owner. Whoever locks several, or grants one, has locked the owner's account before.
pub(super) struct Portions {
    // Those under which all that are out were granted.
    terms: Mutex<Option<Terms>>,
    // A lower bound, over the account and the portions that are out.
    next_lapse: AtomicI64,
    each: [Padded; PORTIONS],
}

#[derive(Default)]
#[repr(align(128))]
struct Padded(Mutex<Portion>);

#[derive(Default)]
struct Portion {
    granted: Option<Granted>,
    account: Account,
}

#[derive(Clone, Copy)]
struct Granted {
    terms: Terms,
    // What was granted, as the limits of the portion: of the same meters as the owner has limits of the unit.
    limits: Limits,
}

// What must be the same for a call to be one of those that a portion was granted for.
#[derive(Clone, Copy, PartialEq)]
struct Terms {
    windows: Windows,
    limits: Limits,
}

impl Default for Portions {
    fn default() -> Self {
        Self { terms: Mutex::default(), next_lapse: AtomicI64::new(i64::MAX), each: Default::default() }
    }
}

impl Portions {
    /// The step as the portion takes it that it is for. `None` if it is not for one or does not fit.
    pub(super) fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Option<Taken> {
        let number = if step.expected() == 0 { own_number() } else { number_of(step.hold.seat)? };
        let taken = self.each.get(number)?.0.lock().apply(step, rows, number)?;
        Some(Taken { next_lapse: self.lapses_by(taken.next_lapse), ..taken })
    }

    /// The step as the owner's account takes it, which is locked.
    pub(super) fn carry(
        &self,
        step: &Step<'_>,
        rows: &mut [Moved],
        account: &mut Account,
    ) -> Result<Taken, NotTaken> {
        if let Some(taken) = self.keep_out(step, rows, account) {
            return Ok(taken);
        }
        self.take_back(account);
        account::apply(step, rows, account, &mut [])
    }

    // The step, if it can be taken while portions are out.
    fn keep_out(&self, step: &Step<'_>, rows: &mut [Moved], account: &mut Account) -> Option<Taken> {
        let [party] = step.parties else { return None };
        let terms = Terms::of(party);
        if ends_plainly(step) {
            // What is used and held together grows no larger, so that no alert is reached while portions are out.
            let same = *self.terms.lock() == Some(terms);
            return if same { account::apply(step, rows, account, &mut []).ok() } else { None };
        }
        if !begins_plainly(step) {
            return None;
        }
        if *self.terms.lock() != Some(terms) {
            self.take_back(account);
        }
        let number = own_number();
        let mut portion = self.each.get(number)?.0.lock();
        portion.give_back(account);
        portion.grant(step, party, account)?;
        *self.terms.lock() = Some(terms);
        self.lapses_by(account.next_lapse());
        account.share();
        let taken = portion.apply(step, rows, number)?;
        Some(Taken { next_lapse: self.lapses_by(taken.next_lapse), ..taken })
    }

    /// Takes back what was granted, and the calls that were admitted with it.
    pub(super) fn take_back(&self, account: &mut Account) {
        self.each.iter().for_each(|portion| portion.0.lock().give_back(account));
        *self.terms.lock() = None;
        self.next_lapse.store(i64::MAX, Ordering::Relaxed);
        account.share_no_more();
    }

    /// The hold of this name, if it was settled or released in a portion and is remembered.
    pub(super) fn resolved(&self, id: HoldId) -> Option<Hold> {
        self.each.iter().find_map(|portion| portion.0.lock().account.hold(id))
    }

    // Read by every call, and written when it is another: nothing lapses before what was first to lapse.
    fn lapses_by(&self, at: Timestamp) -> Timestamp {
        let known = Timestamp::from_micros(self.next_lapse.load(Ordering::Relaxed));
        if at < known {
            self.next_lapse.fetch_min(at.as_micros(), Ordering::Relaxed);
        }
        at.min(known)
    }

    /// Forgets the owner, from whom all was taken back.
    pub(super) fn clear(&self) {
        self.each.iter().for_each(|portion| *portion.0.lock() = Portion::default());
    }
}

impl Portion {
    fn apply(&mut self, step: &Step<'_>, rows: &mut [Moved], number: usize) -> Option<Taken> {
        let ([party], Some(granted)) = (step.parties, &self.granted) else { return None };
        let is_plain = begins_plainly(step) || grows_plainly(step) || ends_plainly(step);
        if !is_plain || granted.terms != Terms::of(party) || self.account.owner() != Some(party.owner.id()) {
            return None;
        }
        let parties = [Party { limits: &granted.limits, ..*party }];
        let most_live = step.most_live.map(|most| most / LIVE_PART);
        let step = Step { parties: &parties, most_live, ..*step };
        let taken = account::apply(&step, rows, &mut self.account, &mut []).ok()?;
        Some(Taken { seat: taken.seat | seat_of(number), ..taken })
    }

    // Has the account hold a part of its room for this portion, which has none; `None` if there is too little of it.
    fn grant(&mut self, step: &Step<'_>, party: &Party<'_>, account: &mut Account) -> Option<()> {
        let most_live = step.most_live?;
        let live = account.live();
        let rows = account.latest_rows(party.windows)?;
        if live > most_live / 2 {
            return None;
        }
        let asked = step.becomes.usage;
        let part = |meters: &[(Meter, &Row)]| -> Option<Option<i128>> {
            let rooms = meters.iter().filter_map(|(meter, row)| quiet_room(party.limits, *meter, row));
            let Some(room) = rooms.min() else { return Some(None) };
            let asked = meters.first().map_or(0, |(meter, _)| asked.on(*meter));
            let part = room.div_euclid(PART);
            (part > asked.saturating_mul(FEWEST_CALLS)).then_some(Some(part))
        };
        let [daily_spend, monthly_spend, daily_tokens] = rows;
        let spend = part(&[(Meter::DailySpend, daily_spend), (Meter::MonthlySpend, monthly_spend)])?;
        let tokens = part(&[(Meter::DailyTokens, daily_tokens)])?;
        let money = spend.map(Money::from_picos).transpose().ok()?;
        let limits = Limits {
            daily_spend: money,
            monthly_spend: money,
            daily_tokens: tokens.map(u64::try_from).transpose().ok()?,
            alert_threshold: None,
        };
        for (meter, row) in Meter::ALL.into_iter().zip(rows) {
            row.held = row.held.saturating_add(limits.cap(meter).unwrap_or(0));
        }
        self.granted = Some(Granted { terms: Terms::of(party), limits });
        self.account.begin(party.owner.id(), party.windows);
        Some(())
    }

    // Gives back to the account what was granted, and the calls that were admitted with it.
    fn give_back(&mut self, account: &mut Account) {
        let Some(Granted { terms, limits }) = self.granted.take() else { return };
        // They are the latest: a step in other windows takes all portions back before it is taken.
        let Some(rows) = account.latest_rows(terms.windows) else { return };
        let own = self.account.latest_rows(terms.windows).copied().unwrap_or_default();
        for ((meter, row), own) in Meter::ALL.into_iter().zip(rows).zip(own) {
            row.used = row.used.saturating_add(own.used);
            row.held = row.held.saturating_sub(limits.cap(meter).unwrap_or(0)).saturating_add(own.held);
        }
        account.adopt(self.account.end());
    }
}

impl Terms {
    fn of(party: &Party<'_>) -> Self {
        Self { windows: party.windows, limits: *party.limits }
    }
}

// A new call under a name that is nobody else's.
fn begins_plainly(step: &Step<'_>) -> bool {
    step.asks && step.expected() == 0 && step.hold.fingerprint == 0
}

// More for a call in flight.
fn grows_plainly(step: &Step<'_>) -> bool {
    step.asks && step.expected() > 0
}

// The end of a call in flight at no more than was set aside for it.
fn ends_plainly(step: &Step<'_>) -> bool {
    let is_covered = [step.spend, step.tokens].iter().all(|delta| delta.used.saturating_add(delta.held) <= 0);
    let (before, after) = (step.hold.standing.phase, step.becomes.phase);
    !step.asks
        && step.calls.is_none()
        && step.expected() > 0
        && before.is_live()
        && !after.is_open()
        && is_covered
}

fn own_number() -> usize {
    thread_number() % PORTIONS
}

fn seat_of(number: usize) -> u32 {
    u32::try_from(number).map_or(0, |number| number.saturating_add(1) << NUMBER_SHIFT)
}

fn number_of(seat: u32) -> Option<usize> {
    usize::try_from((seat >> NUMBER_SHIFT).checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests;
