//! Up to sixteen ASCII characters, kept in place: prefixes and pepper ids stand in every one of a million records.

/// A short ASCII text without NUL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct ShortText([u8; 16]);

impl ShortText {
    pub(super) const EMPTY: Self = Self([0; 16]);

    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        let (start, _) = bytes.split_at_mut_checked(text.len())?;
        start.copy_from_slice(text);
        Some(Self(bytes)).filter(|_| text.is_ascii())
    }

    /// Of ASCII, and NUL from the end of the text on.
    pub(super) const fn from_padded(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        self.0.get(..end).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::ShortText;

    #[test]
    fn sixteen_characters_fit() {
        for text in ["", "en_", "sixteen_letters_"] {
            assert_eq!(ShortText::new(text.as_bytes()).unwrap().as_str(), text);
        }
        assert!(ShortText::new(b"seventeen_letters").is_none());
        assert!(ShortText::new("é".as_bytes()).is_none());
    }
}
