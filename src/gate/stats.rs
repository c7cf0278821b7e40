//! Where budgets stand and stood, and what the gate counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::core::account;
use super::lane::Count;
use super::{Error, Gate};
use crate::budget::{Amount, Limits, Meter, Owner, Row, Windows};
use crate::id::KeyId;
use crate::ledger::{Lease, Tally};
use crate::time::Timestamp;
use crate::wire::Reason;

/// So many calls in flight and leases are looked through for leases.
const MOST_LISTED: usize = 65_536;

/// Where one meter stands in its present window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Charged so far. It may be past the limit: facts are recorded whatever they are.
    pub used: Amount,
    /// Set aside for calls in flight.
    pub held: Amount,
    /// The limit; `None` is no limit.
    pub limit: Option<Amount>,
    /// The most that the next call may be estimated at: the limit less what is used and held, at least zero; `None` is no limit.
    pub remaining: Option<Amount>,
    /// When the window ends and the meter starts from zero.
    pub resets_at: Timestamp,
}

/// Where the budgets of one key stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Balances {
    /// US dollars today.
    pub daily_spend: Balance,
    /// US dollars this month.
    pub monthly_spend: Balance,
    /// LLM tokens today.
    pub daily_tokens: Balance,
}

impl Balances {
    pub(super) fn new(limits: &Limits, windows: Windows, rows: &[Row; Meter::ALL.len()]) -> Self {
        let balance = |meter: Meter, row: &Row| {
            let cap = limits.cap(meter);
            let remaining = cap.map(|cap| cap.saturating_sub(row.used).saturating_sub(row.held));
            Balance {
                used: Amount::of(meter, row.used),
                held: Amount::of(meter, row.held),
                limit: cap.map(|cap| Amount::of(meter, cap)),
                remaining: remaining.map(|remaining| Amount::of(meter, remaining)),
                resets_at: windows.of(meter).end,
            }
        };
        let [daily_spend, monthly_spend, daily_tokens] = rows;
        Self {
            daily_spend: balance(Meter::DailySpend, daily_spend),
            monthly_spend: balance(Meter::MonthlySpend, monthly_spend),
            daily_tokens: balance(Meter::DailyTokens, daily_tokens),
        }
    }
}

/// What a gate counted since it was opened, for metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Keys in force or not.
    pub keys: u64,
    /// Permits given.
    pub admitted: u64,
    /// Calls that were denied, by reason; reasons never given are absent. A refused extension is none of them: its call was
    /// admitted.
    pub denied: BTreeMap<Reason, u64>,
    /// Permits settled.
    pub settled: u64,
    /// Permits released.
    pub released: u64,
    /// Permits dropped unresolved.
    pub dropped: u64,
    /// Holds whose lifetime passed.
    pub lapsed: u64,
    /// Usage charged without a reservation, times.
    pub recorded: u64,
    /// Holds that grew.
    pub extended: u64,
    /// Calls that came to more than was set aside.
    pub overrun: u64,
    /// Alerts that nobody heard: a full queue pushed them out, and the ledger does not keep them.
    pub alerts_lost: u64,
    /// Events that a full queue pushed out.
    pub events_lost: u64,
    /// Times that the store could not tell its news, or told records that are not valid.
    pub refresh_failures: u64,
}

impl Gate {
    /// Where the budgets of a key stand now.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a key, [`Error::Ledger`].
    pub fn usage(&self, id: &KeyId) -> Result<Balances, Error> {
        let key = self.key(id)?;
        let now = self.core.clock.now();
        let limits = key.limits();
        let mut lapses = Vec::new();
        let rows = self.core.books.rows(account(&key, &limits), now, &mut lapses);
        self.core.tell_lapses(&key, lapses);
        Ok(Balances::new(&limits, key.calendar().windows(now), &rows?))
    }

    /// What a key used on each of the last `days` days on which it used anything, by model, the last day first: as far as
    /// the ledger keeps a history, which `sqlite:` does and `memory:` does not.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a key, [`Error::Ledger`].
    pub fn history(&self, id: &KeyId, days: usize) -> Result<Vec<Tally>, Error> {
        Ok(self.core.books.ledger().history(self.key(id)?.owner(), days)?)
    }

    /// The leases that are open on the budgets of a key, of whichever process
    /// ([`Builder::leased`](super::Builder::leased)); with more than 65 536 calls in flight, perhaps not all of them. One whose
    /// process is dead stays held until it is settled by its [`permit_id`](Lease::permit_id), with what the process used and had
    /// not reported. A process that is alive notices that its lease was settled, takes another, and charges what it used itself.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub fn leases(&self, id: &KeyId) -> Result<Vec<Lease>, Error> {
        let owner = Owner::new(id.clone());
        // A lease never lapses, so the end of time finds every one.
        let live = self.core.books.ledger().due(&owner, Timestamp::MAX, MOST_LISTED)?;
        Ok(live.iter().filter_map(|hold| Lease::of(id, hold)).collect())
    }

    /// What this gate counted since it was opened. Counters are read one by one: each is right, and together they are of
    /// about the same moment.
    pub fn stats(&self) -> Stats {
        let lanes = &self.core.lanes;
        let denied = Reason::ALL.iter().map(|&reason| (reason, lanes.total_denied(reason)));
        Stats {
            keys: u64::try_from(self.core.directory.len()).unwrap_or(u64::MAX),
            admitted: lanes.admitted(),
            denied: denied.filter(|(_, count)| *count > 0).collect(),
            settled: lanes.total(Count::Settled),
            released: lanes.total(Count::Released),
            dropped: lanes.total(Count::Dropped),
            lapsed: lanes.total(Count::Lapsed),
            recorded: lanes.total(Count::Recorded),
            extended: lanes.total(Count::Extended),
            overrun: lanes.total(Count::Overrun),
            alerts_lost: self.core.alerts.lost(),
            events_lost: self.core.events.lost(),
            refresh_failures: self.core.refresher.failures(),
        }
    }
}
