//! Holds as records.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;
use crate::budget::{Hold, HoldId, Meter, Money, Others, Phase, Standing, Usage, Window, Windows};
use crate::id::KeyId;
use crate::time::Timestamp;

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, revision, phase, usd, pico, tokens, expires_at, day_start, day_end, month_start, month_end, ",
            "others, fingerprint FROM holds ",
            $which
        )
    };
}

/// How holds are told apart where they are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Live,
    Provisional,
    Final,
}

impl Rank {
    pub(super) fn of(phase: Phase) -> Self {
        match phase {
            Phase::Live => Self::Live,
            Phase::Dropped | Phase::Lapsed => Self::Provisional,
            Phase::Settled | Phase::Released => Self::Final,
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::Live => 0,
            Self::Provisional => 1,
            Self::Final => 2,
        }
    }
}

pub(super) fn find(connection: &Connection, owner: &str, id: HoldId) -> Result<Option<Hold>, Fault> {
    let mut statement = connection.prepare_cached(select!("WHERE owner = ?1 AND id = ?2"))?;
    let found = statement.query_row(params![owner, id.0.to_be_bytes()], |row| Ok(read(row))).optional()?;
    found.transpose()
}

/// The live holds of `owner` that lapse at or before `now`, soonest first, at most `most`.
pub(super) fn due(
    connection: &Connection,
    owner: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Hold>, Fault> {
    let sql = select!("WHERE owner = ?1 AND rank = 0 AND place <= ?2 ORDER BY place LIMIT ?3");
    let mut statement = connection.prepare_cached(sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![owner, now.as_micros(), most])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push(read(row)?);
    }
    Ok(due)
}

/// Shows every live hold and whose it is.
pub(super) fn for_each_live(connection: &Connection, mut see: impl FnMut(&str, &Hold)) -> Result<(), Fault> {
    let mut owners = connection.prepare("SELECT DISTINCT owner FROM holds WHERE rank = 0")?;
    let owners = owners.query_map([], |row| row.get::<_, String>(0))?;
    for owner in owners {
        let owner = owner?;
        for hold in due(connection, &owner, Timestamp::MAX, usize::MAX)? {
            see(&owner, &hold);
        }
    }
    Ok(())
}

/// When the first live hold of `owner` lapses.
pub(super) fn next_lapse(connection: &Connection, owner: &str) -> Result<Timestamp, Fault> {
    let sql = "SELECT place FROM holds WHERE owner = ?1 AND rank = 0 ORDER BY place LIMIT 1";
    let place = connection.prepare_cached(sql)?.query_row([owner], |row| row.get(0)).optional()?;
    Ok(place.map_or(Timestamp::MAX, Timestamp::from_micros))
}

/// Whether a hold that may still be closed draws on the window of `meter` of `owner` that began at `start`, wherever it lives.
pub(super) fn pins(
    connection: &Connection,
    owner: &str,
    meter: Meter,
    start: Timestamp,
) -> Result<bool, Fault> {
    let sql = match meter {
        Meter::DailySpend | Meter::DailyTokens => {
            "SELECT EXISTS (SELECT 1 FROM holds WHERE owner = ?1 AND rank < 2 AND day_start = ?2) \
             OR EXISTS (SELECT 1 FROM guests WHERE owner = ?1 AND day_start = ?2)"
        }
        Meter::MonthlySpend => {
            "SELECT EXISTS (SELECT 1 FROM holds WHERE owner = ?1 AND rank < 2 AND month_start = ?2) \
             OR EXISTS (SELECT 1 FROM guests WHERE owner = ?1 AND month_start = ?2)"
        }
    };
    Ok(connection.prepare_cached(sql)?.query_row(params![owner, start.as_micros()], |row| row.get(0))?)
}

/// Writes a hold, new or known. `place` is its order among those that have ended; `model` stays as it is when the hold is
/// known.
pub(super) fn put(
    connection: &Connection,
    owner: &str,
    hold: &Hold,
    known: bool,
    place: i64,
    model: Option<&str>,
) -> Result<(), Fault> {
    let Standing { usage, expires_at, revision, phase } = hold.standing;
    let rank = Rank::of(phase);
    let place = if rank == Rank::Live { expires_at.as_micros() } else { place };
    let (usd, pico) = usage.cost.to_parts();
    let tokens = usage.tokens.cast_signed();
    if known {
        let sql = "UPDATE holds SET revision = ?3, phase = ?4, usd = ?5, pico = ?6, tokens = ?7, expires_at = ?8, \
                   rank = ?9, place = ?10 WHERE owner = ?1 AND id = ?2";
        connection.prepare_cached(sql)?.execute(params![
            owner,
            hold.id.0.to_be_bytes(),
            revision,
            number_of(phase),
            usd,
            pico,
            tokens,
            expires_at.as_micros(),
            rank.number(),
            place,
        ])?;
        return Ok(());
    }
    let sql = "INSERT INTO holds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
    connection.prepare_cached(sql)?.execute(params![
        owner,
        hold.id.0.to_be_bytes(),
        revision,
        number_of(phase),
        usd,
        pico,
        tokens,
        expires_at.as_micros(),
        hold.windows.day.start.as_micros(),
        hold.windows.day.end.as_micros(),
        hold.windows.month.start.as_micros(),
        hold.windows.month.end.as_micros(),
        write_others(hold.others()),
        Some(hold.fingerprint.to_be_bytes()).filter(|_| hold.fingerprint != 0),
        rank.number(),
        place,
        model,
    ])?;
    Ok(())
}

/// Forgets all but the last `most` holds of `owner` of this rank; answers how many.
pub(super) fn forget_oldest(
    connection: &Connection,
    owner: &str,
    rank: Rank,
    most: usize,
) -> Result<usize, Fault> {
    let sql = "DELETE FROM holds WHERE owner = ?1 AND rank = ?2 AND place <= \
               (SELECT place FROM holds WHERE owner = ?1 AND rank = ?2 ORDER BY place DESC LIMIT 1 OFFSET ?3)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Ok(connection.prepare_cached(sql)?.execute(params![owner, rank.number(), most])?)
}

pub(super) fn forget_all(connection: &Connection, owner: &str) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM holds WHERE owner = ?1")?.execute([owner])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Hold, Fault> {
    let time = |column| row.get(column).map(Timestamp::from_micros);
    let damaged = || Fault::told("a hold in the database cannot be read: the file is damaged");
    let cost = Money::from_parts(row.get(3)?, row.get(4)?).map_err(|_| damaged())?;
    let others: Option<String> = row.get(11)?;
    let fingerprint: Option<[u8; 16]> = row.get(12)?;
    Ok(Hold {
        id: HoldId(u128::from_be_bytes(row.get(0)?)),
        fingerprint: fingerprint.map_or(0, u128::from_be_bytes),
        standing: Standing {
            usage: Usage::new(cost, row.get::<_, i64>(5)?.cast_unsigned()),
            expires_at: time(6)?,
            revision: row.get(1)?,
            phase: phase_of(row.get(2)?).ok_or_else(damaged)?,
        },
        windows: Windows {
            day: Window { start: time(7)?, end: time(8)? },
            month: Window { start: time(9)?, end: time(10)? },
        },
        others: others.map(|text| read_others(&text).ok_or_else(damaged)).transpose()?.map(Box::new),
        seat: 0,
    })
}

const PHASES: [Phase; 5] = [Phase::Live, Phase::Settled, Phase::Released, Phase::Dropped, Phase::Lapsed];

fn number_of(phase: Phase) -> Option<u8> {
    PHASES.iter().position(|&other| other == phase).and_then(|place| u8::try_from(place).ok())
}

fn phase_of(number: u8) -> Option<Phase> {
    PHASES.get(usize::from(number)).copied()
}

// Owners and instants, as JSON: few holds have any.
type Written<'a> = (std::borrow::Cow<'a, str>, [i64; 4]);

fn write_others(others: &[(KeyId, Windows)]) -> Option<String> {
    let written: Vec<Written<'_>> = others
        .iter()
        .map(|(id, Windows { day, month })| {
            let spans = [day.start, day.end, month.start, month.end].map(Timestamp::as_micros);
            (id.to_string().into(), spans)
        })
        .collect();
    Some(written)
        .filter(|written| !written.is_empty())
        .and_then(|written| serde_json::to_string(&written).ok())
}

fn read_others(text: &str) -> Option<Others> {
    let written: Vec<Written<'_>> = serde_json::from_str(text).ok()?;
    let read = |(id, spans): Written<'_>| {
        let [day_start, day_end, month_start, month_end] = spans.map(Timestamp::from_micros);
        let (day, month) =
            (Window { start: day_start, end: day_end }, Window { start: month_start, end: month_end });
        Some((id.parse().ok()?, Windows { day, month }))
    };
    written.into_iter().map(read).collect()
}
