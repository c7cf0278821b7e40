//! The limits that a key is counted against.

use std::fmt;

use serde::Serialize;

/// What is counted: one unit over one kind of window. The order is the order in which denials name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Meter {
    /// US dollars in a day.
    DailySpend,
    /// US dollars in a calendar month.
    MonthlySpend,
    /// LLM tokens in a day.
    DailyTokens,
}

impl Meter {
    /// Every meter, in order.
    pub const ALL: [Self; 3] = [Self::DailySpend, Self::MonthlySpend, Self::DailyTokens];

    /// The name used in every language and on the wire: `daily_spend`, `monthly_spend`, `daily_tokens`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DailySpend => "daily_spend",
            Self::MonthlySpend => "monthly_spend",
            Self::DailyTokens => "daily_tokens",
        }
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
