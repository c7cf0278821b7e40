//! What each owner used, by day and model: for people to look at, never for the budgets to decide by.

use rusqlite::{Connection, params};

use super::fault::Fault;
use crate::budget::{Calls, Delta, HoldId, Money, Standing, Usage};
use crate::ledger::Tally;
use crate::time::Timestamp;

/// The days of one owner that are kept: those on which it used anything.
pub(super) const DAYS: usize = 400;

const PICOS: i128 = 1_000_000_000_000;

/// Adds to the day of `owner` what a step charges. `of` is the hold, which knows the model unless the charge does.
pub(super) fn add(
    connection: &Connection,
    owner: &str,
    of: (&str, HoldId),
    day: Timestamp,
    charged: &Charged,
) -> Result<(), Fault> {
    if (charged.calls, charged.picos, charged.tokens) == (0, 0, 0) {
        return Ok(());
    }
    // Whole dollars and what is left of one: SQL adds up 64 bits. A sum that needs more becomes a real number there, which
    // the cast takes back to the nearest whole one: a fact is not refused because the ones before it were absurd.
    let usd = whole(charged.picos.div_euclid(PICOS));
    let pico = whole(charged.picos.rem_euclid(PICOS));
    let tokens = whole(charged.tokens);
    let sql = "INSERT INTO history VALUES (?1, ?2, \
               coalesce(?9, (SELECT model FROM holds WHERE owner = ?3 AND id = ?4), ''), ?5, ?6, ?7, ?8) \
               ON CONFLICT DO UPDATE SET calls = CAST(calls + ?5 AS INTEGER), \
               usd = CAST(usd + ?6 + (pico + ?7) / 1000000000000 AS INTEGER), \
               pico = (pico + ?7) % 1000000000000, tokens = CAST(tokens + ?8 AS INTEGER)";
    let (home, id) = (of.0, of.1.0.to_be_bytes());
    let values = params![owner, day.as_micros(), home, id, charged.calls, usd, pico, tokens, charged.model];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

// The nearest number of 64 bits that has a counterpart of the other sign: what was added can be taken back.
fn whole(units: i128) -> i64 {
    let least = i128::from(i64::MIN).saturating_add(1);
    i64::try_from(units.clamp(least, i64::MAX.into())).unwrap_or_default()
}

/// What a step charges to a day, for one model; less than nothing where it corrects what was charged before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charged {
    // `None`: that of the hold.
    model: Option<String>,
    calls: i64,
    picos: i128,
    tokens: i128,
}

impl Charged {
    /// What the step of one call charges.
    pub(super) fn by(before: Option<Standing>, after: Standing, spend: Delta, tokens: Delta) -> Self {
        let counted = |standing: Standing| i64::from(standing.is_charged());
        let calls = counted(after).saturating_sub(before.map_or(0, counted));
        Self { model: None, calls, picos: spend.used, tokens: tokens.used }
    }
}

impl From<&Calls<'_>> for Charged {
    fn from(calls: &Calls<'_>) -> Self {
        let model = Some(calls.model.unwrap_or_default().to_owned());
        Self { model, calls: calls.count, picos: calls.spend, tokens: calls.tokens }
    }
}

/// The last `days` days of `owner`, the last first.
pub(super) fn last(connection: &Connection, owner: &str, days: usize) -> Result<Vec<Tally>, Fault> {
    let Some(earlier) = days.checked_sub(1) else { return Ok(Vec::new()) };
    let sql = "SELECT day, model, calls, usd, pico, tokens FROM history WHERE owner = ?1 AND day >= coalesce( \
               (SELECT DISTINCT day FROM history WHERE owner = ?1 ORDER BY day DESC LIMIT 1 OFFSET ?2), 0) \
               AND (calls, usd, pico, tokens) <> (0, 0, 0, 0) ORDER BY day DESC, model";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![owner, i64::try_from(earlier).unwrap_or(i64::MAX)])?;
    let mut tallies = Vec::new();
    while let Some(row) = rows.next()? {
        let (usd, pico): (i64, i64) = (row.get(3)?, row.get(4)?);
        let picos = i128::from(usd).saturating_mul(PICOS).saturating_add(pico.into());
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        tallies.push(Tally {
            day: Timestamp::from_micros(row.get(0)?),
            model: Some(row.get::<_, String>(1)?).filter(|model| !model.is_empty()),
            calls: unsigned(row.get(2)?),
            usage: Usage::new(Money::from_picos(picos).unwrap_or(Money::MAX), unsigned(row.get(5)?)),
        });
    }
    Ok(tallies)
}

/// Lets the days go that are no longer kept beside `today`.
pub(super) fn forget_oldest(connection: &Connection, owner: &str, today: Timestamp) -> Result<(), Fault> {
    let sql = "DELETE FROM history WHERE owner = ?1 AND day <= (SELECT DISTINCT day FROM history \
               WHERE owner = ?1 AND day <> ?2 ORDER BY day DESC LIMIT 1 OFFSET ?3 - 1)";
    let days = i64::try_from(DAYS).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute(params![owner, today.as_micros(), days])?;
    Ok(())
}

pub(super) fn forget_all(connection: &Connection, owner: &str) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM history WHERE owner = ?1")?.execute([owner])?;
    Ok(())
}
