//! The way a reservation goes through a ledger: one step as a rule, and what to do when the answer is no.
//!
//! The same for every engine. Whatever takes more than one step here is either idempotent or harmless when it is cut
//! short: a hold that should have lapsed and did not yet keeps its room.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::lease::{Lease, MOST_LEASES};
use super::parties::{Parties, Rows, again, others_of, pin, pinned};
use super::{Account, Closing, Lapse, Ledger, LedgerError, NotReserved, OnLapse, Terms};
use crate::budget::{
    Hold, HoldId, Meter, Moved, Notice, Outcome, Owner, Phase, Row, Standing, Step, Usage, notices, refusal,
};
use crate::time::Timestamp;

/// How often a step is tried again when others moved first or an engine's clock disagreed.
const ATTEMPTS: usize = 8;
/// How many lapsed holds one call clears away.
const LAPSES_A_CALL: usize = 32;

/// A hold takes fewer steps than this in its life.
const STEPS: u32 = 1 << 16;

// What is to be told of a hold that was ended, or its state when somebody else moved it first.
type Ended = Result<Vec<Notice>, Option<Box<Hold>>>;

/// Holds, kept in a ledger by the rules of the budget.
#[derive(Debug)]
pub struct Books {
    ledger: Arc<dyn Ledger>,
    terms: Terms,
    // Counts the holds that were named after a request.
    named: AtomicU32,
}

impl Books {
    /// Books in `ledger`, under `terms`.
    pub fn new(ledger: Arc<dyn Ledger>, terms: Terms) -> Self {
        // Begins anywhere, so that processes which share a ledger do not count alike.
        let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
        Self { ledger, terms, named: AtomicU32::new(u32::from_le_bytes([a, b, c, d])) }
    }

    /// The ledger they are kept in.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Makes `hold`, which is new, and sets an estimate aside for it on every meter of every account, or on none. Answers
    /// true when it was there already, live and made by the same request: `hold` is then that one. A ledger with a history
    /// counts the call under `model`. `lapses` takes the holds that lapsed.
    ///
    /// # Errors
    /// [`NotReserved`].
    #[inline]
    pub fn reserve(
        &self,
        accounts: &[Account<'_>],
        hold: &mut Hold,
        estimate: Usage,
        model: Option<&str>,
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) -> Result<bool, NotReserved> {
        let (mut now, mut attempts) = (now, 0..ATTEMPTS);
        while attempts.next().is_some() {
            let mut parties = Parties::new();
            pin(hold, accounts, now, &mut parties);
            let mut rows = Rows::of(&parties);
            let expires_at = now.saturating_add(self.terms.lifetime);
            let revision = self.first_revision(hold);
            let most = self.terms.most_live;
            let step = Step::reserve(&parties, hold, estimate, model, expires_at, revision, most);
            match self.ledger.apply(&step, rows.all_mut())? {
                Outcome::Taken { next_lapse, seat } => {
                    (hold.standing, hold.seat) = (step.becomes, seat);
                    self.lapse_if_due(accounts, now, next_lapse, lapses);
                    return Ok(false);
                }
                // Room may be held by calls that nobody will settle, however many.
                Outcome::Refused => {
                    if !self.makes_room(accounts, now, lapses, &mut attempts)? {
                        return Err(refusal(&step, rows.all())
                            .map_or_else(|| inconsistent().into(), NotReserved::Refused));
                    }
                }
                Outcome::Crowded => {
                    if !self.makes_room(accounts, now, lapses, &mut attempts)? {
                        return Err(NotReserved::Crowded);
                    }
                }
                Outcome::Unexpected(Some(found)) if is_same_call(hold, &found) => {
                    if found.standing.expires_at > now {
                        *hold = *found;
                        return Ok(true);
                    }
                    // It is in flight no more, but nobody has noticed.
                    if self.lapse(accounts, now, lapses)? == 0 {
                        return Err(NotReserved::Conflict);
                    }
                }
                Outcome::Unexpected(Some(found)) if found.standing.phase.is_live() => {
                    return Err(NotReserved::Conflict);
                }
                Outcome::Unexpected(Some(_)) => return Err(NotReserved::Ended),
                Outcome::Unexpected(None) => return Err(inconsistent().into()),
                Outcome::Elsewhen(other) => now = other,
            }
        }
        Err(contended().into())
    }

    /// Sets `more` aside for a live hold and gives it a new lifetime. `accounts` are all of its owners, in the order in which it
    /// was made. `hold` becomes its new state.
    ///
    /// # Errors
    /// [`NotReserved`]; [`NotReserved::Conflict`] if it is not live any more.
    pub fn extend(
        &self,
        accounts: &[Account<'_>],
        hold: &mut Hold,
        more: Usage,
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) -> Result<(), NotReserved> {
        let mut attempts = 0..ATTEMPTS;
        while attempts.next().is_some() {
            if hold.standing.phase != Phase::Live {
                return Err(NotReserved::Conflict);
            }
            let parties = again(hold, accounts).ok_or_else(strangers)?;
            let mut rows = Rows::of(&parties);
            let step = Step::extend(&parties, hold, more, now.saturating_add(self.terms.lifetime));
            match self.ledger.apply(&step, rows.all_mut())? {
                Outcome::Taken { .. } => {
                    hold.standing = step.becomes;
                    return Ok(());
                }
                Outcome::Refused => {
                    if !self.makes_room(accounts, now, lapses, &mut attempts)? {
                        return Err(refusal(&step, rows.all())
                            .map_or_else(|| inconsistent().into(), NotReserved::Refused));
                    }
                }
                Outcome::Unexpected(Some(found)) if continues(hold, &found) => catch_up(hold, &found),
                Outcome::Unexpected(_) => return Err(NotReserved::Conflict),
                Outcome::Crowded | Outcome::Elsewhen(_) => return Err(inconsistent().into()),
            }
        }
        Err(contended().into())
    }

    /// Closes a hold as `phase`, charging `usage`; answers whom to tell of the charge. `accounts` are its owners, the one that
    /// it lives with first: one that is left out is charged too, and not told. `hold` is its state as last seen, and is left
    /// as it stood just before, from which whoever asked can tell what the call came to.
    ///
    /// # Errors
    /// [`Closing`].
    #[inline]
    pub fn close(
        &self,
        accounts: &[Account<'_>],
        hold: &mut Hold,
        phase: Phase,
        usage: Usage,
    ) -> Result<Vec<Notice>, Closing> {
        let Some(home) = accounts.first() else { return Err(Closing::NotFound) };
        // A drop or a lapse decides only about a live hold; a settle or a release also replaces what they decided.
        let closes = |before: Phase| if phase.is_open() { before == Phase::Live } else { before.is_open() };
        for _ in 0..ATTEMPTS {
            if !closes(hold.standing.phase) {
                return Err(Closing::Already);
            }
            match self.end(*home, accounts, hold, phase, usage)? {
                Ok(notices) => return Ok(notices),
                Err(Some(found)) if continues(hold, &found) => catch_up(hold, &found),
                Err(_) => return Err(Closing::NotFound),
            }
        }
        Err(contended().into())
    }

    /// The hold of this name.
    ///
    /// # Errors
    /// [`Closing::NotFound`] or [`Closing::Failed`].
    pub fn hold(&self, owner: &Owner, id: HoldId) -> Result<Hold, Closing> {
        self.ledger.hold(owner, id)?.ok_or(Closing::NotFound)
    }

    /// Charges `usage` without a reservation, as `hold`, which is new.
    ///
    /// # Errors
    /// [`NotReserved::Conflict`] if its name was used before, or [`NotReserved::Failed`].
    pub fn record(
        &self,
        account: Account<'_>,
        hold: &mut Hold,
        usage: Usage,
        now: Timestamp,
    ) -> Result<Vec<Notice>, NotReserved> {
        let mut now = now;
        for _ in 0..ATTEMPTS {
            let mut parties = Parties::new();
            pin(hold, &[account], now, &mut parties);
            let mut rows = Rows::of(&parties);
            let step = Step::close(&parties, hold, Phase::Settled, usage);
            let becomes = Standing { expires_at: now, revision: self.first_revision(hold), ..step.becomes };
            let step = Step { becomes, current: true, ..step };
            match self.ledger.apply(&step, rows.all_mut())? {
                Outcome::Taken { .. } => return Ok(notices(&step, rows.all())),
                Outcome::Unexpected(_) => return Err(NotReserved::Conflict),
                Outcome::Elsewhen(other) => now = other,
                Outcome::Refused | Outcome::Crowded => return Err(inconsistent().into()),
            }
        }
        Err(contended().into())
    }

    /// The rows of `account` at `now`, in the order of [`Meter::ALL`], after lapsed holds were charged.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    pub fn rows(
        &self,
        account: Account<'_>,
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) -> Result<[Row; Meter::ALL.len()], LedgerError> {
        while self.lapse(&[account], now, lapses)? == LAPSES_A_CALL {}
        let windows = account.calendar.windows(now);
        let row = |meter: Meter| self.ledger.row(account.owner, meter, windows.of(meter).start);
        let [first, second, third] = Meter::ALL;
        Ok([row(first)?, row(second)?, row(third)?])
    }

    /// How many calls of an owner are in flight, and how many may be. The leases of a budget that is shared are none.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    pub fn in_flight(&self, owner: &Owner) -> Result<(u32, u32), LedgerError> {
        let most = self.terms.most_live;
        let many = usize::try_from(most.saturating_add(MOST_LEASES)).unwrap_or(usize::MAX);
        let live = self.ledger.due(owner, Timestamp::MAX, many)?;
        let calls = live.iter().filter(|hold| !Lease::is(hold)).count();
        Ok((u32::try_from(calls).unwrap_or(u32::MAX), most))
    }

    /// Charges the holds of `accounts` whose lifetime has passed, a bounded number of them; answers how many.
    ///
    /// # Errors
    /// When the ledger cannot tell.
    pub fn lapse(
        &self,
        accounts: &[Account<'_>],
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) -> Result<usize, LedgerError> {
        let mut count = 0_usize;
        for account in accounts {
            let due = self.ledger.due(account.owner, now, LAPSES_A_CALL)?;
            let more = LAPSES_A_CALL.saturating_sub(due.len());
            count = count.saturating_add(due.len());
            for hold in due {
                let usage = self.charge_of(&hold);
                let ended = self.end(*account, accounts, &hold, Phase::Lapsed, usage)?;
                lapses.extend(lapsed(account.owner, hold, usage, ended));
            }
            // Their own owners may never call again.
            let guests =
                if more > 0 { self.ledger.due_guests(account.owner, now, more)? } else { Vec::new() };
            count = count.saturating_add(guests.len());
            for (owner, hold) in guests {
                let (owner, usage) = (Owner::new(owner), self.charge_of(&hold));
                let ended = self.end_shared(&owner, accounts, &hold, Phase::Lapsed, usage)?;
                lapses.extend(lapsed(&owner, hold, usage, ended));
            }
        }
        Ok(count)
    }

    // What a hold is charged that lapses.
    fn charge_of(&self, hold: &Hold) -> Usage {
        match self.terms.on_lapse {
            OnLapse::Charge => hold.standing.usage,
            OnLapse::Release => Usage::ZERO,
        }
    }

    // Lets go what lapsed for a step that found no room; false if there was nothing. That holds had to lapse first is no
    // failed attempt.
    #[cold]
    fn makes_room(
        &self,
        accounts: &[Account<'_>],
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
        attempts: &mut Range<usize>,
    ) -> Result<bool, LedgerError> {
        let before = lapses.len();
        let due = self.lapse(accounts, now, lapses)?;
        if lapses.len() > before {
            *attempts = 0..ATTEMPTS;
        }
        Ok(due > 0)
    }

    // After a call that succeeded: what lapsed is charged on the way, and a ledger that fails to now will later.
    #[inline]
    fn lapse_if_due(
        &self,
        accounts: &[Account<'_>],
        now: Timestamp,
        next: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) {
        if next <= now {
            let _ = self.lapse(accounts, now, lapses);
        }
    }

    // A request id may come again once its call is forgotten. Its holds begin far from each other, so that whoever still
    // has an old one in hand cannot take it for the new.
    #[inline]
    fn first_revision(&self, hold: &Hold) -> u32 {
        const GOLDEN: u32 = 0x9e37_79b1;
        match hold.fingerprint {
            0 => 1,
            _ => (self.named.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN) >> 1) | 1,
        }
    }

    // Ends an existing hold of `home`, of whose owners `accounts` are known.
    #[inline]
    fn end(
        &self,
        home: Account<'_>,
        accounts: &[Account<'_>],
        hold: &Hold,
        phase: Phase,
        usage: Usage,
    ) -> Result<Ended, LedgerError> {
        if hold.others.is_some() {
            return self.end_shared(home.owner, accounts, hold, phase, usage);
        }
        let parties = [home.party(hold.windows)];
        self.end_of(&Step::close(&parties, hold, phase, usage), &mut Rows::CLEAR.clone())
    }

    #[cold]
    fn end_shared(
        &self,
        home: &Owner,
        accounts: &[Account<'_>],
        hold: &Hold,
        phase: Phase,
        usage: Usage,
    ) -> Result<Ended, LedgerError> {
        let others = others_of(hold);
        let parties = pinned(home, hold, &others, accounts);
        let mut rows = Rows::of(&parties);
        self.end_of(&Step::close(&parties, hold, phase, usage), rows.all_mut())
    }

    #[inline]
    fn end_of(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Ended, LedgerError> {
        match self.ledger.apply(step, rows)? {
            Outcome::Taken { .. } => Ok(Ok(notices(step, rows))),
            Outcome::Unexpected(found) => Ok(Err(found)),
            Outcome::Refused | Outcome::Crowded | Outcome::Elsewhen(_) => Err(inconsistent()),
        }
    }
}

// A hold as it lapsed. If somebody settled, lapsed or extended it just now, it was not due any more.
fn lapsed(owner: &Owner, mut hold: Hold, usage: Usage, ended: Ended) -> Option<Lapse> {
    let notices = ended.ok()?;
    hold.standing.close(Phase::Lapsed, usage);
    Some(Lapse { owner: owner.id().clone(), hold, notices })
}

// Whether the same request made `found`, whose call is still in flight.
fn is_same_call(new: &Hold, found: &Hold) -> bool {
    new.fingerprint != 0 && new.fingerprint == found.fingerprint && found.standing.phase == Phase::Live
}

// Whether `found` is what became of `seen`, and not another hold of the same name.
fn continues(seen: &Hold, found: &Hold) -> bool {
    found.standing.revision.checked_sub(seen.standing.revision).is_some_and(|steps| steps < STEPS)
}

// What else there is of a hold never changes, and may not be remembered.
fn catch_up(hold: &mut Hold, found: &Hold) {
    (hold.standing, hold.seat) = (found.standing, found.seat);
}

fn strangers() -> LedgerError {
    LedgerError::new("a hold grows for all of its owners or for none")
}

fn inconsistent() -> LedgerError {
    LedgerError::new("its answer does not fit the question")
}

fn contended() -> LedgerError {
    LedgerError::new("others moved first, too often")
}
