//! The meters of one owner, as they lie in its account.
//!
//! SQL has nothing to do with them but to keep them: what a row may come to is decided in Rust, in 128 bits. So they are
//! one value, and one account is one record to read and to write.

use crate::budget::{Marks, Meter, Row};
use crate::time::Timestamp;

const METERS: usize = Meter::ALL.len();
const START: usize = size_of::<i64>();
const AMOUNT: usize = size_of::<i128>();
const MARKS: usize = size_of::<u64>();

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meters {
    // Windows that began at or before these are let go, unless they are among the kept. The epoch: none is.
    let_go: [Timestamp; METERS],
    kept: Vec<Kept>,
}

/// One meter in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) meter: Meter,
    pub(super) start: Timestamp,
    pub(super) row: Row,
}

impl Meters {
    pub(super) fn get(&self, meter: Meter, start: Timestamp) -> Option<&Row> {
        self.kept.iter().find(|kept| kept.meter == meter && kept.start == start).map(|kept| &kept.row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter()
    }

    pub(super) fn get_mut(&mut self, meter: Meter, start: Timestamp) -> Option<&mut Row> {
        self.kept.iter_mut().find(|kept| kept.meter == meter && kept.start == start).map(|kept| &mut kept.row)
    }

    /// Makes the row of the window that begins at `start` if it is new; false if it was let go. Of the windows before the
    /// last two, those stay that `pinned` says a hold may still move.
    pub(super) fn open<E>(
        &mut self,
        meter: Meter,
        start: Timestamp,
        mut pinned: impl FnMut(Timestamp) -> Result<bool, E>,
    ) -> Result<bool, E> {
        if self.get(meter, start).is_some() {
            return Ok(true);
        }
        let newest = self.kept.iter().filter(|kept| kept.meter == meter).map(|kept| kept.start).max();
        let Some(let_go) = place_of(meter).and_then(|place| self.let_go.get_mut(place)) else {
            return Ok(false);
        };
        if newest.is_some_and(|newest| newest < start) {
            let mut stay = Vec::with_capacity(self.kept.len().saturating_add(1));
            for kept in &self.kept {
                if kept.meter != meter || Some(kept.start) == newest || pinned(kept.start)? {
                    stay.push(*kept);
                } else {
                    *let_go = kept.start.max(*let_go);
                }
            }
            self.kept = stay;
        } else if *let_go != Timestamp::EPOCH && start <= *let_go {
            return Ok(false);
        }
        self.kept.push(Kept { meter, start, row: Row::default() });
        Ok(true)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        for let_go in self.let_go {
            bytes.extend(let_go.as_micros().to_le_bytes());
        }
        for Kept { meter, start, row } in &self.kept {
            bytes.extend(place_of(*meter).and_then(|place| u8::try_from(place).ok()));
            bytes.extend(start.as_micros().to_le_bytes());
            bytes.extend(row.used.to_le_bytes());
            bytes.extend(row.held.to_le_bytes());
            bytes.extend(row.marks.to_bits().to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Meters::to_bytes`] wrote; `None` for anything else.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut let_go = [Timestamp::EPOCH; METERS];
        for let_go in &mut let_go {
            *let_go = instant(&mut bytes)?;
        }
        let mut kept = Vec::with_capacity(METERS.saturating_mul(2));
        while !bytes.is_empty() {
            let [place] = take::<1>(&mut bytes)?;
            kept.push(Kept {
                meter: *Meter::ALL.get(usize::from(place))?,
                start: instant(&mut bytes)?,
                row: Row {
                    used: i128::from_le_bytes(take::<AMOUNT>(&mut bytes)?),
                    held: i128::from_le_bytes(take::<AMOUNT>(&mut bytes)?),
                    marks: Marks::from_bits(u64::from_le_bytes(take::<MARKS>(&mut bytes)?)),
                },
            });
        }
        Some(Self { let_go, kept })
    }
}

fn place_of(meter: Meter) -> Option<usize> {
    Meter::ALL.iter().position(|&other| other == meter)
}

fn instant(bytes: &mut &[u8]) -> Option<Timestamp> {
    take::<START>(bytes).map(|start| Timestamp::from_micros(i64::from_le_bytes(start)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn open(meters: &mut Meters, start: i64, pinned: &[i64]) -> bool {
        let pinned = |start: Timestamp| Ok::<_, Infallible>(pinned.contains(&start.as_seconds()));
        meters.open(Meter::DailySpend, at(start), pinned).unwrap()
    }

    #[test]
    fn rows_read_back() {
        let mut meters = Meters::default();
        assert_eq!(Meters::from_bytes(&meters.to_bytes()).as_ref(), Some(&meters));
        for (start, pinned) in [(10, &[][..]), (20, &[]), (30, &[10]), (40, &[])] {
            assert!(open(&mut meters, start, pinned));
        }
        let row = Row { used: i128::MAX, held: -1, marks: Marks::from_bits((1 << 56) - 1) };
        *meters.get_mut(Meter::DailySpend, at(40)).unwrap() = row;
        let bytes = meters.to_bytes();
        assert_eq!(Meters::from_bytes(&bytes), Some(meters));
        assert_eq!(Meters::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Meters::from_bytes(&bytes[..7]), None);
        let mut other = bytes;
        other[24] = 3;
        assert_eq!(Meters::from_bytes(&other), None, "no fourth meter");
    }

    #[test]
    fn the_last_two_windows_stay_and_those_that_are_pinned() {
        let mut meters = Meters::default();
        assert!(open(&mut meters, 10, &[]) && open(&mut meters, 20, &[]));
        meters.get_mut(Meter::DailySpend, at(10)).unwrap().used = 5;
        assert!(open(&mut meters, 30, &[10]));
        assert_eq!(meters.get(Meter::DailySpend, at(10)).unwrap().used, 5);
        assert!(open(&mut meters, 40, &[]));
        let starts: Vec<_> = meters.kept.iter().map(|kept| kept.start.as_seconds()).collect();
        assert_eq!(starts, [30, 40]);
        for gone in [5, 10, 15, 20] {
            assert!(!open(&mut meters, gone, &[]), "{gone} does not begin again");
        }
        assert!(open(&mut meters, 25, &[]), "nothing was used there yet");
        assert_eq!(meters.kept.len(), 3);
    }
}
