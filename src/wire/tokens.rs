//! What a call used, in one form for every provider.

use serde::Serialize;

/// The tokens of one call, told apart as they are priced.
///
/// The four kinds of input do not overlap, whichever provider counted; `reasoning`, `audio_out` and `image_out` are
/// parts of `output`, and `audio_in` and `image_in` parts of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TokenUsage {
    /// Input that no cache held or took.
    pub input_uncached: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache for minutes.
    pub cache_write_5m: u64,
    /// Input written to a cache for an hour or more.
    pub cache_write_1h: u64,
    /// Output, with reasoning that nobody sees.
    pub output: u64,
    /// The part of `output` that is reasoning.
    pub reasoning: u64,
    /// The part of the input that is audio.
    pub audio_in: u64,
    /// The part of `output` that is audio.
    pub audio_out: u64,
    /// The part of the input that is images.
    pub image_in: u64,
    /// The part of `output` that is images.
    pub image_out: u64,
    /// The tier the provider says it served the call at.
    pub tier: ServiceTier,
}

impl TokenUsage {
    /// All input, cached or not.
    pub fn input(&self) -> u64 {
        self.input_uncached
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// What counts against a token limit: all input, cached or not, and all output.
    pub fn total(&self) -> u64 {
        self.input().saturating_add(self.output)
    }
}

/// A class of service with prices of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceTier {
    /// The list price.
    #[default]
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Sooner and dearer.
    Priority,
    /// Faster output, dearer.
    Fast,
    /// In a batch, within a day.
    Batch,
    /// A tier that this library does not know; priced as the dearest.
    Other,
}

impl ServiceTier {
    /// The tier that a provider's answer names.
    pub fn from_wire(name: &str) -> Self {
        match name {
            // `scale` is capacity bought in advance; its calls have no price of their own above the list's.
            "default" | "standard" | "standard_only" | "scale" | "on_demand" => Self::Standard,
            "flex" => Self::Flex,
            "priority" => Self::Priority,
            "fast" => Self::Fast,
            "batch" => Self::Batch,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_input_counts_against_a_token_limit() {
        let usage = TokenUsage {
            input_uncached: 1,
            cache_read: 10,
            cache_write_5m: 100,
            cache_write_1h: 1_000,
            output: 10_000,
            reasoning: 5_000,
            audio_in: 1,
            ..TokenUsage::default()
        };
        assert_eq!((usage.input(), usage.total()), (1_111, 11_111));
    }

    #[test]
    fn an_unknown_tier_is_not_the_standard_one() {
        assert_eq!(ServiceTier::from_wire("default"), ServiceTier::Standard);
        assert_eq!(ServiceTier::from_wire("auto"), ServiceTier::Other);
        assert_eq!(ServiceTier::from_wire("Priority"), ServiceTier::Other);
    }
}
