//! Names of keys, and of whatever else may come to own a budget.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Serialize, Serializer};

use crate::time::Timestamp;

const PREFIX: &str = "key_";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;
const MAX_LEN: usize = 64;

/// The id of a key: `key_` and a [TypeID](https://github.com/jetify-com/typeid) suffix (a version 7 UUID), or a
/// name of the caller's own, 1 to 64 characters of `A-Z a-z 0-9 _ . -`.
///
/// An id says nothing about the secret, may be logged, and never changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Repr);

// A generated id is kept as its 16 bytes: at a million keys the text would be most of the record. Text that
// spells a TypeID always becomes `Uuid`, so equal texts are equal ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Uuid([u8; 16]),
    Text(Arc<str>),
}

/// Why a text is not a [`KeyId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of A-Z a-z 0-9 _ . -")]
pub struct KeyIdError;

impl KeyId {
    /// A new id, made from `now` and 74 bits of the operating system's randomness, so that ids sort by time.
    ///
    /// # Errors
    /// Only if the operating system's generator fails.
    pub fn generate(now: Timestamp) -> Result<Self, rand::rngs::SysError> {
        let mut bytes = [0; 16];
        SysRng.try_fill_bytes(&mut bytes)?;
        let millis = now.as_micros().div_euclid(1_000).to_be_bytes();
        let [_, _, t0, t1, t2, t3, t4, t5] = millis;
        let [_, _, _, _, _, _, version, r7, variant, rest @ ..] = bytes;
        let mut uuid = [
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            (version & 0x0f) | 0x70,
            r7,
            (variant & 0x3f) | 0x80,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        if let Some(tail) = uuid.get_mut(9..) {
            tail.copy_from_slice(&rest);
        }
        Ok(Self(Repr::Uuid(uuid)))
    }

    /// The id in as few bytes as it takes, different for different ids.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Uuid(uuid) => uuid,
            Repr::Text(text) => text.as_bytes(),
        }
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        if let Some(uuid) = text.strip_prefix(PREFIX).and_then(decode) {
            return Ok(Self(Repr::Uuid(uuid)));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if text.is_empty() || text.len() > MAX_LEN || !text.bytes().all(plain) {
            return Err(KeyIdError);
        }
        Ok(Self(Repr::Text(text.into())))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Uuid(uuid) => {
                f.write_str(PREFIX)?;
                encode(*uuid).iter().try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
            }
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// 128 bits as 26 characters of 5 bits, most significant first; the first carries 3 bits.
pub(crate) fn encode(bytes: [u8; 16]) -> [u8; SUFFIX_LEN] {
    let mut rest = u128::from_be_bytes(bytes);
    let mut text = [b'0'; SUFFIX_LEN];
    for slot in text.iter_mut().rev() {
        let digit = usize::try_from(rest & 31).unwrap_or(0);
        *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    text
}

/// The inverse of [`encode`]; `None` for anything that `encode` does not write.
pub(crate) fn decode(text: &str) -> Option<[u8; 16]> {
    let bytes: &[u8; SUFFIX_LEN] = text.as_bytes().try_into().ok()?;
    if bytes.first().is_none_or(|&first| first > b'7') {
        return None;
    }
    bytes
        .iter()
        .try_fold(0_u128, |value, byte| {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            Some((value << 5) | u128::try_from(digit).ok()?)
        })
        .map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typeid_vectors() {
        // From the TypeID specification's valid.json.
        for (suffix, value) in [
            ("00000000000000000000000000", 0),
            ("0000000000000000000000000g", 16),
            ("01h455vb4pex5vsknk084sn02q", 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
            ("7zzzzzzzzzzzzzzzzzzzzzzzzz", u128::MAX),
        ] {
            assert_eq!(decode(suffix), Some(value.to_be_bytes()), "{suffix}");
            assert_eq!(encode(u128::to_be_bytes(value)), suffix.as_bytes(), "{suffix}");
        }
        for bad in [
            "8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "0000000000000000000000000",
            "0000000000000000000000000u",
            "0000000000000000000000000G",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn generated_ids_carry_their_time_and_read_back() {
        let early = KeyId::generate("2026-11-23T00:00:00Z".parse().unwrap()).unwrap();
        let late = KeyId::generate("2026-11-23T00:00:01Z".parse().unwrap()).unwrap();
        assert!(early < late);
        assert_eq!(early.to_string().len(), 30);
        assert_eq!(early.to_string().parse(), Ok(early));
    }

    #[test]
    fn own_names_are_bounded() {
        assert_eq!("prod-web.app_1".parse::<KeyId>().unwrap().to_string(), "prod-web.app_1");
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<KeyId>(), Err(KeyIdError), "{bad}");
        }
    }
}
