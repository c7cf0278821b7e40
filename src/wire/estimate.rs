//! How much a request can use at most, before it is sent.

use super::prices::ModelPrice;
use super::request::{InputBound, RequestFacts, RequestKind};
use crate::budget::{Money, Usage};

/// The most that a request can use, as a function of how long an answer it may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimate {
    /// The prompt: its tokens at most, at the dearest price that may apply.
    pub input: Usage,
    /// US dollars for a token of an answer, at the dearest price that may apply.
    pub output_rate: Money,
    /// How many answers are made, at least 1.
    pub choices: u64,
    /// The most tokens that one answer may have: what the request says, else what the model can. 0 for embeddings.
    pub max_tokens: u64,
}

/// Why the use of a request cannot be bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The prompt is not all in the body, and how much the model reads is not known.
    #[error("the size of the prompt is not in the request and the model's max_input is not known")]
    UnboundedInput,
    /// The request does not bound its answer, and how much the model writes is not known.
    #[error("the request has no max_tokens and the model's max_output is not known")]
    UnboundedOutput,
}

impl Estimate {
    /// The most that a request can use of a model with this price.
    ///
    /// A prompt in the body counts its bytes, but no more than the model reads; one that is not in the body counts all
    /// that the model reads, so where a model reads more on request than its `max_input` says, give it a price with the
    /// larger one. Of several prompts, each may be all that the model reads. An answer without a limit counts all that the model writes.
    ///
    /// # Errors
    /// [`EstimateError`] where that needs to know a limit of the model and `price` has none.
    pub fn new(facts: &RequestFacts, price: &ModelPrice) -> Result<Self, EstimateError> {
        let tokens = input_tokens(facts, price)?;
        let only_reads = facts.kind == RequestKind::Embedding || price.max_output() == Some(0);
        let max_tokens = if only_reads {
            0
        } else {
            facts.max_tokens.or(price.max_output()).ok_or(EstimateError::UnboundedOutput)?
        };
        let rate = price.input_rate(tokens, facts.exposure);
        Ok(Self {
            input: Usage::new(times(rate, tokens), tokens),
            output_rate: price.output_rate(tokens, facts.exposure),
            choices: facts.choices.max(1),
            max_tokens,
        })
    }

    /// The most tokens that a request can use of a model whose price is not known, at no cost: for a key that has a
    /// token limit and no spend limit.
    ///
    /// # Errors
    /// [`EstimateError`] unless the request bounds its prompt and its answer by itself.
    pub fn without_price(facts: &RequestFacts) -> Result<Self, EstimateError> {
        Self::new(facts, &ModelPrice::new(Money::ZERO, Money::ZERO))
    }

    /// Nothing: for a key that no limit counts, and a request whose use cannot be bounded.
    pub fn nothing() -> Self {
        Self { input: Usage::ZERO, output_rate: Money::ZERO, choices: 1, max_tokens: 0 }
    }

    /// The most that the request can use with answers of at most `max_tokens` tokens. Never less for more of them.
    pub fn usage_at(&self, max_tokens: u64) -> Usage {
        let output = max_tokens.saturating_mul(self.choices);
        self.input.saturating_add(Usage::new(times(self.output_rate, output), output))
    }

    /// The most that the request can use as it is.
    pub fn usage(&self) -> Usage {
        self.usage_at(self.max_tokens)
    }

    /// The longest answers, at most [`Estimate::max_tokens`] and at least `floor`, whose usage `fits`; `None` if not even
    /// `floor` does, or the request allows less than `floor` and that does not fit. `fits` is asked at most 66 times, and
    /// must not refuse less after it took more.
    pub fn largest_fit(&self, floor: u64, mut fits: impl FnMut(Usage) -> bool) -> Option<u64> {
        if fits(self.usage()) {
            return Some(self.max_tokens);
        }
        // INVARIANT: `low` fits and `high` does not.
        let (mut low, mut high) = (floor.min(self.max_tokens), self.max_tokens);
        if !fits(self.usage_at(low)) {
            return None;
        }
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if fits(self.usage_at(middle)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}

fn input_tokens(facts: &RequestFacts, price: &ModelPrice) -> Result<u64, EstimateError> {
    let all = |most: u64| most.saturating_mul(facts.prompts.max(1));
    match facts.input {
        // A price for prompts longer than the model is said to read says that it may read longer ones after all, as
        // some do on request.
        InputBound::Bytes(bytes) => {
            let most = price.max_input().filter(|&most| price.rates.longest_threshold() < most);
            Ok(bytes.min(most.map_or(bytes, all)))
        }
        InputBound::Unbounded => price.max_input().map(all).ok_or(EstimateError::UnboundedInput),
    }
}

fn times(rate: Money, tokens: u64) -> Money {
    let picos = rate.as_picos().saturating_mul(tokens.into());
    Money::from_picos(picos).unwrap_or(Money::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::prices::PriceBook;
    use super::super::rates::TokenKind;
    use super::super::tokens::{ServiceTier, TokenUsage};
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn gpt_4() -> ModelPrice {
        ModelPrice::new(money("0.00003"), money("0.00006")).with_max_input(8_192).with_max_output(4_096)
    }

    fn facts(members: &str) -> RequestFacts {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hello"}}]{members}}}"#);
        RequestFacts::from_slice(body.as_bytes(), None).unwrap()
    }

    #[test]
    fn an_answer_costs_what_it_may_at_most() {
        let estimate = Estimate::new(&facts(r#","max_tokens":1000,"n":2"#), &gpt_4()).unwrap();
        assert_eq!((estimate.max_tokens, estimate.choices), (1_000, 2));
        assert_eq!(estimate.usage().tokens, estimate.input.tokens.saturating_add(2_000));
        assert_eq!(estimate.usage().cost, estimate.input.cost.saturating_add(money("0.12")));
        assert_eq!(Estimate::new(&facts(""), &gpt_4()).unwrap().max_tokens, 4_096, "the model's own");
    }

    #[test]
    fn what_nobody_bounds_is_an_error() {
        let open = ModelPrice::new(money("1"), money("1"));
        assert_eq!(Estimate::new(&facts(""), &open), Err(EstimateError::UnboundedOutput));
        let stored = facts(r#","conversation":"x","max_tokens":1"#);
        assert_eq!(Estimate::new(&stored, &open), Err(EstimateError::UnboundedInput));
        assert_eq!(Estimate::new(&stored, &gpt_4()).unwrap().input.tokens, 8_192);
        assert!(Estimate::without_price(&facts("")).is_err());
        let counted = Estimate::without_price(&facts(r#","max_tokens":10"#)).unwrap().usage();
        assert_eq!(counted.cost, Money::ZERO);
        assert!(counted.tokens > 10);
    }

    #[test]
    fn an_embedding_has_no_output_whatever_the_request_says() {
        let read = |body: &[u8]| RequestFacts::from_slice(body, None).unwrap();
        let embedding = ModelPrice::new(money("1"), money("0")).with_max_output(0);
        assert_eq!(Estimate::new(&read(br#"{"input":"x"}"#), &embedding).unwrap().max_tokens, 0);
        assert_eq!(Estimate::new(&read(br#"{"input":["x","y"]}"#), &gpt_4()).unwrap().max_tokens, 0);
    }

    #[test]
    fn a_long_prompt_counts_no_more_than_the_model_reads() {
        let long = facts(&format!(r#","max_tokens":1,"metadata":"{}""#, "x".repeat(20_000)));
        assert_eq!(Estimate::new(&long, &gpt_4()).unwrap().input.tokens, 8_192);
        // This catalogue entry prices prompts that its own limit rules out, so the limit is not one.
        let longer = gpt_4().with_rate(TokenKind::Input, ServiceTier::Standard, 8_192, money("0.00006"));
        assert!(Estimate::new(&long, &longer).unwrap().input.tokens > 20_000);
        let picture = facts(r#","conversation":"x""#);
        assert_eq!(Estimate::new(&picture, &longer).unwrap().input.tokens, 8_192);
    }

    #[test]
    fn every_prompt_of_a_batch_may_be_all_that_the_model_reads() {
        let read = |body: &str, kind| {
            let facts = RequestFacts::from_slice(body.as_bytes(), Some(kind)).unwrap();
            Estimate::new(&facts, &gpt_4()).unwrap().input.tokens
        };
        let texts = format!(r#"[{}"{}"]"#, "\"\",".repeat(9), "x".repeat(200_000));
        assert_eq!(read(&format!(r#"{{"input":{texts}}}"#), RequestKind::Embedding), 81_920);
        assert_eq!(read(&format!(r#"{{"prompt":{texts}}}"#), RequestKind::Completion), 81_920);
        assert_eq!(
            read(&format!(r#"{{"input":{texts}}}"#), RequestKind::Response),
            8_192,
            "parts of one prompt"
        );
        let tokens = format!("[{}7]", "7,".repeat(9_999));
        assert_eq!(read(&format!(r#"{{"input":{tokens}}}"#), RequestKind::Embedding), 8_192);
        assert_eq!(read(&format!(r#"{{"input":[{tokens},[7]]}}"#), RequestKind::Embedding), 16_384);
        let pictures = r#"{"input":[{"type":"image_url"},{"type":"image_url"},{"type":"image_url"}]}"#;
        assert_eq!(read(pictures, RequestKind::Embedding), 24_576);
        let short = read(r#"{"input":["a","b"]}"#, RequestKind::Embedding);
        assert!(short < 200, "a short one still counts its bytes: {short}");
        let most = RequestFacts { prompts: u64::MAX, input: InputBound::Unbounded, ..facts("") };
        assert_eq!(Estimate::new(&most, &gpt_4()).unwrap().input.tokens, u64::MAX);
    }

    #[test]
    fn the_largest_answer_that_fits_is_granted() {
        let estimate = Estimate::new(&facts(r#","max_tokens":4000"#), &gpt_4()).unwrap();
        let budget = |tokens| {
            let most = estimate.usage_at(tokens).cost;
            move |usage: Usage| usage.cost <= most
        };
        for tokens in [0, 1, 2, 17, 3_999, 4_000] {
            assert_eq!(estimate.largest_fit(0, budget(tokens)), Some(tokens));
        }
        assert_eq!(estimate.largest_fit(100, budget(99)), None);
        assert_eq!(estimate.largest_fit(100, budget(100)), Some(100));
        assert_eq!(
            estimate.largest_fit(9_999, budget(4_000)),
            Some(4_000),
            "the request allows less than the floor"
        );
        assert_eq!(estimate.largest_fit(9_999, budget(3_999)), None);
        assert_eq!(estimate.largest_fit(0, |_| false), None);
    }

    #[test]
    fn a_request_for_a_dearer_tier_is_priced_at_it() {
        let price = gpt_4().with_rate(TokenKind::Output, ServiceTier::Priority, 0, money("1"));
        assert_eq!(Estimate::new(&facts(""), &price).unwrap().output_rate, money("0.00006"));
        let auto = Estimate::new(&facts(r#","service_tier":"auto""#), &price).unwrap();
        assert_eq!(auto.output_rate, money("1"));
    }

    proptest! {
        #[test]
        fn no_search_takes_long_and_none_grants_too_much(max in any::<u64>(), limit in any::<u64>(), floor in any::<u64>()) {
            let estimate = Estimate { input: Usage::new(Money::PICO, 7), output_rate: Money::PICO, choices: 3, max_tokens: max };
            let mut asked = 0_u32;
            let granted = estimate.largest_fit(floor, |usage| {
                asked = asked.saturating_add(1);
                usage.tokens <= limit
            });
            prop_assert!(asked <= 66);
            if let Some(granted) = granted {
                prop_assert!(granted <= max && granted >= floor.min(max) && estimate.usage_at(granted).tokens <= limit);
                prop_assert!(granted == max || estimate.usage_at(granted.saturating_add(1)).tokens > limit);
            }
        }

        #[test]
        fn no_call_within_its_estimate_costs_more(output in 0_u64..4_000, cached in 0_u64..50, text in "[a-z\u{e9} ]{0,40}") {
            let (book, _) = PriceBook::from_litellm(include_str!("../../tests/data/litellm_sample.json")).unwrap();
            let body = serde_json::json!({"messages": [{"content": text}], "max_tokens": output}).to_string();
            let facts = RequestFacts::from_slice(body.as_bytes(), None).unwrap();
            for (name, price) in book.iter().filter(|(_, price)| price.max_output() != Some(0)) {
                let estimate = Estimate::new(&facts, price).unwrap();
                let usage = TokenUsage {
                    input_uncached: estimate.input.tokens.saturating_sub(cached), cache_write_1h: cached.min(estimate.input.tokens),
                    output, reasoning: output, ..TokenUsage::default()
                };
                prop_assert!(price.cost(&usage) <= estimate.usage().cost, "{}", name);
                prop_assert!(usage.total() <= estimate.usage().tokens, "{}", name);
            }
        }
    }
}
