//! The meters of one owner: each its latest window, and the earlier ones that are still wanted.

use crate::budget::{Meter, Row, Windows};
use crate::time::Timestamp;

#[derive(Default)]
#[repr(C)]
pub(super) struct Rows {
    // In the order of `Meter::ALL`.
    latest: [Row; Meter::ALL.len()],
    // When the windows began that `latest` are of: at the epoch before the first.
    starts: Starts,
    // Few owners have any but their first windows when a million are kept.
    earlier: Option<Box<Earlier>>,
}

#[derive(Default, Clone, Copy)]
struct Starts {
    day: Timestamp,
    month: Timestamp,
}

#[derive(Default)]
struct Earlier {
    rows: Vec<Kept>,
    // Windows that began at or before these are forgotten unless they are in `rows`.
    forgotten: Vec<(Meter, Timestamp)>,
}

struct Kept {
    meter: Meter,
    start: Timestamp,
    row: Row,
}

impl Rows {
    /// Nothing yet, in these windows.
    pub(super) fn of(windows: Windows) -> Self {
        Self { starts: Starts { day: windows.day.start, month: windows.month.start }, ..Self::default() }
    }

    /// Whether none was ever moved.
    pub(super) fn are_new(&self) -> bool {
        self.starts.day == Timestamp::EPOCH
    }

    /// Whether the windows last used are these.
    #[inline]
    pub(super) fn are_latest(&self, windows: Windows) -> bool {
        self.starts.day == windows.day.start && self.starts.month == windows.month.start
    }

    /// The rows of the windows last used, in the order of `Meter::ALL`.
    #[inline]
    pub(super) fn latest_mut(&mut self) -> &mut [Row; Meter::ALL.len()] {
        &mut self.latest
    }

    pub(super) fn get(&self, meter: Meter, start: Timestamp) -> Option<Row> {
        if self.starts.of(meter) == start {
            let [daily_spend, monthly_spend, daily_tokens] = self.latest;
            return Some(match meter {
                Meter::DailySpend => daily_spend,
                Meter::MonthlySpend => monthly_spend,
                Meter::DailyTokens => daily_tokens,
            });
        }
        self.earlier.as_deref()?.get(meter, start)
    }

    /// The rows of these windows as they are or would begin; `None` where one was forgotten.
    pub(super) fn standing(&self, windows: Windows) -> Option<[Row; Meter::ALL.len()]> {
        let standing = |meter: Meter| {
            let start = windows.of(meter).start;
            let is_forgotten = |earlier: &Earlier| earlier.is_forgotten(meter, start);
            let is_new = start > self.starts.of(meter) || !self.earlier.as_deref().is_some_and(is_forgotten);
            self.get(meter, start).or(is_new.then_some(Row::NONE))
        };
        let [first, second, third] = Meter::ALL;
        Some([standing(first)?, standing(second)?, standing(third)?])
    }

    /// Keeps `rows` as those of these windows, which have a standing. A window before the last two is kept while `pinned`
    /// says that a hold may still move it.
    pub(super) fn set(
        &mut self,
        windows: Windows,
        rows: [Row; Meter::ALL.len()],
        pinned: &dyn Fn(Meter, Timestamp) -> bool,
    ) {
        for ((meter, row), latest) in Meter::ALL.into_iter().zip(rows).zip(&mut self.latest) {
            let (start, known) = (windows.of(meter).start, self.starts.of(meter));
            if start < known {
                self.earlier.get_or_insert_default().set(meter, start, row);
                continue;
            }
            if start > known && known != Timestamp::EPOCH {
                self.earlier.get_or_insert_default().keep(Kept { meter, start: known, row: *latest }, pinned);
            }
            *latest = row;
        }
        self.starts.day = self.starts.day.max(windows.day.start);
        self.starts.month = self.starts.month.max(windows.month.start);
    }
}

impl Starts {
    fn of(self, meter: Meter) -> Timestamp {
        match meter {
            Meter::DailySpend | Meter::DailyTokens => self.day,
            Meter::MonthlySpend => self.month,
        }
    }
}

impl Earlier {
    // Takes in the window before the latest, and forgets those of the same meter before it that nothing pins.
    fn keep(&mut self, last: Kept, pinned: &dyn Fn(Meter, Timestamp) -> bool) {
        let meter = last.meter;
        let mut forgotten = None;
        self.rows.retain(|kept| {
            let keep = kept.meter != meter || pinned(meter, kept.start);
            if !keep {
                forgotten = forgotten.max(Some(kept.start));
            }
            keep
        });
        self.rows.push(last);
        if let Some(start) = forgotten {
            let before = self.forgotten_of(meter).unwrap_or_default();
            self.forgotten.retain(|(of, _)| *of != meter);
            self.forgotten.push((meter, start.max(before)));
        }
    }

    fn get(&self, meter: Meter, start: Timestamp) -> Option<Row> {
        self.rows.iter().find(|kept| kept.meter == meter && kept.start == start).map(|kept| kept.row)
    }

    fn set(&mut self, meter: Meter, start: Timestamp, row: Row) {
        match self.rows.iter_mut().find(|kept| kept.meter == meter && kept.start == start) {
            Some(kept) => kept.row = row,
            None => self.rows.push(Kept { meter, start, row }),
        }
    }

    fn is_forgotten(&self, meter: Meter, start: Timestamp) -> bool {
        self.forgotten_of(meter).is_some_and(|forgotten| start <= forgotten)
    }

    fn forgotten_of(&self, meter: Meter) -> Option<Timestamp> {
        self.forgotten.iter().find(|(of, _)| *of == meter).map(|(_, start)| *start)
    }
}
