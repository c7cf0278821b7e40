use proptest::prelude::*;

use super::super::request::Exposure;
use super::super::tokens::TokenUsage;
use super::*;

const SAMPLE: &str = include_str!("../../../tests/data/litellm_sample.json");

fn sample() -> (PriceBook, PriceReport) {
    PriceBook::from_litellm(SAMPLE).unwrap()
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn one(entry: &str) -> ModelPrice {
    let (book, report) = PriceBook::from_litellm(&format!("{{\"m\":{entry}}}")).unwrap();
    assert!(report.faults.is_empty(), "{report:?}");
    book.get("m").unwrap().clone()
}

fn tokens(input: u64, output: u64) -> TokenUsage {
    TokenUsage { input_uncached: input, output, ..TokenUsage::default() }
}

#[test]
fn the_sample_is_read_as_it_is() {
    let (book, report) = sample();
    assert_eq!(report.faults, []);
    assert_eq!(report.unpriced, ["chat-without-price", "image-model", "search-reranker", "speech-model"]);
    assert!(book.get("sample_spec").is_none());
    assert_eq!(report.priced, book.len());
    assert_eq!(report.unknown_fields.into_iter().collect::<Vec<_>>(), ["cache_read_input_audio_token_cost"]);
}

#[test]
fn known_models_cost_what_they_cost() {
    let (book, _) = sample();
    for (model, usage, cost) in [
        ("gpt-4o", tokens(1_000_000, 1_000_000), "12.5"),
        ("gpt-4o", TokenUsage { cache_read: 1_000_000, ..TokenUsage::default() }, "1.25"),
        ("gpt-5", TokenUsage { tier: ServiceTier::Priority, ..tokens(1_000, 1_000) }, "0.0225"),
        ("gpt-5", TokenUsage { tier: ServiceTier::Flex, ..tokens(1_000, 1_000) }, "0.005625"),
        ("claude-sonnet-4-5", TokenUsage { cache_write_5m: 1_000, ..TokenUsage::default() }, "0.00375"),
        ("claude-sonnet-4-5", TokenUsage { cache_write_1h: 1_000, ..TokenUsage::default() }, "0.006"),
        ("gemini-2.5-pro", tokens(200_000, 1_000), "0.26"),
        ("gemini-2.5-pro", tokens(200_001, 1_000), "0.5150025"),
        ("xai/grok-4", tokens(127_999, 0), "0.383997"),
        ("xai/grok-4", tokens(128_000, 0), "0.768"),
        ("text-embedding-3-small", tokens(1_000, 0), "0.00002"),
        ("free-model", tokens(1_000, 1_000), "0"),
    ] {
        assert_eq!(book.get(model).unwrap().cost(&usage), money(cost), "{model} {usage:?}");
    }
}

#[test]
fn limits_are_read_and_an_embedding_has_no_output() {
    let (book, _) = sample();
    let limits = |name| book.get(name).map(|price| (price.max_input(), price.max_output())).unwrap();
    assert_eq!(limits("gpt-4o"), (Some(128_000), Some(16_384)));
    assert_eq!(limits("text-embedding-3-small"), (Some(8_191), Some(0)));
    assert_eq!(limits("legacy-max-tokens"), (None, Some(4_096)));
}

#[test]
fn a_model_that_reasons_is_known_for_it() {
    let may_reason = |more: &str| {
        let prices = r#""input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6"#;
        one(&format!("{{{prices}{more}}}")).may_reason()
    };
    assert!(may_reason(r#", "supports_reasoning": true"#));
    assert!(may_reason(r#", "output_cost_per_reasoning_token": 1e-6"#));
    assert!(!may_reason(r#", "supports_reasoning": false"#) && !may_reason(""));
}

#[test]
fn no_price_goes_through_a_float() {
    let price = one(r#"{"input_cost_per_token":0.0000029999900000000002,"output_cost_per_token":1.3e-10}"#);
    assert_eq!(price.input_rate(1, Exposure::default()).as_picos(), 2_999_991);
    assert_eq!(price.output_rate(1, Exposure::default()).as_picos(), 130);
    let text = one(r#"{"input_cost_per_token":"3e-6","output_cost_per_token":"0.000015"}"#);
    assert_eq!(text.worst_case(1, 1), money("0.000018"));
}

#[test]
fn ranges_price_the_whole_prompt_and_the_last_one_has_no_end() {
    let price = one(r#"{"output_cost_per_token":9e-6,"tiered_pricing":[
        {"range":[0,32000.0],"input_cost_per_token":1e-6,"output_cost_per_token":2e-6},
        {"range":[32000,1.28e5],"input_cost_per_token":3e-6,"output_cost_per_token":4e-6},
        {"range":[128000,null],"input_cost_per_token":5e-6}]}"#);
    for (input, cost) in
        [(32_000, "0.032002"), (32_001, "0.096007"), (128_000, "0.384004"), (200_000, "1.000009")]
    {
        assert_eq!(price.cost(&tokens(input, 1)), money(cost), "{input}");
    }
}

#[test]
fn fast_is_the_multiple_that_the_catalogue_says() {
    let price = one(r#"{"input_cost_per_token":5e-6,"output_cost_per_token":2.5e-5,
        "provider_specific_entry":{"us":1.1,"fast":6.0}}"#);
    let fast = TokenUsage { tier: ServiceTier::Fast, ..tokens(1_000, 0) };
    assert_eq!(price.cost(&fast), money("0.03"));
}

#[test]
fn a_tier_of_tomorrow_is_among_the_dearest() {
    let price = one(
        r#"{"input_cost_per_token":1e-6,"output_cost_per_token":2e-6,"input_cost_per_token_priority":3e-6,
        "input_cost_per_token_ultrafast":9e-6,"input_cost_per_token_balanced":5e-7}"#,
    );
    let other = TokenUsage { tier: ServiceTier::Other, ..tokens(1_000, 0) };
    assert_eq!(price.cost(&other), money("0.009"));
    assert_eq!(price.input_rate(1, Exposure::ALL), money("9e-6"));
    assert_eq!(price.input_rate(1, Exposure::default()), money("1e-6"));
}

#[test]
fn tiers_by_results_are_no_prices_of_tokens() {
    let (book, report) = PriceBook::from_litellm(
        r#"{"m":{"mode":"search","tiered_pricing":[{"max_results_range":[0,25],"input_cost_per_query":0.005}]},
        "good":{"input_cost_per_token":0,"output_cost_per_token":0}}"#,
    )
    .unwrap();
    assert!(book.len() == 1 && report.faults.is_empty() && report.unpriced == ["m"]);
}

#[test]
fn a_value_that_is_no_price_loses_its_model_and_no_other() {
    for value in ["-1e-6", "\"free\"", "true", "[]", "1e400"] {
        let text = format!(
            "{{\"bad\":{{\"input_cost_per_token\":{value},\"output_cost_per_token\":0}},\
             \"good\":{{\"input_cost_per_token\":0.0,\"output_cost_per_token\":0}}}}"
        );
        let (book, report) = PriceBook::from_litellm(&text).unwrap();
        assert!(book.get("bad").is_none() && book.get("good").is_some(), "{value}");
        assert_eq!(report.faults.first().unwrap().path, "bad.input_cost_per_token");
    }
}

#[test]
fn what_prices_nothing_is_no_catalogue() {
    for (text, told) in [
        ("[]", "must be a JSON object of models"),
        ("{}", NO_MODEL),
        (
            r#"{"message":"Not Found","status":"404"}"#,
            "`message`: must be an object; `status`: must be an object",
        ),
        (r#"{"m":{"input_cost_per_token":1e-6}}"#, NO_MODEL),
    ] {
        assert_eq!(PriceBook::from_litellm(text).unwrap_err().to_string(), told);
    }
}

#[test]
fn half_a_price_is_none() {
    let (book, report) = PriceBook::from_litellm(
        r#"{"a":{"input_cost_per_token":1e-6},"b":{"output_cost_per_token":1e-6},
        "c":{"input_cost_per_token":0.0,"output_cost_per_token":0.0,"input_cost_per_query":0.002},"d":{},
        "good":{"input_cost_per_token":0,"output_cost_per_token":0}}"#,
    )
    .unwrap();
    assert!(book.len() == 1 && book.get("good").is_some());
    assert_eq!(report.unpriced, ["a", "b", "c", "d"]);
}

#[test]
fn suffixes_combine_in_any_order() {
    for (name, kind, tier, above) in [
        ("input_cost_per_token_above_272k_tokens_priority", TokenKind::Input, ServiceTier::Priority, 272_000),
        ("output_cost_per_token_flex_above_272k_tokens", TokenKind::Output, ServiceTier::Flex, 272_000),
        (
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
            TokenKind::CacheWriteLong,
            ServiceTier::Standard,
            200_000,
        ),
        ("cache_read_input_token_cost_batches", TokenKind::CacheRead, ServiceTier::Batch, 0),
        ("cache_creation_input_token_cost_above_12hr_flex", TokenKind::CacheWriteLong, ServiceTier::Flex, 0),
        ("output_cost_per_token_above_272k_tokens_newtier", TokenKind::Output, ServiceTier::Other, 272_000),
        ("output_cost_per_reasoning_token", TokenKind::Reasoning, ServiceTier::Standard, 0),
    ] {
        assert_eq!(Field::read(name), Field::Rate { kind, tier, above }, "{name}");
    }
    assert_eq!(Field::read("input_cost_per_token_above_15s_interval"), Field::Unknown);
    assert_eq!(Field::read("output_cost_per_image"), Field::OtherUnit);
    assert_eq!(Field::read("supports_vision"), Field::NoPrice);
}

proptest! {
    #[test]
    fn any_text_is_a_book_or_an_error(text: String) {
        let _ = PriceBook::from_litellm(&text);
        let _ = PriceBook::from_litellm(&format!("{{\"m\":{{\"tiered_pricing\":{text}}}}}"));
    }
}
