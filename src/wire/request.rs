//! What a request asks for, as far as policy and budgets care.

use super::json::{self, NotThat, Picked};
use super::parts::{Body, Member, RequestBody};
use super::prompt;
use super::tokens::ServiceTier;

/// Deeper bodies are refused: no real request is, and readers behind the gateway may fail in their own ways.
const DEPTH_LIMIT: u64 = 128;
const INCLUDE_USAGE: &str = "stream_options.include_usage";

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
    /// The most tokens that one answer may have, if the request says: `max_output_tokens` of a response, else the larger of
    /// `max_completion_tokens` and `max_tokens`, since which of them binds is for the provider to say; and no less than the
    /// `max_tokens_to_sample` and the `n_predict` beside it, which few servers obey. A limit of 0 is none: some take it so.
    pub max_tokens: Option<u64>,
    /// How many answers are made and paid for, at least 1: `n` or `best_of` if that is more, for each of the prompts.
    pub choices: u64,
    /// How many prompts there are, at least 1: a completion and an embedding may have many, each as long as the model reads.
    pub prompts: u64,
    /// How large the prompt can be, all prompts together.
    pub input: InputBound,
    /// What the bill may hold besides text at the list price.
    pub exposure: Exposure,
    /// What may be used that a stream does not show before it tells its usage.
    pub hidden: Hidden,
}

/// What of a call's usage its stream may not show before it tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hidden {
    /// Nothing: a message of Anthropic's without `thinking`, where the kind was stated.
    Nothing,
    /// What a model thinks, if it is one that does ([`ModelPrice::may_reason`](super::ModelPrice::may_reason)).
    Thoughts,
    /// Anything: the provider goes on with it when nobody listens any more (`background`).
    Anything,
}

/// How large a prompt can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputBound {
    /// At most so many tokens.
    ///
    /// No token of a byte-level vocabulary stands for less than a byte of text, so this is the text of the whole body
    /// in bytes of UTF-8, escapes undone and the few characters at their length that become longer where a tokenizer
    /// normalizes them (NFKC), with the marks of JSON between (which stand for what a provider puts between messages), plus 64, plus 8 for every message or prompt, plus, where there are tools, 1024 for the
    /// provider's own words about them and 64 for each. It is about four times the true number for English text.
    Bytes(u64),
    /// Something in the request is not in its body, or not as text: a picture, sound or document, also one inline,
    /// whose tokens follow from its size in pixels, seconds or pages; a file id; a previous response, conversation or
    /// stored prompt; a tool that the provider runs. The model's whole input may be used, for each of the prompts.
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
        RequestBody::new(body).facts(kind)
    }
}

/// What a body asks for.
pub(super) fn facts(body: &Body<'_>, stated: Option<RequestKind>) -> Result<RequestFacts, RequestError> {
    let kind = body.kind(stated)?;
    body.names_one_model()?;
    let prompts = prompt::prompts(body, kind)?;
    let stream = flag(body.get(Member::Stream), "stream")?;
    let options = body.get(Member::StreamOptions).map(stream_options).transpose()?;
    let [include_usage] = options.map_or([None], |options| options.members);
    Ok(RequestFacts {
        kind,
        model: body.model()?,
        stream,
        include_usage: flag(include_usage, INCLUDE_USAGE)?,
        max_tokens: body.max_tokens(kind)?,
        choices: body.choices(kind, prompts.count)?,
        prompts: prompts.count,
        input: prompts.bound,
        exposure: Exposure { any_tier: body.dear_tier()?, media: body.media(prompts.bound) },
        hidden: body.hidden(stated)?,
    })
}

impl Body<'_> {
    fn model(&self) -> Result<Option<String>, RequestError> {
        let expected = RequestError::Field { field: "model", expected: "a string" };
        self.get(Member::Model).map(|model| json::string(model).ok_or(expected)).transpose()
    }

    // What is checked and priced is one model; a provider that may turn to another one is not told of it.
    fn names_one_model(&self) -> Result<(), RequestError> {
        match [Member::Fallbacks, Member::Models].into_iter().find(|member| self.has(*member)) {
            Some(member) => Err(RequestError::Field {
                field: member.name(),
                expected: "absent: a request is for one `model`",
            }),
            None => Ok(()),
        }
    }

    fn max_tokens(&self, kind: RequestKind) -> Result<Option<u64>, RequestError> {
        let Limits { binding, others } = limits(kind);
        let (mut most, mut bounded) = (0, false);
        for (limits, binds) in [(binding, true), (others, false)] {
            for limit in limits {
                match count(self.get(*limit), limit.name())? {
                    Some(0) => return Ok(None),
                    Some(stated) => (most, bounded) = (stated.max(most), bounded || binds),
                    None => {}
                }
            }
        }
        Ok(bounded.then_some(most))
    }

    fn choices(&self, kind: RequestKind, prompts: u64) -> Result<u64, RequestError> {
        if matches!(kind, RequestKind::Response | RequestKind::Embedding) {
            return Ok(1);
        }
        let mut choices = 1;
        for member in [Member::N, Member::BestOf] {
            choices = choices.max(match count(self.get(member), member.name())? {
                Some(0) => {
                    return Err(RequestError::Field { field: member.name(), expected: "at least 1" });
                }
                stated => stated.unwrap_or(1),
            });
        }
        Ok(choices.saturating_mul(prompts))
    }

    fn dear_tier(&self) -> Result<bool, RequestError> {
        let dear = |member: Member, cheap: &[ServiceTier]| -> Result<bool, RequestError> {
            let Some(text) = self.get(member) else { return Ok(false) };
            let expected = RequestError::Field { field: member.name(), expected: "a string" };
            let tier = json::string(text).ok_or(expected)?;
            Ok(!cheap.contains(&ServiceTier::from_wire(&tier)))
        };
        let cheap = [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Batch];
        Ok(dear(Member::ServiceTier, &cheap)? || dear(Member::Speed, &[ServiceTier::Standard])?)
    }

    // What a body looks like does not say that nothing is hidden: a client may dress a chat as a message.
    fn hidden(&self, stated: Option<RequestKind>) -> Result<Hidden, RequestError> {
        Ok(match stated {
            _ if flag(self.get(Member::Background), "background")? => Hidden::Anything,
            Some(RequestKind::Message) if !self.has(Member::Thinking) => Hidden::Nothing,
            _ => Hidden::Thoughts,
        })
    }

    fn media(&self, input: InputBound) -> bool {
        input == InputBound::Unbounded || self.has(Member::Modalities) || self.has(Member::Audio)
    }
}

/// The members that limit an answer.
pub(super) struct Limits {
    /// Those that an API of this kind obeys; the first is the one to add.
    pub(super) binding: &'static [Member],
    /// Those that some servers obey instead. Whoever ignores them has no limit, so that alone they bound nothing.
    pub(super) others: &'static [Member],
}

/// What limits the answer to a request of this kind.
pub(super) fn limits(kind: RequestKind) -> Limits {
    const OTHERS: &[Member] = &[Member::MaxTokensToSample, Member::NPredict];
    match kind {
        RequestKind::Response => Limits { binding: &[Member::MaxOutputTokens], others: OTHERS },
        RequestKind::Embedding => Limits { binding: &[], others: &[] },
        RequestKind::Chat => {
            Limits { binding: &[Member::MaxCompletionTokens, Member::MaxTokens], others: OTHERS }
        }
        RequestKind::Completion | RequestKind::Message => Limits {
            binding: &[Member::MaxTokens],
            others: &[Member::MaxCompletionTokens, Member::MaxTokensToSample, Member::NPredict],
        },
    }
}

/// The members of `stream_options` that matter: `include_usage`.
pub(super) fn stream_options(text: &str) -> Result<Picked<'_, 1>, RequestError> {
    let expected = RequestError::Field { field: "stream_options", expected: "an object" };
    let picked = json::pick(text, &["include_usage"]).map_err(|_| expected)?;
    let path = Some(INCLUDE_USAGE);
    check_names(picked.twice.and(path), picked.lookalike.and(path))?;
    Ok(picked)
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

/// Refuses a member that is there twice, and one that is there in another case: each as what it is.
pub(super) fn check_names(
    twice: Option<&'static str>,
    lookalike: Option<&'static str>,
) -> Result<(), RequestError> {
    match (twice, lookalike) {
        (Some(name), _) => Err(RequestError::Duplicate(name)),
        (_, Some(name)) => Err(RequestError::Lookalike(name)),
        _ => Ok(()),
    }
}

pub(super) fn check_depth(depth: u64) -> Result<(), RequestError> {
    if depth > DEPTH_LIMIT { Err(RequestError::TooDeep) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
