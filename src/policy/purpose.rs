//! What a key is for.

use std::fmt;
use std::str::FromStr;

/// The one use case a key is restricted to: `^[a-z0-9][a-z0-9_.:-]{0,63}$`. A request has to state the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(Box<str>);

/// Why a text is not a [`Purpose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of a-z 0-9 _ . : - and start with a letter or digit")]
pub struct PurposeError;

impl Purpose {
    /// The purpose as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Purpose {
    type Err = PurposeError;

    fn from_str(text: &str) -> Result<Self, PurposeError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| plain(byte) || matches!(byte, b'_' | b'.' | b':' | b'-');
        let well_formed =
            text.len() <= 64 && text.bytes().next().is_some_and(plain) && text.bytes().all(inner);
        if well_formed { Ok(Self(text.into())) } else { Err(PurposeError) }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_plain_names() {
        for text in ["chat", "chatbot:eu", "2-step", "a.b_c", &"x".repeat(64)] {
            assert_eq!(text.parse::<Purpose>().unwrap().as_str(), text);
        }
        for text in ["", " ", "Chat", "-x", ":x", "a b", "chat\n", "é", &"x".repeat(65)] {
            assert_eq!(text.parse::<Purpose>(), Err(PurposeError), "{text:?}");
        }
    }
}
