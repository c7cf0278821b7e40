//! One entry of a model list.

use std::fmt;

use crate::text::is_hidden;

/// The longest model name, in bytes.
pub(super) const MAX_LEN: usize = 256;

/// An entry of `allowed_models` or `denied_models`: a model's exact name, or a start of names and one trailing `*`
/// (`gpt-4`, `openrouter/*`, `*`).
///
/// Compared byte for byte, so case counts and `gpt-4` is not `gpt-4-0613`. `gpt-4*` is also `gpt-4o` and `gpt-4.1`.
///
/// The `*` stands for one character or more, in both lists alike: `openai/*` is not `openai/`, which names no model,
/// and `o1*` is not `o1`. Whoever means a family and its bare name lists both: `["o1", "o1*"]`. So what one list lets
/// through for an entry is what the other refuses for the same entry, and no name falls between them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelPattern(Box<str>);

/// Why a text is not a [`ModelPattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelPatternError {
    /// Empty, or nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// Holds a comma, as a form field with several names does.
    #[error("looks like a comma-separated list; use a JSON array")]
    Comma,
    /// Holds a character that does not show.
    #[error("must not contain spaces, control characters or invisible characters")]
    Hidden,
    /// Longer than a model name can be.
    #[error("must be at most {MAX_LEN} bytes")]
    TooLong,
    /// A wildcard other than one trailing `*`.
    #[error("may use `*` only alone or as the last character, and no other wildcard")]
    Wildcard,
}

impl ModelPattern {
    /// Reads one entry.
    ///
    /// # Errors
    /// Every [`ModelPatternError`].
    pub fn parse(text: &str) -> Result<Self, ModelPatternError> {
        if text.trim().is_empty() {
            return Err(ModelPatternError::Blank);
        }
        if text.contains(',') {
            return Err(ModelPatternError::Comma);
        }
        if text.contains(is_hidden) {
            return Err(ModelPatternError::Hidden);
        }
        if text.len() > MAX_LEN {
            return Err(ModelPatternError::TooLong);
        }
        let literal = text.strip_suffix('*').unwrap_or(text);
        if literal.contains(['*', '?', '[', '{', '\\']) {
            return Err(ModelPatternError::Wildcard);
        }
        Ok(Self(text.into()))
    }

    /// The entry as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_text(self) -> Box<str> {
        self.0
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Whether a request's model could be a model's name at all.
pub(super) fn is_well_formed(model: &str) -> bool {
    let len = model.len();
    if len == 0 || len > MAX_LEN {
        return false;
    }
    model.bytes().all(|byte| byte.is_ascii_graphic()) || !model.contains(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_would_never_match_are_refused_with_their_reason() {
        for (text, error) in [
            ("", ModelPatternError::Blank),
            (" \t", ModelPatternError::Blank),
            ("gpt-4,gpt-3.5-turbo", ModelPatternError::Comma),
            ("gpt-4, gpt-3.5-turbo", ModelPatternError::Comma),
            ("gpt-4 ", ModelPatternError::Hidden),
            ("gpt-4\n", ModelPatternError::Hidden),
            ("gpt-4\u{200d}", ModelPatternError::Hidden),
            ("gpt\0", ModelPatternError::Hidden),
            (&"x".repeat(257), ModelPatternError::TooLong),
            ("gpt-*-turbo", ModelPatternError::Wildcard),
            ("*gpt", ModelPatternError::Wildcard),
            ("**", ModelPatternError::Wildcard),
            ("gpt-?", ModelPatternError::Wildcard),
            ("gpt-[34]", ModelPatternError::Wildcard),
            ("{a}", ModelPatternError::Wildcard),
            ("gpt\\*", ModelPatternError::Wildcard),
        ] {
            assert_eq!(ModelPattern::parse(text), Err(error), "{text:?}");
        }
        for text in ["gpt-4", "*", "gpt-3.5*", "openai/*", "模型", "Qwen/Qwen3:free@fp8", &"x".repeat(256)]
        {
            assert_eq!(ModelPattern::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn hidden_characters_in_a_request_are_not_a_name() {
        for model in ["", "gpt-4 ", "gpt-4\n", " gpt-4", "gpt-4\0", "gpt\u{200b}-4", &"x".repeat(257)] {
            assert!(!is_well_formed(model), "{model:?}");
        }
        assert!(is_well_formed("gpt-4") && is_well_formed("модель"));
    }
}
