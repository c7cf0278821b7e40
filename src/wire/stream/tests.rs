use proptest::prelude::*;

use super::*;

const CHAT: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"gpt-4o-x\",\"service_tier\":\"default\",\"choices\":[{\"index\":0,",
    "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"H\u{e9}llo\"}}],\"usage\":null}\r\n\r\n",
    ": keep-alive\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,",
    "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\",",
    "\"obfuscation\":\"xxxxxxxxxxxxxxxx\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-5\",",
    "\"service_tier\":\"flex\",\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":4},",
    "\"output_tokens\":3,\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":12}}}\n\n",
);

const ANTHROPIC: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":",
    "{\"input_tokens\":25,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":",
    "{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},",
    "\"usage\":{\"output_tokens\":7}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},",
    "\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn read(stream: &[u8], size: usize) -> StreamEnd {
    let mut usage = StreamUsage::new();
    stream.chunks(size).for_each(|chunk| usage.feed(chunk));
    usage.finish()
}

#[test]
fn each_dialect_tells_its_usage_at_the_end() {
    let chat = read(CHAT.as_bytes(), 4096);
    let usage = chat.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (5, 4, 3));
    assert_eq!((chat.complete, chat.model.as_deref(), chat.fault), (true, Some("gpt-4o-x"), None));

    let responses = read(RESPONSES.as_bytes(), 4096);
    let usage = responses.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output, usage.reasoning), (5, 4, 3, 2));
    assert_eq!(usage.tier, crate::wire::ServiceTier::Flex);
    assert_eq!((responses.complete, responses.output_seen), (true, 2));
}

#[test]
fn cumulative_counts_are_not_summed() {
    let usage = read(ANTHROPIC.as_bytes(), 4096).usage.unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (25, 100, 15));
}

#[test]
fn a_cut_stream_is_charged_what_it_showed() {
    let cut = |stream: &str, at: &str| read(stream.split(at).next().unwrap().as_bytes(), 7);
    let chat = cut(CHAT, "data: {\"id\":\"c\",\"choices\":[]");
    assert_eq!((chat.usage, chat.complete), (None, false));
    assert_eq!(chat.output_seen, 15, "role and text");

    let mut usage = StreamUsage::new();
    usage.feed(ANTHROPIC.split("event: message_delta").next().unwrap().as_bytes());
    let told = usage.progress().usage.unwrap();
    assert_eq!((told.input_uncached, told.cache_read), (25, 100));
    assert_eq!(
        (told.output, usage.progress().guessed),
        (16, 15),
        "a token or so was told, and the rest seen"
    );
    assert_eq!(usage.finish().usage, Some(told), "the output was never told, and the input was");

    let anthropic = cut(ANTHROPIC, "event: message_stop");
    assert_eq!((anthropic.usage.unwrap().output, anthropic.complete), (15, false));
}

#[test]
fn a_message_that_told_its_input_alone_is_not_whole_at_its_end() {
    let start = ANTHROPIC.split("event: message_delta").next().unwrap();
    let end = read(format!("{start}data: {{\"type\":\"message_stop\"}}\n\n").as_bytes(), 9);
    assert_eq!((end.usage.unwrap().output, end.complete), (16, true));
    // No message has no input: where one begins with a count of nothing, the true one comes at the end.
    for usage in [r#"{"input_tokens":0,"output_tokens":0}"#, r#"{"output_tokens":1}"#, "{}"] {
        let start = format!("data: {{\"type\":\"message_start\",\"message\":{{\"usage\":{usage}}}}}\n\n");
        let end = read(start.as_bytes(), 9);
        assert_eq!((end.usage, end.fault), (None, None), "{usage}");
        let delta =
            "data: {\"type\":\"message_delta\",\"usage\":{\"input_tokens\":9,\"output_tokens\":3}}\n\n";
        let usage = read(format!("{start}{delta}").as_bytes(), 9).usage.unwrap();
        assert_eq!((usage.input(), usage.output), (9, 3));
    }
    let terse = b"data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9}}}\n\n";
    assert_eq!(read(terse, 9).usage.unwrap().total(), 9);
}

#[test]
fn reasoning_tools_and_refusals_are_output() {
    for delta in [
        r#"{"reasoning_content":"12345"}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\"}"}}]}"#,
        r#"{"refusal":"12345"}"#,
        r#"{"function_call":{"arguments":"12345"}}"#,
    ] {
        let event = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        assert_eq!(read(event.as_bytes(), 9).output_seen, 5, "{delta}");
    }
    assert_eq!(read(b"data: {\"choices\":[{\"text\":\"12345\"}]}\n\n", 9).output_seen, 5);
    let thinking = r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"12345"}}"#;
    assert!(read(format!("data: {thinking}\n\n").as_bytes(), 9).output_seen >= 5);
}

#[test]
fn a_count_that_cannot_be_is_a_fault_and_not_a_refund() {
    let event = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":-9,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
    let end = read(event, 5);
    assert_eq!((end.usage, end.fault), (None, Some(UsageError::Count("prompt_tokens"))));
    let mut usage = StreamUsage::new();
    usage.feed(CHAT.as_bytes());
    assert_eq!(usage.progress().fault, None);
    usage.feed(event);
    let Progress { usage, fault, .. } = usage.progress();
    assert_eq!((usage.unwrap().total(), fault), (12, Some(UsageError::Count("prompt_tokens"))));
}

#[test]
fn counts_in_every_chunk_do_not_hide_what_came_after_a_cut() {
    let stream = concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"ab\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"cdefg\"}}]}\n\n",
    );
    assert_eq!(read(stream.as_bytes(), 64).usage.unwrap().output, 6);
}

#[test]
fn zeros_that_are_told_until_the_end_are_no_usage() {
    let zeros = "\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}";
    let text = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"abcde\"}}}}],{zeros}}}\n\n");
    let cut = read(text.as_bytes(), 64);
    assert_eq!((cut.usage, cut.output_seen), (None, 5));
    let end = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n";
    assert_eq!(read(format!("{text}{end}").as_bytes(), 64).usage.unwrap().total(), 11);
}

#[test]
fn only_a_count_of_the_output_tells_what_was_not_shown() {
    let mut usage = StreamUsage::new();
    for (event, told) in ANTHROPIC.split_inclusive("\n\n").zip([false, false, false, true, true]) {
        usage.feed(event.as_bytes());
        assert_eq!(usage.progress().output_told, told, "{event}");
    }
}

#[test]
fn a_stream_may_end_without_its_last_line_end() {
    let stream = CHAT.trim_end();
    assert_eq!(read(stream.as_bytes(), 3), read(CHAT.as_bytes(), 4096));
}

#[test]
fn what_is_too_long_to_read_still_counts_as_output() {
    let long =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(3 << 20));
    assert!(read(long.as_bytes(), 1 << 14).output_seen >= 3 << 20);
}

#[test]
fn cut_at_every_byte_nothing_changes() {
    for stream in [CHAT, RESPONSES, ANTHROPIC] {
        let stream = stream.as_bytes();
        let whole = read(stream, usize::MAX);
        assert_eq!(read(stream, 1), whole);
        for at in 0..stream.len() {
            let (left, right) = stream.split_at(at);
            let mut usage = StreamUsage::new();
            usage.feed(left);
            usage.feed(right);
            assert_eq!(usage.finish(), whole, "cut at {at}");
        }
    }
}

proptest! {
    #[test]
    fn a_stream_cut_short_is_never_charged_less_than_it_showed(cut in 0_usize..ANTHROPIC.len()) {
        let (left, _) = ANTHROPIC.as_bytes().split_at(cut);
        let end = read(left, 11);
        prop_assert!(end.fault.is_none());
        if let Some(usage) = end.usage {
            prop_assert!(usage.output >= end.output_seen.min(7) && usage.input() == 125);
        }
    }

    #[test]
    fn any_bytes_are_a_stream(chunks: Vec<Vec<u8>>) {
        let mut usage = StreamUsage::new();
        for chunk in &chunks {
            usage.feed(chunk);
            let _ = usage.progress();
        }
        let _ = usage.finish();
    }
}
