//! What a token costs: by kind, by service tier, and by how long the prompt is.

use super::tokens::ServiceTier;
use crate::budget::Money;

/// A kind of token with a price of its own. A kind that a model does not price costs what the kind it is a sort of
/// costs: a cache write for long as one for short, other input as plain input, other output as plain output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// Text in, not cached.
    Input,
    /// Input read from a cache.
    CacheRead,
    /// Input written to a cache for minutes.
    CacheWrite,
    /// Input written to a cache for an hour or more.
    CacheWriteLong,
    /// Sound in.
    AudioIn,
    /// Pictures in.
    ImageIn,
    /// Text out.
    Output,
    /// Reasoning.
    Reasoning,
    /// Sound out.
    AudioOut,
    /// Pictures out.
    ImageOut,
}

impl TokenKind {
    // The kind that this one is a sort of.
    fn parent(self) -> Option<Self> {
        match self {
            Self::Input | Self::Output => None,
            Self::CacheWriteLong => Some(Self::CacheWrite),
            Self::CacheRead | Self::CacheWrite | Self::AudioIn | Self::ImageIn => Some(Self::Input),
            Self::Reasoning | Self::AudioOut | Self::ImageOut => Some(Self::Output),
        }
    }
}

const TIERS: [ServiceTier; 6] = [
    ServiceTier::Standard,
    ServiceTier::Flex,
    ServiceTier::Priority,
    ServiceTier::Fast,
    ServiceTier::Batch,
    ServiceTier::Other,
];

/// The tiers that cost the list price or less.
const CHEAP_TIERS: [ServiceTier; 3] = [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Batch];

// One price. Sixteen bytes, since a catalogue has tens of thousands of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    kind: TokenKind,
    tier: ServiceTier,
    // Applies when the prompt has more tokens than this; 0 is always.
    above: u32,
    picos: u64,
}

/// All prices of one model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rates(Box<[Rate]>);

impl Rates {
    /// Sets a price, in place of the one for the same kind, tier and threshold. Of the tiers that have no name here the
    /// dearest counts.
    pub(super) fn set(&mut self, kind: TokenKind, tier: ServiceTier, above: u32, price: Money) {
        // Eighteen million dollars a token is as good as any price beyond it.
        let mut picos = u64::try_from(price.as_picos()).unwrap_or(u64::MAX);
        let mut rates = std::mem::take(&mut self.0).into_vec();
        rates.retain(|rate| {
            let same = (rate.kind, rate.tier, rate.above) == (kind, tier, above);
            if same && tier == ServiceTier::Other {
                picos = picos.max(rate.picos);
            }
            !same
        });
        rates.push(Rate { kind, tier, above, picos });
        self.0 = rates.into();
    }

    pub(super) fn has(&self, kind: TokenKind) -> bool {
        self.0.iter().any(|rate| rate.kind == kind && CHEAP_TIERS.contains(&rate.tier))
    }

    pub(super) fn has_tier(&self, tier: ServiceTier) -> bool {
        self.0.iter().any(|rate| rate.tier == tier)
    }

    /// The list prices that do not depend on the length of the prompt.
    pub(super) fn standard(&self) -> impl Iterator<Item = (TokenKind, Money)> {
        let always = self.0.iter().filter(|rate| rate.tier == ServiceTier::Standard && rate.above == 0);
        always.map(|rate| (rate.kind, Money::from_picos(rate.picos.into()).unwrap_or(Money::MAX)))
    }

    pub(super) fn is_free(&self) -> bool {
        self.0.iter().all(|rate| rate.picos == 0)
    }

    /// Adds prices for `tier`: those of the standard tier, times `factor`.
    pub(super) fn multiply(&mut self, tier: ServiceTier, factor: Money) {
        let standard: Vec<Rate> =
            self.0.iter().filter(|rate| rate.tier == ServiceTier::Standard).copied().collect();
        for rate in standard {
            let exact = u128::from(rate.picos).saturating_mul(factor.as_picos().unsigned_abs());
            let picos = i128::try_from(exact.div_ceil(1_000_000_000_000)).unwrap_or(i128::MAX);
            self.set(rate.kind, tier, rate.above, Money::from_picos(picos).unwrap_or(Money::MAX));
        }
    }

    /// The price, in pico-dollars, of a token of `kind` when the prompt has `input` tokens.
    pub(super) fn at(&self, kind: TokenKind, tier: ServiceTier, input: u64) -> u64 {
        // A tier nobody knows, or without a price where it should be dearer, costs as much as the dearest.
        let unknown = tier == ServiceTier::Other || (tier == ServiceTier::Fast && !self.has_tier(tier));
        if unknown {
            return TIERS.into_iter().map(|tier| self.known(kind, tier, input)).max().unwrap_or(0);
        }
        self.known(kind, tier, input)
    }

    // The longest threshold passed counts first, then the tier, as catalogues are meant to be read.
    fn known(&self, kind: TokenKind, tier: ServiceTier, input: u64) -> u64 {
        let applies = |rate: &&Rate| {
            rate.kind == kind
                && (rate.tier == tier || rate.tier == ServiceTier::Standard)
                && (rate.above == 0 || input > u64::from(rate.above))
        };
        match self.0.iter().filter(applies).max_by_key(|rate| (rate.above, rate.tier == tier)) {
            Some(rate) => rate.picos,
            None => kind.parent().map_or(0, |parent| self.known(parent, tier, input)),
        }
    }

    /// The dearest price, in pico-dollars, that a token of one of `kinds` can have when the prompt has at most `input`
    /// tokens: at the list price or below, or with `any_tier` at any.
    pub(super) fn dearest(&self, kinds: &[TokenKind], input: u64, any_tier: bool) -> u64 {
        let tiers = if any_tier { TIERS.as_slice() } else { CHEAP_TIERS.as_slice() };
        // A tier without prices of its own has those of the standard one, and few models have any other.
        let priced = |tier: &&ServiceTier| **tier == ServiceTier::Standard || self.has_tier(**tier);
        // A price can only change at a threshold, and few models have any.
        let lengths = || {
            let thresholds = self.0.iter().map(|rate| u64::from(rate.above));
            let reached = thresholds.filter(|above| (1..input).contains(above));
            reached.map(|above| above.saturating_add(1)).chain([0])
        };
        let mut dearest = 0;
        for &kind in kinds {
            for &tier in tiers.iter().filter(priced) {
                dearest = lengths().map(|length| self.at(kind, tier, length)).fold(dearest, u64::max);
            }
        }
        dearest
    }

    /// The longest prompt that a price is stated for; 0 if prices do not depend on it.
    pub(super) fn longest_threshold(&self) -> u64 {
        self.0.iter().map(|rate| u64::from(rate.above)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(list: &[(TokenKind, ServiceTier, u32, i128)]) -> Rates {
        let mut rates = Rates::default();
        for (kind, tier, above, picos) in list {
            rates.set(*kind, *tier, *above, Money::from_picos(*picos).unwrap());
        }
        rates
    }

    #[test]
    fn a_threshold_is_passed_and_not_met() {
        let rates = rates(&[
            (TokenKind::Input, ServiceTier::Standard, 0, 10),
            (TokenKind::Input, ServiceTier::Standard, 200_000, 20),
            (TokenKind::Input, ServiceTier::Priority, 0, 15),
            (TokenKind::Input, ServiceTier::Priority, 200_000, 30),
            (TokenKind::Input, ServiceTier::Flex, 0, 5),
        ]);
        for (tier, input, price) in [
            (ServiceTier::Standard, 0, 10),
            (ServiceTier::Standard, 200_000, 10),
            (ServiceTier::Standard, 200_001, 20),
            (ServiceTier::Priority, 200_000, 15),
            (ServiceTier::Priority, 200_001, 30),
            (ServiceTier::Flex, 200_000, 5),
            (ServiceTier::Flex, 200_001, 20),
            (ServiceTier::Other, 1, 15),
            (ServiceTier::Fast, 1, 15),
            (ServiceTier::Batch, 1, 10),
        ] {
            assert_eq!(rates.at(TokenKind::Input, tier, input), price, "{tier:?} {input}");
        }
        assert_eq!(rates.dearest(&[TokenKind::CacheRead], 200_000, false), 10);
        assert_eq!(rates.dearest(&[TokenKind::CacheRead], 200_001, false), 20);
        assert_eq!(rates.dearest(&[TokenKind::CacheRead], 200_001, true), 30);
    }

    #[test]
    fn an_unpriced_kind_costs_what_its_parent_costs_and_a_free_one_nothing() {
        let rates = rates(&[
            (TokenKind::Input, ServiceTier::Standard, 0, 10),
            (TokenKind::CacheWrite, ServiceTier::Standard, 0, 12),
            (TokenKind::Output, ServiceTier::Standard, 0, 50),
            (TokenKind::Reasoning, ServiceTier::Standard, 0, 0),
        ]);
        for (kind, price) in [
            (TokenKind::CacheRead, 10),
            (TokenKind::CacheWriteLong, 12),
            (TokenKind::AudioIn, 10),
            (TokenKind::AudioOut, 50),
            (TokenKind::Reasoning, 0),
        ] {
            assert_eq!(rates.at(kind, ServiceTier::Standard, 1), price, "{kind:?}");
        }
    }

    #[test]
    fn a_rate_is_small() {
        assert!(size_of::<Rate>() <= 16);
    }
}
