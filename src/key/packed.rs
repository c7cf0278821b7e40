//! Optional numbers in the bytes of the number alone: a million records are kept in memory.

use crate::Timestamp;
use crate::budget::Money;

/// An amount of at most 4 billion dollars, or none, in 12 bytes where `Option<Money>` takes 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedMoney {
    usd: u32,
    // 10^12 pico-dollars need 40 bits.
    pico_high: u32,
    pico_low: u32,
}

impl PackedMoney {
    const NONE: Self = Self { usd: u32::MAX, pico_high: 0, pico_low: 0 };

    /// `None` also for an amount that does not fit; a record's limits are bounded far below that.
    pub(super) fn new(money: Option<Money>) -> Self {
        let parts = money.map(Money::to_parts).and_then(|(usd, pico)| {
            let pico = u64::try_from(pico).ok()?;
            let pico_high = u32::try_from(pico >> 32).ok()?;
            let pico_low = u32::try_from(pico & u64::from(u32::MAX)).ok()?;
            Some(Self { usd: u32::try_from(usd).ok()?, pico_high, pico_low })
        });
        parts.unwrap_or(Self::NONE)
    }

    pub(super) fn get(self) -> Option<Money> {
        if self.usd == u32::MAX {
            return None;
        }
        let pico = i64::from(self.pico_high) << 32 | i64::from(self.pico_low);
        Money::from_parts(i64::from(self.usd), pico).ok()
    }
}

/// A count of tokens, or none. A limit is never `u64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedCount(u64);

impl PackedCount {
    pub(super) fn new(count: Option<u64>) -> Self {
        Self(count.unwrap_or(u64::MAX))
    }

    pub(super) fn get(self) -> Option<u64> {
        Some(self.0).filter(|&count| count != u64::MAX)
    }
}

/// An instant, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedTime(i64);

impl PackedTime {
    pub(super) const NONE: Self = Self(i64::MIN);

    pub(super) fn new(time: Option<Timestamp>) -> Self {
        time.map_or(Self::NONE, |time| Self(time.as_micros()))
    }

    pub(super) fn get(self) -> Option<Timestamp> {
        Some(self).filter(|time| *time != Self::NONE).map(|time| Timestamp::from_micros(time.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back() {
        for text in
            ["0", "0.000000000001", "0.999999999999", "1000000000", "50.00", "4294967294.999999999999"]
        {
            let money = text.parse().ok();
            assert_eq!(PackedMoney::new(money).get(), money, "{text}");
        }
        assert_eq!(PackedMoney::new(None).get(), None);
        assert_eq!(size_of::<PackedMoney>(), 12);
    }

    #[test]
    fn nothing_is_not_zero() {
        assert_eq!(PackedMoney::new(Some(Money::ZERO)).get(), Some(Money::ZERO));
        assert_eq!((PackedCount::new(Some(0)).get(), PackedCount::new(None).get()), (Some(0), None));
        let zero = Some(Timestamp::EPOCH);
        assert_eq!((PackedTime::new(zero).get(), PackedTime::new(None).get()), (zero, None));
    }
}
