//! What is kept of a secret: its hash.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use constant_time_eq::constant_time_eq_32;
use sha2::Sha256;
use sha2::digest::Output;
use sha2::digest::block_api::{Buffer, CoreProxy, FixedOutputCore, UpdateCore};

use super::short::ShortText;

const PLAIN: &str = "sha256:";
const PEPPERED: &str = "hs256:";

/// The 256-bit hash of a whole secret. Comparing two takes the same time wherever they differ.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of `secret`.
    pub fn of(secret: &[u8]) -> Self {
        // The steps of the ready-made hasher by themselves: it copies its state between them, which for one block is felt.
        type Core = <Sha256 as CoreProxy>::Core;
        let (mut core, mut rest) = (Core::default(), Buffer::<Core>::default());
        rest.digest_blocks(secret, |blocks| core.update_blocks(blocks));
        let mut digest = Output::<Core>::default();
        core.finalize_fixed_core(&mut rest, &mut digest);
        Self(digest.into())
    }

    /// A digest of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its first eight bytes: enough to find it by, too few to know it by.
    #[inline]
    pub(crate) fn tag(&self) -> u64 {
        self.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    /// All of its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn to_hex(self) -> [u8; 64] {
        let digit = |nibble: u8| nibble.wrapping_add(if nibble < 10 { b'0' } else { b'a' - 10 });
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        text
    }

    fn from_hex(text: &str) -> Option<Self> {
        let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
            b'a'..=b'f' => Some(byte.wrapping_sub(b'a' - 10)),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, &[high, low]) in bytes.iter_mut().zip(text.as_chunks().0) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq_32(&self.0, &other.0)
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// The first four bytes: enough to follow one digest through a log, too few to test a guess with.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// The name of a pepper: `^[A-Za-z0-9_-]{1,16}$`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Kid(ShortText);

impl Kid {
    /// In place of a pepper's name: the digest is plain SHA-256.
    pub(super) const PLAIN: Self = Self(ShortText::EMPTY);

    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if text.is_empty() || !text.bytes().all(plain) {
            return None;
        }
        ShortText::new(text.as_bytes()).map(Self)
    }

    pub(super) fn name(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|name| !name.is_empty())
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// A digest and how it was made, as it is stored: `sha256:<64 hex>`, or `hs256:<kid>:<64 hex>` when it was keyed with
/// the pepper `kid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretHash {
    digest: Digest,
    kid: Kid,
}

/// Why a text is not a [`SecretHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be sha256:<64 lowercase hex digits> or hs256:<pepper id>:<64 lowercase hex digits>")]
pub struct SecretHashError;

impl SecretHash {
    pub(super) const fn new(digest: Digest, kid: Kid) -> Self {
        Self { digest, kid }
    }

    /// The digest.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The name of the pepper that keyed it, if one did.
    pub fn kid(&self) -> Option<&str> {
        self.kid.name()
    }

    pub(super) const fn kid_id(&self) -> Kid {
        self.kid
    }
}

impl FromStr for SecretHash {
    type Err = SecretHashError;

    fn from_str(text: &str) -> Result<Self, SecretHashError> {
        let parts = match text.strip_prefix(PLAIN) {
            Some(hex) => Some((Kid::PLAIN, hex)),
            None => text
                .strip_prefix(PEPPERED)
                .and_then(|rest| rest.split_once(':'))
                .and_then(|(kid, hex)| Some((Kid::parse(kid)?, hex))),
        };
        let parsed = parts.and_then(|(kid, hex)| Some(Self::new(Digest::from_hex(hex)?, kid)));
        parsed.ok_or(SecretHashError)
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kid() {
            None => f.write_str(PLAIN)?,
            Some(kid) => write!(f, "{PEPPERED}{kid}:")?,
        }
        f.write_str(str::from_utf8(&self.digest.to_hex()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
    const HEX: &str = "746883a28b1d06fc1e28c83f67c1c47e7067bb8c7ba3cbfb9a2639ddb134f339";

    #[test]
    fn digest_vector() {
        let hash = SecretHash::new(Digest::of(SECRET), Kid::PLAIN);
        assert_eq!(hash.to_string(), format!("sha256:{HEX}"));
        assert_ne!(Digest::of(SECRET), Digest::of(&[SECRET, b"x"].concat()));
        assert_ne!(Digest::of(SECRET), Digest::of(&SECRET[..8]));
    }

    #[test]
    fn texts_of_every_length_have_their_sha256() {
        let text: Vec<u8> = (0..=512_u16).map(|place| b'!' + u8::try_from(place % 90).unwrap()).collect();
        for length in 0..text.len() {
            let expected: [u8; 32] = <Sha256 as sha2::Digest>::digest(&text[..length]).into();
            assert_eq!(Digest::of(&text[..length]).as_bytes(), &expected, "{length} bytes");
        }
    }

    #[test]
    fn stored_text_round_trips() {
        for text in
            [format!("sha256:{HEX}"), format!("hs256:2026-11:{HEX}"), format!("hs256:ABCDEFGHIJKLMNOP:{HEX}")]
        {
            let hash: SecretHash = text.parse().unwrap();
            assert_eq!(hash.to_string(), text);
        }
        assert_eq!(format!("sha256:{HEX}").parse::<SecretHash>().unwrap().kid(), None);
        assert_eq!(format!("hs256:a:{HEX}").parse::<SecretHash>().unwrap().kid(), Some("a"));
    }

    #[test]
    fn other_schemes_and_cut_hashes_are_refused() {
        for text in [
            String::new(),
            HEX.into(),
            format!("md5:{HEX}"),
            format!("sha256:{}", HEX.split_at(1).1),
            format!("sha256:{HEX}0"),
            format!("sha256:{}", HEX.to_uppercase()),
            format!("hs256:{HEX}"),
            format!("hs256::{HEX}"),
            format!("hs256:a b:{HEX}"),
            format!("hs256:ABCDEFGHIJKLMNOPQ:{HEX}"),
            format!("sha256:{}é", HEX.split_at(2).1),
        ] {
            assert_eq!(text.parse::<SecretHash>(), Err(SecretHashError), "{text}");
        }
    }

    #[test]
    fn debug_shows_four_bytes() {
        assert_eq!(format!("{:?}", Digest::of(SECRET)), "Digest(746883a2…)");
        assert!(
            !format!("{:?}", SecretHash::new(Digest::of(SECRET), Kid::PLAIN)).contains(HEX.split_at(8).1)
        );
    }
}
