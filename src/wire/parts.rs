//! A request body, taken apart once into the members that matter.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use super::json::{self, Picked};
use super::request::{RequestError, RequestFacts, RequestKind};
use super::rewrite::Rewrite;
use super::{prompt, request, rewrite};

/// The body of a request: read when something of it is first needed, and only once.
///
/// [`RequestFacts::from_slice`] and [`dispatch_body`](super::dispatch_body) do one thing each with a body; a gateway
/// that does both, or that may not want to read a stranger's body at all, keeps one of these.
///
/// ```
/// use std::borrow::Cow;
///
/// use enclava_keys::wire::{RequestBody, Rewrite};
///
/// let body = RequestBody::new(br#"{"model": "gpt-4", "messages": []}"#);
/// assert_eq!(body.facts(None)?.model.as_deref(), Some("gpt-4"));
/// let as_checked = Rewrite { model: Some("gpt-4"), ..Rewrite::default() };
/// assert!(matches!(body.dispatch(&as_checked)?, Cow::Borrowed(same) if same == body.bytes()));
/// # Ok::<(), enclava_keys::wire::RequestError>(())
/// ```
pub struct RequestBody<'a> {
    bytes: &'a [u8],
    read: OnceLock<Result<Body<'a>, RequestError>>,
}

impl<'a> RequestBody<'a> {
    /// Of these bytes, as the client sent them. Reads nothing yet.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, read: OnceLock::new() }
    }

    /// The bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What it asks for, as [`RequestFacts::from_slice`] reads it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn facts(&self, kind: Option<RequestKind>) -> Result<RequestFacts, RequestError> {
        request::facts(self.read()?, kind)
    }

    /// What to dispatch instead of it, as [`dispatch_body`](super::dispatch_body) writes it; itself, where `rewrite`
    /// changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn dispatch(&self, rewrite: &Rewrite<'_>) -> Result<Cow<'a, [u8]>, RequestError> {
        rewrite::dispatch(self.read()?, rewrite)
    }

    fn read(&self) -> Result<&Body<'a>, RequestError> {
        self.read.get_or_init(|| Body::read(self.bytes)).as_ref().map_err(|error| *error)
    }
}

// What people ask models is nobody else's.
impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

macro_rules! members {
    ($($member:ident $name:literal)*; $($other:literal)*) => {
        /// A member that matters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Member {
            $($member),*
        }

        const NAMES: [&str; [$($name,)* $($other),*].len()] = [$($name,)* $($other),*];
    };
}

members! {
    Model "model"
    Stream "stream"
    StreamOptions "stream_options"
    Messages "messages"
    Input "input"
    Prompt "prompt"
    N "n"
    BestOf "best_of"
    MaxCompletionTokens "max_completion_tokens"
    MaxTokens "max_tokens"
    MaxOutputTokens "max_output_tokens"
    MaxTokensToSample "max_tokens_to_sample"
    NPredict "n_predict"
    ServiceTier "service_tier"
    Speed "speed"
    Modalities "modalities"
    Audio "audio"
    Tools "tools"
    Functions "functions"
    System "system"
    Thinking "thinking"
    StopSequences "stop_sequences"
    AnthropicVersion "anthropic_version"
    PreviousResponseId "previous_response_id"
    Conversation "conversation"
    WebSearchOptions "web_search_options"
    McpServers "mcp_servers"
    Container "container"
    FileIds "file_ids"
    ContextManagement "context_management"
    Thread "thread"
    DataSources "data_sources"
    Plugins "plugins"
    SearchParameters "search_parameters"
    EnableSearch "enable_search"
    Fallbacks "fallbacks"
    Models "models"
    Background "background"
    ;
    // Nobody asks for these, but like the others they must not be there twice.
    "instructions"
}

impl Member {
    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        NAMES.get(self.place()).copied().unwrap_or_default()
    }

    #[expect(
        clippy::as_conversions,
        reason = "the variants are numbered from 0, in the order of their names"
    )]
    const fn place(self) -> usize {
        self as usize
    }
}

/// A body taken apart.
pub(super) struct Body<'a> {
    pub(super) text: &'a str,
    picked: Picked<'a, { NAMES.len() }>,
}

impl<'a> Body<'a> {
    fn read(body: &'a [u8]) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(body).map_err(|_| RequestError::NotAnObject)?;
        let picked = json::pick(text, &NAMES)?;
        request::check_names(picked.twice, picked.lookalike)?;
        Ok(Self { text, picked })
    }

    /// The JSON text of a member; `None` if it is absent or null.
    pub(super) fn get(&self, member: Member) -> Option<&'a str> {
        self.picked.members.get(member.place()).copied().flatten()
    }

    pub(super) fn has(&self, member: Member) -> bool {
        self.get(member).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.picked.empty
    }

    /// The kind that was stated, or the one that the shape tells.
    pub(super) fn kind(&self, stated: Option<RequestKind>) -> Result<RequestKind, RequestError> {
        let (messages, input, prompt) =
            (self.get(Member::Messages), self.get(Member::Input), self.get(Member::Prompt));
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
                (None, None, None)
                    if self.has(Member::PreviousResponseId) || self.has(Member::Conversation) =>
                {
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
        [Member::System, Member::Thinking, Member::StopSequences, Member::AnthropicVersion]
            .into_iter()
            .any(|member| self.has(member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_has_its_name() {
        for (member, name) in [
            (Member::Model, "model"),
            (Member::MaxTokensToSample, "max_tokens_to_sample"),
            (Member::FileIds, "file_ids"),
        ] {
            assert_eq!(member.name(), name);
            let text = format!(r#"{{"{name}": 1}}"#);
            assert_eq!(Body::read(text.as_bytes()).unwrap().get(member), Some("1"));
        }
    }

    #[test]
    fn a_body_is_shown_by_its_length_alone() {
        let body = RequestBody::new(br#"{"model": "m", "messages": []}"#);
        assert_eq!(body.facts(None).unwrap().model.as_deref(), Some("m"));
        assert_eq!(format!("{body:?}"), "RequestBody { len: 30, .. }");
    }

    #[test]
    fn what_is_no_body_is_none_however_often_it_is_read() {
        let body = RequestBody::new(br#"{"model": "a", "model": "b"}"#);
        for _ in 0..2 {
            assert_eq!(body.facts(None), Err(RequestError::Duplicate("model")));
            assert_eq!(body.dispatch(&Rewrite::default()), Err(RequestError::Duplicate("model")));
        }
    }
}
