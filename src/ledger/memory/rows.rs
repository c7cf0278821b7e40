//! The meters of one owner: each its latest window, and the earlier ones that are still wanted.

use crate::budget::{Meter, Row, Windows};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Rows {
    // In the order of `Meter::ALL`.
    latest: [Kept; Meter::ALL.len()],
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
    /// Whether each meter was last used in its window of these.
    #[inline]
    pub(super) fn are_latest(&self, windows: Windows) -> bool {
        let same = |meter: Meter| self.of(meter).start == windows.of(meter).start;
        let [first, second, third] = Meter::ALL.map(same);
        first & second & third
    }

    /// The rows of the windows last used, in the order of `Meter::ALL`.
    #[inline]
    pub(super) fn latest_mut(&mut self) -> [&mut Row; Meter::ALL.len()] {
        self.latest.each_mut().map(|kept| &mut kept.row)
    }

    pub(super) fn get(&self, meter: Meter, start: Timestamp) -> Option<&Row> {
        let latest = self.of(meter);
        if latest.start == start {
            return Some(&latest.row);
        }
        let mut earlier = self.earlier.iter().flat_map(|earlier| &earlier.rows);
        earlier.find(|(of, kept)| *of == meter && kept.start == start).map(|(_, kept)| &kept.row)
    }

    /// The rows of these windows as [`Rows::open`] would find or make them; `None` where it would refuse one.
    pub(super) fn standing(&self, windows: Windows) -> Option<[&Row; Meter::ALL.len()]> {
        static NEW: Row = Row::NONE;
        let standing = |meter: Meter| {
            let start = windows.of(meter).start;
            let is_forgotten = |earlier: &Earlier| earlier.is_forgotten(meter, start);
            let is_new = start > self.of(meter).start || !self.earlier.as_deref().is_some_and(is_forgotten);
            self.get(meter, start).or(is_new.then_some(&NEW))
        };
        let [first, second, third] = Meter::ALL;
        Some([standing(first)?, standing(second)?, standing(third)?])
    }

    pub(super) fn get_mut(&mut self, meter: Meter, start: Timestamp) -> Option<&mut Row> {
        if self.of(meter).start == start {
            return Some(&mut self.of_mut(meter).row);
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
        let latest = *self.of(meter);
        if start == latest.start {
            return true;
        }
        if start < latest.start {
            return self.earlier.get_or_insert_default().open(meter, start);
        }
        // The epoch is the start of a meter that was never used.
        if latest.start != Timestamp::EPOCH {
            self.earlier.get_or_insert_default().keep(meter, latest, pinned);
        }
        *self.of_mut(meter) = Kept { start, row: Row::default() };
        true
    }

    #[inline]
    fn of(&self, meter: Meter) -> &Kept {
        let [daily_spend, monthly_spend, daily_tokens] = &self.latest;
        match meter {
            Meter::DailySpend => daily_spend,
            Meter::MonthlySpend => monthly_spend,
            Meter::DailyTokens => daily_tokens,
        }
    }

    fn of_mut(&mut self, meter: Meter) -> &mut Kept {
        let [daily_spend, monthly_spend, daily_tokens] = &mut self.latest;
        match meter {
            Meter::DailySpend => daily_spend,
            Meter::MonthlySpend => monthly_spend,
            Meter::DailyTokens => daily_tokens,
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
