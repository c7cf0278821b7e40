//! The one pattern grammar: a literal, or a literal and one trailing `*` that stands for one or more characters.

/// A pattern of an allow or deny list.
///
/// A `*` crosses every separator: whoever allows `openrouter/*` means `openrouter/google/gemma` too. There is no
/// other wildcard, so a match is one comparison, with nothing to escape and nothing that can backtrack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glob<'a> {
    /// This text alone.
    Exact(&'a [u8]),
    /// Every longer text that starts so.
    Prefix(&'a [u8]),
}

impl<'a> Glob<'a> {
    pub(super) fn new(pattern: &'a [u8]) -> Self {
        match pattern.strip_suffix(b"*") {
            Some(literal) => Self::Prefix(literal),
            None => Self::Exact(pattern),
        }
    }

    pub(super) fn matches(self, text: &[u8]) -> bool {
        match self {
            Self::Exact(literal) => text == literal,
            Self::Prefix(literal) => text.len() > literal.len() && text.starts_with(literal),
        }
    }

    /// Whether this pattern matches the probe `of`: the text itself of an exact one, and of a prefix a text that
    /// starts so and that no longer pattern anywhere mentions.
    ///
    /// Over any set of patterns every text is matched by exactly the patterns that match one of the set's own
    /// probes: an exact pattern equal to it, or else the longest prefix in front of it. So a question about all
    /// texts ("does this list admit what that one refused?") is answered by asking it of the probes.
    pub(super) fn admits(self, of: Glob<'_>) -> bool {
        match (self, of) {
            (_, Glob::Exact(text)) => self.matches(text),
            (Self::Prefix(literal), Glob::Prefix(start)) => start.starts_with(literal),
            (Self::Exact(_), Glob::Prefix(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_needs_something_to_stand_for() {
        let star = |pattern: &'static str, text: &str| Glob::new(pattern.as_bytes()).matches(text.as_bytes());
        assert!(star("openai/*", "openai/gpt-4"));
        assert!(star("openrouter/*", "openrouter/google/gemma"));
        assert!(!star("openai/*", "openai/"));
        assert!(!star("bedrock/*", "bedrockz/x"));
        assert!(star("*", "x"));
        assert!(!star("*", ""));
        assert!(!star("gpt-4", "gpt-4-0613"));
    }

    #[test]
    fn a_probe_of_a_prefix_is_a_text_nobody_named() {
        let admits = |pattern: &'static str, probe: &'static str| {
            Glob::new(pattern.as_bytes()).admits(Glob::new(probe.as_bytes()))
        };
        assert!(admits("gpt-*", "gpt-4*"));
        assert!(admits("gpt-*", "gpt-*"));
        assert!(!admits("gpt-4*", "gpt-*"));
        assert!(!admits("gpt-4", "gpt-*"));
        assert!(admits("gpt-*", "gpt-4"));
    }
}
