//! The key text that a client sends.

use std::fmt;

use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use zeroize::Zeroizing;

use super::hint::{Hint, HintStyle, Shown};
use super::prefix::Prefix;

/// Chars of a body, before the checksum if there is one.
const BODY_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
/// The shortest text that is taken in as somebody else's key: below, it may have been thought up.
const SHORTEST_IMPORT: usize = 22;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text of a key, such as `en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a`.
///
/// It exists once, when it is made, and is given out by [`Secret::reveal`] alone: it cannot be cloned or serialized,
/// prints as its hint, and its memory is wiped when it is dropped.
pub struct Secret {
    // INVARIANT: never grows, since growing would leave a copy behind that nobody wipes.
    text: Zeroizing<String>,
    prefix: Prefix,
}

/// How a new secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretFormat {
    /// 32 lowercase hex digits: 128 bits.
    #[default]
    Hex,
    /// 32 characters of `0-9A-Za-z`: 190 bits.
    Base62,
    /// [`SecretFormat::Hex`] and a checksum, by which a scanner can tell a real key from a lookalike.
    Checked,
    /// [`SecretFormat::Base62`] and a checksum.
    CheckedBase62,
}

/// Why a presented text cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeFault {
    /// Fewer than 8 bytes.
    #[error("a key has at least 8 characters")]
    TooShort,
    /// More than 512 bytes.
    #[error("a key has at most 512 characters")]
    TooLong,
    /// White space, a control character or one outside ASCII.
    #[error("a key has only visible ASCII characters")]
    NotVisible,
}

/// Why a text is not taken in as a secret made elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be a secret.
    #[error(transparent)]
    Shape(#[from] ShapeFault),
    /// It is so short that it can be guessed.
    #[error("must have at least {SHORTEST_IMPORT} characters, since a shorter key can be guessed")]
    Weak,
}

/// Whether `secret` can be a secret at all: 8 to 512 visible ASCII bytes.
///
/// # Errors
/// The [`ShapeFault`].
pub fn check_shape(secret: &[u8]) -> Result<(), ShapeFault> {
    if secret.len() < 8 {
        Err(ShapeFault::TooShort)
    } else if secret.len() > 512 {
        Err(ShapeFault::TooLong)
    } else if secret.iter().fold(true, |all, byte| all & byte.is_ascii_graphic()) {
        // Every byte is looked at: without a way out in the middle, many are looked at in one instruction.
        Ok(())
    } else {
        Err(ShapeFault::NotVisible)
    }
}

/// Whether the last six characters of `body` are the checksum of those before: CRC-32 in base 62, as GitHub writes
/// it. It tells a typing error from a wrong key, and is no proof of anything.
pub fn checksum_holds(body: &str) -> bool {
    body.as_bytes().split_last_chunk().is_some_and(|(checked, sum)| checksum(checked) == *sum)
}

impl Secret {
    /// A new secret, straight from the operating system's generator.
    ///
    /// # Errors
    /// Only if that generator fails; there is no other to fall back on.
    pub fn generate(prefix: Prefix, format: SecretFormat) -> Result<Self, SysError> {
        let body = match format {
            SecretFormat::Hex | SecretFormat::Checked => hex_body()?,
            SecretFormat::Base62 | SecretFormat::CheckedBase62 => base62_body()?,
        };
        let sum = match format {
            SecretFormat::Hex | SecretFormat::Base62 => None,
            SecretFormat::Checked | SecretFormat::CheckedBase62 => Some(checksum(&*body)),
        };
        let len = prefix.as_str().len().saturating_add(BODY_LEN).saturating_add(CHECKSUM_LEN);
        let mut text = Zeroizing::new(String::with_capacity(len));
        text.push_str(prefix.as_str());
        text.extend(body.iter().copied().map(char::from));
        text.extend(sum.iter().flatten().copied().map(char::from));
        Ok(Self { text, prefix })
    }

    /// Takes in a secret that was made elsewhere: 22 to 512 visible ASCII characters, with any start.
    ///
    /// # Errors
    /// Every [`ImportError`].
    pub fn import(text: &str, prefix: Prefix) -> Result<Self, ImportError> {
        check_shape(text.as_bytes())?;
        if text.len() < SHORTEST_IMPORT {
            return Err(ImportError::Weak);
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), prefix })
    }

    /// The text itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What may be shown of it later.
    pub fn hint(&self, style: HintStyle) -> Option<Hint> {
        Hint::new(self.prefix, self.shown(style))
    }

    pub(super) fn shown(&self, style: HintStyle) -> Shown {
        Shown::of(&self.text, &self.prefix, style)
    }
}

/// The hint, never the text.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hint(HintStyle::Ends) {
            Some(hint) => fmt::Display::fmt(&hint, f),
            None => f.write_str("…"),
        }
    }
}

/// The hint, never the text.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl SecretFormat {
    /// Reads `hex`, `base62`, `checked` or `checked_base62`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "hex" => Some(Self::Hex),
            "base62" => Some(Self::Base62),
            "checked" => Some(Self::Checked),
            "checked_base62" => Some(Self::CheckedBase62),
            _ => None,
        }
    }

    /// The word that [`SecretFormat::parse`] reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base62 => "base62",
            Self::Checked => "checked",
            Self::CheckedBase62 => "checked_base62",
        }
    }
}

type Body = Zeroizing<[u8; BODY_LEN]>;

fn hex_body() -> Result<Body, SysError> {
    let mut random = Zeroizing::new([0; BODY_LEN / 2]);
    SysRng.try_fill_bytes(&mut *random)?;
    let mut body = Zeroizing::new([0; BODY_LEN]);
    let digit =
        |nibble: u8| if nibble < 10 { nibble.wrapping_add(b'0') } else { nibble.wrapping_add(b'a' - 10) };
    for (pair, &byte) in body.chunks_exact_mut(2).zip(random.iter()) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    Ok(body)
}

fn base62_body() -> Result<Body, SysError> {
    let mut body = Zeroizing::new([0; BODY_LEN]);
    let mut random = Zeroizing::new([0; 2 * BODY_LEN]);
    let mut left = body.iter_mut();
    let mut slot = left.next();
    while slot.is_some() {
        SysRng.try_fill_bytes(&mut *random)?;
        // 248 is 4 x 62: what lies above would make eight of the letters likelier than the rest.
        for &byte in random.iter().filter(|&&byte| byte < 248) {
            let Some(place) = slot else { break };
            *place = base62_digit(u32::from(byte));
            slot = left.next();
        }
    }
    Ok(body)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32fast::hash(body);
    let mut text = [b'0'; CHECKSUM_LEN];
    for place in text.iter_mut().rev() {
        *place = base62_digit(rest);
        rest /= 62;
    }
    text
}

fn base62_digit(value: u32) -> u8 {
    usize::try_from(value % 62).ok().and_then(|digit| BASE62.get(digit)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn body(format: SecretFormat) -> String {
        let secret = Secret::generate(Prefix::default(), format).unwrap();
        secret.reveal().strip_prefix("en_").unwrap().to_owned()
    }

    #[test]
    fn checksum_vectors() {
        for (body, sum) in [
            ("8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a", "2Xd1g3"),
            ("00000000000000000000000000000000", "2wjyrI"),
            ("ffffffffffffffffffffffffffffffff", "23bcuX"),
            ("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"),
        ] {
            assert_eq!(str::from_utf8(&checksum(body.as_bytes())), Ok(sum));
            assert!(checksum_holds(&format!("{body}{sum}")));
            assert!(!checksum_holds(&format!("{body}{}", sum.to_lowercase())) || sum == sum.to_lowercase());
        }
        assert!(!checksum_holds("12345"));
    }

    #[test]
    fn each_format_is_what_it_says() {
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let base62 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(body(SecretFormat::Hex).len() == 32 && hex(&body(SecretFormat::Hex)));
        assert!(body(SecretFormat::Base62).len() == 32 && base62(&body(SecretFormat::Base62)));
        let checked = body(SecretFormat::Checked);
        assert!(checked.len() == 38 && hex(checked.split_at(32).0) && checksum_holds(&checked));
        let checked = body(SecretFormat::CheckedBase62);
        assert!(checked.len() == 38 && base62(&checked) && checksum_holds(&checked));
    }

    #[test]
    fn every_secret_is_new() {
        // A generator that is cloned or seeded repeats at once.
        let mut seen = HashSet::new();
        for format in [SecretFormat::Hex, SecretFormat::Base62] {
            assert!((0..20_000).all(|_| seen.insert(body(format))));
        }
    }

    #[test]
    fn base62_letters_are_equally_likely() {
        let mut counts = [0_i64; 256];
        for _ in 0..4_000 {
            body(SecretFormat::Base62).bytes().for_each(|byte| counts[usize::from(byte)] += 1);
        }
        // 2065 of each are expected, 45 is one standard deviation. A modulo without rejection favours eight letters
        // by a quarter.
        for letter in BASE62 {
            assert!((counts[usize::from(*letter)] - 2_065).abs() < 320, "{}", char::from(*letter));
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        let secret = Secret::import("en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a", Prefix::default()).unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "en_8f3d…1e6a Secret(en_8f3d…1e6a)");
        assert_eq!(secret.reveal().len(), 35);
    }

    #[test]
    fn the_buffer_never_grows() {
        for format in [SecretFormat::Hex, SecretFormat::CheckedBase62] {
            let secret = Secret::generate("ABCDEFGHIJKLMNO_".parse().unwrap(), format).unwrap();
            assert_eq!(secret.text.capacity(), 16 + 38);
        }
    }

    #[test]
    fn shapes_are_bounded_and_ascii() {
        for (secret, fault) in [
            (&b""[..], ShapeFault::TooShort),
            (b"1234567", ShapeFault::TooShort),
            (b"12345678 ", ShapeFault::NotVisible),
            (b"1234567\n", ShapeFault::NotVisible),
            (b"1234567\0", ShapeFault::NotVisible),
            ("12345678é".as_bytes(), ShapeFault::NotVisible),
            ("１２３４５６７８".as_bytes(), ShapeFault::NotVisible),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", ShapeFault::NotVisible),
            (&[b'x'; 513], ShapeFault::TooLong),
        ] {
            assert_eq!(check_shape(secret), Err(fault));
        }
        assert!(check_shape(b"12345678").is_ok() && check_shape(&[b'~'; 512]).is_ok());
    }

    #[test]
    fn weak_texts_are_not_taken_in() {
        let import = |text: &str| Secret::import(text, Prefix::default()).map(|_| ());
        assert_eq!(import("hunter2hunter2"), Err(ImportError::Weak));
        assert_eq!(import("hunter2"), Err(ImportError::Shape(ShapeFault::TooShort)));
        assert_eq!(import("sk-1234567890123456789"), Ok(()));
    }
}
