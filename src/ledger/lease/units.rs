//! Dollars and tokens side by side, as meters count them.

use crate::budget::{Limits, Meter, Money, Moved, Party, Step, Usage};

/// An amount of each unit: pico-dollars and tokens. Below zero where something is missing or was corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Units {
    pub(super) spend: i128,
    pub(super) tokens: i128,
}

impl Units {
    pub(super) const ZERO: Self = Self { spend: 0, tokens: 0 };

    /// What `usage` counts.
    pub(super) fn of(usage: Usage) -> Self {
        Self { spend: usage.cost.as_picos(), tokens: usage.tokens.into() }
    }

    /// As the usage of one hold, at least nothing and at most as much as one can have.
    pub(super) fn to_usage(self) -> Usage {
        let picos = self.spend.clamp(0, Money::MAX.as_picos());
        let tokens = u64::try_from(self.tokens.max(0)).unwrap_or(u64::MAX);
        Usage::new(Money::from_picos(picos).unwrap_or(Money::MAX), tokens)
    }

    /// What counts on `meter`.
    pub(super) fn on(self, meter: Meter) -> i128 {
        match meter {
            Meter::DailySpend | Meter::MonthlySpend => self.spend,
            Meter::DailyTokens => self.tokens,
        }
    }

    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        self.with(other, i128::saturating_add)
    }

    #[inline]
    pub(super) fn minus(self, other: Self) -> Self {
        self.with(other, i128::saturating_sub)
    }

    pub(super) fn max(self, other: Self) -> Self {
        self.with(other, i128::max)
    }

    pub(super) fn min(self, other: Self) -> Self {
        self.with(other, i128::min)
    }

    /// Each unit by a rule of its own amount.
    pub(super) fn map(self, rule: impl Fn(i128) -> i128) -> Self {
        Self { spend: rule(self.spend), tokens: rule(self.tokens) }
    }

    /// Whether it is more than `other` in any unit.
    pub(super) fn is_above(self, other: Self) -> bool {
        other.is_short_of(self)
    }

    /// Whether it is less than `other` in any unit.
    #[inline]
    pub(super) fn is_short_of(self, other: Self) -> bool {
        self.spend < other.spend || self.tokens < other.tokens
    }

    #[inline]
    fn with(self, other: Self, rule: impl Fn(i128, i128) -> i128) -> Self {
        Self { spend: rule(self.spend, other.spend), tokens: rule(self.tokens, other.tokens) }
    }
}

/// What a step has to find left of a lease: nothing of a unit that no limit bounds.
///
/// It is the rule of a meter (B3), told of the lease: what the step adds must be left, and of a unit that the step says
/// nothing of one must be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    spend: Option<i128>,
    tokens: Option<i128>,
}

impl Ask {
    /// Asks nothing.
    pub(super) const NOTHING: Self = Self { spend: None, tokens: None };

    /// What `step` asks of its one owner.
    #[inline]
    pub(super) fn of(step: &Step<'_>, party: &Party<'_>) -> Self {
        let asked = |meter: Meter| {
            let change = step.change(0, party, meter);
            (change.bound < i128::MAX).then(|| change.held.max(1))
        };
        let [daily, monthly, tokens] = Meter::ALL.map(asked);
        Self { spend: daily.or(monthly), tokens }
    }

    /// Whether `left` is enough.
    #[inline]
    pub(super) fn fits(&self, left: Units) -> bool {
        self.spend.is_none_or(|spend| spend <= left.spend)
            && self.tokens.is_none_or(|tokens| tokens <= left.tokens)
    }

    /// What `left` lacks to be enough.
    pub(super) fn missing(&self, left: Units) -> Units {
        let missing =
            |asked: Option<i128>, left: i128| asked.map_or(0, |asked| asked.saturating_sub(left).max(0));
        Units { spend: missing(self.spend, left.spend), tokens: missing(self.tokens, left.tokens) }
    }

    /// The amounts that are asked for: zero where nothing is.
    pub(super) fn amounts(&self) -> Units {
        self.missing(Units::ZERO)
    }
}

/// Whether `left` is below zero in a unit that `limits` bound: more was used than was set aside for it.
pub(super) fn is_overrun(limits: &Limits, left: Units) -> bool {
    let bounds = |meter: Meter| limits.cap(meter).is_some();
    (left.spend < 0 && (bounds(Meter::DailySpend) || bounds(Meter::MonthlySpend)))
        || (left.tokens < 0 && bounds(Meter::DailyTokens))
}

/// What is left below each cap of `limits`, by unit: that of the tightest meter. `rows` are in the order of [`Meter::ALL`].
pub(super) fn headroom(limits: &Limits, rows: &[Moved]) -> Units {
    let mut headroom = Units { spend: i128::MAX, tokens: i128::MAX };
    for (meter, Moved { row, .. }) in Meter::ALL.into_iter().zip(rows) {
        let Some(cap) = limits.cap(meter) else { continue };
        let left = cap.saturating_sub(row.used).saturating_sub(row.held).max(0);
        let unit = match meter {
            Meter::DailySpend | Meter::MonthlySpend => &mut headroom.spend,
            Meter::DailyTokens => &mut headroom.tokens,
        };
        *unit = left.min(*unit);
    }
    headroom
}
