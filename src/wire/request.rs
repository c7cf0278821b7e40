//! What a request asks for, as far as policy and budgets care.

use super::json::{self, NotThat, Picked};
use super::prompt;
use super::tokens::ServiceTier;

/// Deeper bodies are refused: no real request is, and readers behind the gateway may fail in their own ways.
const DEPTH_LIMIT: u64 = 128;

/// The API that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestKind {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's older completions of a `prompt`.
    Completion,
    /// OpenAI's responses.
    Response,
    /// Embeddings: no output.
    Embedding,
    /// Anthropic's messages.
    Message,
}

impl RequestKind {
    /// The API behind a path such as `/v1/chat/completions`; `None` if it is none of these. A query does not matter.
    pub fn from_path(path: &str) -> Option<Self> {
        let path = path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/');
        let is =
            |end: &str| path.strip_suffix(end).is_some_and(|start| start.is_empty() || start.ends_with('/'));
        if is("chat/completions") {
            Some(Self::Chat)
        } else if is("completions") {
            Some(Self::Completion)
        } else if is("responses") {
            Some(Self::Response)
        } else if is("embeddings") {
            Some(Self::Embedding)
        } else if is("messages") {
            Some(Self::Message)
        } else {
            None
        }
    }
}

/// What a request asks for, read from its body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFacts {
    /// The API it is for.
    pub kind: RequestKind,
    /// The model, exactly as it was written; `None` if it is absent or null.
    pub model: Option<String>,
    /// The answer is to be streamed.
    pub stream: bool,
    /// A streamed answer is to tell its usage. Responses and Anthropic's messages always do.
    pub include_usage: bool,
    /// The most tokens that one answer may have, if the request says: `max_output_tokens` of a response, else the
    /// largest of `max_completion_tokens`, `max_tokens` and `max_tokens_to_sample`, since which of them binds is for
    /// the provider to say.
    pub max_tokens: Option<u64>,
    /// How many answers are made and paid for, at least 1: `n` or `best_of` if that is more, for each of the prompts.
    pub choices: u64,
    /// How large the prompt can be.
    pub input: InputBound,
    /// What the bill may hold besides text at the list price.
    pub exposure: Exposure,
}

/// How large a prompt can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputBound {
    /// At most so many tokens.
    ///
    /// No token of a byte-level vocabulary stands for less than a byte of text, so this is the text of the whole body
    /// in bytes of UTF-8, escapes undone, with the marks of JSON between (which stand for what a provider puts
    /// between messages), plus 64, plus 8 for every message or prompt, plus, where there are tools, 1024 for the
    /// provider's own words about them and 64 for each. It is about four times the true number for English text.
    Bytes(u64),
    /// Something in the request is not in its body, or not as text: a picture, sound or document, also one inline,
    /// whose tokens follow from its size in pixels, seconds or pages; a file id; a previous response, conversation or
    /// stored prompt; a tool that the provider runs. The model's whole input may be used.
    Unbounded,
}

/// What the bill of a request may hold besides text at the list price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Exposure {
    /// A service tier was asked for that may cost more than the list price, or is left to the provider.
    pub any_tier: bool,
    /// Sound or pictures, in or out.
    pub media: bool,
}

impl Exposure {
    /// Everything may be on the bill.
    pub const ALL: Self = Self { any_tier: true, media: true };
}

/// Why a request cannot be read. Nothing should be dispatched for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not a JSON object in UTF-8.
    #[error("the request body must be a JSON object")]
    NotAnObject,
    /// Arrays and objects nested more than 128 deep.
    #[error("the request body must not be nested more than 128 deep")]
    TooDeep,
    /// A member that decides something is there twice: two readers may each take another one.
    #[error("`{0}` must not be given twice")]
    Duplicate(&'static str),
    /// A member is there under a name in another case, which some servers take for the name itself.
    #[error("`{0}` must be written in lower case, and once")]
    Lookalike(&'static str),
    /// None of `messages`, `input` and `prompt`, or more than one that fit no single API.
    #[error("the request body must have one of `messages`, `input` and `prompt`")]
    Shape,
    /// A member of the wrong kind.
    #[error("`{field}` must be {expected}")]
    Field {
        /// The path of the member: `messages[].content`.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl From<NotThat> for RequestError {
    fn from(_: NotThat) -> Self {
        Self::NotAnObject
    }
}

impl RequestFacts {
    /// Reads the body of a request for `kind`, or of a request whose kind is to be told by its shape. Say the kind
    /// where the path tells it.
    ///
    /// By shape, `messages` is a chat (Anthropic's if it has `system`, `thinking`, `stop_sequences` or
    /// `anthropic_version`), an `input` of texts or tokens is an embedding and any other a response, a `prompt` is a
    /// completion.
    ///
    /// # Errors
    /// [`RequestError`]; above all for members that are there twice or in another case, since what was checked here
    /// might not be what is done elsewhere. Takes time in proportion to the body and no stack.
    pub fn from_slice(body: &[u8], kind: Option<RequestKind>) -> Result<Self, RequestError> {
        Body::read(body)?.facts(kind)
    }
}

const NAMES: [&str; 29] = [
    "model",
    "stream",
    "stream_options",
    "messages",
    "input",
    "prompt",
    "n",
    "best_of",
    "max_completion_tokens",
    "max_tokens",
    "max_output_tokens",
    "max_tokens_to_sample",
    "service_tier",
    "speed",
    "modalities",
    "audio",
    "tools",
    "functions",
    "system",
    "instructions",
    "thinking",
    "stop_sequences",
    "anthropic_version",
    "previous_response_id",
    "conversation",
    "web_search_options",
    "mcp_servers",
    "container",
    "file_ids",
];

/// A body taken apart into the members that matter.
pub(super) struct Body<'a> {
    pub(super) text: &'a str,
    picked: Picked<'a, { NAMES.len() }>,
}

impl<'a> Body<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(body).map_err(|_| RequestError::NotAnObject)?;
        let picked = json::pick(text, &NAMES)?;
        match (picked.twice, picked.lookalike) {
            (Some(name), _) => Err(RequestError::Duplicate(name)),
            (_, Some(name)) => Err(RequestError::Lookalike(name)),
            _ => Ok(Self { text, picked }),
        }
    }

    /// The JSON text of a member; `None` if it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.picked.members.get(at).copied().flatten()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.picked.empty
    }

    fn facts(&self, kind: Option<RequestKind>) -> Result<RequestFacts, RequestError> {
        let kind = self.kind(kind)?;
        let input = prompt::bound(self, kind)?;
        let stream = flag(self.get("stream"), "stream")?;
        let options = self.get("stream_options").map(stream_options).transpose()?;
        Ok(RequestFacts {
            kind,
            model: self.model()?,
            stream,
            include_usage: options.unwrap_or(false),
            max_tokens: self.max_tokens(kind)?,
            choices: self.choices(kind)?,
            input,
            exposure: Exposure { any_tier: self.dear_tier()?, media: self.media(input) },
        })
    }

    /// The kind that was stated, or the one that the shape tells.
    pub(super) fn kind(&self, stated: Option<RequestKind>) -> Result<RequestKind, RequestError> {
        let (messages, input, prompt) = (self.get("messages"), self.get("input"), self.get("prompt"));
        let kind = match stated {
            Some(kind) => kind,
            None => match (messages, input, prompt) {
                (Some(_), None, None) if self.is_anthropic() => RequestKind::Message,
                (Some(_), None, None) => RequestKind::Chat,
                (None, Some(input), None) if prompt::is_batch(input)? => RequestKind::Embedding,
                (None, Some(_), None) => RequestKind::Response,
                // A stored prompt of the responses API is an object, the text of a completion is not.
                (None, _, Some(prompt)) if json::is_object(prompt) => RequestKind::Response,
                (None, None, Some(_)) => RequestKind::Completion,
                (None, None, None) if self.has("previous_response_id") || self.has("conversation") => {
                    RequestKind::Response
                }
                _ => return Err(RequestError::Shape),
            },
        };
        let needed = match kind {
            RequestKind::Chat | RequestKind::Message => messages.is_some(),
            RequestKind::Embedding => input.is_some(),
            RequestKind::Completion | RequestKind::Response => true,
        };
        if needed { Ok(kind) } else { Err(RequestError::Shape) }
    }

    fn is_anthropic(&self) -> bool {
        ["system", "thinking", "stop_sequences", "anthropic_version"].into_iter().any(|name| self.has(name))
    }

    fn model(&self) -> Result<Option<String>, RequestError> {
        let expected = RequestError::Field { field: "model", expected: "a string" };
        self.get("model").map(|model| json::string(model).ok_or(expected)).transpose()
    }

    fn max_tokens(&self, kind: RequestKind) -> Result<Option<u64>, RequestError> {
        let mut most = None;
        for &name in limit_names(kind) {
            most = most.max(count(self.get(name), name)?);
        }
        Ok(most)
    }

    fn choices(&self, kind: RequestKind) -> Result<u64, RequestError> {
        if matches!(kind, RequestKind::Response | RequestKind::Embedding) {
            return Ok(1);
        }
        let mut choices = 1;
        for name in ["n", "best_of"] {
            choices = choices.max(match count(self.get(name), name)? {
                Some(0) => return Err(RequestError::Field { field: name, expected: "at least 1" }),
                stated => stated.unwrap_or(1),
            });
        }
        let prompts = match self.get("prompt") {
            Some(prompt) if kind == RequestKind::Completion => prompt::batch_size(prompt)?,
            _ => 1,
        };
        Ok(choices.saturating_mul(prompts))
    }

    fn dear_tier(&self) -> Result<bool, RequestError> {
        let dear = |name, cheap: &[ServiceTier]| -> Result<bool, RequestError> {
            let Some(text) = self.get(name) else { return Ok(false) };
            let tier = json::string(text).ok_or(RequestError::Field { field: name, expected: "a string" })?;
            Ok(!cheap.contains(&ServiceTier::from_wire(&tier)))
        };
        let cheap = [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Batch];
        Ok(dear("service_tier", &cheap)? || dear("speed", &[ServiceTier::Standard])?)
    }

    fn media(&self, input: InputBound) -> bool {
        input == InputBound::Unbounded || self.has("modalities") || self.has("audio")
    }
}

/// The members that bound an answer, the one to add first.
pub(super) fn limit_names(kind: RequestKind) -> &'static [&'static str] {
    match kind {
        RequestKind::Response => &["max_output_tokens"],
        RequestKind::Embedding => &[],
        RequestKind::Chat => &["max_completion_tokens", "max_tokens", "max_tokens_to_sample"],
        // A client may write what its provider ignores and another would obey: all of them count.
        RequestKind::Completion | RequestKind::Message => {
            &["max_tokens", "max_completion_tokens", "max_tokens_to_sample"]
        }
    }
}

fn stream_options(text: &str) -> Result<bool, RequestError> {
    let expected = RequestError::Field { field: "stream_options", expected: "an object" };
    let picked = json::pick(text, &["include_usage"]).map_err(|_| expected)?;
    if picked.twice.is_some() || picked.lookalike.is_some() {
        return Err(RequestError::Duplicate("stream_options.include_usage"));
    }
    let [include_usage] = picked.members;
    flag(include_usage, "stream_options.include_usage")
}

fn flag(text: Option<&str>, field: &'static str) -> Result<bool, RequestError> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(RequestError::Field { field, expected: "true or false" }),
    }
}

fn count(text: Option<&str>, field: &'static str) -> Result<Option<u64>, RequestError> {
    let expected = RequestError::Field { field, expected: "an integer from 0 to 9007199254740991" };
    let Some(text) = text else { return Ok(None) };
    json::count(text).map(Some).ok_or(expected)
}

pub(super) fn check_depth(depth: u64) -> Result<(), RequestError> {
    if depth > DEPTH_LIMIT { Err(RequestError::TooDeep) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            read(r#"{"input":"x","max_output_tokens":5,"max_tokens":9}"#).unwrap().max_tokens,
            Some(5)
        );
        assert_eq!(read(r#"{"prompt":"x","max_tokens_to_sample":5}"#).unwrap().max_tokens, Some(5));
        // What a body may look like does not hide a limit or choices from the reader.
        let disguised = chat(r#","system":"x","max_tokens":1,"max_completion_tokens":900,"n":7"#).unwrap();
        assert_eq!((disguised.max_tokens, disguised.choices), (Some(900), 7));
    }

    #[test]
    fn every_answer_that_is_made_is_paid() {
        for (members, choices) in
            [("", 1), (r#","n":3"#, 3), (r#","n":2,"best_of":5"#, 5), (r#","n":null"#, 1)]
        {
            assert_eq!(read(&format!(r#"{{"prompt":"x"{members}}}"#)).unwrap().choices, choices);
        }
        assert_eq!(read(r#"{"prompt":["a","b","c"],"n":2}"#).unwrap().choices, 6);
        assert_eq!(read(r#"{"prompt":[1,2,3],"n":2}"#).unwrap().choices, 2, "one prompt of three tokens");
        assert_eq!(read(r#"{"prompt":[[1,2],[3]],"n":2}"#).unwrap().choices, 4);
    }

    #[test]
    fn tiers_that_may_cost_more_are_seen() {
        for (tier, dear) in
            [("auto", true), ("priority", true), ("new", true), ("default", false), ("flex", false)]
        {
            assert_eq!(
                chat(&format!(r#","service_tier":"{tier}""#)).unwrap().exposure.any_tier,
                dear,
                "{tier}"
            );
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
}
