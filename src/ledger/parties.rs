//! The parties of a step, each with the windows that it is about, and room for their rows.

use arrayvec::ArrayVec;

use super::Account;
use crate::budget::{Hold, Limits, MAX_OWNERS, Meter, Moved, Others, Owner, Party};
use crate::time::Timestamp;

pub(super) type Parties<'a> = ArrayVec<Party<'a>, MAX_OWNERS>;

static UNKNOWN: Limits =
    Limits { daily_spend: None, monthly_spend: None, daily_tokens: None, alert_threshold: None };

/// The rows of a step: almost every one has a single owner, and its rows are cleared at a stroke.
pub(super) struct Rows {
    one: [Moved; Meter::ALL.len()],
    many: Vec<[Moved; Meter::ALL.len()]>,
}

/// Gives a hold that is to be made its windows at `now`, and adds its parties. To a list of the caller's: one that is handed
/// back is copied.
#[inline(always)]
#[expect(clippy::inline_always, reason = "once in every call, and all that it writes is read at once")]
pub(super) fn pin<'a>(hold: &mut Hold, accounts: &[Account<'a>], now: Timestamp, parties: &mut Parties<'a>) {
    let Some((home, rest)) = accounts.split_first() else { return };
    let windows = home.calendar.windows(now);
    hold.windows = windows;
    parties.push(home.party(windows));
    if !rest.is_empty() {
        pin_others(hold, rest, now, parties);
    }
}

#[cold]
fn pin_others<'a>(hold: &mut Hold, rest: &[Account<'a>], now: Timestamp, parties: &mut Parties<'a>) {
    let mut others = Others::new();
    for account in rest.iter().take(parties.remaining_capacity()) {
        let windows = account.calendar.windows(now);
        others.push((account.owner.id().clone(), windows));
        parties.push(account.party(windows));
    }
    hold.others = Some(Box::new(others));
}

/// The parties that a hold was made with, if they are of these accounts.
#[inline]
pub(super) fn again<'a>(hold: &Hold, accounts: &[Account<'a>]) -> Option<Parties<'a>> {
    let (home, rest) = accounts.split_first()?;
    let mut parties = Parties::new();
    parties.push(home.party(hold.windows));
    let others = hold.others();
    if rest.len() != others.len() {
        return None;
    }
    for (account, (owner, windows)) in rest.iter().zip(others) {
        if account.owner.id() != owner {
            return None;
        }
        parties.try_push(account.party(*windows)).ok()?;
    }
    Some(parties)
}

/// The owners of a hold beyond the one that it lives with.
pub(super) fn others_of(hold: &Hold) -> ArrayVec<Owner, MAX_OWNERS> {
    hold.others().iter().take(MAX_OWNERS).map(|(id, _)| Owner::new(id.clone())).collect()
}

/// The parties that a hold of `home` and `others` was made with, whether they are among `accounts` or not. Whose limits are
/// not known is not told now: the next charge finds the threshold crossed.
#[cold]
pub(super) fn pinned<'a>(
    home: &'a Owner,
    hold: &Hold,
    others: &'a [Owner],
    accounts: &[Account<'a>],
) -> Parties<'a> {
    let party = |owner: &'a Owner, windows| match accounts.iter().find(|account| account.owner == owner) {
        Some(account) => account.party(windows),
        None => Party { owner, limits: &UNKNOWN, windows },
    };
    let others = others.iter().zip(hold.others()).map(|(owner, (_, windows))| party(owner, *windows));
    std::iter::once(party(home, hold.windows)).chain(others).take(MAX_OWNERS).collect()
}

impl Rows {
    pub(super) const CLEAR: [Moved; Meter::ALL.len()] = [Moved::NONE; Meter::ALL.len()];

    #[inline]
    pub(super) fn of(parties: &[Party<'_>]) -> Self {
        let many = if parties.len() > 1 { vec![Self::CLEAR; parties.len()] } else { Vec::new() };
        Self { one: Self::CLEAR, many }
    }

    #[inline]
    pub(super) fn all(&self) -> &[Moved] {
        if self.many.is_empty() { &self.one } else { self.many.as_flattened() }
    }

    #[inline]
    pub(super) fn all_mut(&mut self) -> &mut [Moved] {
        if self.many.is_empty() { &mut self.one } else { self.many.as_flattened_mut() }
    }
}
