//! The share of a limit at which its owner is told.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Money, MoneyError};

const PICOS_PER_BASIS_POINT: i128 = 100_000_000;
const WHOLE: u16 = 10_000;

/// An alert threshold: more than 0 and at most 1, exact to 0.0001.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(NonZeroU16);

/// Why a text is not a [`Threshold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// Not a number.
    #[error("must be a number above 0 and at most 1, such as 0.8 for 80 %")]
    Syntax,
    /// A percentage where a share is wanted.
    #[error("must be above 0 and at most 1; use 0.8 for 80 %")]
    OutOfRange,
    /// Finer than a basis point.
    #[error("must not be finer than 0.0001")]
    TooFine,
}

impl Threshold {
    /// `basis_points` hundredths of a percent, 1 to 10 000.
    ///
    /// # Errors
    /// [`ThresholdError::OutOfRange`].
    pub const fn from_basis_points(basis_points: u16) -> Result<Self, ThresholdError> {
        match NonZeroU16::new(basis_points) {
            Some(share) if basis_points <= WHOLE => Ok(Self(share)),
            _ => Err(ThresholdError::OutOfRange),
        }
    }

    /// Hundredths of a percent.
    pub const fn basis_points(self) -> u16 {
        self.0.get()
    }

    /// Whether `amount` is at least this share of `cap`, both of them amounts that a meter may come to.
    #[inline]
    pub(crate) fn is_reached(self, amount: i128, cap: i128) -> bool {
        // Of a sum below 2^112 (2^38 calls of the largest amount there is) and a cap below 2^74: neither wraps.
        amount.wrapping_mul(WHOLE.into()) >= cap.wrapping_mul(self.basis_points().into())
    }

    /// The smallest whole amount that is at least this share of `cap`.
    pub(crate) fn of(self, cap: i128) -> i128 {
        let (whole, rest) = (cap.div_euclid(WHOLE.into()), cap.rem_euclid(WHOLE.into()));
        let share = i128::from(self.basis_points());
        let part = rest
            .saturating_mul(share)
            .saturating_add(i128::from(WHOLE).saturating_sub(1))
            .div_euclid(WHOLE.into());
        whole.saturating_mul(share).saturating_add(part)
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        // A share is read as the money it would be of a dollar: the same exact decimal grammar.
        let picos = match text.parse::<Money>() {
            Ok(share) => share.as_picos(),
            Err(MoneyError::Syntax) => return Err(ThresholdError::Syntax),
            Err(MoneyError::TooFine) => return Err(ThresholdError::TooFine),
            Err(MoneyError::Negative | MoneyError::TooLarge | MoneyError::PicosOfADollar) => {
                return Err(ThresholdError::OutOfRange);
            }
        };
        if picos.rem_euclid(PICOS_PER_BASIS_POINT) != 0 {
            return Err(ThresholdError::TooFine);
        }
        let basis_points = u16::try_from(picos.div_euclid(PICOS_PER_BASIS_POINT));
        basis_points.map_err(|_| ThresholdError::OutOfRange).and_then(Self::from_basis_points)
    }
}

/// The share as decimal text: `0.8`, `1`.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.basis_points() == WHOLE {
            return f.write_str("1");
        }
        let digits = format!("{:04}", self.0);
        write!(f, "0.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The thresholds already told in one window, so that each is told once: up to four, packed in one number of 56
/// bits so that every engine can hold it. A fifth in the same window is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u64);

impl Marks {
    /// None told.
    pub const NONE: Self = Self(0);
    const BITS: u32 = 14;
    const SLOTS: u32 = 4;

    /// The marks that [`Marks::to_bits`] packed.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The marks as one number, 0 for none, below 2^56.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Adds `threshold`; `None` if it was told before or there is no room.
    pub fn with(self, threshold: Threshold) -> Option<Self> {
        let wanted = u64::from(threshold.basis_points());
        for shift in Self::shifts() {
            match self.at(shift) {
                0 => return Some(Self(self.0 | (wanted << shift))),
                told if told == wanted => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether `threshold` was told.
    pub fn has(self, threshold: Threshold) -> bool {
        Self::shifts().any(|shift| self.at(shift) == u64::from(threshold.basis_points()))
    }

    fn shifts() -> impl Iterator<Item = u32> {
        (0..Self::SLOTS).map(|slot| slot.saturating_mul(Self::BITS))
    }

    const fn at(self, shift: u32) -> u64 {
        (self.0 >> shift) & 0x3fff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_back() {
        for text in ["0.8", "0.0001", "1", "0.95", "0.1234"] {
            assert_eq!(text.parse::<Threshold>().unwrap().to_string(), text);
        }
        assert_eq!("8e-1".parse::<Threshold>(), "0.80".parse());
    }

    #[test]
    fn percents_and_nonsense_are_refused() {
        for (text, error) in [
            ("80", ThresholdError::OutOfRange),
            ("0", ThresholdError::OutOfRange),
            ("-0.5", ThresholdError::OutOfRange),
            ("1.0001", ThresholdError::OutOfRange),
            ("0.80001", ThresholdError::TooFine),
            ("80%", ThresholdError::Syntax),
            ("NaN", ThresholdError::Syntax),
        ] {
            assert_eq!(text.parse::<Threshold>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_share_of_a_cap_is_exact_and_rounds_up() {
        let share = |text: &str, cap| text.parse::<Threshold>().unwrap().of(cap);
        assert_eq!(share("0.8", 10), 8);
        assert_eq!(share("0.8", 1), 1);
        assert_eq!(share("0.3333", 10), 4);
        assert_eq!(share("1", Money::MAX.as_picos()), Money::MAX.as_picos());
        assert_eq!(share("0.9999", i128::from(u64::MAX)), 18_444_899_399_302_180_660);
        assert_eq!(share("0.9999", i128::from(u64::MAX) + 1), 18_444_899_399_302_180_661);
    }

    #[test]
    fn each_threshold_is_marked_once() {
        let at = |bp| Threshold::from_basis_points(bp).unwrap();
        let mut marks = Marks::default();
        for bp in [8_000, 10_000, 1, 9_000] {
            assert!(!marks.has(at(bp)));
            marks = marks.with(at(bp)).unwrap();
            assert_eq!(marks.with(at(bp)), None);
            assert!(marks.has(at(bp)));
        }
        assert_eq!(marks.with(at(5_000)), None, "a fifth has no room");
        assert!(marks.to_bits() < 1 << 56);
    }
}
