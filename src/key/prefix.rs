//! The start of a secret that says whose key it is.

use std::fmt;
use std::str::FromStr;

use super::short::ShortText;

/// What every secret of a key starts with: `^[A-Za-z][A-Za-z0-9_]{0,14}_$`, by default `en_`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(ShortText);

/// Why a text is not a [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 2 to 16 characters of A-Z a-z 0-9 _, start with a letter and end with _")]
pub struct PrefixError;

impl Prefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What follows the prefix in `secret`, if it starts so. A prefix may hold `_` itself, so nothing is ever split
    /// at one.
    pub fn body_of<'a>(&self, secret: &'a str) -> Option<&'a str> {
        secret.strip_prefix(self.as_str())
    }
}

impl Default for Prefix {
    /// `en_`.
    fn default() -> Self {
        Self(ShortText::from_padded(*b"en_\0\0\0\0\0\0\0\0\0\0\0\0\0"))
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if starts && plain && text.len() >= 2 && text.ends_with('_') {
            ShortText::new(text.as_bytes()).map(Self).ok_or(PrefixError)
        } else {
            Err(PrefixError)
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_in_an_underscore() {
        for text in ["en_", "a_", "my_company_", "ABCDEFGHIJKLMNO_", "a__"] {
            assert_eq!(text.parse::<Prefix>().unwrap().as_str(), text);
        }
        for text in ["", "_", "en", "1n_", "_en_", "en-_", "é_", "ABCDEFGHIJKLMNOP_", "en_ "] {
            assert_eq!(text.parse::<Prefix>(), Err(PrefixError), "{text:?}");
        }
        assert_eq!(Prefix::default().as_str(), "en_");
    }

    #[test]
    fn a_prefix_with_an_underscore_inside_is_not_split() {
        let prefix: Prefix = "my_company_".parse().unwrap();
        assert_eq!(prefix.body_of("my_company_a_b"), Some("a_b"));
        assert_eq!(prefix.body_of("my_a_b"), None);
    }
}
