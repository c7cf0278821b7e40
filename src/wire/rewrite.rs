//! The body to dispatch: the client's own, but for the members that were decided on.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use super::json;
use super::parts::{Body, Member, RequestBody};
use super::request::{Limits, RequestError, RequestKind, limits, stream_options};

/// What to change in a request body before it goes out. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewrite<'a> {
    /// The API the request is for; told by its shape if `None`, as in
    /// [`RequestFacts::from_slice`](super::RequestFacts::from_slice).
    pub kind: Option<RequestKind>,
    /// The model to ask for: the one that was checked.
    pub model: Option<&'a str>,
    /// The most tokens that one answer may have. Every larger limit in the body becomes this one, and so does one of 0, which
    /// some servers take for none; a body without a limit that its API obeys gets it under the name that is documented.
    pub max_tokens: Option<u64>,
    /// The name for a limit that the body of a chat does not have yet, for a provider that knows only another one: OpenAI's
    /// reasoning models refuse a chat's `max_tokens`, and some compatible servers ignore `max_completion_tokens`.
    pub limit_name: Option<&'a str>,
    /// Let a streamed chat or completion tell its usage at the end (`stream_options.include_usage`). A request that is
    /// not streamed, or whose stream tells it anyway, stays as it is.
    pub include_usage: bool,
}

/// The body to dispatch instead of `body`; the same bytes where `rewrite` changes nothing. All but the members that
/// `rewrite` sets stays byte for byte as it was: order, white space, numbers of any precision, and members that this
/// library does not know.
///
/// # Errors
/// [`RequestError`] for every body that [`RequestFacts::from_slice`](super::RequestFacts::from_slice) cannot tell the
/// members of, duplicates included.
pub fn dispatch_body<'a>(body: &'a [u8], rewrite: &Rewrite<'_>) -> Result<Cow<'a, [u8]>, RequestError> {
    RequestBody::new(body).dispatch(rewrite)
}

pub(super) fn dispatch<'a>(body: &Body<'a>, rewrite: &Rewrite<'_>) -> Result<Cow<'a, [u8]>, RequestError> {
    let mut edits = Edits { text: body.text, replaced: Vec::new(), added: String::new() };
    if let Some(model) = rewrite.model {
        let stated = body.get(Member::Model);
        if !stated.is_some_and(|stated| is_quoted(stated, model)) {
            edits.set(Member::Model.name(), stated, &quoted(model));
        }
    }
    if let Some(limit) = rewrite.max_tokens {
        limit_answers(body, rewrite, limit, &mut edits)?;
    }
    if rewrite.include_usage {
        include_usage(body, rewrite.kind, &mut edits)?;
    }
    Ok(edits.apply(body.is_empty()))
}

fn limit_answers(
    body: &Body<'_>,
    rewrite: &Rewrite<'_>,
    limit: u64,
    edits: &mut Edits<'_>,
) -> Result<(), RequestError> {
    let kind = body.kind(rewrite.kind)?;
    let Limits { binding, others } = limits(kind);
    let text = limit.to_string();
    for member in binding.iter().chain(others) {
        if let Some(stated) = body.get(*member)
            && json::count(stated).is_none_or(|stated| stated > limit || stated == 0)
        {
            edits.set(member.name(), Some(stated), &text);
        }
    }
    if let Some(first) = binding.first()
        && !binding.iter().any(|member| body.has(*member))
    {
        let named = rewrite.limit_name.filter(|_| kind == RequestKind::Chat);
        edits.set(named.unwrap_or(first.name()), None, &text);
    }
    Ok(())
}

fn include_usage(
    body: &Body<'_>,
    kind: Option<RequestKind>,
    edits: &mut Edits<'_>,
) -> Result<(), RequestError> {
    let kind = body.kind(kind)?;
    if !matches!(kind, RequestKind::Chat | RequestKind::Completion)
        || body.get(Member::Stream) != Some("true")
    {
        return Ok(());
    }
    let Some(options) = body.get(Member::StreamOptions) else {
        edits.set("stream_options", None, r#"{"include_usage":true}"#);
        return Ok(());
    };
    let picked = stream_options(options)?;
    let [stated] = picked.members;
    let mut inner = Edits { text: options, replaced: Vec::new(), added: String::new() };
    inner.set("include_usage", stated, "true");
    let options_with = inner.apply(picked.empty);
    edits.set("stream_options", Some(options), &String::from_utf8_lossy(&options_with));
    Ok(())
}

// Changes to the members of one object.
struct Edits<'a> {
    text: &'a str,
    replaced: Vec<(Range<usize>, String)>,
    // Members to put first, each followed by a comma.
    added: String,
}

impl<'a> Edits<'a> {
    // Gives a member another value; `stated` is the slice of the text that holds the value it has.
    fn set(&mut self, name: &str, stated: Option<&str>, value: &str) {
        let place = stated.map(|stated| self.place_of(stated)).or_else(|| self.null_of(name));
        match place {
            Some(place) => self.replaced.push((place, value.to_owned())),
            None => {
                // Writing to a String cannot fail.
                let _ = write!(self.added, "{}:{value},", quoted(name));
            }
        }
    }

    fn place_of(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        start..start.saturating_add(part.len())
    }

    // A member that is null is absent to its readers, but a second one of its name would be a duplicate.
    fn null_of(&self, name: &str) -> Option<Range<usize>> {
        let mut place = None;
        json::members(self.text, |found, value| {
            if found == name && value == "null" {
                place = Some(self.place_of(value));
            }
        })
        .ok()?;
        place
    }

    fn apply(mut self, empty: bool) -> Cow<'a, [u8]> {
        if self.replaced.is_empty() && self.added.is_empty() {
            return Cow::Borrowed(self.text.as_bytes());
        }
        self.replaced.sort_by_key(|(place, _)| place.start);
        let mut out = Vec::with_capacity(self.text.len().saturating_add(128));
        let mut at = 0;
        let open = self.text.find('{').map_or(0, |brace| brace.saturating_add(1));
        let added = if empty { self.added.trim_end_matches(',') } else { &self.added };
        for (place, value) in std::iter::once((open..open, added))
            .chain(self.replaced.iter().map(|(place, value)| (place.clone(), value.as_str())))
        {
            out.extend_from_slice(self.text.get(at..place.start).unwrap_or_default().as_bytes());
            out.extend_from_slice(value.as_bytes());
            at = place.end;
        }
        out.extend_from_slice(self.text.get(at..).unwrap_or_default().as_bytes());
        Cow::Owned(out)
    }
}

// Whether `json` is a string that says `text` without an escape.
fn is_quoted(json: &str, text: &str) -> bool {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(text) && !text.contains('\\')
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::request::RequestFacts;
    use super::*;

    fn rewritten(body: &str, rewrite: &Rewrite<'_>) -> String {
        String::from_utf8(dispatch_body(body.as_bytes(), rewrite).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn nothing_else_changes_by_a_byte() {
        let body = "{ \"seed\": 12345678901234567890123, \"model\" : \"a\",\n \"temperature\":0.1000000000000000055511,\"x\":[1e400],\"messages\":[] }";
        assert_eq!(rewritten(body, &Rewrite::default()), body);
        let model = Rewrite { model: Some("b\"c"), ..Rewrite::default() };
        assert_eq!(rewritten(body, &model), body.replace("\"a\"", "\"b\\\"c\""));
    }

    #[test]
    fn a_missing_member_is_added_and_a_null_one_replaced() {
        let all =
            Rewrite { model: Some("m"), max_tokens: Some(7), include_usage: true, ..Rewrite::default() };
        assert_eq!(
            rewritten(r#"{"messages":[],"stream":true}"#, &all),
            r#"{"model":"m","max_completion_tokens":7,"stream_options":{"include_usage":true},"messages":[],"stream":true}"#
        );
        assert_eq!(
            rewritten(r#"{"messages":[],"model":null,"max_completion_tokens":null,"stream":false}"#, &all),
            r#"{"messages":[],"model":"m","max_completion_tokens":7,"stream":false}"#
        );
        let model = Rewrite { model: Some("m"), ..Rewrite::default() };
        assert_eq!(rewritten(" { } ", &model), " {\"model\":\"m\" } ");
    }

    #[test]
    fn every_limit_that_may_bind_is_set() {
        let limit = Rewrite { max_tokens: Some(7), ..Rewrite::default() };
        for (body, expected) in [
            (
                r#"{"messages":[],"max_tokens":100,"max_completion_tokens":50}"#,
                r#"{"messages":[],"max_tokens":7,"max_completion_tokens":7}"#,
            ),
            (
                r#"{"messages":[],"max_tokens":100,"max_completion_tokens":5}"#,
                r#"{"messages":[],"max_tokens":7,"max_completion_tokens":5}"#,
            ),
            (r#"{"messages":[],"max_tokens":100}"#, r#"{"messages":[],"max_tokens":7}"#),
            (r#"{"input":"x"}"#, r#"{"max_output_tokens":7,"input":"x"}"#),
            (r#"{"messages":[],"system":"x"}"#, r#"{"max_tokens":7,"messages":[],"system":"x"}"#),
            (r#"{"input":["x"]}"#, r#"{"input":["x"]}"#),
            (r#"{"messages":[],"max_tokens":0}"#, r#"{"messages":[],"max_tokens":7}"#),
            (
                r#"{"messages":[],"max_tokens":5,"n_predict":-1}"#,
                r#"{"messages":[],"max_tokens":5,"n_predict":7}"#,
            ),
            (
                r#"{"messages":[],"max_tokens_to_sample":5}"#,
                r#"{"max_completion_tokens":7,"messages":[],"max_tokens_to_sample":5}"#,
            ),
        ] {
            assert_eq!(rewritten(body, &limit), expected);
        }
        let named = Rewrite { limit_name: Some("max_tokens"), ..limit };
        assert_eq!(rewritten(r#"{"messages":[]}"#, &named), r#"{"max_tokens":7,"messages":[]}"#);
        assert_eq!(rewritten(r#"{"input":"x"}"#, &named), r#"{"max_output_tokens":7,"input":"x"}"#);
    }

    #[test]
    fn usage_is_asked_for_only_where_it_must_be() {
        let usage = Rewrite { include_usage: true, ..Rewrite::default() };
        for (body, expected) in [
            (
                r#"{"messages":[],"stream":true,"stream_options":{}}"#,
                r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"messages":[],"stream":true,"stream_options":{"include_usage":false,"x":1}}"#,
                r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (
                r#"{"prompt":"x","stream":true,"stream_options":{"x":1}}"#,
                r#"{"prompt":"x","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
        ] {
            assert_eq!(rewritten(body, &usage), expected);
        }
        for body in [
            r#"{"messages":[]}"#,
            r#"{"messages":[],"system":"x","stream":true}"#,
            r#"{"input":"x","stream":true}"#,
        ] {
            assert_eq!(rewritten(body, &usage), body);
        }
    }

    #[test]
    fn an_ambiguous_body_is_not_dispatched() {
        let model = Rewrite { model: Some("m"), ..Rewrite::default() };
        for body in [r#"{"model":"a","model":"b"}"#, r#"{"model":"a","MODEL":"b"}"#, "[]", ""] {
            assert!(dispatch_body(body.as_bytes(), &model).is_err(), "{body}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_decided_is_what_goes_out(
            members in prop::collection::btree_map("(model|max_tokens|stream_options|[a-f\u{e9}]{1,5})", any_json(), 0..6),
            model in ".{0,12}", limit in 0..1_u64 << 53,
        ) {
            let mut body: serde_json::Map<String, Value> = members.into_iter().collect();
            body.remove("stream_options");
            body.remove("max_tokens");
            body.insert("messages".to_owned(), json!([{"role": "user", "content": "x"}]));
            body.insert("stream".to_owned(), true.into());
            let rewrite = Rewrite { model: Some(&model), max_tokens: Some(limit), include_usage: true, ..Rewrite::default() };
            let sent = Value::from(body.clone()).to_string();
            let out = dispatch_body(sent.as_bytes(), &rewrite).unwrap();
            let facts = RequestFacts::from_slice(&out, None).unwrap();
            prop_assert_eq!(facts.model.as_deref(), Some(model.as_str()));
            prop_assert_eq!((facts.max_tokens, facts.include_usage), (Some(limit), true));
            let mut changed: serde_json::Map<String, Value> = serde_json::from_slice(&out).unwrap();
            for name in ["model", "max_completion_tokens", "stream_options"] {
                changed.remove(name);
                body.remove(name);
            }
            prop_assert_eq!(changed, body);
        }

        #[test]
        fn any_bytes_are_a_body_or_an_error(body: Vec<u8>) {
            let _ = dispatch_body(&body, &Rewrite { max_tokens: Some(1), include_usage: true, ..Rewrite::default() });
        }
    }
}
