//! Whether a key works, and the switches that people turn.

use super::record::Key;
use crate::Timestamp;

/// Whether a key works, whatever the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It works.
    Active,
    /// Stopped for good.
    Revoked,
    /// Switched off for now.
    Disabled,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
}

/// Why a change cannot be made to a key as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// Revoked keys stay revoked.
    #[error("the key is revoked, which cannot be undone; create a new key")]
    Revoked,
    /// A disabled key gets no new secret.
    #[error("the key is disabled; enable it first")]
    Disabled,
    /// An expired key gets no new secret.
    #[error("the key is expired; move expires_at first")]
    Expired,
    /// Five secrets are live already.
    #[error(
        "the key already has five live secrets; wait for one to retire, or rotate with a shorter overlap"
    )]
    TooManySecrets,
    /// The key has this secret already.
    #[error("the key already has this secret")]
    SecretInUse,
}

impl Key {
    /// Whether the key works at `now`, whatever the request. An end is the first instant at which it does not.
    pub fn state_at(&self, now: Timestamp) -> State {
        if self.revoked_at().is_some() {
            State::Revoked
        } else if !self.enabled() {
            State::Disabled
        } else if self.not_before().is_some_and(|start| now < start) {
            State::NotYetValid
        } else if self.expires_at().is_some_and(|end| now >= end) {
            State::Expired
        } else {
            State::Active
        }
    }

    /// The key, switched off.
    pub fn disable(&self, now: Timestamp) -> Self {
        self.switched(true, now)
    }

    /// The key, switched on.
    ///
    /// # Errors
    /// [`Conflict::Revoked`].
    pub fn enable(&self, now: Timestamp) -> Result<Self, Conflict> {
        if self.revoked_at().is_some() { Err(Conflict::Revoked) } else { Ok(self.switched(false, now)) }
    }

    /// The key, stopped for good. Revoking it again changes nothing.
    pub fn revoke(&self, now: Timestamp) -> Self {
        if self.revoked_at().is_some() {
            return self.clone();
        }
        let mut history = self.continued(now);
        history.revoked_at = Some(now);
        Self::pack(self.parts(), history)
    }

    fn switched(&self, disabled: bool, now: Timestamp) -> Self {
        let mut parts = self.parts();
        parts.disabled = disabled;
        Self::pack(parts, self.continued(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::testing::{at, key_of};

    #[test]
    fn the_first_reason_answers() {
        let key =
            key_of(r#"{"name":"k","not_before":"2026-02-01T00:00:00Z","expires_at":"2026-03-01T00:00:00Z"}"#);
        assert_eq!(key.state_at(at("2026-01-31T23:59:59.999999Z")), State::NotYetValid);
        assert_eq!(key.state_at(at("2026-02-01T00:00:00Z")), State::Active);
        assert_eq!(key.state_at(at("2026-02-28T23:59:59.999999Z")), State::Active);
        assert_eq!(key.state_at(at("2026-03-01T00:00:00Z")), State::Expired);
        let now = at("2026-04-01T00:00:00Z");
        assert_eq!(key.disable(now).state_at(now), State::Disabled);
        assert_eq!(key.disable(now).revoke(now).state_at(now), State::Revoked);
    }

    #[test]
    fn disabling_is_undone_and_revoking_is_not() {
        let now = at("2026-02-01T00:00:00Z");
        let key = key_of(r#"{"name":"k"}"#);
        let back = key.disable(now).enable(now).unwrap();
        assert_eq!((back.state_at(now), back.revision(), back.updated_at()), (State::Active, 3, now));
        let revoked = key.revoke(now);
        assert_eq!(revoked.enable(now).unwrap_err(), Conflict::Revoked);
        assert_eq!(revoked.revoke(at("2026-03-01T00:00:00Z")).revoked_at(), Some(now));
    }
}
