//! When to raise the alarm.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::budget::{Money, MoneyError};

const WHOLE: u16 = 10_000;
const PICOS_PER_BASIS_POINT: i128 = 100_000_000;

/// The share of a limit at which an alert is sent: 0.0001 to 1, in steps of 0.0001 (a basis point).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(NonZeroU16);

/// Why a text is not a [`Threshold`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// Not a decimal number.
    #[error("must be a decimal number from 0.0001 to 1, such as 0.8 for 80 %")]
    Syntax,
    /// Zero or below.
    #[error("must be more than 0")]
    NotPositive,
    /// Finer than 0.0001.
    #[error("must not be finer than 0.0001")]
    TooFine,
    /// A percentage in place of a share.
    #[error("must be at most 1; use {share} for {percent} %")]
    Percent {
        /// The percentage as it was given.
        percent: String,
        /// The share that was meant.
        share: String,
    },
    /// More than 1, and no percentage either.
    #[error("must be at most 1")]
    TooLarge,
}

impl Threshold {
    /// The share in basis points, 1 to 10000.
    pub const fn bp(self) -> u16 {
        self.0.get()
    }

    /// A threshold of `bp` basis points, 1 to 10000.
    pub fn from_bp(bp: u16) -> Option<Self> {
        NonZeroU16::new(bp).filter(|bp| bp.get() <= WHOLE).map(Self)
    }

    /// Reads decimal text: `0.8`, `0.85`, `1`.
    ///
    /// # Errors
    /// Every [`ThresholdError`].
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (text, false),
        };
        // Money is decimal text read exactly; a dollar stands for the whole.
        let share: Money = number.parse().map_err(|error| match error {
            MoneyError::Negative => ThresholdError::NotPositive,
            MoneyError::TooFine => ThresholdError::TooFine,
            MoneyError::TooLarge => ThresholdError::TooLarge,
            _ => ThresholdError::Syntax,
        })?;
        let picos = share.as_picos();
        let bp = picos.div_euclid(PICOS_PER_BASIS_POINT);
        if percent || bp > i128::from(WHOLE) {
            return Err(percentage(share));
        }
        if picos == 0 {
            return Err(ThresholdError::NotPositive);
        }
        if picos.rem_euclid(PICOS_PER_BASIS_POINT) != 0 {
            return Err(ThresholdError::TooFine);
        }
        u16::try_from(bp).ok().and_then(Self::from_bp).ok_or(ThresholdError::TooLarge)
    }
}

fn percentage(given: Money) -> ThresholdError {
    match Money::from_picos(given.as_picos().div_euclid(100)) {
        Ok(share) if given.to_parts() <= (100, 0) => {
            ThresholdError::Percent { percent: trimmed(given), share: trimmed(share) }
        }
        _ => ThresholdError::TooLarge,
    }
}

fn trimmed(number: Money) -> String {
    number.to_decimal().to_string()
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        Self::parse(text)
    }
}

/// Decimal text without trailing zeros: `0.8`.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bp() == WHOLE {
            return f.write_str("1");
        }
        let digits = format!("{:04}", self.bp());
        write!(f, "0.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_basis_point_reads_back() {
        for bp in 1..=WHOLE {
            let threshold = Threshold::from_bp(bp).unwrap();
            assert_eq!(Threshold::parse(&threshold.to_string()), Ok(threshold));
        }
        for (text, bp) in
            [("0.8", 8_000), ("0.80", 8_000), ("8e-1", 8_000), (".5", 5_000), ("1", 10_000), ("1.0", 10_000)]
        {
            assert_eq!(Threshold::parse(text).unwrap().bp(), bp);
        }
        assert!(Threshold::from_bp(0).is_none() && Threshold::from_bp(10_001).is_none());
    }

    #[test]
    fn a_percentage_is_told_what_it_should_have_been() {
        let error = |text| Threshold::parse(text).unwrap_err().to_string();
        assert_eq!(error("80"), "must be at most 1; use 0.8 for 80 %");
        assert_eq!(error("80%"), "must be at most 1; use 0.8 for 80 %");
        assert_eq!(error("1.5"), "must be at most 1; use 0.015 for 1.5 %");
        assert_eq!(error("101"), "must be at most 1");
        assert_eq!(error("1e30"), "must be at most 1");
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        for (text, error) in [
            ("0", ThresholdError::NotPositive),
            ("-0.8", ThresholdError::NotPositive),
            ("0.00001", ThresholdError::TooFine),
            ("0.80001", ThresholdError::TooFine),
            ("NaN", ThresholdError::Syntax),
            ("", ThresholdError::Syntax),
            ("most", ThresholdError::Syntax),
        ] {
            assert_eq!(Threshold::parse(text), Err(error), "{text}");
        }
    }
}
