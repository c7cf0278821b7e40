//! Reads LiteLLM's `model_prices_and_context_window.json` as it is.

use std::collections::BTreeSet;

use super::json;
use super::price_error::{PriceError, PriceFault, no_price};
use super::prices::{ModelPrice, PriceBook};
use super::rates::{Rates, TokenKind};
use super::tokens::ServiceTier;
use crate::budget::Money;

/// What became of the entries of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PriceReport {
    /// How many models have a price.
    pub priced: usize,
    /// The models without a price for a token, in the order of the file: none is stated, or the price is by the picture,
    /// second or search instead.
    pub unpriced: Vec<String>,
    /// The entries that were left out because a value in them is none.
    pub faults: Vec<PriceFault>,
    /// Fields that look like prices of tokens and that this library does not know. Their models are priced without them.
    pub unknown_fields: BTreeSet<String>,
}

const NO_MODEL: &str = "must be a JSON object of models with their prices: not one model has any here";

impl PriceBook {
    /// Reads the text of LiteLLM's `model_prices_and_context_window.json`, and says what became of its entries.
    ///
    /// Prices are read as decimal text and rounded up at 1e-12 USD. Known are the prices of input, output, cache reads
    /// and writes, reasoning, sound and pictures, each `_above_…k_tokens`, `_flex`, `_priority`, `_batches` and `_fast`,
    /// any other word for a tier counting as [`ServiceTier::Other`]; `tiered_pricing` by length of the prompt; and the
    /// factor for `fast` under `provider_specific_entry`. An explicit 0 is a price. Not known, and so not charged:
    /// `off_peak_pricing` (the full price is taken), surcharges by region, and what costs by the search, picture, page or
    /// second beside the tokens.
    ///
    /// # Errors
    /// [`PriceError`] if the text is not one JSON object, or prices no model at all. An entry that cannot be read is left out,
    /// and in the report.
    pub fn from_litellm(text: &str) -> Result<(Self, PriceReport), PriceError> {
        let mut book = Self::new();
        let mut report = PriceReport::default();
        json::members(text, |name, entry| {
            if name == "sample_spec" {
                return;
            }
            match Entry::read(entry, &mut report.unknown_fields) {
                Ok(entry) => match entry.price() {
                    Some(price) => drop(book.insert(name, price)),
                    None => report.unpriced.push(name.to_owned()),
                },
                Err(PriceFault { path, message }) => {
                    let between = if path.is_empty() { "" } else { "." };
                    report.faults.push(PriceFault::new(format!("{name}{between}{path}"), message));
                }
            }
        })
        .map_err(|_| PriceError::of(PriceFault::new("", "must be a JSON object of models")))?;
        report.priced = book.len();
        if book.is_empty() {
            PriceError::check(report.faults)?;
            return Err(PriceError::of(PriceFault::new("", NO_MODEL)));
        }
        Ok((book, report))
    }
}

#[derive(Default)]
struct Entry<'a> {
    rates: Rates,
    ranges: Option<&'a str>,
    specific: Option<&'a str>,
    max_input: Option<u64>,
    max_output: Option<u64>,
    reasons: bool,
    max_tokens: Option<u64>,
    mode: Option<String>,
    inclusive: bool,
    // Something is charged that is not a token.
    other_units: bool,
}

impl<'a> Entry<'a> {
    fn read(text: &'a str, unknown: &mut BTreeSet<String>) -> Result<Self, PriceFault> {
        let mut entry = Self::default();
        let mut prices = Vec::new();
        json::members(text, |name, value| match name {
            _ if value == "null" => {}
            "tiered_pricing" => entry.ranges = Some(value),
            "provider_specific_entry" => entry.specific = Some(value),
            "max_input_tokens" => entry.max_input = size(value),
            "max_output_tokens" => entry.max_output = size(value),
            "supports_reasoning" => entry.reasons = value == "true",
            "max_tokens" => entry.max_tokens = size(value),
            "mode" => entry.mode = json::string(value),
            // Its thresholds are met, and not passed, by a prompt of just that length.
            "litellm_provider" => entry.inclusive = value == "\"xai\"",
            _ => prices.push((name.to_owned(), value)),
        })
        .map_err(|_| PriceFault::new("", "must be an object"))?;
        for (name, value) in prices {
            entry.field(&name, value, 0, unknown)?;
        }
        if let Some(ranges) = entry.ranges {
            let model = entry.rates.clone();
            json::each(ranges, |range| entry.range(range, &model, unknown))?;
        }
        if let Some(specific) = entry.specific {
            entry.fast(specific)?;
        }
        Ok(entry)
    }

    fn field(
        &mut self,
        name: &str,
        value: &str,
        from: u32,
        unknown: &mut BTreeSet<String>,
    ) -> Result<(), PriceFault> {
        match Field::read(name) {
            Field::Rate { kind, tier, above } => {
                let price = price(value).map_err(|message| PriceFault::new(name, message))?;
                let above = if self.inclusive { above.saturating_sub(1) } else { above };
                self.rates.set(kind, tier, above.max(from), price);
            }
            Field::Unknown => drop(unknown.insert(name.to_owned())),
            Field::OtherUnit => self.other_units |= price(value).is_ok_and(|price| price > Money::ZERO),
            Field::NoPrice => {}
        }
        Ok(())
    }

    // Prices for prompts of more than `range[0]` tokens; what a range does not price has the price of the `model`. Beyond
    // the last range, the last one holds.
    fn range(
        &mut self,
        range: &'a str,
        model: &Rates,
        unknown: &mut BTreeSet<String>,
    ) -> Result<(), PriceFault> {
        let fault =
            || PriceFault::new("tiered_pricing", "must be a list of objects with a `range` of two numbers");
        let [bounds] = json::pick(range, &["range"]).map_err(|_| fault())?.members;
        let Some(bounds) = bounds else {
            // Prices of searches have tiers too, by the number of results.
            self.other_units = true;
            return Ok(());
        };
        let mut from = None;
        json::each(bounds, |bound| {
            if from.is_none() {
                from = Some(size(bound).and_then(|from| u32::try_from(from).ok()).ok_or_else(fault)?);
            }
            Ok::<(), PriceFault>(())
        })?;
        let from = from.ok_or_else(fault)?;
        let mut prices = Vec::new();
        json::members(range, |name, value| {
            if name != "range" && value != "null" {
                prices.push((name.to_owned(), value));
            }
        })
        .map_err(|_| fault())?;
        for (kind, price) in model.standard() {
            self.rates.set(kind, ServiceTier::Standard, from, price);
        }
        prices.into_iter().try_for_each(|(name, value)| self.field(&name, value, from, unknown))
    }

    fn fast(&mut self, specific: &str) -> Result<(), PriceFault> {
        let Ok(picked) = json::pick(specific, &["fast"]) else { return Ok(()) };
        let [Some(factor)] = picked.members else { return Ok(()) };
        if !self.rates.has_tier(ServiceTier::Fast) {
            let fault = |message| PriceFault::new("provider_specific_entry.fast", message);
            self.rates.multiply(ServiceTier::Fast, price(factor).map_err(fault)?);
        }
        Ok(())
    }

    fn price(self) -> Option<ModelPrice> {
        let only_reads = matches!(self.mode.as_deref(), Some("embedding" | "rerank" | "moderation"));
        let complete = self.rates.has(TokenKind::Input) && (only_reads || self.rates.has(TokenKind::Output));
        // Zero a token beside a price by the search or second says that tokens are not what is charged.
        if !complete || (self.other_units && self.rates.is_free()) {
            return None;
        }
        let (max_input, max_output) = if only_reads {
            (self.max_input.or(self.max_tokens), Some(0))
        } else {
            (self.max_input, self.max_output.or(self.max_tokens).filter(|&max| max > 0))
        };
        let max_input = max_input.filter(|&max| max > 0);
        Some(ModelPrice { rates: self.rates, max_input, max_output, reasons: self.reasons })
    }
}

impl From<json::NotThat> for PriceFault {
    fn from(_: json::NotThat) -> Self {
        Self::new("tiered_pricing", "must be a list of objects with a `range` of two numbers")
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Rate { kind: TokenKind, tier: ServiceTier, above: u32 },
    Unknown,
    OtherUnit,
    NoPrice,
}

impl Field {
    // Names are a base and any of the suffixes, in any order: `input_cost_per_token_above_272k_tokens_priority`.
    fn read(name: &str) -> Self {
        let bases = [
            ("input_cost_per_token", TokenKind::Input),
            ("output_cost_per_token", TokenKind::Output),
            ("cache_read_input_token_cost", TokenKind::CacheRead),
            ("cache_creation_input_token_cost", TokenKind::CacheWrite),
            ("output_cost_per_reasoning_token", TokenKind::Reasoning),
            ("input_cost_per_audio_token", TokenKind::AudioIn),
            ("output_cost_per_audio_token", TokenKind::AudioOut),
            ("input_cost_per_image_token", TokenKind::ImageIn),
            ("output_cost_per_image_token", TokenKind::ImageOut),
        ];
        for (base, kind) in bases {
            if let Some(suffixes) = name.strip_prefix(base) {
                return Self::suffixes(kind, suffixes).unwrap_or(Self::Unknown);
            }
        }
        let of_tokens = name.contains("token") && name.contains("_cost");
        if of_tokens {
            Self::Unknown
        } else if name.contains("_cost_per_") {
            Self::OtherUnit
        } else {
            Self::NoPrice
        }
    }

    fn suffixes(kind: TokenKind, mut rest: &str) -> Option<Self> {
        let (mut kind, mut tier, mut above) = (kind, ServiceTier::Standard, 0);
        while !rest.is_empty() {
            let tiers = [
                ("_flex", ServiceTier::Flex),
                ("_priority", ServiceTier::Priority),
                ("_fast", ServiceTier::Fast),
                ("_batches", ServiceTier::Batch),
            ];
            let lifetime = ["_above_1hr", "_above_12hr"].iter().find_map(|suffix| rest.strip_prefix(suffix));
            if let Some((tail, named)) =
                tiers.iter().find_map(|(suffix, named)| Some((rest.strip_prefix(suffix)?, *named)))
            {
                (rest, tier) = (tail, named);
            } else if kind == TokenKind::CacheWrite
                && let Some(tail) = lifetime
            {
                (rest, kind) = (tail, TokenKind::CacheWriteLong);
            } else if kind == TokenKind::Input
                && let Some(tail) = rest.strip_prefix("_cache_hit")
            {
                (rest, kind) = (tail, TokenKind::CacheRead);
            } else if let Some(threshold) = rest.strip_prefix("_above_") {
                let (thousands, tail) = threshold.split_once("k_tokens")?;
                above = thousands.parse::<u32>().ok()?.checked_mul(1_000)?;
                rest = tail;
            } else {
                // One more word is a tier that came after this was written.
                let word = rest.strip_prefix('_')?;
                let end = word.find('_').unwrap_or(word.len());
                let (named, tail) = word.split_at_checked(end)?;
                if named.is_empty() || !named.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    return None;
                }
                (rest, tier) = (tail, ServiceTier::Other);
            }
        }
        Some(Self::Rate { kind, tier, above })
    }
}

// A price, written as a number or as text.
fn price(value: &str) -> Result<Money, String> {
    let text = json::string(value);
    Money::parse_rounded_up(text.as_deref().unwrap_or(value)).map_err(no_price)
}

// A number of tokens, which may be written `8192`, `8192.0` or `8.192e3`; what is none is taken as not stated.
fn size(value: &str) -> Option<u64> {
    let text = json::string(value);
    let (whole, rest) = text.as_deref().unwrap_or(value).parse::<Money>().ok()?.to_parts();
    if rest == 0 { u64::try_from(whole).ok() } else { None }
}

#[cfg(test)]
mod tests;
