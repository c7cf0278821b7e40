//! What may be shown of a secret, so that people can tell their keys apart.

use std::fmt;

use super::prefix::Prefix;

const SHOWN_AT_EACH_END: usize = 4;
// A body must hide far more than it shows.
const SHORTEST_BODY: usize = 24;

/// A redacted secret: `en_8f3d…1e6a`.
///
/// At most eight characters of the body. It is not unique, proves nothing, and no call looks a key up by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    prefix: Prefix,
    shown: Shown,
}

/// How much of a secret its hint shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HintStyle {
    /// The first and the last four characters: `en_8f3d…1e6a`. Leaves 96 bits of a hex secret unknown.
    #[default]
    Ends,
    /// The last four: `en_…1e6a`. Leaves 112 bits of a hex secret unknown.
    Last4,
    /// Nothing.
    None,
}

impl HintStyle {
    /// Reads `ends`, `last4` or `none`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ends" => Some(Self::Ends),
            "last4" => Some(Self::Last4),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// The word that [`HintStyle::parse`] reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ends => "ends",
            Self::Last4 => "last4",
            Self::None => "none",
        }
    }
}

impl Hint {
    pub(super) fn new(prefix: Prefix, shown: Shown) -> Option<Self> {
        if shown == Shown::NOTHING { None } else { Some(Self { prefix, shown }) }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix;
        match self.shown.parts() {
            Parts::Ends(first, last) => write!(f, "{prefix}{first}…{last}"),
            Parts::Last(last) => write!(f, "{prefix}…{last}"),
            Parts::Foreign(last) => write!(f, "…{last}"),
            Parts::Prefix => write!(f, "{prefix}…"),
            Parts::Nothing => f.write_str("…"),
        }
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The characters that a hint shows, without the prefix, which the key has already.
///
/// Eight ASCII characters, or a mark that is not ASCII in the first place and up to four characters at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown([u8; 8]);

const LAST: u8 = 0x81;
const FOREIGN: u8 = 0x82;
const PREFIX: u8 = 0x83;
const NOTHING: u8 = 0x84;

enum Parts<'a> {
    Ends(&'a str, &'a str),
    Last(&'a str),
    // The secret was imported, and does not start with the key's prefix.
    Foreign(&'a str),
    Prefix,
    Nothing,
}

impl Shown {
    pub(super) const NOTHING: Self = Self([NOTHING, 0, 0, 0, 0, 0, 0, 0]);
    const PREFIX: Self = Self([PREFIX, 0, 0, 0, 0, 0, 0, 0]);

    /// What to show of a `secret` (visible ASCII) of a key with this `prefix`.
    pub(super) fn of(secret: &str, prefix: &Prefix, style: HintStyle) -> Self {
        let own = prefix.body_of(secret);
        let body = own.unwrap_or(secret).as_bytes();
        let ends = (body.first_chunk(), body.last_chunk());
        match (style, ends) {
            (HintStyle::None, _) => Self::NOTHING,
            (_, (Some(first), Some(last))) if body.len() >= SHORTEST_BODY => match style {
                HintStyle::Ends if own.is_some() => Self::ends(*first, *last),
                _ => Self::last(if own.is_some() { LAST } else { FOREIGN }, *last),
            },
            _ if own.is_some() => Self::PREFIX,
            _ => Self::NOTHING,
        }
    }

    /// Reads a hint of a key with this `prefix`, as [`Hint`] writes it.
    pub(super) fn parse(hint: &str, prefix: &Prefix) -> Option<Self> {
        let (start, end) = hint.split_once('…')?;
        let own = prefix.body_of(start);
        if !start.bytes().chain(end.bytes()).all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let last: Option<[u8; SHOWN_AT_EACH_END]> = end.as_bytes().try_into().ok();
        let shown = match (own, last) {
            (Some(""), None) if end.is_empty() => Self::PREFIX,
            (Some(""), Some(last)) => Self::last(LAST, last),
            (Some(first), Some(last)) => Self::ends(first.as_bytes().try_into().ok()?, last),
            (None, Some(last)) if start.is_empty() => Self::last(FOREIGN, last),
            _ => return None,
        };
        Some(shown)
    }

    fn ends(first: [u8; SHOWN_AT_EACH_END], last: [u8; SHOWN_AT_EACH_END]) -> Self {
        let mut bytes = [0; 8];
        let (start, end) = bytes.split_at_mut(SHOWN_AT_EACH_END);
        start.copy_from_slice(&first);
        end.copy_from_slice(&last);
        Self(bytes)
    }

    fn last(mark: u8, last: [u8; SHOWN_AT_EACH_END]) -> Self {
        Self::ends([mark, 0, 0, 0], last)
    }

    fn parts(&self) -> Parts<'_> {
        let (first, last) = self.0.split_at(SHOWN_AT_EACH_END);
        let last = str::from_utf8(last).unwrap_or_default();
        match (self.0.first(), str::from_utf8(first)) {
            (_, Ok(first)) => Parts::Ends(first, last),
            (Some(&LAST), _) => Parts::Last(last),
            (Some(&FOREIGN), _) => Parts::Foreign(last),
            (Some(&PREFIX), _) => Parts::Prefix,
            _ => Parts::Nothing,
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Hint::new(Prefix::default(), *self) {
            Some(hint) => hint.fmt(f),
            None => f.write_str("…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";

    fn hint(secret: &str, prefix: &str, style: HintStyle) -> String {
        let prefix = prefix.parse().unwrap();
        Hint::new(prefix, Shown::of(secret, &prefix, style))
            .map_or_else(|| "-".into(), |hint| hint.to_string())
    }

    #[test]
    fn a_hint_shows_at_most_eight_characters() {
        assert_eq!(hint(SECRET, "en_", HintStyle::Ends), "en_8f3d…1e6a");
        assert_eq!(hint(SECRET, "en_", HintStyle::Last4), "en_…1e6a");
        assert_eq!(hint(SECRET, "en_", HintStyle::None), "-");
    }

    #[test]
    fn a_short_or_foreign_secret_shows_less() {
        assert_eq!(hint("en_12345678901234567890123", "en_", HintStyle::Ends), "en_…");
        assert_eq!(hint("sk-123456789012345678901234", "en_", HintStyle::Ends), "…1234");
        assert_eq!(hint("sk-12345678901234567890", "en_", HintStyle::Ends), "-");
    }

    #[test]
    fn hints_read_back() {
        let prefix: Prefix = "en_".parse().unwrap();
        for text in ["en_8f3d…1e6a", "en_…1e6a", "…1e6a", "en_…"] {
            let shown = Shown::parse(text, &prefix).unwrap();
            assert_eq!(Hint::new(prefix, shown).unwrap().to_string(), text);
        }
        for text in [
            "",
            "…",
            "en_",
            SECRET,
            "en_8f3d4…1e6a",
            "en_8f3…1e6a",
            "en_8f3d…1e é",
            "sk_8f3d…1e6a",
            "…éé",
            "en_éé…1e6a",
        ] {
            assert!(Shown::parse(text, &prefix).is_none(), "{text}");
        }
    }
}
