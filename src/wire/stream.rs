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
mod tests;
