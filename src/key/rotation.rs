//! A new secret for the same key: one record, one budget.

use std::time::Duration;

use super::digest::SecretHash;
use super::edit::ChangeError;
use super::faults::InvalidRecord;
use super::hint::{HintStyle, Shown};
use super::history::StoredSecret;
use super::pepper::Peppers;
use super::record::Key;
use super::secret::Secret;
use super::state::{Conflict, State};
use crate::Timestamp;

/// The most secrets that work at once.
const LIVE: usize = 5;
/// The most that are remembered after they retired.
const REMEMBERED: usize = 8;
/// How long the secrets of a rotated key may work side by side: 90 days.
const LONGEST_OVERLAP: Duration = Duration::from_hours(90 * 24);

/// A secret on its way into a record.
#[derive(Debug, Clone, Copy)]
pub struct NewSecret {
    hash: SecretHash,
    shown: Shown,
}

impl NewSecret {
    /// The record's share of `secret`: its hash and its hint.
    pub fn of(secret: &Secret, peppers: &Peppers, style: HintStyle) -> Self {
        Self { hash: peppers.hash(secret.reveal().as_bytes()), shown: secret.shown(style) }
    }

    /// A secret of which only the hash is known.
    pub fn from_hash(hash: SecretHash) -> Self {
        Self { hash, shown: Shown::NOTHING }
    }
}

impl Key {
    /// The key with one more secret. Those it had work for another `overlap` (not at all, if that is zero), or until
    /// their own end where that is sooner; an end never moves back.
    ///
    /// # Errors
    /// A fault when `overlap` is more than 90 days; a [`Conflict`] when the key is revoked, disabled or expired, has
    /// five live secrets, or has this one.
    pub fn rotated(&self, secret: NewSecret, overlap: Duration, now: Timestamp) -> Result<Self, ChangeError> {
        if overlap > LONGEST_OVERLAP {
            let message = format!("must be at most {} seconds (90 days)", LONGEST_OVERLAP.as_secs());
            return Err(InvalidRecord::new("/overlap", message).into());
        }
        match self.state_at(now) {
            State::Revoked => return Err(Conflict::Revoked.into()),
            State::Disabled => return Err(Conflict::Disabled.into()),
            State::Expired => return Err(Conflict::Expired.into()),
            State::Active | State::NotYetValid => {}
        }
        if self.secret(secret.hash.digest()).is_some() {
            return Err(Conflict::SecretInUse.into());
        }
        let end = now.saturating_add(overlap);
        let mut older: Vec<StoredSecret> = self.secrets().collect();
        for old in &mut older {
            old.retires_at = Some(old.retires_at.map_or(end, |earlier| earlier.min(end)));
        }
        if older.iter().filter(|old| !old.is_retired_at(now)).count() >= LIVE {
            return Err(Conflict::TooManySecrets.into());
        }
        let mut retired = 0_usize;
        older.retain(|old| {
            retired = retired.saturating_add(usize::from(old.is_retired_at(now)));
            !old.is_retired_at(now) || retired <= REMEMBERED
        });
        let mut history = self.continued(now);
        history.newest =
            StoredSecret { hash: secret.hash, shown: secret.shown, created_at: now, retires_at: None };
        history.older = older;
        Ok(Self::pack(self.parts(), history))
    }
}

/// The longest list of secrets that a record can hold.
pub(super) const MOST_SECRETS: usize = LIVE + REMEMBERED;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Prefix;
    use crate::key::testing::{at, key_of};

    const HOUR: Duration = Duration::from_hours(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn secret(n: u32) -> NewSecret {
        let secret = Secret::import(&format!("en_{n:032x}"), Prefix::default()).unwrap();
        NewSecret::of(&secret, &Peppers::none(), HintStyle::Ends)
    }

    fn live(key: &Key, now: Timestamp) -> usize {
        key.secrets().filter(|secret| !secret.is_retired_at(now)).count()
    }

    #[test]
    fn rotation_changes_the_secret_and_nothing_else() {
        let now = at("2026-02-01T00:00:00Z");
        let key = key_of(r#"{"name":"k","daily_spend_limit":50,"allowed_models":["gpt-4"],"tags":["a"]}"#);
        let rotated = key.rotated(secret(1), Duration::ZERO, now).unwrap();
        assert_eq!((rotated.id(), rotated.daily_spend_limit()), (key.id(), key.daily_spend_limit()));
        assert_eq!((rotated.policy(), rotated.revision()), (key.policy(), 2));
        assert_eq!(rotated.hint().unwrap().to_string(), "en_0000…0001");
        assert_eq!(live(&rotated, now), 1);
        let old = key.secrets().next().unwrap();
        assert!(rotated.secret(old.hash().digest()).unwrap().is_retired_at(now));
    }

    #[test]
    fn an_overlap_ends_and_never_extends() {
        let now = at("2026-02-01T00:00:00Z");
        let later = |time| now.saturating_add(time);
        let key = key_of(r#"{"name":"k"}"#);
        let first = *key.secrets().next().unwrap().hash().digest();
        let once = key.rotated(secret(1), HOUR, now).unwrap();
        let twice = once.rotated(secret(2), 10 * HOUR, later(60 * SECOND)).unwrap();
        assert_eq!(twice.secret(&first).unwrap().retires_at(), Some(later(HOUR)));
        assert!(!twice.secret(&first).unwrap().is_retired_at(later(3_599 * SECOND)));
        assert!(twice.secret(&first).unwrap().is_retired_at(later(HOUR)));
        let at_once = twice.rotated(secret(3), Duration::ZERO, later(120 * SECOND)).unwrap();
        assert_eq!(live(&at_once, later(120 * SECOND)), 1);
    }

    #[test]
    fn a_sixth_live_secret_is_a_conflict() {
        let now = at("2026-02-01T00:00:00Z");
        let key = (1..5).fold(key_of(r#"{"name":"k"}"#), |key, n| key.rotated(secret(n), HOUR, now).unwrap());
        assert_eq!(live(&key, now), 5);
        assert_eq!(key.rotated(secret(9), HOUR, now), Err(Conflict::TooManySecrets.into()));
        assert_eq!(live(&key.rotated(secret(9), Duration::ZERO, now).unwrap(), now), 1);
        let later = now.saturating_add(HOUR);
        assert_eq!(live(&key.rotated(secret(9), HOUR, later).unwrap(), later), 2);
    }

    #[test]
    fn tombstones_are_bounded_and_the_newest_are_kept() {
        let now = at("2026-02-01T00:00:00Z");
        let key = (1..=20)
            .fold(key_of(r#"{"name":"k"}"#), |key, n| key.rotated(secret(n), Duration::ZERO, now).unwrap());
        assert_eq!(key.secrets().count(), 1 + REMEMBERED);
        let known = |n| key.secret(secret(n).hash.digest()).is_some();
        assert!(known(20) && known(12) && !known(11));
    }

    #[test]
    fn keys_that_do_not_work_get_no_secret() {
        let now = at("2026-02-01T00:00:00Z");
        let key = key_of(r#"{"name":"k","expires_at":"2026-03-01T00:00:00Z"}"#);
        assert_eq!(key.disable(now).rotated(secret(1), Duration::ZERO, now), Err(Conflict::Disabled.into()));
        assert_eq!(key.revoke(now).rotated(secret(1), Duration::ZERO, now), Err(Conflict::Revoked.into()));
        let late = at("2026-03-01T00:00:00Z");
        assert_eq!(key.rotated(secret(1), Duration::ZERO, late), Err(Conflict::Expired.into()));
        let rotated = key.rotated(secret(1), Duration::ZERO, now).unwrap();
        assert_eq!(rotated.rotated(secret(1), Duration::ZERO, now), Err(Conflict::SecretInUse.into()));
        let error =
            key.rotated(secret(1), LONGEST_OVERLAP + Duration::from_nanos(1), now).unwrap_err().to_string();
        assert_eq!(error, "/overlap: must be at most 7776000 seconds (90 days)");
    }
}
