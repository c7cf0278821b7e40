//! What travels: requests, answers, streams of events, headers.

use std::str::from_utf8;

use enclava_keys::wire::{
    BearerOptions, InputBound, RequestFacts, RequestKind, ResponseFacts, Rewrite, StreamEnd, StreamUsage,
    TokenUsage, bearer as find_bearer, dispatch_body,
};
use serde_json::Value;

const KINDS: [Option<RequestKind>; 6] = [
    None,
    Some(RequestKind::Chat),
    Some(RequestKind::Completion),
    Some(RequestKind::Response),
    Some(RequestKind::Embedding),
    Some(RequestKind::Message),
];

/// What is read of a body is what another reader finds in it, no text of it is left uncounted, and the body that goes
/// out instead says the same but for what was rewritten.
pub fn request_body(data: &[u8]) {
    let value = serde_json::from_slice::<Value>(data).ok();
    if let Ok(out) = dispatch_body(data, &Rewrite::default()) {
        assert_eq!(out, data);
    }
    for kind in KINDS {
        let Ok(facts) = RequestFacts::from_slice(data, kind) else { continue };
        assert!(facts.choices >= 1 && facts.prompts >= 1 && kind.is_none_or(|kind| kind == facts.kind));
        if let Some(value) = &value {
            assert_eq!(facts.model.as_deref(), value["model"].as_str());
            assert_eq!(facts.stream, value["stream"] == true);
            if let InputBound::Bytes(most) = facts.input {
                assert!(text_in(value) <= most, "{most}");
            }
        }
        rewritten(data, &facts, kind);
    }
}

fn rewritten(data: &[u8], facts: &RequestFacts, kind: Option<RequestKind>) {
    let rewrite = Rewrite {
        kind,
        model: Some("m\"\u{e9}"),
        max_tokens: Some(7),
        include_usage: true,
        ..Rewrite::default()
    };
    let out = dispatch_body(data, &rewrite).expect("a body that was read");
    let after = RequestFacts::from_slice(&out, kind).expect("a body that was read before");
    let streams = facts.stream && matches!(facts.kind, RequestKind::Chat | RequestKind::Completion);
    let mut expected = facts.clone();
    expected.model = rewrite.model.map(str::to_owned);
    // A limit that the client set lower stands.
    let granted =
        |asked: Option<u64>| rewrite.max_tokens.map(|most| asked.map_or(most, |asked| asked.min(most)));
    expected.max_tokens = granted(facts.max_tokens).filter(|_| facts.kind != RequestKind::Embedding);
    expected.include_usage |= streams;
    expected.input = after.input;
    assert_eq!(after, expected);
    assert_eq!(matches!(after.input, InputBound::Unbounded), matches!(facts.input, InputBound::Unbounded));
    assert_eq!(dispatch_body(&out, &rewrite).as_deref(), Ok(&*out), "rewriting twice");
}

fn text_in(value: &Value) -> u64 {
    let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    match value {
        Value::String(text) => length(text),
        Value::Array(items) => items.iter().map(text_in).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| length(name) + text_in(value)).sum(),
        _ => 0,
    }
}

/// The usage of an answer adds up, does not depend on what stands around it, and is the same when it is streamed.
pub fn response(data: &[u8]) {
    let read = ResponseFacts::from_slice(data);
    assert_eq!(ResponseFacts::from_slice(&[b" \n", data, b"\t "].concat()), read);
    let Ok(facts) = read else { return };
    let json = data.trim_ascii();
    let mark = if json[1..].trim_ascii_start() == b"}" { &b"{\"x\":[{}]"[..] } else { b"{\"x\":[{}]," };
    let longer = [mark, &json[1..]].concat();
    assert_eq!(ResponseFacts::from_slice(&longer).as_ref(), Ok(&facts));
    if let Some(usage) = &facts.usage {
        adds_up(usage);
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    assert_eq!(facts.model.as_deref(), value["model"].as_str());
    assert_eq!(facts.usage.is_some(), !value["usage"].is_null());
    // What a chunk tells before it tells the usage is not counted twice.
    let openai = !value["usage"]["prompt_tokens"].is_null() && value["type"].is_null();
    if let Some(usage) = facts.usage.filter(|_| openai) {
        assert_eq!(value["usage"]["prompt_tokens"], usage.input());
        assert!(value["usage"]["total_tokens"].as_u64().is_none_or(|total| usage.total() >= total));
    }
    if openai && !json.iter().any(|byte| b"\r\n".contains(byte)) {
        let mut stream = StreamUsage::new();
        stream.feed(&[b"data: ", json, b"\n\n"].concat());
        // Zeros in a chunk are no usage yet.
        assert_eq!(stream.finish().usage, facts.usage.filter(|usage| usage.total() > 0));
    }
}

fn adds_up(usage: &TokenUsage) {
    assert!(usage.reasoning <= usage.output);
    assert!(usage.audio_out.saturating_add(usage.image_out) <= usage.output);
    assert!(usage.audio_in.saturating_add(usage.image_in) <= usage.input());
    assert_eq!(usage.total(), usage.input().saturating_add(usage.output));
}

/// A stream tells the same wherever it is cut, and what was seen of it never shrinks. The first two bytes say where.
pub fn stream(data: &[u8]) {
    let [first, second, data @ ..] = data else { return };
    let cut = usize::from(u16::from_be_bytes([*first, *second])) % (data.len() + 1);
    let (left, right) = data.split_at(cut);
    let whole = told(&[data]);
    assert_eq!(told(&[left, right]), whole);
    assert_eq!(told(&data.chunks(1).collect::<Vec<_>>()), whole);
    assert_eq!(told(&data.chunks(cut.max(1)).collect::<Vec<_>>()), whole);
    if let Some(usage) = &whole.usage {
        adds_up(usage);
        assert!(whole.fault.is_none());
    }
}

fn told(chunks: &[&[u8]]) -> StreamEnd {
    let mut stream = StreamUsage::new();
    let mut seen = 0;
    for chunk in chunks {
        stream.feed(chunk);
        let progress = stream.progress();
        assert!(progress.output_seen >= seen);
        assert!(progress.usage.map_or(0, |usage| usage.output) >= progress.guessed);
        seen = progress.output_seen;
    }
    let end = stream.clone().finish();
    assert_eq!(stream.finish(), end);
    assert!(end.output_seen >= seen);
    end
}

/// The key that is found was in a header that may carry one, whatever order and case the headers come in. A line is a
/// header.
pub fn bearer(data: &[u8]) {
    let headers: Vec<(&str, &[u8])> = data
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
        })
        .collect();
    for options in [BearerOptions::default(), BearerOptions::ALL] {
        let found = find_bearer(headers.iter().copied(), &options).map_err(|denial| denial.reason());
        let backwards = find_bearer(headers.iter().rev().copied(), &options);
        assert_eq!(backwards.map_err(|denial| denial.reason()), found);
        let loud: Vec<(String, &[u8])> =
            headers.iter().map(|(name, value)| (name.to_ascii_uppercase(), *value)).collect();
        let loud = find_bearer(loud.iter().map(|(name, value)| (name.as_str(), *value)), &options);
        assert_eq!(loud.map_err(|denial| denial.reason()), found);
        let Ok(key) = found else { continue };
        assert!(!key.is_empty() && ![key[0], key[key.len() - 1]].iter().any(|byte| b" \t".contains(byte)));
        let carries = |(name, value): &(&str, &[u8])| {
            let name = name.to_ascii_lowercase();
            let other = ["x-api-key", "api-key", "x-goog-api-key"].contains(&&*name) && options.x_api_key;
            (name == "authorization" || other) && value.windows(key.len()).any(|part| part == key)
        };
        assert!(headers.iter().any(carries));
    }
}
