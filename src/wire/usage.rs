//! Reading what a call used out of a whole response.

mod anthropic;

use super::json::{self, NotThat};
use super::tokens::{ServiceTier, TokenUsage};

pub(super) use anthropic::Anthropic;

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
