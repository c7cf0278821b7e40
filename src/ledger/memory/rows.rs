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
    pub(super) fn get(&self, meter: Meter, start: Timestamp) -> Row {
        let latest = match meter {
            Meter::DailySpend => &self.daily_spend,
            Meter::MonthlySpend => &self.monthly_spend,
            Meter::DailyTokens => &self.daily_tokens,
        };
        if latest.start == start {
            return latest.row;
        }
        let earlier = self.earlier.iter().flat_map(|earlier| &earlier.rows);
        let mut found = earlier.filter(|(of, kept)| *of == meter && kept.start == start);
        found.next().map(|(_, kept)| kept.row).unwrap_or_default()
    }

    /// The row of the window that begins at `start`, made if it is new; `None` if it was forgotten. A window before the
    /// last two is kept while `pinned` says that a hold may still move it.
    #[inline]
    pub(super) fn at(
        &mut self,
        meter: Meter,
        start: Timestamp,
        pinned: impl Fn(Meter, Timestamp) -> bool,
    ) -> Option<&mut Row> {
        if self.latest(meter).start != start {
            return self.at_another(meter, start, &pinned);
        }
        Some(&mut self.latest(meter).row)
    }

    #[cold]
    fn at_another(
        &mut self,
        meter: Meter,
        start: Timestamp,
        pinned: &dyn Fn(Meter, Timestamp) -> bool,
    ) -> Option<&mut Row> {
        let latest = *self.latest(meter);
        if start > latest.start {
            // The epoch is the start of a meter that was never used.
            if latest.start != Timestamp::EPOCH {
                self.earlier.get_or_insert_default().keep(meter, latest, pinned);
            }
            *self.latest(meter) = Kept { start, row: Row::default() };
            return Some(&mut self.latest(meter).row);
        }
        self.earlier.get_or_insert_default().at(meter, start)
    }

    #[inline(always)]
    fn latest(&mut self, meter: Meter) -> &mut Kept {
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

    fn at(&mut self, meter: Meter, start: Timestamp) -> Option<&mut Row> {
        let place = match self.rows.iter().position(|(of, kept)| *of == meter && kept.start == start) {
            Some(place) => place,
            None if self.forgotten_of(meter).is_some_and(|forgotten| start <= forgotten) => return None,
            None => {
                self.rows.push((meter, Kept { start, row: Row::default() }));
                self.rows.len().saturating_sub(1)
            }
        };
        self.rows.get_mut(place).map(|(_, kept)| &mut kept.row)
    }

    fn forgotten_of(&self, meter: Meter) -> Option<Timestamp> {
        self.forgotten.iter().find(|(of, _)| *of == meter).map(|(_, start)| *start)
    }
}
