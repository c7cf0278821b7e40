//! What a streamed call used, read while it runs.

use super::json;
use super::sse::SseReader;
use super::tokens::TokenUsage;
use super::usage::{Anthropic, Counts, UsageError};

/// Reads the usage out of a stream of server-sent events as it passes: OpenAI's chat, completions and responses, and
/// Anthropic's messages, told apart event by event.
///
/// Feed it what the client gets, in chunks of any size. It keeps no more than a line and an event, and skips
/// those longer than a mebibyte.
#[derive(Debug, Clone, Default)]
pub struct StreamUsage {
    reader: SseReader,
    seen: Seen,
}

/// What a stream has told so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The usage told so far, which for most providers is none before the end; with the text that came since taken
    /// as output, a token a byte.
    pub usage: Option<TokenUsage>,
    /// The part of the output of `usage` that is such bytes, which nobody told.
    pub guessed: u64,
    /// Bytes of output text so far: answers, reasoning that is shown, arguments of tool calls.
    pub output_seen: u64,
    /// A usage was told that counts output: what a model thought and did not show is in it.
    pub output_told: bool,
    /// Why a usage that was told could not be believed. `usage` is what was told besides, and no bound then: charge no less
    /// than the estimate.
    pub fault: Option<UsageError>,
}

/// What a stream told in all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEnd {
    /// The usage, if the stream told it: its prompt at least, as a message does when it begins. What came after the last
    /// count counts as output, a token a byte.
    pub usage: Option<TokenUsage>,
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
    /// The stream said that it was at its end.
    pub complete: bool,
    /// Bytes of output text seen.
    ///
    /// A token is at least one byte of text, so a cut stream used at most so many tokens for the output it showed.
    /// Reasoning that a provider does not show is not in it: charge the estimate where a model does that.
    pub output_seen: u64,
    /// Why a usage that was told could not be believed.
    pub fault: Option<UsageError>,
}

impl StreamUsage {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bytes of the stream, cut anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        let Self { reader, seen } = self;
        reader.feed(chunk, &mut |data| seen.event(data));
    }

    /// What is known so far, for a stream that is about to be cut.
    pub fn progress(&self) -> Progress {
        let output_seen = self.output_seen();
        let (told, fault) = match self.seen.usage(output_seen) {
            Ok(told) => (told, self.seen.fault),
            Err(fault) => (None, Some(fault)),
        };
        let (usage, guessed) = told.unzip();
        let output_told = self.seen.told_output;
        Progress { usage, guessed: guessed.unwrap_or(0), output_seen, output_told, fault }
    }

    /// Takes the stream as over. A last event without its empty line counts.
    pub(crate) fn close(&mut self) {
        let Self { reader, seen } = self;
        reader.finish(&mut |data| seen.event(data));
    }

    /// The end of the stream, whether it ended or was cut. A last event without its empty line counts.
    pub fn finish(mut self) -> StreamEnd {
        self.close();
        let Progress { usage, output_seen, fault, .. } = self.progress();
        let usage = usage.filter(|_| fault.is_none());
        StreamEnd { usage, model: self.seen.model, complete: self.seen.complete, output_seen, fault }
    }

    // What was too long to read may have been text, and undoing its escapes makes no text longer.
    fn output_seen(&self) -> u64 {
        self.seen.output.saturating_add(self.reader.skipped_bytes())
    }
}

#[derive(Debug, Clone, Default)]
struct Seen {
    counts: Option<Counts>,
    told_output: bool,
    fault: Option<UsageError>,
    model: Option<String>,
    tier: Option<String>,
    complete: bool,
    output: u64,
    // `output` when the last usage was told.
    output_at_usage: u64,
}

impl Seen {
    fn event(&mut self, data: &[u8]) {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.complete = true;
            return;
        }
        // What is no JSON object is no event of these; the last line of a cut stream often is none.
        let Ok(text) = std::str::from_utf8(data) else { return };
        let Ok(picked) = json::pick(
            text,
            &[
                "type",
                "choices",
                "usage",
                "model",
                "service_tier",
                "delta",
                "response",
                "message",
                "content_block",
            ],
        ) else {
            return;
        };
        let [kind, choices, usage, model, tier, delta, response, message, block] = picked.members;
        let kind = kind.and_then(json::string);
        match kind.as_deref() {
            Some("message_start") => self.message_start(message),
            Some("message_delta") => self.anthropic(usage, true),
            Some("message_stop") => self.complete = true,
            Some("content_block_start") => self.text(block),
            Some("content_block_delta") => self.text(delta),
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                self.complete = true;
                self.response(response);
            }
            // Text, refusals, reasoning, arguments, code: all of these are told as `delta`.
            Some(kind) if kind.starts_with("response.") => self.text(delta),
            // Chat chunks have no `type`, or one of a gateway's own.
            _ => self.chunk(choices, usage, model, tier),
        }
    }

    fn chunk(&mut self, choices: Option<&str>, usage: Option<&str>, model: Option<&str>, tier: Option<&str>) {
        if let Some(choices) = choices {
            // Errors end the walk; what was not counted was no text of this form.
            let _ = json::each(choices, |choice| {
                let picked = json::pick(choice, &["delta", "text", "message"])?;
                picked.members.into_iter().for_each(|text| self.text(text));
                Ok::<(), json::NotThat>(())
            });
        }
        self.named(model, tier);
        if let Some(usage) = usage {
            let tier = self.tier.clone();
            self.told(Counts::read(usage, tier.as_deref()), true);
        }
    }

    fn response(&mut self, response: Option<&str>) {
        let Some(Ok(picked)) = response.map(|text| json::pick(text, &["usage", "model", "service_tier"]))
        else {
            return;
        };
        let [usage, model, tier] = picked.members;
        self.named(model, tier);
        if let Some(usage) = usage {
            self.told(Counts::read(usage, tier), true);
        }
    }

    fn message_start(&mut self, message: Option<&str>) {
        let Some(Ok(picked)) = message.map(|text| json::pick(text, &["usage", "model"])) else { return };
        let [usage, model] = picked.members;
        self.named(model, None);
        self.anthropic(usage, false);
    }

    fn anthropic(&mut self, usage: Option<&str>, tells_output: bool) {
        let Some(usage) = usage else { return };
        let read = Anthropic::read(usage).map(|later| match self.counts {
            Some(Counts::Anthropic(earlier)) => Counts::Anthropic(earlier.merge(later)),
            _ => Counts::Anthropic(later),
        });
        self.told(read, tells_output);
    }

    fn told(&mut self, counts: Result<Counts, UsageError>, tells_output: bool) {
        match counts {
            // Some providers tell zeros with every chunk until the last.
            Ok(counts) if counts.are_zeros() => {}
            Ok(counts) => {
                self.counts = Some(counts);
                self.told_output |= tells_output;
                self.output_at_usage = self.output;
            }
            Err(fault) => self.fault = Some(fault),
        }
    }

    fn named(&mut self, model: Option<&str>, tier: Option<&str>) {
        if self.model.is_none() {
            self.model = model.and_then(json::string);
        }
        if let Some(tier) = tier {
            self.tier = Some(tier.to_owned());
        }
    }

    // Every string of a delta counts, so that forms of output yet to come count too. The few that are no output,
    // such as the id of a tool call, stand for the marks around it that are output and not shown.
    fn text(&mut self, delta: Option<&str>) {
        let strings = delta.map_or(0, |delta| json::extent(delta).strings);
        self.output = self.output.saturating_add(strings);
    }

    // The usage so far, and how much of its output nobody told.
    fn usage(&self, output_seen: u64) -> Result<Option<(TokenUsage, u64)>, UsageError> {
        let told = match self.counts {
            None => None,
            // The first event of a message counts its input, and no more than a token or so of output.
            Some(Counts::Anthropic(counts)) if !self.told_output => counts.at_start()?,
            Some(counts) => Some(counts.finish()?),
        };
        let is_whole = self.complete && self.told_output;
        let guessed = if is_whole { 0 } else { output_seen.saturating_sub(self.output_at_usage) };
        Ok(told.map(|usage| {
            let output = usage.output.saturating_add(guessed);
            (TokenUsage { output, ..usage }, guessed)
        }))
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(usage.tier, super::super::ServiceTier::Flex);
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
        let thinking =
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"12345"}}"#;
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
}
