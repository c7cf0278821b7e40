//! The meters of one owner: each its latest window, and the earlier ones that are still wanted.

use crate::budget::{Meter, Row};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Rows {
    daily_spend: Kept,
    monthly_spend: Kept,
    daily_tokens: Kept,
    // Few owners have any but their first windows when a million are kept.
    earlier: Option<Box<Earlier>>,
}

#[derive(Default, Clone, Copy)]
struct Kept {
    start: Timestamp,
    row: Row,
}

#[derive(Default)]
struct Earlier {
    rows: Vec<(Meter, Kept)>,
    // Windows that began at or before these are forgotten unless they are in `rows`.
    forgotten: Vec<(Meter, Timestamp)>,
}

impl Rows {
    #[inline]
    pub(super) fn is_latest(&self, meter: Meter, start: Timestamp) -> bool {
        self.latest(meter).start == start
    }

    pub(super) fn get(&self, meter: Meter, start: Timestamp) -> Option<&Row> {
        if self.is_latest(meter, start) {
            return Some(&self.latest(meter).row);
        }
        let mut earlier = self.earlier.iter().flat_map(|earlier| &earlier.rows);
        earlier.find(|(of, kept)| *of == meter && kept.start == start).map(|(_, kept)| &kept.row)
    }

    /// The row as [`Rows::open`] would find or make it; `None` where that would refuse.
    #[inline]
    pub(super) fn standing(&self, meter: Meter, start: Timestamp) -> Option<&Row> {
        if self.is_latest(meter, start) { Some(&self.latest(meter).row) } else { self.another(meter, start) }
    }

    #[cold]
    fn another(&self, meter: Meter, start: Timestamp) -> Option<&Row> {
        static NEW: Row = Row::NONE;
        let is_forgotten = |earlier: &Earlier| earlier.is_forgotten(meter, start);
        let is_new = start > self.latest(meter).start || !self.earlier.as_deref().is_some_and(is_forgotten);
        self.get(meter, start).or(is_new.then_some(&NEW))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, meter: Meter, start: Timestamp) -> Option<&mut Row> {
        if self.is_latest(meter, start) {
            return Some(&mut self.latest_mut(meter).row);
        }
        self.earlier.as_mut()?.get_mut(meter, start)
    }

    /// Makes the row of the window that begins at `start` if it is new; false if it was forgotten. A window before the
    /// last two is kept while `pinned` says that a hold may still move it.
    pub(super) fn open(
        &mut self,
        meter: Meter,
        start: Timestamp,
        pinned: &dyn Fn(Meter, Timestamp) -> bool,
    ) -> bool {
        let latest = *self.latest(meter);
        if start <= latest.start {
            return self.earlier.get_or_insert_default().open(meter, start);
        }
        // The epoch is the start of a meter that was never used.
        if latest.start != Timestamp::EPOCH {
            self.earlier.get_or_insert_default().keep(meter, latest, pinned);
        }
        *self.latest_mut(meter) = Kept { start, row: Row::default() };
        true
    }

    #[inline]
    fn latest(&self, meter: Meter) -> &Kept {
        match meter {
            Meter::DailySpend => &self.daily_spend,
            Meter::MonthlySpend => &self.monthly_spend,
            Meter::DailyTokens => &self.daily_tokens,
        }
    }

    #[inline]
    fn latest_mut(&mut self, meter: Meter) -> &mut Kept {
        match meter {
            Meter::DailySpend => &mut self.daily_spend,
            Meter::MonthlySpend => &mut self.monthly_spend,
            Meter::DailyTokens => &mut self.daily_tokens,
        }
    }
}

impl Earlier {
    // Takes in the window before the latest, and forgets those of the same meter before it that nothing pins.
    fn keep(&mut self, meter: Meter, last: Kept, pinned: &dyn Fn(Meter, Timestamp) -> bool) {
        let mut forgotten = None;
        self.rows.retain(|(of, kept)| {
            let keep = *of != meter || pinned(meter, kept.start);
            if !keep {
                forgotten = forgotten.max(Some(kept.start));
            }
            keep
        });
        self.rows.push((meter, last));
        if let Some(start) = forgotten {
            let before = self.forgotten_of(meter).unwrap_or_default();
            self.forgotten.retain(|(of, _)| *of != meter);
            self.forgotten.push((meter, start.max(before)));
        }
    }

    fn open(&mut self, meter: Meter, start: Timestamp) -> bool {
        if self.get_mut(meter, start).is_some() {
            return true;
        }
        if self.is_forgotten(meter, start) {
            return false;
        }
        self.rows.push((meter, Kept { start, row: Row::default() }));
        true
    }

    fn get_mut(&mut self, meter: Meter, start: Timestamp) -> Option<&mut Row> {
        let mut rows = self.rows.iter_mut();
        rows.find(|(of, kept)| *of == meter && kept.start == start).map(|(_, kept)| &mut kept.row)
    }

    fn is_forgotten(&self, meter: Meter, start: Timestamp) -> bool {
        self.forgotten_of(meter).is_some_and(|forgotten| start <= forgotten)
    }

    fn forgotten_of(&self, meter: Meter) -> Option<Timestamp> {
        self.forgotten.iter().find(|(of, _)| *of == meter).map(|(_, start)| *start)
    }
}
