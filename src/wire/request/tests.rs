use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<RequestFacts, RequestError> {
    RequestFacts::from_slice(body.as_bytes(), None)
}

fn chat(members: &str) -> Result<RequestFacts, RequestError> {
    read(&format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"hi"}}]{members}}}"#))
}

#[test]
fn a_chat_is_read() {
    let facts =
        chat(r#","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"n":2"#);
    let facts = facts.unwrap();
    assert_eq!((facts.kind, facts.model.as_deref()), (RequestKind::Chat, Some("gpt-4o")));
    assert_eq!(
        (facts.stream, facts.include_usage, facts.max_tokens, facts.choices),
        (true, true, Some(9), 2)
    );
    assert_eq!(facts.exposure, Exposure::default());
}

#[test]
fn kinds_are_told_apart_by_shape() {
    for (body, kind) in [
        (r#"{"messages":[]}"#, RequestKind::Chat),
        (r#"{"messages":[],"system":"x","max_tokens":1}"#, RequestKind::Message),
        (r#"{"input":"x"}"#, RequestKind::Response),
        (r#"{"input":[{"role":"user","content":"x"}]}"#, RequestKind::Response),
        (r#"{"previous_response_id":"resp_1"}"#, RequestKind::Response),
        (r#"{"prompt":{"id":"pmpt_1"},"input":"x"}"#, RequestKind::Response),
        (r#"{"input":["x","y"]}"#, RequestKind::Embedding),
        (r#"{"input":[1,2]}"#, RequestKind::Embedding),
        (r#"{"prompt":"x"}"#, RequestKind::Completion),
    ] {
        assert_eq!(read(body).unwrap().kind, kind, "{body}");
    }
    for body in ["{}", r#"{"messages":[],"input":"x"}"#, r#"{"input":"x","prompt":"y"}"#] {
        assert_eq!(read(body), Err(RequestError::Shape), "{body}");
    }
    let stated = RequestFacts::from_slice(br#"{"input":"x"}"#, Some(RequestKind::Embedding));
    assert_eq!(stated.unwrap().kind, RequestKind::Embedding);
}

#[test]
fn paths_name_the_kind() {
    for (path, kind) in [
        ("/v1/chat/completions", Some(RequestKind::Chat)),
        ("/api/v1/completions?x=/embeddings", Some(RequestKind::Completion)),
        ("/v1/responses/", Some(RequestKind::Response)),
        ("/v1/embeddings", Some(RequestKind::Embedding)),
        ("/v1/messages", Some(RequestKind::Message)),
        ("/v1/messages/count_tokens", None),
        ("/v1/xmessages", None),
        ("/v1/images/generations", None),
    ] {
        assert_eq!(RequestKind::from_path(path), kind, "{path}");
    }
}

#[test]
fn two_models_are_never_guessed_between() {
    assert_eq!(chat(r#","model":"gpt-4""#), Err(RequestError::Duplicate("model")));
    assert_eq!(chat(r#","mod\u0065l":"gpt-4""#), Err(RequestError::Duplicate("model")));
    assert_eq!(chat(r#","Model":"gpt-4""#), Err(RequestError::Lookalike("model")));
    assert_eq!(chat(r#","max_tokens":1,"max_tokens":2"#), Err(RequestError::Duplicate("max_tokens")));
}

#[test]
fn the_limit_that_may_bind_counts() {
    assert_eq!(chat(r#","max_tokens":5,"max_completion_tokens":9"#).unwrap().max_tokens, Some(9));
    assert_eq!(chat(r#","max_tokens":null"#).unwrap().max_tokens, None);
    assert_eq!(chat(r#","max_output_tokens":5"#).unwrap().max_tokens, None, "no limit of a chat");
    assert_eq!(read(r#"{"input":"x","max_output_tokens":5,"max_tokens":9}"#).unwrap().max_tokens, Some(5));
    // Whoever does not know these has no limit; whoever does has no other.
    assert_eq!(read(r#"{"prompt":"x","max_tokens_to_sample":5}"#).unwrap().max_tokens, None);
    assert_eq!(chat(r#","n_predict":5"#).unwrap().max_tokens, None);
    assert_eq!(chat(r#","max_tokens":5,"n_predict":900"#).unwrap().max_tokens, Some(900));
    assert_eq!(chat(r#","max_tokens":5,"max_tokens_to_sample":2"#).unwrap().max_tokens, Some(5));
    // A limit of nothing is no limit to some.
    assert_eq!(chat(r#","max_tokens":0"#).unwrap().max_tokens, None);
    assert_eq!(chat(r#","max_tokens":5,"max_completion_tokens":0"#).unwrap().max_tokens, None);
    // What a body may look like does not hide a limit or choices from the reader.
    let disguised = chat(r#","system":"x","max_tokens":1,"max_completion_tokens":900,"n":7"#).unwrap();
    assert_eq!((disguised.max_tokens, disguised.choices), (Some(900), 7));
}

#[test]
fn a_request_is_for_one_model() {
    for member in ["fallbacks", "models"] {
        let body = format!(r#"{{"messages":[],"model":"cheap","{member}":[{{"model":"dear"}}]}}"#);
        let expected = "absent: a request is for one `model`";
        assert_eq!(read(&body), Err(RequestError::Field { field: member, expected }));
        assert!(read(&body.replace(r#"[{"model":"dear"}]"#, "null")).is_ok());
    }
}

#[test]
fn what_may_be_hidden() {
    assert_eq!(chat("").unwrap().hidden, Hidden::Thoughts);
    let message = |body: &str| RequestFacts::from_slice(body.as_bytes(), Some(RequestKind::Message)).unwrap();
    assert_eq!(message(r#"{"messages":[],"system":"x"}"#).hidden, Hidden::Nothing);
    assert_eq!(message(r#"{"messages":[],"thinking":{"type":"enabled"}}"#).hidden, Hidden::Thoughts);
    assert_eq!(
        read(r#"{"messages":[],"system":"x"}"#).unwrap().hidden,
        Hidden::Thoughts,
        "a chat in disguise"
    );
    assert_eq!(read(r#"{"messages":[],"thinking":{"type":"enabled"}}"#).unwrap().hidden, Hidden::Thoughts);
    assert_eq!(read(r#"{"input":"x","background":true}"#).unwrap().hidden, Hidden::Anything);
    assert_eq!(read(r#"{"input":"x","background":false}"#).unwrap().hidden, Hidden::Thoughts);
}

#[test]
fn every_answer_that_is_made_is_paid() {
    for (members, choices) in [("", 1), (r#","n":3"#, 3), (r#","n":2,"best_of":5"#, 5), (r#","n":null"#, 1)] {
        assert_eq!(read(&format!(r#"{{"prompt":"x"{members}}}"#)).unwrap().choices, choices);
    }
    assert_eq!(read(r#"{"prompt":["a","b","c"],"n":2}"#).unwrap().choices, 6);
    assert_eq!(read(r#"{"prompt":[1,2,3],"n":2}"#).unwrap().choices, 2, "one prompt of three tokens");
    assert_eq!(read(r#"{"prompt":[[1,2],[3]],"n":2}"#).unwrap().choices, 4);
}

#[test]
fn every_prompt_of_a_batch_is_counted() {
    for (body, prompts) in [
        (r#"{"input":"x"}"#, 1),
        (r#"{"input":["x","y"]}"#, 2),
        (r#"{"input":[1,2,3]}"#, 1),
        (r#"{"input":[[1,2],[3]]}"#, 2),
        (r#"{"input":[1,"x"]}"#, 2),
        (r#"{"input":[{"role":"user","content":"x"},{"role":"user","content":"y"}]}"#, 1),
        (r#"{"prompt":"x"}"#, 1),
        (r#"{"prompt":[]}"#, 1),
        (r#"{"prompt":["x","y"],"n":3}"#, 2),
        (r#"{"prompt":[-1,2]}"#, 1),
        (r#"{"prompt":[[1,2],[3]]}"#, 2),
        (r#"{"messages":[{"content":"x"},{"content":"y"}]}"#, 1),
    ] {
        assert_eq!(read(body).unwrap().prompts, prompts, "{body}");
    }
}

#[test]
fn tiers_that_may_cost_more_are_seen() {
    for (tier, dear) in
        [("auto", true), ("priority", true), ("new", true), ("default", false), ("flex", false)]
    {
        assert_eq!(chat(&format!(r#","service_tier":"{tier}""#)).unwrap().exposure.any_tier, dear, "{tier}");
    }
    assert!(chat(r#","speed":"fast""#).unwrap().exposure.any_tier);
    assert!(chat(r#","modalities":["text","audio"]"#).unwrap().exposure.media);
}

#[test]
fn faults_name_their_field() {
    for (members, field) in [
        (r#","stream":1"#, "stream"),
        (r#","stream":"true""#, "stream"),
        (r#","stream_options":true"#, "stream_options"),
        (r#","stream_options":{"include_usage":1}"#, "stream_options.include_usage"),
        (r#","n":0"#, "n"),
        (r#","n":-1"#, "n"),
        (r#","n":1.0"#, "n"),
        (r#","n":"2""#, "n"),
        (r#","max_tokens":-1"#, "max_tokens"),
        (r#","max_tokens":1e3"#, "max_tokens"),
        (r#","max_tokens":1.5"#, "max_tokens"),
        (r#","max_completion_tokens":99999999999999999999"#, "max_completion_tokens"),
        (r#","service_tier":1"#, "service_tier"),
    ] {
        match chat(members) {
            Err(RequestError::Field { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{members}: {other:?}"),
        }
    }
    for model in ["7", "[\"gpt-4\"]", "{}", "true", "\"\\ud800\""] {
        let found = read(&format!(r#"{{"model":{model},"messages":[]}}"#));
        assert_eq!(found, Err(RequestError::Field { field: "model", expected: "a string" }), "{model}");
    }
    assert_eq!(read(r#"{"model":null,"messages":[]}"#).unwrap().model, None);
    for body in ["", "[]", "null", "{", "{}{}", "\u{feff}{}"] {
        assert_eq!(read(body), Err(RequestError::NotAnObject), "{body}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_facts_or_an_error(body: Vec<u8>) {
        let _ = RequestFacts::from_slice(&body, None);
    }

    #[test]
    fn any_members_are_facts_or_an_error(name in "(messages|input|prompt|tools|n|stream|model)", json in "[\\[\\]{}\",:a0 ]{0,12}") {
        let _ = read(&format!("{{\"{name}\":{json}}}"));
    }
}
