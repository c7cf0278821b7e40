//! Keys of the hash: a stolen table of digests cannot be tested against without them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::digest::{Digest, Kid, SecretHash};

const MOST: usize = 4;

/// Up to four peppers, the first of which keys new hashes; the others are still understood.
///
/// Without any, hashes are plain SHA-256. Plain ones are always understood, so that peppers can be brought in while
/// keys are in use.
#[derive(Clone, Default)]
pub struct Peppers(Vec<Pepper>);

#[derive(Clone)]
struct Pepper {
    kid: Kid,
    // With the key already worked in: half the cost of a digest. The key itself is not kept.
    keyed: Hmac<Sha256>,
}

/// Why peppers are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PepperError {
    /// More than four.
    #[error("at most {MOST} peppers")]
    TooMany,
    /// A name that is not `^[A-Za-z0-9_-]{1,16}$`.
    #[error("a pepper's id must be 1 to 16 characters of A-Z a-z 0-9 _ -")]
    Kid,
    /// One name twice.
    #[error("two peppers have the same id")]
    Repeated,
    /// Fewer than 32 or more than 64 bytes.
    #[error("a pepper must have 32 to 64 bytes")]
    Length,
    /// One byte over and over, as in an empty or forgotten setting.
    #[error("a pepper must not be one byte repeated")]
    Uniform,
}

impl Peppers {
    /// Plain SHA-256.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// These peppers, as ids and 32 to 64 secret bytes. Wipe your own copy of the bytes.
    ///
    /// # Errors
    /// Every [`PepperError`].
    pub fn new<'a>(peppers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, PepperError> {
        let mut known = Vec::new();
        for (kid, bytes) in peppers {
            let kid = Kid::parse(kid).ok_or(PepperError::Kid)?;
            if known.len() == MOST {
                return Err(PepperError::TooMany);
            }
            if known.iter().any(|other: &Pepper| other.kid == kid) {
                return Err(PepperError::Repeated);
            }
            if !(32..=64).contains(&bytes.len()) {
                return Err(PepperError::Length);
            }
            if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
                return Err(PepperError::Uniform);
            }
            known.push(Pepper::new(kid, bytes).ok_or(PepperError::Length)?);
        }
        Ok(Self(known))
    }

    /// The hash under which a new secret is stored.
    pub fn hash(&self, secret: &[u8]) -> SecretHash {
        match self.0.first() {
            Some(pepper) => SecretHash::new(pepper.digest(secret), pepper.kid),
            None => SecretHash::new(Digest::of(secret), Kid::PLAIN),
        }
    }

    /// What `known` says of a digest under which `secret` may be stored: it is asked about one after the other, likeliest
    /// first, until it says something.
    #[inline]
    pub fn find<T>(&self, secret: &[u8], mut known: impl FnMut(&Digest) -> Option<T>) -> Option<T> {
        for pepper in &self.0 {
            if let Some(found) = known(&pepper.digest(secret)) {
                return Some(found);
            }
        }
        known(&Digest::of(secret))
    }

    /// Whether hashes of this kind can be recomputed: plain ones, and those keyed with one of these peppers.
    pub fn understands(&self, hash: &SecretHash) -> bool {
        hash.kid().is_none() || self.0.iter().any(|pepper| pepper.kid == hash.kid_id())
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().filter_map(|pepper| pepper.kid.name())).finish()
    }
}

impl Pepper {
    fn new(kid: Kid, bytes: &[u8]) -> Option<Self> {
        Some(Self { kid, keyed: Hmac::new_from_slice(bytes).ok()? })
    }

    fn digest(&self, secret: &[u8]) -> Digest {
        let mut keyed = self.keyed.clone();
        keyed.update(secret);
        Digest::from_bytes(keyed.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
    const A: &[u8] = b"0123456789abcdef0123456789abcdef";
    const B: &[u8] = b"fedcba9876543210fedcba9876543210";

    #[test]
    fn hmac_vector() {
        let pepper = Pepper::new(Kid::parse("zero").unwrap(), &[0; 32]).unwrap();
        let hash = SecretHash::new(pepper.digest(SECRET), pepper.kid);
        let hex = "9288b1efd6e22e22079a2a0e3c463a78d65d1cbfd8ac6b64c49ffe3ae56bab65";
        assert_eq!(hash.to_string(), format!("hs256:zero:{hex}"));
    }

    #[test]
    fn forgotten_settings_are_not_peppers() {
        let refused = |kid, bytes: &[u8]| Peppers::new([(kid, bytes)]).unwrap_err();
        assert_eq!(refused("a", &[0; 32]), PepperError::Uniform);
        assert_eq!(refused("a", &[b' '; 32]), PepperError::Uniform);
        assert_eq!(refused("a", b""), PepperError::Length);
        assert_eq!(refused("a", &A[1..]), PepperError::Length);
        assert_eq!(refused("a", &A.repeat(3)), PepperError::Length);
        for kid in ["", "a:b", "a b", "ABCDEFGHIJKLMNOPQ"] {
            assert_eq!(refused(kid, A), PepperError::Kid);
        }
        assert_eq!(Peppers::new([("a", A), ("a", B)]).unwrap_err(), PepperError::Repeated);
        assert_eq!(
            Peppers::new(["a", "b", "c", "d", "e"].map(|kid| (kid, A))).unwrap_err(),
            PepperError::TooMany
        );
    }

    #[test]
    fn an_older_pepper_and_a_plain_hash_are_still_found() {
        let old = Peppers::new([("a", A)]).unwrap();
        let new = Peppers::new([("b", B), ("a", A)]).unwrap();
        for stored in [old.hash(SECRET), new.hash(SECRET), Peppers::none().hash(SECRET)] {
            assert!(new.understands(&stored));
            let is_stored = |digest: &Digest| (digest == stored.digest()).then_some(());
            assert!(new.find(SECRET, is_stored).is_some());
            assert!(new.find(b"en_another_secret", is_stored).is_none());
        }
        assert_eq!(new.hash(SECRET).kid(), Some("b"));
        assert!(!old.understands(&new.hash(SECRET)));
    }

    #[test]
    fn debug_shows_only_names() {
        assert_eq!(format!("{:?}", Peppers::new([("a", A), ("b", B)]).unwrap()), r#"["a", "b"]"#);
    }
}
