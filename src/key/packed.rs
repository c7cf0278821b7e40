//! Optional numbers in the bytes of the number alone: a million records are kept in memory.

use crate::Timestamp;
use crate::budget::Money;

/// An amount of at most [`Money::MAX`], or none, in 12 bytes where `Option<Money>` takes 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedMoney {
    // Pico-dollars, which need 74 bits.
    high: u32,
    middle: u32,
    low: u32,
}

impl PackedMoney {
    const NONE: Self = Self { high: u32::MAX, middle: 0, low: 0 };

    pub(super) fn new(money: Option<Money>) -> Self {
        let Some(money) = money else { return Self::NONE };
        let part =
            |shift: u32| u32::try_from((money.as_picos() >> shift) & i128::from(u32::MAX)).unwrap_or(0);
        Self { high: part(64), middle: part(32), low: part(0) }
    }

    #[inline]
    pub(super) fn get(self) -> Option<Money> {
        if self.high == u32::MAX {
            return None;
        }
        let low = u64::from(self.middle) << 32 | u64::from(self.low);
        // Nothing but an amount was packed; were it otherwise, it should allow nothing rather than anything.
        Some(Money::from_picos(i128::from(self.high) << 64 | i128::from(low)).unwrap_or(Money::ZERO))
    }
}

/// A count of tokens, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedCount(u64);

impl PackedCount {
    pub(super) fn new(count: Option<u64>) -> Self {
        Self(count.map_or(u64::MAX, |count| count.min(u64::MAX.saturating_sub(1))))
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
        time.map_or(Self::NONE, |time| Self(time.as_micros().max(i64::MIN.saturating_add(1))))
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
            ["0", "0.000000000001", "0.999999999999", "1000000000", "50.00", "9999999999.999999999999"]
        {
            let money: Money = text.parse().unwrap();
            assert_eq!(PackedMoney::new(Some(money)).get(), Some(money), "{text}");
        }
        assert_eq!(PackedMoney::new(Some(Money::MAX)).get(), Some(Money::MAX));
        assert_eq!(PackedMoney::new(None).get(), None);
        assert_eq!(size_of::<PackedMoney>(), 12);
    }

    #[test]
    fn what_does_not_fit_is_never_no_limit() {
        assert_eq!(PackedCount::new(Some(u64::MAX)).get(), Some(u64::MAX - 1));
        let first = Timestamp::from_micros(i64::MIN);
        assert_eq!(PackedTime::new(Some(first)).get(), Some(Timestamp::from_micros(i64::MIN + 1)));
    }

    #[test]
    fn nothing_is_not_zero() {
        assert_eq!(PackedMoney::new(Some(Money::ZERO)).get(), Some(Money::ZERO));
        assert_eq!((PackedCount::new(Some(0)).get(), PackedCount::new(None).get()), (Some(0), None));
        let zero = Some(Timestamp::EPOCH);
        assert_eq!((PackedTime::new(zero).get(), PackedTime::new(None).get()), (zero, None));
    }
}
