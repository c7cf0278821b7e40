//! What a model costs, and where to look it up.

use std::sync::Arc;

use hashbrown::HashMap;

use super::rates::{Rates, TokenKind};
use super::request::Exposure;
use super::tokens::{ServiceTier, TokenUsage};
use crate::budget::Money;

/// The prices of one model, in US dollars a token, and how much it reads and writes at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelPrice {
    pub(super) rates: Rates,
    pub(super) max_input: Option<u64>,
    pub(super) max_output: Option<u64>,
    pub(super) reasons: bool,
}

impl ModelPrice {
    /// A model that costs `input` for a token in and `output` for a token out. Zero is a price. A price of more than
    /// 18 million dollars a token counts as that.
    pub fn new(input: Money, output: Money) -> Self {
        Self::default().with_rate(TokenKind::Input, ServiceTier::Standard, 0, input).with_rate(
            TokenKind::Output,
            ServiceTier::Standard,
            0,
            output,
        )
    }

    /// The same model with a price for one kind of token and service tier. With `above` 0 it always applies, else when
    /// a prompt has more than `above` tokens; it is then the price of all its tokens of this kind. A tier that has no
    /// price for a kind has the standard one.
    pub fn with_rate(mut self, kind: TokenKind, tier: ServiceTier, above: u32, price: Money) -> Self {
        self.rates.set(kind, tier, above, price);
        self
    }

    /// The same model, reading at most so many tokens.
    pub fn with_max_input(mut self, tokens: u64) -> Self {
        self.max_input = Some(tokens);
        self
    }

    /// The same model, writing at most so many tokens in an answer; 0 for a model that only reads, such as one of
    /// embeddings.
    pub fn with_max_output(mut self, tokens: u64) -> Self {
        self.max_output = Some(tokens);
        self
    }

    /// The same model, which may think at length before it answers and show nothing of it.
    pub fn with_reasoning(mut self) -> Self {
        self.reasons = true;
        self
    }

    /// Whether it may use tokens that its answer does not show: it was said so, or they have a price of their own. A stream
    /// that is cut before it told its usage is then charged all that was set aside.
    pub fn may_reason(&self) -> bool {
        self.reasons || self.rates.has(TokenKind::Reasoning)
    }

    /// The most tokens a prompt may have, if that is known.
    pub fn max_input(&self) -> Option<u64> {
        self.max_input
    }

    /// The most tokens an answer may have, if that is known.
    pub fn max_output(&self) -> Option<u64> {
        self.max_output
    }

    /// What a call cost: exact, at most [`Money::MAX`].
    pub fn cost(&self, usage: &TokenUsage) -> Money {
        let length = usage.input();
        // Sound and pictures may be cached or not; taking them as not cached is never too little.
        let audio_in = usage.audio_in.min(usage.input_uncached);
        let image_in = usage.image_in.min(usage.input_uncached.saturating_sub(audio_in));
        let text_in = usage.input_uncached.saturating_sub(audio_in).saturating_sub(image_in);
        let audio_out = usage.audio_out.min(usage.output);
        let image_out = usage.image_out.min(usage.output.saturating_sub(audio_out));
        let not_media = usage.output.saturating_sub(audio_out).saturating_sub(image_out);
        let reasoning = usage.reasoning.min(not_media);
        let picos = [
            (TokenKind::Input, text_in),
            (TokenKind::AudioIn, audio_in),
            (TokenKind::ImageIn, image_in),
            (TokenKind::CacheRead, usage.cache_read),
            (TokenKind::CacheWrite, usage.cache_write_5m),
            (TokenKind::CacheWriteLong, usage.cache_write_1h),
            (TokenKind::Output, not_media.saturating_sub(reasoning)),
            (TokenKind::Reasoning, reasoning),
            (TokenKind::AudioOut, audio_out),
            (TokenKind::ImageOut, image_out),
        ]
        .into_iter()
        .filter(|(_, tokens)| *tokens > 0)
        .fold(0_u128, |sum, (kind, tokens)| {
            sum.saturating_add(product(self.rates.at(kind, usage.tier, length), tokens))
        });
        money(picos)
    }

    /// What a call can cost at most that reads at most `input` tokens and writes at most `output`, whatever of them is
    /// cached, heard, seen or reasoned, and at whatever service tier.
    pub fn worst_case(&self, input: u64, output: u64) -> Money {
        let all = Exposure::ALL;
        let reading = product(self.dearest_in(input, all), input);
        money(reading.saturating_add(product(self.dearest_out(input, all), output)))
    }

    /// The dearest that a token in can be, when the prompt has at most `input` of them and the bill holds no more than
    /// `exposure`.
    pub fn input_rate(&self, input: u64, exposure: Exposure) -> Money {
        money(u128::from(self.dearest_in(input, exposure)))
    }

    /// The dearest that a token out can be, when the prompt has at most `input` tokens and the bill holds no more than
    /// `exposure`.
    pub fn output_rate(&self, input: u64, exposure: Exposure) -> Money {
        money(u128::from(self.dearest_out(input, exposure)))
    }

    // Whether a provider reads or writes a cache is its own affair, so these prices are always among the possible.
    fn dearest_in(&self, input: u64, exposure: Exposure) -> u64 {
        let text = [TokenKind::Input, TokenKind::CacheRead, TokenKind::CacheWrite, TokenKind::CacheWriteLong];
        let media = [TokenKind::AudioIn, TokenKind::ImageIn];
        let media = if exposure.media { media.as_slice() } else { &[] };
        self.rates.dearest(&[text.as_slice(), media].concat(), input, exposure.any_tier)
    }

    // A model that makes pictures may do so unasked.
    fn dearest_out(&self, input: u64, exposure: Exposure) -> u64 {
        let silent = [TokenKind::Output, TokenKind::Reasoning, TokenKind::ImageOut];
        let media = if exposure.media { [TokenKind::AudioOut].as_slice() } else { &[] };
        self.rates.dearest(&[silent.as_slice(), media].concat(), input, exposure.any_tier)
    }
}

fn product(picos: u64, tokens: u64) -> u128 {
    u128::from(picos).saturating_mul(u128::from(tokens))
}

fn money(picos: u128) -> Money {
    i128::try_from(picos).ok().and_then(|picos| Money::from_picos(picos).ok()).unwrap_or(Money::MAX)
}

/// Prices by model name.
///
/// Names are compared byte for byte. The only other names of a model are those that were given as aliases: a price
/// that is guessed by likeness is a wrong price.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    models: HashMap<Box<str>, Arc<ModelPrice>>,
}

impl PriceBook {
    /// A book without prices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the price of the model called `name`; answers with the one it had.
    pub fn insert(&mut self, name: &str, price: ModelPrice) -> Option<Arc<ModelPrice>> {
        self.models.insert(name.into(), Arc::new(price))
    }

    /// Lets `alias` stand for the model called `name`, at the price it has now; `false` if it has none.
    pub fn alias(&mut self, alias: &str, name: &str) -> bool {
        let price = self.models.get(name).map(Arc::clone);
        price.map(|price| self.models.insert(alias.into(), price)).is_some()
    }

    /// Takes over all prices of `later`, in place of those of the same names.
    pub fn extend(&mut self, later: Self) {
        self.models.extend(later.models);
    }

    /// The price of the model called `name`.
    pub fn get(&self, name: &str) -> Option<&ModelPrice> {
        self.models.get(name).map(Arc::as_ref)
    }

    /// How many names have a price, aliases included.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// No name has a price.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Every name and its price, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModelPrice)> {
        self.models.iter().map(|(name, price)| (name.as_ref(), price.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn sonnet() -> ModelPrice {
        ModelPrice::new(money("0.000003"), money("0.000015"))
            .with_rate(TokenKind::CacheRead, ServiceTier::Standard, 0, money("3e-7"))
            .with_rate(TokenKind::CacheWrite, ServiceTier::Standard, 0, money("0.00000375"))
            .with_rate(TokenKind::CacheWriteLong, ServiceTier::Standard, 0, money("0.000006"))
            .with_rate(TokenKind::Input, ServiceTier::Standard, 200_000, money("0.000006"))
            .with_rate(TokenKind::Output, ServiceTier::Standard, 200_000, money("0.0000225"))
    }

    #[test]
    fn a_cache_is_charged_once_and_at_its_own_price() {
        let usage = TokenUsage {
            input_uncached: 1_000,
            cache_read: 10_000,
            cache_write_5m: 100,
            cache_write_1h: 100,
            output: 500,
            reasoning: 400,
            ..TokenUsage::default()
        };
        assert_eq!(sonnet().cost(&usage), money("0.014475"));
    }

    #[test]
    fn past_a_threshold_every_token_is_dearer_cache_included_in_the_length() {
        let usage =
            |cache_read| TokenUsage { input_uncached: 1, cache_read, output: 1, ..TokenUsage::default() };
        assert_eq!(sonnet().cost(&usage(199_999)), money("0.0600177"));
        assert_eq!(sonnet().cost(&usage(200_000)), money("0.0600285"));
    }

    #[test]
    fn sound_and_pictures_have_their_own_price() {
        let model = ModelPrice::new(money("0.01"), money("0.02"))
            .with_rate(TokenKind::AudioIn, ServiceTier::Standard, 0, money("1"))
            .with_rate(TokenKind::AudioOut, ServiceTier::Standard, 0, money("2"))
            .with_rate(TokenKind::ImageOut, ServiceTier::Standard, 0, money("5"));
        let usage = TokenUsage {
            input_uncached: 10,
            audio_in: 3,
            output: 10,
            audio_out: 2,
            image_out: 1,
            ..TokenUsage::default()
        };
        assert_eq!(model.cost(&usage), money("12.21"));
        assert_eq!(model.input_rate(10, Exposure::default()), money("0.01"), "no sound was sent");
        assert_eq!(model.output_rate(10, Exposure::default()), money("5"), "pictures may come unasked");
        assert_eq!(model.input_rate(10, Exposure::ALL), money("1"));
    }

    #[test]
    fn the_tier_of_the_answer_is_the_one_that_is_paid() {
        let model = ModelPrice::new(money("2"), money("0")).with_rate(
            TokenKind::Input,
            ServiceTier::Flex,
            0,
            money("1"),
        );
        let usage = |tier| TokenUsage { input_uncached: 1, tier, ..TokenUsage::default() };
        assert_eq!(model.cost(&usage(ServiceTier::Flex)), money("1"));
        assert_eq!(model.cost(&usage(ServiceTier::Other)), money("2"));
    }

    #[test]
    fn no_cost_is_too_large_to_be_one() {
        let usage = TokenUsage {
            input_uncached: u64::MAX,
            cache_read: u64::MAX,
            output: u64::MAX,
            ..TokenUsage::default()
        };
        assert_eq!(ModelPrice::new(Money::MAX, Money::MAX).cost(&usage), Money::MAX);
        assert_eq!(ModelPrice::new(Money::MAX, Money::MAX).worst_case(u64::MAX, u64::MAX), Money::MAX);
        assert_eq!(ModelPrice::new(Money::ZERO, Money::ZERO).cost(&usage), Money::ZERO);
    }

    #[test]
    fn names_are_exact_and_later_books_override() {
        let mut book = PriceBook::new();
        book.insert("gpt-4", ModelPrice::new(money("1"), money("1")));
        assert!(book.alias("gpt-4-0613", "gpt-4") && !book.alias("x", "GPT-4"));
        assert!(book.get("gpt-4-0613").is_some());
        for name in ["GPT-4", "gpt-4 ", "gpt", "openai/gpt-4", ""] {
            assert!(book.get(name).is_none(), "{name}");
        }
        let mut own = PriceBook::new();
        own.insert("gpt-4", ModelPrice::new(money("2"), money("2")));
        book.extend(own);
        assert_eq!(book.get("gpt-4").unwrap().worst_case(1, 0), money("2"));
        assert_eq!(book.len(), 2);
    }

    fn any_price() -> impl Strategy<Value = ModelPrice> {
        let kind = prop::sample::select(vec![
            TokenKind::Input,
            TokenKind::CacheRead,
            TokenKind::CacheWrite,
            TokenKind::CacheWriteLong,
            TokenKind::AudioIn,
            TokenKind::ImageIn,
            TokenKind::Output,
            TokenKind::Reasoning,
            TokenKind::AudioOut,
            TokenKind::ImageOut,
        ]);
        let rate = (kind, any_tier(), prop::sample::select(vec![0, 100, 1_000]), 0_i128..1_000_000);
        prop::collection::vec(rate, 0..12).prop_map(|rates| {
            rates.into_iter().fold(ModelPrice::default(), |price, (kind, tier, above, picos)| {
                price.with_rate(kind, tier, above, Money::from_picos(picos).unwrap())
            })
        })
    }

    fn any_tier() -> impl Strategy<Value = ServiceTier> {
        prop::sample::select(vec![
            ServiceTier::Standard,
            ServiceTier::Flex,
            ServiceTier::Priority,
            ServiceTier::Fast,
            ServiceTier::Batch,
        ])
    }

    fn any_usage() -> impl Strategy<Value = TokenUsage> {
        let counts = prop::array::uniform10(0_u64..2_000);
        (counts, prop_oneof![any_tier(), Just(ServiceTier::Other)]).prop_map(|(counts, tier)| {
            let [input_uncached, cache_read, short, long, output, reasoning, rest @ ..] = counts;
            let [audio_in, audio_out, image_in, image_out] = rest;
            TokenUsage {
                input_uncached,
                cache_read,
                cache_write_5m: short,
                cache_write_1h: long,
                output,
                reasoning,
                audio_in,
                audio_out,
                image_in,
                image_out,
                tier,
            }
        })
    }

    proptest! {
        #[test]
        fn nothing_costs_more_than_its_worst_case(price in any_price(), usage in any_usage(), more in 0_u64..2_000) {
            let worst = price.worst_case(usage.input().saturating_add(more), usage.output.saturating_add(more));
            prop_assert!(price.cost(&usage) <= worst);
        }

        #[test]
        fn plain_text_costs_no_more_than_was_set_aside_for_it(price in any_price(), usage in any_usage()) {
            let plain = TokenUsage {
                audio_in: 0, audio_out: 0, image_in: 0,
                tier: if usage.tier == ServiceTier::Flex { ServiceTier::Flex } else { ServiceTier::Standard },
                ..usage
            };
            let input = price.input_rate(plain.input(), Exposure::default()).as_picos();
            let output = price.output_rate(plain.input(), Exposure::default()).as_picos();
            let bound = input.saturating_mul(plain.input().into()).saturating_add(output.saturating_mul(plain.output.into()));
            prop_assert!(price.cost(&plain).as_picos() <= bound);
        }

        #[test]
        fn costs_agree_with_decimals(
            rates in prop::array::uniform4(0_u64..10_000_000), counts in prop::array::uniform4(0_u64..10_000_000),
        ) {
            let [input, output, cache_read, reasoning] = rates.map(|picos| Money::from_picos(picos.into()).unwrap());
            let price = ModelPrice::new(input, output)
                .with_rate(TokenKind::CacheRead, ServiceTier::Standard, 0, cache_read)
                .with_rate(TokenKind::Reasoning, ServiceTier::Standard, 0, reasoning);
            let [uncached, cached, reasoned, said] = counts;
            let usage = TokenUsage {
                input_uncached: uncached, cache_read: cached, output: said.saturating_add(reasoned), reasoning: reasoned,
                ..TokenUsage::default()
            };
            let oracle = [(input, uncached), (cache_read, cached), (output, said), (reasoning, reasoned)].into_iter()
                .map(|(rate, tokens)| rate.to_decimal().checked_mul(Decimal::from(tokens)).unwrap())
                .sum::<Decimal>();
            prop_assert_eq!(price.cost(&usage).to_decimal(), oracle.normalize());
        }
    }
}
