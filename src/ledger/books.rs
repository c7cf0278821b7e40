//! The way a reservation goes through a ledger: one step as a rule, and what to do when the answer is no.
//!
//! The same for every engine. Whatever takes more than one step here is either idempotent or harmless when it is cut
//! short: a hold that should have lapsed and did not yet keeps its room.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;

use super::{
    Account, Closed, Closing, Lapse, Ledger, LedgerError, NewHold, NotReserved, OnLapse, Reserved, Terms,
};
use crate::budget::{
    Change, Crossing, Hold, HoldId, Limits, MAX_OWNERS, Meter, Moved, Outcome, Owner, Part, Party, Phase,
    Row, Step, Usage, close, closed, crossings, extend, refusal, reserve,
};
use crate::time::Timestamp;

/// How often a step is tried again when others moved first or an engine's clock disagreed.
const ATTEMPTS: usize = 8;
/// How many lapsed holds one call clears away.
const LAPSES_A_CALL: usize = 32;

/// A hold takes fewer steps than this in its life.
const STEPS: u32 = 1 << 16;

type Parties<'a> = ArrayVec<Party<'a>, MAX_OWNERS>;
type Parts = ArrayVec<Part, MAX_OWNERS>;
type Rows = ArrayVec<[Moved; Meter::ALL.len()], MAX_OWNERS>;

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

    /// Sets an estimate aside on every meter of every account, or on none. `lapses` takes the holds that lapsed.
    ///
    /// # Errors
    /// [`NotReserved`].
    pub fn reserve(
        &self,
        accounts: &[Account<'_>],
        new: NewHold,
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) -> Result<Reserved, NotReserved> {
        let mut now = now;
        let mut rows = Rows::new();
        for _ in 0..ATTEMPTS {
            let parties = parties(accounts, now);
            let mut parts = Parts::new();
            for (owner, party) in (0_u8..).zip(&parties) {
                parts.push(reserve(owner, party, new.estimate));
            }
            let hold = self.live(&parties, new, now).ok_or_else(no_owner)?;
            match self.take(&parties, 0, &hold, &parts, Some(self.terms.most_live), true, &mut rows)? {
                Outcome::Taken { next_lapse, seat } => {
                    self.lapse_if_due(accounts, now, next_lapse, lapses);
                    return Ok(Reserved { hold: Hold { seat, ..hold }, view: false });
                }
                // Room may be held by calls that nobody will settle.
                Outcome::Refused if self.lapse(accounts, now, lapses)? == 0 => {
                    return Err(refusal(parts.as_flattened(), rows.as_flattened())
                        .map_or_else(|| inconsistent().into(), NotReserved::Refused));
                }
                Outcome::Crowded if self.lapse(accounts, now, lapses)? == 0 => {
                    return Err(NotReserved::Crowded);
                }
                Outcome::Refused | Outcome::Crowded => {}
                Outcome::Unexpected(Some(found)) => {
                    let same = found.phase == Phase::Live && found.fingerprint == new.fingerprint;
                    let known = same && new.fingerprint != 0;
                    return if known {
                        Ok(Reserved { hold: *found, view: true })
                    } else {
                        Err(NotReserved::Conflict)
                    };
                }
                Outcome::Unexpected(None) => return Err(inconsistent().into()),
                Outcome::Elsewhen(other) => now = other,
            }
        }
        Err(contended().into())
    }

    /// Sets `more` aside for a live hold and gives it a new lifetime. `hold` becomes its new state.
    ///
    /// # Errors
    /// [`NotReserved`]; [`NotReserved::Conflict`] if it is not live any more.
    pub fn extend<'a>(
        &self,
        accounts: &[Account<'a>],
        hold: &mut Hold,
        more: Usage,
        now: Timestamp,
        lapses: &mut Vec<Lapse>,
    ) -> Result<(), NotReserved> {
        let mut rows = Rows::new();
        for _ in 0..ATTEMPTS {
            if hold.phase != Phase::Live {
                return Err(NotReserved::Conflict);
            }
            let pinned =
                std::iter::once(hold.windows).chain(hold.others().iter().map(|(_, windows)| *windows));
            let parties: Parties<'a> =
                accounts.iter().zip(pinned).map(|(account, windows)| account.party(windows)).collect();
            let parts: Parts =
                (0_u8..).zip(&parties).map(|(owner, party)| extend(owner, party, hold, more)).collect();
            let longer = Hold {
                usage: hold.usage.saturating_add(more),
                revision: hold.revision.saturating_add(1),
                expires_at: hold.expires_at.max(now.saturating_add(self.terms.lifetime)),
                ..hold.clone()
            };
            match self.take(&parties, hold.revision, &longer, &parts, None, false, &mut rows)? {
                Outcome::Taken { .. } => {
                    *hold = longer;
                    return Ok(());
                }
                Outcome::Refused if self.lapse(accounts, now, lapses)? == 0 => {
                    return Err(refusal(parts.as_flattened(), rows.as_flattened())
                        .map_or_else(|| inconsistent().into(), NotReserved::Refused));
                }
                Outcome::Refused => {}
                Outcome::Unexpected(Some(found)) if continues(hold, &found) => *hold = *found,
                Outcome::Unexpected(_) => return Err(NotReserved::Conflict),
                Outcome::Crowded | Outcome::Elsewhen(_) => return Err(inconsistent().into()),
            }
        }
        Err(contended().into())
    }

    /// Closes a hold as `phase`, charging `usage`. `hold` is its state as last seen.
    ///
    /// # Errors
    /// [`Closing`].
    pub fn close(
        &self,
        account: Account<'_>,
        hold: &Hold,
        phase: Phase,
        usage: Usage,
    ) -> Result<Closed, Closing> {
        // A drop or a lapse decides only about a live hold; a settle or a release also replaces what they decided.
        let closes = |before: Phase| if phase.is_open() { before == Phase::Live } else { before.is_open() };
        let mut seen = Cow::Borrowed(hold);
        for _ in 0..ATTEMPTS {
            if !closes(seen.phase) {
                return Err(Closing::Already(Box::new(seen.into_owned())));
            }
            let after = closed(&seen, phase, usage);
            match self.move_hold(account, &seen, &after)? {
                Ok(crossings) => {
                    return Ok(Closed { was: seen.phase, before: seen.usage, hold: after, crossings });
                }
                Err(Some(found)) if continues(&seen, &found) => seen = Cow::Owned(*found),
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

    /// Charges `usage` without a reservation.
    ///
    /// # Errors
    /// [`NotReserved::Conflict`] if the name was used before, or [`NotReserved::Failed`].
    pub fn record(
        &self,
        account: Account<'_>,
        new: NewHold,
        now: Timestamp,
    ) -> Result<(Hold, Vec<Crossing>), NotReserved> {
        let mut now = now;
        let mut rows = Rows::new();
        for _ in 0..ATTEMPTS {
            let parties = parties(&[account], now);
            let nothing = NewHold { estimate: Usage::ZERO, ..new };
            let before = self.live(&parties, nothing, now).ok_or_else(no_owner)?;
            let after = closed(&before, Phase::Settled, new.estimate);
            let part = close(0, before.windows, &before, &after, account.limits);
            match self.take(&parties, 0, &after, &[part], None, true, &mut rows)? {
                Outcome::Taken { .. } => return Ok((after, crossings(&part, rows.as_flattened()).collect())),
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
            for hold in self.ledger.due(account.owner, now, LAPSES_A_CALL)? {
                let usage = match self.terms.on_lapse {
                    OnLapse::Charge => hold.usage,
                    OnLapse::Release => Usage::ZERO,
                };
                match self.close(*account, &hold, Phase::Lapsed, usage) {
                    Ok(Closed { hold, crossings, .. }) => lapses.push(Lapse { hold, crossings }),
                    Err(Closing::Failed(error)) => return Err(error),
                    // Somebody else settled or lapsed it just now.
                    Err(Closing::Already(_) | Closing::NotFound) => {}
                }
                count = count.saturating_add(1);
            }
        }
        Ok(count)
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

    #[inline]
    fn live(&self, parties: &[Party<'_>], new: NewHold, now: Timestamp) -> Option<Hold> {
        let (home, rest) = parties.split_first()?;
        let others = rest.iter().map(|party| (party.owner.id().clone(), party.windows));
        Some(Hold {
            id: new.id,
            revision: self.first_revision(new),
            phase: Phase::Live,
            usage: new.estimate,
            expires_at: now.saturating_add(self.terms.lifetime),
            windows: home.windows,
            others: (!rest.is_empty()).then(|| Box::new(others.collect())),
            fingerprint: new.fingerprint,
            seat: 0,
        })
    }

    // A request id may come again once its call is forgotten. Its holds begin far from each other, so that whoever still
    // has an old one in hand cannot take it for the new.
    #[inline]
    fn first_revision(&self, new: NewHold) -> u32 {
        const GOLDEN: u32 = 0x9e37_79b1;
        match new.fingerprint {
            0 => 1,
            _ => (self.named.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN) >> 1) | 1,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a step, named where they are passed")]
    #[inline]
    fn take(
        &self,
        parties: &[Party<'_>],
        expected: u32,
        becomes: &Hold,
        parts: &[Part],
        most_live: Option<u32>,
        current: bool,
        rows: &mut Rows,
    ) -> Result<Outcome, LedgerError> {
        rows.clear();
        let mut owners = ArrayVec::<&Owner, MAX_OWNERS>::new();
        for party in parties {
            owners.push(party.owner);
            rows.push(<[Moved; Meter::ALL.len()]>::default());
        }
        let changes = parts.as_flattened();
        let step = Step { owners: &owners, expected, becomes, changes, most_live, current };
        self.ledger.apply(&step, rows.as_flattened_mut())
    }

    #[inline]
    // Takes an existing hold to its next state: the thresholds crossed, or its state when somebody else moved it first.
    fn move_hold(
        &self,
        account: Account<'_>,
        before: &Hold,
        after: &Hold,
    ) -> Result<Result<Vec<Crossing>, Option<Box<Hold>>>, LedgerError> {
        let mine = close(0, before.windows, before, after, account.limits);
        if before.others().is_empty() {
            return self.take_existing(
                &[account.owner],
                before,
                after,
                &mine,
                &mut <[Moved; Meter::ALL.len()]>::default(),
            );
        }
        let rest: ArrayVec<Owner, MAX_OWNERS> =
            before.others().iter().map(|(id, _)| Owner::new(id.clone())).collect();
        let owners: ArrayVec<&Owner, MAX_OWNERS> = std::iter::once(account.owner).chain(&rest).collect();
        // Whose limits are not known here is not told.
        let theirs = (1_u8..).zip(before.others());
        let theirs =
            theirs.map(|(owner, (_, windows))| close(owner, *windows, before, after, &Limits::default()));
        let parts: Parts = std::iter::once(mine).chain(theirs).collect();
        let mut rows: Rows = parts.iter().map(|_| Default::default()).collect();
        self.take_existing(&owners, before, after, parts.as_flattened(), rows.as_flattened_mut())
    }

    #[inline]
    fn take_existing(
        &self,
        owners: &[&Owner],
        before: &Hold,
        after: &Hold,
        changes: &[Change],
        rows: &mut [Moved],
    ) -> Result<Result<Vec<Crossing>, Option<Box<Hold>>>, LedgerError> {
        let expected = before.revision;
        let step = Step { owners, expected, becomes: after, changes, most_live: None, current: false };
        match self.ledger.apply(&step, rows)? {
            Outcome::Taken { .. } => Ok(Ok(crossings(changes, rows).collect())),
            Outcome::Unexpected(found) => Ok(Err(found)),
            Outcome::Refused | Outcome::Crowded | Outcome::Elsewhen(_) => Err(inconsistent()),
        }
    }
}

// Whether `found` is what became of `seen`, and not another hold of the same name.
fn continues(seen: &Hold, found: &Hold) -> bool {
    found.revision.checked_sub(seen.revision).is_some_and(|steps| steps < STEPS)
}

#[inline]
fn parties<'a>(accounts: &[Account<'a>], now: Timestamp) -> Parties<'a> {
    let mut parties = Parties::new();
    for account in accounts.iter().take(MAX_OWNERS) {
        parties.push(account.party(account.calendar.windows(now)));
    }
    parties
}

fn no_owner() -> LedgerError {
    LedgerError::new("a call without an owner")
}

fn inconsistent() -> LedgerError {
    LedgerError::new("its answer does not fit the question")
}

fn contended() -> LedgerError {
    LedgerError::new("others moved first, too often")
}
