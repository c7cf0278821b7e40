//! Reading what a call used out of a whole response.

use super::json::{self, NotThat};
use super::tokens::{ServiceTier, TokenUsage};

/// What a response says of the call that it answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ResponseFacts {
    /// The tokens used; `None` if the response does not say, as an error does not.
    pub usage: Option<TokenUsage>,
    /// The model that answered, as the provider names it. Often more precise than the one asked for.
    pub model: Option<String>,
}

/// Why the usage of a response cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// Not a JSON object.
    #[error("the response must be a JSON object")]
    NotAnObject,
    /// A `usage` in no known shape.
    #[error("`usage` must be an object with prompt_tokens or input_tokens")]
    Shape,
    /// A count that is negative, has a fraction or an exponent, is no number, or is above 2^53 - 1.
    #[error("`usage.{0}` must be an integer from 0 to 9007199254740991")]
    Count(&'static str),
    /// A count that must be there and is not.
    #[error("`usage.{0}` is missing")]
    Missing(&'static str),
    /// A part that is larger than its whole.
    #[error("`usage`: {part} must not be more than {whole}")]
    Part {
        /// The part.
        part: &'static str,
        /// The whole.
        whole: &'static str,
    },
    /// Tokens of another model than the one that was asked.
    #[error("`usage.iterations` tells tokens of another model")]
    OtherModel,
}

impl From<NotThat> for UsageError {
    fn from(_: NotThat) -> Self {
        Self::Shape
    }
}

impl ResponseFacts {
    /// Reads the body of a response: chat completions, completions, responses, embeddings or Anthropic messages, told
    /// apart by the shape of `usage`.
    ///
    /// Unknown members are skipped, a repeated member counts as its last, `null` is absent. A count of 0 is a count.
    ///
    /// # Errors
    /// [`UsageError`] for a body that is no JSON object and for counts that contradict each other. Charge the
    /// estimate then.
    pub fn from_slice(body: &[u8]) -> Result<Self, UsageError> {
        let text = std::str::from_utf8(body).map_err(|_| UsageError::NotAnObject)?;
        let picked =
            json::pick(text, &["usage", "model", "service_tier"]).map_err(|_| UsageError::NotAnObject)?;
        let [usage, model, tier] = picked.members;
        Ok(Self {
            usage: usage.map(|usage| Counts::read(usage, tier)?.finish()).transpose()?,
            model: model.and_then(json::string),
        })
    }
}

/// The counts of one `usage` object, before they are checked against each other. A stream tells Anthropic's in
/// pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    OpenAi(TokenUsage),
    Anthropic(Anthropic),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Anthropic {
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

impl Counts {
    /// Reads a `usage` object; `tier` is the JSON text of the `service_tier` beside it.
    pub(super) fn read(usage: &str, tier: Option<&str>) -> Result<Self, UsageError> {
        let [input, cache_creation, speed, iterations, chat @ ..] = json::pick(
            usage,
            &[
                "input_tokens",
                "cache_creation",
                "speed",
                "iterations",
                // Of a chat, by far the most common.
                "prompt_tokens",
                "completion_tokens",
                "total_tokens",
                "prompt_tokens_details",
                "completion_tokens_details",
                // Written beside OpenAI's members by gateways that translate Anthropic's answers; inside the prompt there.
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
            ],
        )?
        .members;
        let [prompt, _, _, _, _, cache_read, cache_write] = chat;
        if prompt.is_some() {
            return self::chat(chat, tier).map(Self::OpenAi);
        }
        // Where none of these is there, Anthropic's count and that of OpenAI's responses mean the same.
        if [cache_read, cache_write, cache_creation, speed, iterations].iter().any(Option::is_some) {
            return Anthropic::read(usage).map(Self::Anthropic);
        }
        if input.is_some() { responses(usage, tier).map(Self::OpenAi) } else { Err(UsageError::Shape) }
    }

    /// Whether it is of nothing at all, as no call is. A message of Anthropic's may tell of its parts one by one.
    pub(super) fn are_zeros(&self) -> bool {
        matches!(self, Self::OpenAi(usage) if usage.total() == 0)
    }

    pub(super) fn finish(self) -> Result<TokenUsage, UsageError> {
        match self {
            Self::OpenAi(usage) => Ok(usage),
            Self::Anthropic(counts) => counts.finish(),
        }
    }
}

fn chat(members: [Option<&str>; 7], tier: Option<&str>) -> Result<TokenUsage, UsageError> {
    let [prompt, completion, total, prompt_details, completion_details, cache_read, cache_write] = members;
    let [cached, written, audio_in, image_in] =
        details(prompt_details, &["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"])?;
    let [reasoning, audio_out, image_out] =
        details(completion_details, &["reasoning_tokens", "audio_tokens", "image_tokens"])?;
    let beside = |text, name| count(text, name);
    OpenAi {
        input: count(prompt, "prompt_tokens")?.unwrap_or(0),
        output: count(completion, "completion_tokens")?.unwrap_or(0),
        total: count(total, "total_tokens")?,
        cached: cached.or(beside(cache_read, "cache_read_input_tokens")?).unwrap_or(0),
        written: written.or(beside(cache_write, "cache_creation_input_tokens")?).unwrap_or(0),
        written_long: 0,
        reasoning: reasoning.unwrap_or(0),
        audio_in: audio_in.unwrap_or(0),
        audio_out: audio_out.unwrap_or(0),
        image_in: image_in.unwrap_or(0),
        image_out: image_out.unwrap_or(0),
    }
    .finish(tier)
}

fn responses(usage: &str, tier: Option<&str>) -> Result<TokenUsage, UsageError> {
    let [input, output, total, input_details, output_details, own_tier] = json::pick(
        usage,
        &[
            "input_tokens",
            "output_tokens",
            "total_tokens",
            "input_tokens_details",
            "output_tokens_details",
            "service_tier",
        ],
    )?
    .members;
    let [cached, written, audio_in, image_in] =
        details(input_details, &["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"])?;
    let [reasoning, audio_out, image_out] =
        details(output_details, &["reasoning_tokens", "audio_tokens", "image_tokens"])?;
    OpenAi {
        input: count(input, "input_tokens")?.unwrap_or(0),
        output: count(output, "output_tokens")?.ok_or(UsageError::Missing("output_tokens"))?,
        total: count(total, "total_tokens")?,
        cached: cached.unwrap_or(0),
        written: written.unwrap_or(0),
        written_long: long_writes(input_details)?.unwrap_or(0),
        reasoning: reasoning.unwrap_or(0),
        audio_in: audio_in.unwrap_or(0),
        audio_out: audio_out.unwrap_or(0),
        image_in: image_in.unwrap_or(0),
        image_out: image_out.unwrap_or(0),
    }
    .finish(tier.or(own_tier))
}

// OpenAI keeps a cache for half an hour or for half a day; the latter is priced like an hour and more.
fn long_writes(input_details: Option<&str>) -> Result<Option<u64>, UsageError> {
    let Some(details) = input_details else { return Ok(None) };
    let [lifetimes] = json::pick(details, &["cache_write_tokens_details"])?.members;
    let Some(lifetimes) = lifetimes else { return Ok(None) };
    let [long] = json::pick(lifetimes, &["ttl_12h_tokens"])?.members;
    count(long, "input_tokens_details.cache_write_tokens_details.ttl_12h_tokens")
}

// OpenAI's counts: what is cached is inside the input, what is reasoned is inside the output.
struct OpenAi {
    input: u64,
    output: u64,
    total: Option<u64>,
    cached: u64,
    written: u64,
    written_long: u64,
    reasoning: u64,
    audio_in: u64,
    audio_out: u64,
    image_in: u64,
    image_out: u64,
}

impl OpenAi {
    fn finish(self, tier: Option<&str>) -> Result<TokenUsage, UsageError> {
        // Some providers of this API leave reasoning out of the output and in the total: both were used.
        let output = self.output.max(self.total.unwrap_or(0).saturating_sub(self.input));
        let cache = self.cached.saturating_add(self.written);
        let uncached = self
            .input
            .checked_sub(cache)
            .ok_or(UsageError::Part { part: "cached tokens", whole: "input tokens" })?;
        let written_short = self
            .written
            .checked_sub(self.written_long)
            .ok_or(UsageError::Part { part: "long cache writes", whole: "cache writes" })?;
        for (part, size, whole, limit) in [
            ("reasoning tokens", self.reasoning, "output tokens", output),
            (
                "audio and image tokens",
                self.audio_out.saturating_add(self.image_out),
                "output tokens",
                output,
            ),
            (
                "audio and image tokens",
                self.audio_in.saturating_add(self.image_in),
                "input tokens",
                self.input,
            ),
        ] {
            if size > limit {
                return Err(UsageError::Part { part, whole });
            }
        }
        Ok(TokenUsage {
            input_uncached: uncached,
            cache_read: self.cached,
            cache_write_5m: written_short,
            cache_write_1h: self.written_long,
            output,
            reasoning: self.reasoning,
            audio_in: self.audio_in,
            audio_out: self.audio_out,
            image_in: self.image_in,
            image_out: self.image_out,
            tier: tier.map_or(ServiceTier::Standard, service_tier),
        })
    }
}

impl Anthropic {
    pub(super) fn read(usage: &str) -> Result<Self, UsageError> {
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
    pub(super) fn merge(self, later: Self) -> Self {
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
    pub(super) fn at_start(self) -> Result<Option<TokenUsage>, UsageError> {
        let counts = Self { input: self.input.or(Some(0)), output: self.output.or(Some(0)), ..self };
        counts.finish().map(|usage| Some(usage).filter(|usage| usage.input() > 0))
    }

    // Anthropic's input leaves the cache out, and its cache writes are told as a sum, by lifetime, or both.
    pub(super) fn finish(self) -> Result<TokenUsage, UsageError> {
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

fn service_tier(text: &str) -> ServiceTier {
    json::string(text).map_or(ServiceTier::Other, |name| ServiceTier::from_wire(&name))
}

fn details<const N: usize>(
    text: Option<&str>,
    names: &[&'static str; N],
) -> Result<[Option<u64>; N], UsageError> {
    let mut counts = [None; N];
    if let Some(text) = text {
        let members = json::pick(text, names)?.members;
        for ((slot, member), name) in counts.iter_mut().zip(members).zip(names) {
            *slot = count(member, name)?;
        }
    }
    Ok(counts)
}

fn count(text: Option<&str>, name: &'static str) -> Result<Option<u64>, UsageError> {
    let Some(text) = text else { return Ok(None) };
    json::count(text).map(Some).ok_or(UsageError::Count(name))
}

#[cfg(test)]
mod tests;
