//! Money, exact to a pico-dollar.
//!
//! Real token prices need twelve decimals: 1.44375e-7 and 1.3e-10 USD a token are on the market, and a nano-dollar
//! ledger rounds both. An amount is a whole number of pico-dollars in an `i128`, so sums never round and never
//! pass through a float.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

const DECIMALS: u32 = 12;
const PICOS_PER_USD: i128 = 10_i128.pow(DECIMALS);

/// An amount of US dollars: zero or more, at most [`Money::MAX`], exact to 1e-12 USD.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i128);

/// Why a value is not an amount of [`Money`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// Not a plain or scientific decimal number.
    #[error("must be a decimal number of US dollars, such as 50.00")]
    Syntax,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// More than [`Money::MAX`].
    #[error("must be less than 10000000000 US dollars")]
    TooLarge,
    /// A dollar or more in pico-dollars beside whole dollars.
    #[error("must have 0 to 999999999999 pico-dollars beside its whole dollars")]
    PicosOfADollar,
    /// Finer than a pico-dollar, where rounding is not allowed.
    #[error("must not be finer than 0.000000000001 US dollars")]
    TooFine,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One pico-dollar, the smallest amount there is.
    pub const PICO: Self = Self(1);
    /// The largest single amount: a pico-dollar less than ten billion dollars.
    pub const MAX: Self = Self(10_000_000_000 * PICOS_PER_USD - 1);

    /// `picos` pico-dollars (1e-12 USD), if that lies between zero and [`Money::MAX`].
    ///
    /// # Errors
    /// [`MoneyError::Negative`] or [`MoneyError::TooLarge`].
    pub const fn from_picos(picos: i128) -> Result<Self, MoneyError> {
        if picos < 0 {
            Err(MoneyError::Negative)
        } else if picos > Self::MAX.0 {
            Err(MoneyError::TooLarge)
        } else {
            Ok(Self(picos))
        }
    }

    /// `usd` whole dollars and `pico` pico-dollars (0 to 999 999 999 999).
    ///
    /// # Errors
    /// [`MoneyError::Negative`] if either is negative, [`MoneyError::PicosOfADollar`] when `pico` is a dollar or more,
    /// [`MoneyError::TooLarge`] past [`Money::MAX`].
    pub fn from_parts(usd: i64, pico: i64) -> Result<Self, MoneyError> {
        let (usd, pico) = (i128::from(usd), i128::from(pico));
        if usd < 0 || pico < 0 {
            return Err(MoneyError::Negative);
        }
        if pico >= PICOS_PER_USD {
            return Err(MoneyError::PicosOfADollar);
        }
        Self::from_picos(usd.saturating_mul(PICOS_PER_USD).saturating_add(pico))
    }

    /// Pico-dollars (1e-12 USD).
    pub const fn as_picos(self) -> i128 {
        self.0
    }

    /// Whole dollars, and the pico-dollars beyond them.
    pub fn to_parts(self) -> (i64, i64) {
        let (usd, pico) = (self.0.div_euclid(PICOS_PER_USD), self.0.rem_euclid(PICOS_PER_USD));
        (i64::try_from(usd).unwrap_or(i64::MAX), i64::try_from(pico).unwrap_or(0))
    }

    /// Reads a limit or another amount that must be held as it is.
    ///
    /// # Errors
    /// Every [`MoneyError`]; [`MoneyError::TooFine`] rather than a rounded amount.
    pub fn exact(value: Decimal) -> Result<Self, MoneyError> {
        Self::scaled(value).and_then(|(money, rest)| if rest { Err(MoneyError::TooFine) } else { Ok(money) })
    }

    /// Reads a cost or an estimate: what is finer than a pico-dollar rounds up, here and nowhere else.
    ///
    /// # Errors
    /// Every [`MoneyError`] but [`MoneyError::TooFine`].
    pub fn rounded_up(value: Decimal) -> Result<Self, MoneyError> {
        Self::scaled(value)
            .and_then(|(money, rest)| Self::from_picos(money.0.saturating_add(i128::from(rest))))
    }

    /// Reads decimal text (`0.05`, `50.00`, `1.3e-10`) like [`Money::rounded_up`], with as many digits as it has.
    ///
    /// # Errors
    /// Every [`MoneyError`] but [`MoneyError::TooFine`].
    pub fn parse_rounded_up(text: &str) -> Result<Self, MoneyError> {
        if let Some(money) = plain(text) {
            return Ok(money);
        }
        let number = DecimalText::read(text)?;
        let (money, rest) = number.to_picos()?;
        Self::from_picos(money.saturating_add(i128::from(rest)))
    }

    /// The same amount as a decimal, without trailing zeros.
    pub fn to_decimal(self) -> Decimal {
        Decimal::try_from_i128_with_scale(self.0, DECIMALS).unwrap_or(Decimal::MAX).normalize()
    }

    /// The sum, or `None` past [`Money::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_picos(self.0.checked_add(other.0)?).ok()
    }

    /// The sum, at most [`Money::MAX`].
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(Self::MAX.0))
    }

    /// The difference, at least zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    // The whole pico-dollars in `value`, and whether anything finer was left over.
    fn scaled(value: Decimal) -> Result<(Self, bool), MoneyError> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(MoneyError::Negative);
        }
        let mantissa = value.mantissa();
        let (picos, rest) = if value.scale() <= DECIMALS {
            let factor = 10_i128.pow(DECIMALS.saturating_sub(value.scale()));
            (mantissa.checked_mul(factor).ok_or(MoneyError::TooLarge)?, false)
        } else {
            let divisor = 10_i128.pow(value.scale().saturating_sub(DECIMALS));
            (mantissa.div_euclid(divisor), mantissa.rem_euclid(divisor) != 0)
        };
        Ok((Self::from_picos(picos)?, rest))
    }
}

/// Reads decimal text exactly, like [`Money::exact`]: `50`, `50.00`, `5e1`.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match DecimalText::read(text)?.to_picos()? {
            (picos, false) => Self::from_picos(picos),
            (_, true) => Err(MoneyError::TooFine),
        }
    }
}

impl TryFrom<Decimal> for Money {
    type Error = MoneyError;

    fn try_from(value: Decimal) -> Result<Self, MoneyError> {
        Self::exact(value)
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        money.to_decimal()
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Plain decimal text with at least two decimals: `50.00`, `0.000000000001`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (usd, pico) = self.to_parts();
        let digits = format!("{pico:012}");
        let cents_or_finer = digits.trim_end_matches('0');
        write!(f, "{usd}.{cents_or_finer:0<2}")
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

/// As decimal text, because a JSON number is read through a float almost everywhere.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// `0.05` or `1500`: short plain decimal text, as almost all of it is, in one pass and without wide arithmetic. `None` for
// any other text, good or bad.
fn plain(text: &str) -> Option<Money> {
    let (mut digits, mut decimals, mut value) = (0_u32, None, 0_u64);
    for byte in text.bytes() {
        match byte {
            // Eighteen digits are below 2^63.
            b'0'..=b'9' if digits < 18 => {
                value = value.wrapping_mul(10).wrapping_add(u64::from(byte.wrapping_sub(b'0')));
                digits = digits.wrapping_add(1);
            }
            b'.' if decimals.is_none() => decimals = Some(digits),
            _ => return None,
        }
    }
    let decimals = decimals.map_or(0, |whole| digits.wrapping_sub(whole));
    if digits == 0 || decimals > DECIMALS || text.ends_with('.') {
        return None;
    }
    let scale = 10_i128.pow(DECIMALS.wrapping_sub(decimals));
    Money::from_picos(i128::from(value).checked_mul(scale)?).ok()
}

// Decimal text taken apart: digits, and where the point stands. `rust_decimal` stops at 28 digits and at an exponent
// of 28, and price catalogues hold numbers such as 0.0000029999900000000002 that are longer than they are precise.
struct DecimalText<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
    negative: bool,
}

impl<'a> DecimalText<'a> {
    fn read(text: &'a str) -> Result<Self, MoneyError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse().map_err(|_| MoneyError::Syntax)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let empty = whole.is_empty() && fraction.is_empty();
        if empty || number.ends_with('.') || !digits(whole) || !digits(fraction) || text.len() > 1_000 {
            return Err(MoneyError::Syntax);
        }
        Ok(Self { whole, fraction, exponent, negative })
    }

    // Whole pico-dollars, and whether anything finer was left over.
    fn to_picos(&self) -> Result<(i128, bool), MoneyError> {
        // Digits that count for at least a pico-dollar.
        let places =
            i64::try_from(self.whole.len()).unwrap_or(i64::MAX).saturating_add(i64::from(self.exponent));
        let kept = places.saturating_add(i64::from(DECIMALS));
        let mut picos = 0_i128;
        let mut rest = false;
        let mut seen = 0_i64;
        for digit in self.whole.bytes().chain(self.fraction.bytes()).map(|byte| byte.wrapping_sub(b'0')) {
            if seen < kept {
                picos = picos.saturating_mul(10).saturating_add(i128::from(digit));
            } else {
                rest |= digit != 0;
            }
            seen = seen.saturating_add(1);
        }
        if self.negative && (picos != 0 || rest) {
            return Err(MoneyError::Negative);
        }
        let missing = u32::try_from(kept.saturating_sub(seen).clamp(0, 40)).unwrap_or(40);
        let scale = if picos == 0 { 1 } else { 10_i128.checked_pow(missing).ok_or(MoneyError::TooLarge)? };
        let picos = picos.checked_mul(scale).ok_or(MoneyError::TooLarge)?;
        if picos > Money::MAX.0 { Err(MoneyError::TooLarge) } else { Ok((picos, rest)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn text_forms_of_one_amount_are_equal() {
        for text in ["50", "50.00", "50.000000000000000", "5e1", "0.5E2", "+50", "500e-1"] {
            assert_eq!(money(text), money("50"), "{text}");
        }
        assert_eq!(money("-0.00"), Money::ZERO);
        assert_eq!(money(".5"), money("0.50"));
        assert_eq!(money("0e999"), Money::ZERO);
    }

    #[test]
    fn display_keeps_cents() {
        for (text, shown) in [("50", "50.00"), ("0.1", "0.10"), ("1.3e-10", "0.00000000013"), ("0", "0.00")] {
            assert_eq!(money(text).to_string(), shown);
        }
        assert_eq!(Money::MAX.to_string(), "9999999999.999999999999");
    }

    #[test]
    fn what_is_not_money_says_why() {
        for (text, error) in [
            ("", MoneyError::Syntax),
            ("1.", MoneyError::Syntax),
            ("NaN", MoneyError::Syntax),
            ("1e400000000000", MoneyError::Syntax),
            (" 1", MoneyError::Syntax),
            ("1_000", MoneyError::Syntax),
            ("0x10", MoneyError::Syntax),
            ("-0.01", MoneyError::Negative),
            ("-1e-20", MoneyError::Negative),
            ("10000000000", MoneyError::TooLarge),
            ("1e400", MoneyError::TooLarge),
            ("0.0000000000001", MoneyError::TooFine),
            ("1e-400", MoneyError::TooFine),
        ] {
            assert_eq!(text.parse::<Money>(), Err(error), "{text}");
        }
    }

    #[test]
    fn costs_round_up_once() {
        assert_eq!(Money::parse_rounded_up("0.0000000000001"), Ok(Money::PICO));
        assert_eq!(Money::parse_rounded_up("1e-400"), Ok(Money::PICO));
        assert_eq!(Money::parse_rounded_up("0.0000029999900000000002"), Ok(Money(2_999_991)));
        assert_eq!(Money::rounded_up(Decimal::new(1, 28)), Ok(Money::PICO));
        assert_eq!(Money::rounded_up(Decimal::new(-1, 28)), Err(MoneyError::Negative));
    }

    #[test]
    fn a_float_would_lose_these() {
        assert_eq!(money("0.29").to_parts(), (0, 290_000_000_000));
        assert_eq!(money("19.99").to_parts(), (19, 990_000_000_000));
        assert_eq!(money("0.1").saturating_add(money("0.2")), money("0.3"));
        assert_eq!(Money::from_parts(9_000_000_000, 1).unwrap().to_parts(), (9_000_000_000, 1));
        assert_eq!(Money::from_parts(0, 1_000_000_000_000), Err(MoneyError::PicosOfADollar));
    }

    #[test]
    fn a_million_tiny_costs_sum_exactly() {
        let total: Money = std::iter::repeat_n(money("1.3e-10"), 1_000_000).sum();
        assert_eq!(total, money("0.00013"));
    }

    proptest! {
        #[test]
        fn every_amount_reads_back(picos in 0..=Money::MAX.as_picos()) {
            let amount = Money::from_picos(picos).unwrap();
            prop_assert_eq!(money(&amount.to_string()), amount);
            prop_assert_eq!(Money::exact(amount.to_decimal()), Ok(amount));
            let (usd, pico) = amount.to_parts();
            prop_assert_eq!(Money::from_parts(usd, pico), Ok(amount));
        }

        #[test]
        fn what_any_text_is_read_as_reads_back(text in "[0-9]{0,11}[.]?[0-9]{0,14}(e-?[0-9]{1,2})?|\\PC{0,24}") {
            let (exact, up) = (text.parse::<Money>(), Money::parse_rounded_up(&text));
            if let Ok(amount) = up {
                prop_assert_eq!(money(&amount.to_string()), amount);
            }
            if let Ok(amount) = exact {
                prop_assert_eq!(up, Ok(amount));
            }
        }

        #[test]
        fn short_text_is_read_like_any_other(text in "[0-9]{0,10}[.]?[0-9.]{0,14}") {
            if let Some(money) = plain(&text) {
                prop_assert_eq!(DecimalText::read(&text).unwrap().to_picos(), Ok((money.0, false)));
            }
        }

        #[test]
        fn rounding_up_is_within_a_pico(mantissa in 0_i64.., scale in 0_u32..=28) {
            let value = Decimal::new(mantissa, scale);
            if let Ok(up) = Money::rounded_up(value) {
                prop_assert!(up.to_decimal() >= value);
                prop_assert!(up.saturating_sub(Money::PICO).to_decimal() < value || value.is_zero());
                prop_assert_eq!(Money::parse_rounded_up(&value.to_string()), Ok(up));
            }
        }
    }
}
