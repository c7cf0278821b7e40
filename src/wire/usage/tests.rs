use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<Option<TokenUsage>, UsageError> {
    ResponseFacts::from_slice(body.as_bytes()).map(|facts| facts.usage)
}

#[test]
fn chat_completions_count_the_cache_inside_the_prompt() {
    let facts = ResponseFacts::from_slice(
        br#"{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-2024-08-06","service_tier":"priority",
        "choices":[{"index":0,"message":{"role":"assistant","content":"hi","usage":{"prompt_tokens":9}}}],
        "usage":{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,
        "prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":7},
        "completion_tokens_details":{"reasoning_tokens":256,"audio_tokens":0,"accepted_prediction_tokens":0}}}"#,
    )
    .unwrap();
    assert_eq!(facts.model.as_deref(), Some("gpt-4o-2024-08-06"));
    assert_eq!(
        facts.usage.unwrap(),
        TokenUsage {
            input_uncached: 86,
            cache_read: 1920,
            output: 300,
            reasoning: 256,
            audio_in: 7,
            tier: ServiceTier::Priority,
            ..TokenUsage::default()
        }
    );
}

#[test]
fn responses_tell_cache_writes_by_lifetime() {
    let usage = read(
        r#"{"object":"response","status":"completed","model":"gpt-5","service_tier":"default","usage":{
        "input_tokens":1000,"input_tokens_details":{"cached_tokens":100,"cache_write_tokens":50,
        "cache_write_tokens_details":{"ttl_12h_tokens":20,"ttl_30m_tokens":30}},
        "output_tokens":64,"output_tokens_details":{"reasoning_tokens":60},"total_tokens":1064}}"#,
    );
    let expected = TokenUsage {
        input_uncached: 850,
        cache_read: 100,
        cache_write_5m: 30,
        cache_write_1h: 20,
        output: 64,
        reasoning: 60,
        ..TokenUsage::default()
    };
    assert_eq!(usage, Ok(Some(expected)));
    assert_eq!(expected.total(), 1_064);
}

#[test]
fn embeddings_have_no_output() {
    let usage = read(r#"{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}"#);
    assert_eq!(usage.unwrap().unwrap(), TokenUsage { input_uncached: 8, ..TokenUsage::default() });
}

#[test]
fn anthropic_counts_the_cache_beside_the_input() {
    let usage = read(
        r#"{"type":"message","model":"claude-sonnet-4-5","usage":{"input_tokens":10,
        "cache_creation_input_tokens":300,"cache_read_input_tokens":2000,
        "cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},
        "output_tokens":50,"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}}"#,
    );
    let expected = TokenUsage {
        input_uncached: 10,
        cache_read: 2000,
        cache_write_5m: 100,
        cache_write_1h: 200,
        output: 50,
        ..TokenUsage::default()
    };
    assert_eq!(usage, Ok(Some(expected)));
    assert_eq!(expected.total(), 2_360);
    let plain = read(r#"{"type":"message","usage":{"input_tokens":10,"output_tokens":5}}"#);
    assert_eq!(plain.unwrap().unwrap().total(), 15);
}

#[test]
fn a_fast_answer_is_fast_without_a_cache_as_with_one() {
    for cache in ["", r#""cache_read_input_tokens":0,"#] {
        for (speed, tier) in [("fast", ServiceTier::Fast), ("standard", ServiceTier::Standard)] {
            let body =
                format!(r#"{{"usage":{{"input_tokens":10,{cache}"output_tokens":5,"speed":"{speed}"}}}}"#);
            let usage = read(&body).unwrap().unwrap();
            assert_eq!((usage.tier, usage.total()), (tier, 15), "{body}");
        }
    }
}

#[test]
fn a_translated_answer_is_not_charged_its_cache_twice() {
    let usage = read(
        r#"{"usage":{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,
        "cache_read_input_tokens":60,"cache_creation_input_tokens":30}}"#,
    );
    let usage = usage.unwrap().unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.cache_write_5m), (10, 60, 30));
}

#[test]
fn reasoning_outside_the_output_is_still_charged() {
    let usage = read(
        r#"{"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":213,
        "completion_tokens_details":{"reasoning_tokens":200}}}"#,
    );
    assert_eq!(usage.unwrap().unwrap().output, 203);
}

#[test]
fn turns_that_the_counts_leave_out_are_charged_too() {
    let usage = read(
        r#"{"usage":{"input_tokens":23000,"output_tokens":1000,"iterations":[
        {"type":"compaction","input_tokens":180000,"cache_read_input_tokens":7,"output_tokens":3500},
        {"type":"message","input_tokens":23000,"output_tokens":1000}]}}"#,
    );
    let usage = usage.unwrap().unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (203_000, 7, 4_500));
    let other = r#"{"usage":{"input_tokens":1,"output_tokens":1,"iterations":[{"type":"advisor_message"}]}}"#;
    assert_eq!(read(other), Err(UsageError::OtherModel), "at which price nobody knows");
    let none = r#"{"usage":{"input_tokens":1,"output_tokens":1,"iterations":null}}"#;
    assert_eq!(read(none).unwrap().unwrap().total(), 2);
}

#[test]
fn absent_is_not_zero_and_zero_is_not_absent() {
    for body in ["{}", r#"{"usage":null}"#, r#"{"error":{"message":"no"}}"#] {
        assert_eq!(read(body), Ok(None), "{body}");
    }
    let zero = read(r#"{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#);
    assert_eq!(zero, Ok(Some(TokenUsage::default())));
}

#[test]
fn a_count_that_would_refund_or_overflow_is_refused() {
    for count in
        ["-1", "1.0", "1e3", "1.5", "\"7\"", "true", "9007199254740992", "99999999999999999999999", "[]"]
    {
        let body = format!(r#"{{"usage":{{"prompt_tokens":{count},"completion_tokens":1}}}}"#);
        assert_eq!(read(&body), Err(UsageError::Count("prompt_tokens")), "{count}");
    }
    let largest = r#"{"usage":{"prompt_tokens":9007199254740991}}"#;
    assert_eq!(read(largest).unwrap().unwrap().input(), json::LARGEST_COUNT);
}

#[test]
fn a_part_larger_than_its_whole_is_refused() {
    for usage in [
        r#"{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":11}}"#,
        r#"{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":5}}"#,
        r#"{"prompt_tokens":10,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":6}}"#,
        r#"{"prompt_tokens":10,"prompt_tokens_details":{"audio_tokens":11}}"#,
        r#"{"input_tokens":1,"output_tokens":1,"output_tokens_details":{"reasoning_tokens":2}}"#,
        r#"{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":1,
            "cache_creation":{"ephemeral_1h_input_tokens":2}}"#,
    ] {
        let found = read(&format!("{{\"usage\":{usage}}}"));
        assert!(matches!(found, Err(UsageError::Part { .. })), "{usage}: {found:?}");
    }
}

#[test]
fn a_usage_in_no_known_shape_is_an_error_and_not_free() {
    for usage in
        ["{}", "[]", "7", "\"x\"", r#"{"completion_tokens":5}"#, r#"{"type":"duration","seconds":9}"#]
    {
        assert_eq!(read(&format!("{{\"usage\":{usage}}}")), Err(UsageError::Shape), "{usage}");
    }
    assert_eq!(read("[]"), Err(UsageError::NotAnObject));
    assert_eq!(read(r#"{"usage":{"input_tokens":5}}"#), Err(UsageError::Missing("output_tokens")));
}

proptest! {
    #[test]
    fn any_bytes_are_facts_or_an_error(body: Vec<u8>) {
        let _ = ResponseFacts::from_slice(&body);
    }

    #[test]
    fn no_usage_is_lost_or_invented(input in 0..1_u64 << 40, cached in 0..1_u64 << 20, output in 0..1_u64 << 40) {
        let chat = format!(r#"{{"usage":{{"prompt_tokens":{},"completion_tokens":{output},
            "prompt_tokens_details":{{"cached_tokens":{cached}}}}}}}"#, input.saturating_add(cached));
        let anthropic = format!(r#"{{"usage":{{"input_tokens":{input},"output_tokens":{output},
            "cache_read_input_tokens":{cached}}}}}"#);
        let usage = read(&chat).unwrap().unwrap();
        prop_assert_eq!(read(&anthropic).unwrap().unwrap(), usage);
        prop_assert_eq!(usage.total(), input.saturating_add(cached).saturating_add(output));
    }
}
