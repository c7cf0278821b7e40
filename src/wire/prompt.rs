//! How large the prompt of a request can be, from its body alone.
//!
//! Everything in the body counts, so that no form of text, known or yet to come, goes uncounted; and only what is known
//! to be text counts as text.

use super::json::{self, Picked};
use super::normal;
use super::parts::{Body, Member};
use super::request::{InputBound, RequestError, RequestKind, check_depth, check_names};

// What a provider adds by itself; `InputBound::Bytes` states these.
const BASE: u64 = 64;
const PER_ITEM: u64 = 8;
const TOOLS: u64 = 1_024;
const PER_TOOL: u64 = 64;

/// Results of tools may hold content that holds results of tools; beyond this they are not looked into.
const NESTING: u32 = 3;

/// A part of a prompt: `true` if its size is known from the body.
type IsText = Result<bool, RequestError>;

/// What of a request is read by the model.
pub(super) struct Prompts {
    /// How many there are, at least 1: the texts of a completion or an embedding are read one by one.
    pub(super) count: u64,
    /// All of them together.
    pub(super) bound: InputBound,
}

pub(super) fn prompts(body: &Body<'_>, kind: RequestKind) -> Result<Prompts, RequestError> {
    let extent = json::extent(body.text);
    check_depth(extent.depth)?;
    let mut items = 0_u64;
    let mut count = 1;
    let mut all_text = !refers_elsewhere(body, kind);
    if let Some(messages) = body.get(Member::Messages) {
        json::each_object(messages, &MESSAGE, |picked| {
            items = items.saturating_add(1);
            all_text &= message(&picked)?;
            Ok(())
        })
        .map_err(|fault| match fault {
            RequestError::NotAnObject if json::is_array(messages) => {
                RequestError::Field { field: "messages[]", expected: "an object" }
            }
            other => list_fault(other, "messages"),
        })?;
    }
    if let Some(input) = body.get(Member::Input).filter(|input| json::is_array(input)) {
        let mut batch = Batch::default();
        json::each(input, |item| {
            batch.add(item);
            all_text &= input_item(item)?;
            Ok(())
        })
        .map_err(|fault| list_fault(fault, "input"))?;
        items = items.saturating_add(batch.items);
        if kind == RequestKind::Embedding {
            count = batch.prompts();
        }
    }
    if let Some(prompt) = body.get(Member::Prompt).filter(|prompt| json::is_array(prompt)) {
        let mut batch = Batch::default();
        json::each(prompt, |item| {
            batch.add(item);
            Ok(())
        })
        .map_err(|fault| list_fault(fault, "prompt"))?;
        items = items.saturating_add(batch.prompts());
        if kind == RequestKind::Completion {
            count = batch.prompts();
        }
    }
    if let Some(input) = body.get(Member::Input).filter(|input| !json::is_array(input)) {
        all_text &= text(input, "input")?;
    }
    if let Some(system) = body.get(Member::System) {
        all_text &= content(system, "system", NESTING)?;
    }
    let (tools, own_tools) = tools(body)?;
    all_text &= own_tools;
    if !all_text {
        return Ok(Prompts { count, bound: InputBound::Unbounded });
    }
    let tool_words = if tools == 0 { 0 } else { TOOLS.saturating_add(tools.saturating_mul(PER_TOOL)) };
    let bytes = extent
        .all
        .saturating_add(normal::longer(body.text))
        .saturating_add(BASE)
        .saturating_add(items.saturating_mul(PER_ITEM))
        .saturating_add(tool_words);
    Ok(Prompts { count, bound: InputBound::Bytes(bytes) })
}

/// An `input` of several texts, or of tokens: what embeddings take and responses do not.
pub(super) fn is_batch(input: &str) -> Result<bool, RequestError> {
    if !json::is_array(input) {
        return Ok(false);
    }
    let mut batch = false;
    json::each(input, |item| {
        batch |= !json::is_object(item);
        Ok::<(), RequestError>(())
    })?;
    Ok(batch)
}

// A list that stands where one text may: a list of tokens is one prompt, a list of anything else as many as it is long.
#[derive(Default)]
struct Batch {
    items: u64,
    not_tokens: bool,
}

impl Batch {
    fn add(&mut self, item: &str) {
        self.items = self.items.saturating_add(1);
        self.not_tokens |= !json::is_number(item);
    }

    fn prompts(&self) -> u64 {
        if self.not_tokens { self.items } else { 1 }
    }
}

// Members that stand for text, or for calls of the provider's own, that the body does not hold.
fn refers_elsewhere(body: &Body<'_>, kind: RequestKind) -> bool {
    let stored_prompt = body.get(Member::Prompt).is_some_and(json::is_object);
    let elsewhere = [
        Member::PreviousResponseId,
        Member::Conversation,
        Member::WebSearchOptions,
        Member::McpServers,
        Member::Container,
        Member::FileIds,
        Member::ContextManagement,
        Member::Thread,
        Member::DataSources,
        Member::Plugins,
        Member::SearchParameters,
        Member::EnableSearch,
    ];
    (kind == RequestKind::Response && stored_prompt) || elsewhere.into_iter().any(|member| body.has(member))
}

const MESSAGE: [&str; 5] = ["content", "audio", "images", "file_ids", "attachments"];

fn message(message: &Picked<'_, { MESSAGE.len() }>) -> IsText {
    check_names(message.twice, message.lookalike)?;
    let [parts, elsewhere @ ..] = message.members;
    let text = parts.map_or(Ok(true), |parts| content(parts, "messages[].content", NESTING))?;
    Ok(text && elsewhere.iter().all(Option::is_none))
}

// An item of the `input` of a response or of an embedding.
fn input_item(item: &str) -> IsText {
    if !json::is_object(item) {
        return Ok(true);
    }
    let expected = RequestError::Field { field: "input[]", expected: "an object or a string" };
    let picked =
        json::pick(item, &["type", "content", "output", "encrypted_content"]).map_err(|_| expected)?;
    check_names(picked.twice, picked.lookalike)?;
    let [kind, parts, output, encrypted] = picked.members;
    let known = match kind.map(json::string) {
        // With neither a type nor a content it names an item that the provider keeps.
        None => parts.is_some(),
        // So does one whose thoughts are not in it.
        Some(Some(kind)) if kind == "reasoning" => parts.or(encrypted).is_some(),
        Some(Some(kind)) => matches!(
            kind.as_str(),
            "message"
                | "function_call"
                | "function_call_output"
                | "custom_tool_call"
                | "custom_tool_call_output"
        ),
        Some(None) => return Err(RequestError::Field { field: "input[].type", expected: "a string" }),
    };
    let parts = parts.map_or(Ok(true), |parts| content(parts, "input[].content", NESTING))?;
    let output = output.map_or(Ok(true), |output| content(output, "input[].output", NESTING))?;
    Ok(known && parts && output)
}

// A text, a part, or a list of parts.
fn content(value: &str, field: &'static str, depth: u32) -> IsText {
    if json::is_object(value) {
        return part(value, field, depth);
    }
    if !json::is_array(value) {
        return text(value, field);
    }
    let mut all_text = true;
    json::each(value, |item| {
        all_text &= if json::is_object(item) { part(item, field, depth)? } else { text(item, field)? };
        Ok::<(), RequestError>(())
    })?;
    Ok(all_text)
}

fn part(part: &str, field: &'static str, depth: u32) -> IsText {
    let expected = RequestError::Field { field, expected: "a string or a list of parts with a `type`" };
    let picked = json::pick(part, &["type", "content"]).map_err(|_| expected)?;
    check_names(picked.twice, picked.lookalike)?;
    let [kind, inner] = picked.members;
    let kind = kind.and_then(json::string).ok_or(expected)?;
    match (kind.as_str(), inner, depth.checked_sub(1)) {
        ("tool_result", Some(inner), Some(depth)) => content(inner, field, depth),
        ("tool_result", Some(_), None) => Ok(false),
        (
            "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text" | "refusal"
            | "thinking" | "redacted_thinking" | "tool_use" | "tool_result",
            ..,
        ) => Ok(true),
        // Pictures, sound, documents, files, results of the provider's tools, and whatever comes next.
        _ => Ok(false),
    }
}

fn text(value: &str, field: &'static str) -> IsText {
    if json::is_string(value) || value == "null" {
        Ok(true)
    } else {
        Err(RequestError::Field { field, expected: "a string or a list" })
    }
}

// How many tools there are, and whether the client runs all of them.
fn tools(body: &Body<'_>) -> Result<(u64, bool), RequestError> {
    let (mut count, mut own) = (0_u64, true);
    for member in [Member::Tools, Member::Functions] {
        let Some(list) = body.get(member) else { continue };
        json::each_object(list, &["type"], |tool| {
            check_names(tool.twice, tool.lookalike)?;
            let [kind] = tool.members;
            let kind = kind.and_then(json::string);
            count = count.saturating_add(1);
            own &= matches!(kind.as_deref(), None | Some("function" | "custom"));
            Ok::<(), RequestError>(())
        })
        .map_err(|fault| list_fault(fault, member.name()))?;
    }
    Ok((count, own))
}

// The readers of lists know only that something was not as it must be; the field is known here.
fn list_fault(fault: RequestError, field: &'static str) -> RequestError {
    match fault {
        RequestError::NotAnObject => RequestError::Field { field, expected: "a list of objects" },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::request::RequestFacts;
    use super::*;

    fn input(body: &str) -> Result<InputBound, RequestError> {
        RequestFacts::from_slice(body.as_bytes(), None).map(|facts| facts.input)
    }

    fn message(content: &str) -> Result<InputBound, RequestError> {
        input(&format!(r#"{{"messages":[{{"role":"user","content":{content}}}]}}"#))
    }

    fn is_bounded(found: &Result<InputBound, RequestError>) -> bool {
        matches!(found, Ok(InputBound::Bytes(_)))
    }

    #[test]
    fn text_is_bounded_by_its_bytes() {
        let Ok(InputBound::Bytes(short)) = message(r#""hi""#) else { panic!() };
        assert!((50..200).contains(&short), "{short}");
        let Ok(InputBound::Bytes(long)) = message(&format!("\"{}\"", "\\u4e2d".repeat(1_000))) else {
            panic!()
        };
        assert_eq!(long, short.saturating_add(2_998), "three bytes each, not the six of the escape");
    }

    #[test]
    fn text_of_every_dialect_is_text() {
        for content in [
            r#"[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]"#,
            r#"[{"type":"thinking","thinking":"x","signature":"y"}]"#,
            r#"[{"type":"tool_use","id":"t","name":"f","input":{"type":"image"}}]"#,
            r#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"x"}]}]"#,
            r#"[{"type":"tool_result","tool_use_id":"t","content":"x"}]"#,
            "null",
        ] {
            assert!(is_bounded(&message(content)), "{content}");
        }
        for body in [
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},
                {"type":"function_call","arguments":"{}"},{"type":"function_call_output","output":"x"},
                {"type":"reasoning","id":"rs_1","encrypted_content":"x","summary":[]}]}"#,
            r#"{"messages":[],"system":[{"type":"text","text":"x"}]}"#,
            r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f"}},{"name":"g","input_schema":{}}]}"#,
            r#"{"input":["a","b"]}"#,
            r#"{"input":[[1,2],[3]]}"#,
            r#"{"prompt":["a","b"]}"#,
        ] {
            assert!(is_bounded(&input(body)), "{body}");
        }
    }

    #[test]
    fn what_is_not_text_in_the_body_is_the_whole_input_of_the_model() {
        for content in [
            r#"[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]"#,
            r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#,
            r#"[{"type":"input_audio","input_audio":{"data":"AA"}}]"#,
            r#"[{"type":"file","file":{"file_id":"f"}}]"#,
            r#"[{"type":"document","source":{"type":"text","data":"x"}}]"#,
            r#"[{"type":"tool_result","content":[{"type":"image","source":{}}]}]"#,
            r#"[{"type":"something_new"}]"#,
        ] {
            assert_eq!(message(content), Ok(InputBound::Unbounded), "{content}");
        }
        for body in [
            r#"{"input":"x","previous_response_id":"resp_1"}"#,
            r#"{"input":"x","conversation":"conv_1"}"#,
            r#"{"prompt":{"id":"pmpt_1"}}"#,
            r#"{"input":[{"type":"item_reference","id":"x"}]}"#,
            r#"{"input":[{"id":"msg_1"}]}"#,
            r#"{"input":[{"id":"msg_1","type":null}]}"#,
            r#"{"input":[{"type":"reasoning","id":"rs_1","summary":[]}]}"#,
            r#"{"messages":[],"thread":{"type":"continue","previous_message_id":"m"}}"#,
            r#"{"messages":[],"context_management":{"edits":[{"type":"compact"}]}}"#,
            r#"{"messages":[],"data_sources":[{"type":"azure_search"}]}"#,
            r#"{"messages":[],"plugins":[{"id":"web"}]}"#,
            r#"{"messages":[],"search_parameters":{}}"#,
            r#"{"messages":[],"enable_search":true}"#,
            r#"{"input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]}"#,
            r#"{"input":[{"type":"function_call_output","output":[{"type":"input_image"}]}]}"#,
            r#"{"input":"x","tools":[{"type":"web_search"}]}"#,
            r#"{"messages":[],"web_search_options":{}}"#,
            r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#,
        ] {
            assert_eq!(input(body), Ok(InputBound::Unbounded), "{body}");
        }
    }

    #[test]
    fn a_second_content_does_not_hide_the_first() {
        let body = r#"{"messages":[{"content":[{"type":"image_url"}],"content":"x"}]}"#;
        assert_eq!(input(body), Err(RequestError::Duplicate("content")));
        let body = r#"{"messages":[{"content":[{"type":"image_url","Type":"text"}]}]}"#;
        assert_eq!(input(body), Err(RequestError::Lookalike("type")));
        let body = r#"{"messages":[],"tools":[{"Type":"web_search"}]}"#;
        assert_eq!(input(body), Err(RequestError::Lookalike("type")));
        let body = r#"{"messages":[{"Content":[{"type":"image_url"}]}]}"#;
        assert_eq!(input(body), Err(RequestError::Lookalike("content")));
    }

    #[test]
    fn tools_have_an_allowance() {
        let Ok(InputBound::Bytes(plain)) = input(r#"{"messages":[]}"#) else { panic!() };
        let Ok(InputBound::Bytes(tools)) = input(r#"{"messages":[],"tools":[{"name":"f"}]}"#) else {
            panic!()
        };
        assert!(tools >= plain.saturating_add(TOOLS).saturating_add(PER_TOOL));
    }

    #[test]
    fn faults_name_their_field() {
        for (body, field) in [
            (r#"{"messages":7}"#, "messages"),
            (r#"{"messages":["x"]}"#, "messages[]"),
            (r#"{"messages":[{"content":7}]}"#, "messages[].content"),
            (r#"{"messages":[{"content":[{"text":"no type"}]}]}"#, "messages[].content"),
            (r#"{"messages":[],"tools":{}}"#, "tools"),
            (r#"{"messages":[],"system":7}"#, "system"),
            (r#"{"input":7}"#, "input"),
        ] {
            match input(body) {
                Err(RequestError::Field { field: found, .. }) => assert_eq!(found, field, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn hostile_bodies_cost_no_stack_and_little_time() {
        let deep = format!("{{\"messages\":{}{}}}", "[".repeat(5_000_000), "]".repeat(5_000_000));
        assert_eq!(input(&deep), Err(RequestError::TooDeep));
        let nested = format!(
            "{{\"messages\":[{{\"content\":{}1{}}}]}}",
            "[{\"type\":\"tool_result\",\"content\":".repeat(20),
            "}]".repeat(20)
        );
        assert_eq!(input(&nested), Ok(InputBound::Unbounded));
        let many = format!("{{\"messages\":[{}{{}}]}}", "{},".repeat(3_000_000));
        assert!(is_bounded(&input(&many)));
        let names = format!("{{{}\"messages\":[]}}", "\"a\":1,".repeat(1_500_000));
        assert!(is_bounded(&input(&names)));
    }

    proptest! {
        #[test]
        fn no_text_is_larger_than_its_bound(texts: Vec<String>) {
            let messages: Vec<_> = texts.iter().map(|text| serde_json::json!({"role": "user", "content": text})).collect();
            let body = serde_json::json!({"model": "m", "messages": messages}).to_string();
            let Ok(InputBound::Bytes(bound)) = input(&body) else { panic!() };
            let bytes: usize = texts.iter().map(String::len).sum();
            prop_assert!(bound >= u64::try_from(bytes).unwrap());
        }
    }
}
