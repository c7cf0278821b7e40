//! What one call cost.

use super::Money;

/// The cost and the tokens of one call, estimated or real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// US dollars.
    pub cost: Money,
    /// LLM tokens, input (cached input included) and output together.
    pub tokens: u64,
}

impl Usage {
    /// No cost and no tokens.
    pub const ZERO: Self = Self { cost: Money::ZERO, tokens: 0 };

    /// A usage of `cost` and `tokens`.
    pub const fn new(cost: Money, tokens: u64) -> Self {
        Self { cost, tokens }
    }

    /// The sum of both, each at most its largest value.
    pub fn saturating_add(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_add(other.cost), tokens: self.tokens.saturating_add(other.tokens) }
    }

    /// What each is above the other's, or zero.
    #[inline]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_sub(other.cost), tokens: self.tokens.saturating_sub(other.tokens) }
    }
}
