//! An amount in the unit of its meter.

use std::fmt;

use serde::Serialize;

use super::{Meter, Money};

/// An amount of what a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// US dollars.
    Spend(Money),
    /// LLM tokens.
    Tokens(u64),
}

impl Amount {
    /// `units` of `meter`: pico-dollars or tokens; clamped to what can be held.
    pub fn of(meter: Meter, units: i128) -> Self {
        match meter {
            Meter::DailySpend | Meter::MonthlySpend => {
                Self::Spend(Money::from_picos(units.clamp(0, Money::MAX.as_picos())).unwrap_or(Money::MAX))
            }
            Meter::DailyTokens => Self::Tokens(u64::try_from(units.max(0)).unwrap_or(u64::MAX)),
        }
    }
}

/// `$50.00` or `1500 tokens`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spend(money) => write!(f, "${money}"),
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
        }
    }
}
