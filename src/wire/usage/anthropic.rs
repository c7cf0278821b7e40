//! The counts of Anthropic's messages.

use super::super::json;
use super::super::tokens::{ServiceTier, TokenUsage};
use super::{UsageError, count, details, service_tier};

/// A `usage` of Anthropic's, whole or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Anthropic {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    write_5m: Option<u64>,
    write_1h: Option<u64>,
    output: Option<u64>,
    tier: Option<ServiceTier>,
    // What was used besides, which the counts above leave out.
    besides: Besides,
}

// Turns of the provider's own, to make the conversation shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Besides {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
}

impl Anthropic {
    pub(in super::super) fn read(usage: &str) -> Result<Self, UsageError> {
        let [input, cache_read, cache_write, lifetimes, output, tier, speed, iterations] = json::pick(
            usage,
            &[
                "input_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "cache_creation",
                "output_tokens",
                "service_tier",
                "speed",
                "iterations",
            ],
        )?
        .members;
        let [minutes, hours] =
            details(lifetimes, &["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"])?;
        let fast = speed.and_then(json::string).is_some_and(|speed| speed == "fast");
        Ok(Self {
            input: count(input, "input_tokens")?,
            cache_read: count(cache_read, "cache_read_input_tokens")?,
            cache_write: count(cache_write, "cache_creation_input_tokens")?,
            write_5m: minutes,
            write_1h: hours,
            output: count(output, "output_tokens")?,
            tier: if fast { Some(ServiceTier::Fast) } else { tier.map(service_tier) },
            besides: iterations.map(Besides::read).transpose()?.unwrap_or_default(),
        })
    }

    /// Takes in a later `usage` of the same message. Its counts are totals so far, so the larger one holds.
    pub(in super::super) fn merge(self, later: Self) -> Self {
        Self {
            input: self.input.max(later.input),
            cache_read: self.cache_read.max(later.cache_read),
            cache_write: self.cache_write.max(later.cache_write),
            write_5m: self.write_5m.max(later.write_5m),
            write_1h: self.write_1h.max(later.write_1h),
            output: self.output.max(later.output),
            tier: later.tier.or(self.tier),
            besides: self.besides.max(later.besides),
        }
    }

    /// What a message tells as it begins; `None` if it does not tell its input yet. No message has none.
    pub(in super::super) fn at_start(self) -> Result<Option<TokenUsage>, UsageError> {
        let counts = Self { input: self.input.or(Some(0)), output: self.output.or(Some(0)), ..self };
        counts.finish().map(|usage| Some(usage).filter(|usage| usage.input() > 0))
    }

    // Anthropic's input leaves the cache out, and its cache writes are told as a sum, by lifetime, or both.
    pub(in super::super) fn finish(self) -> Result<TokenUsage, UsageError> {
        let by_lifetime = self.write_5m.unwrap_or(0).saturating_add(self.write_1h.unwrap_or(0));
        let written = self.cache_write.unwrap_or(by_lifetime);
        if by_lifetime > written {
            return Err(UsageError::Part { part: "cache writes by lifetime", whole: "cache writes" });
        }
        let (long, besides) = (self.write_1h.unwrap_or(0), self.besides);
        let input = self.input.ok_or(UsageError::Missing("input_tokens"))?;
        let output = self.output.ok_or(UsageError::Missing("output_tokens"))?;
        Ok(TokenUsage {
            input_uncached: input.saturating_add(besides.input),
            cache_read: self.cache_read.unwrap_or(0).saturating_add(besides.cache_read),
            cache_write_5m: written.saturating_sub(long).saturating_add(besides.cache_write),
            cache_write_1h: long,
            output: output.saturating_add(besides.output),
            tier: self.tier.unwrap_or_default(),
            ..TokenUsage::default()
        })
    }
}

impl Besides {
    // The message's own turns are in its counts; those that made it shorter are not. Any others are another model's, at a
    // price that nobody was asked about.
    fn read(iterations: &str) -> Result<Self, UsageError> {
        let mut sum = Self::default();
        json::each(iterations, |turn| {
            let [kind, input, cache_read, cache_write, output] = json::pick(
                turn,
                &[
                    "type",
                    "input_tokens",
                    "cache_read_input_tokens",
                    "cache_creation_input_tokens",
                    "output_tokens",
                ],
            )?
            .members;
            match kind.and_then(json::string).as_deref() {
                Some("message") => return Ok(()),
                Some("compaction") => {}
                _ => return Err(UsageError::OtherModel),
            }
            let add = |sum: &mut u64, text, name| -> Result<(), UsageError> {
                *sum = sum.saturating_add(count(text, name)?.unwrap_or(0));
                Ok(())
            };
            add(&mut sum.input, input, "iterations[].input_tokens")?;
            add(&mut sum.cache_read, cache_read, "iterations[].cache_read_input_tokens")?;
            add(&mut sum.cache_write, cache_write, "iterations[].cache_creation_input_tokens")?;
            add(&mut sum.output, output, "iterations[].output_tokens")
        })?;
        Ok(sum)
    }

    // Each list tells all turns so far.
    fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
        }
    }
}
