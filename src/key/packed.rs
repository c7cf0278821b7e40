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
    const ZERO: Self = Self { usd: 0, pico_high: 0, pico_low: 0 };

    /// A record's limits are bounded far below what fits. Should another amount come here it becomes a limit that allows
    /// less, and never none.
    pub(super) fn new(money: Option<Money>) -> Self {
        money.map_or(Self::NONE, |money| {
            let (usd, pico) = money.to_parts();
            let most = u32::MAX.saturating_sub(1);
            let usd = u32::try_from(usd.max(0)).unwrap_or(most).min(most);
            Self::packed(usd, pico).unwrap_or(Self::ZERO)
        })
    }

    fn packed(usd: u32, pico: i64) -> Option<Self> {
        let pico = u64::try_from(pico).ok()?;
        let pico_high = u32::try_from(pico >> 32).ok()?;
        let pico_low = u32::try_from(pico & u64::from(u32::MAX)).ok()?;
        Some(Self { usd, pico_high, pico_low })
    }

    pub(super) fn get(self) -> Option<Money> {
        if self.usd == u32::MAX {
            return None;
        }
        let pico = i64::from(self.pico_high) << 32 | i64::from(self.pico_low);
        Money::from_parts(i64::from(self.usd), pico).ok()
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
            ["0", "0.000000000001", "0.999999999999", "1000000000", "50.00", "4294967294.999999999999"]
        {
            let money = text.parse().ok();
            assert_eq!(PackedMoney::new(money).get(), money, "{text}");
        }
        assert_eq!(PackedMoney::new(None).get(), None);
        assert_eq!(size_of::<PackedMoney>(), 12);
    }

    #[test]
    fn what_does_not_fit_is_never_no_limit() {
        for (text, kept) in [
            ("4294967295", "4294967294.00"),
            ("4294967295.5", "4294967294.50"),
            ("9000000000.25", "4294967294.25"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!(PackedMoney::new(Some(money)).get().unwrap().to_string(), kept);
        }
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
