//! The caps of one owner.

use super::{Meter, Money, Threshold, Usage};

/// What one owner may use. `None` is no limit; zero allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// US dollars a day.
    pub daily_spend: Option<Money>,
    /// US dollars a calendar month.
    pub monthly_spend: Option<Money>,
    /// LLM tokens a day.
    pub daily_tokens: Option<u64>,
    /// The share of each limit at which to tell its owner.
    pub alert_threshold: Option<Threshold>,
}

impl Limits {
    /// The cap of `meter` in its own unit: pico-dollars or tokens.
    #[inline]
    pub fn cap(&self, meter: Meter) -> Option<i128> {
        match meter {
            Meter::DailySpend => self.daily_spend.map(Money::as_picos),
            Meter::MonthlySpend => self.monthly_spend.map(Money::as_picos),
            Meter::DailyTokens => self.daily_tokens.map(i128::from),
        }
    }
}

impl Usage {
    /// What counts on `meter`, in its own unit: pico-dollars or tokens.
    #[inline]
    pub fn on(&self, meter: Meter) -> i128 {
        match meter {
            Meter::DailySpend | Meter::MonthlySpend => self.cost.as_picos(),
            Meter::DailyTokens => i128::from(self.tokens),
        }
    }
}
