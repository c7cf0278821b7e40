//! What the tests of this room share.

use super::{CreateError, Created, Key, KeySpec, Peppers};
use crate::Timestamp;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A key as created on New Year's Day of 2026.
pub(super) fn made(json: &str) -> Result<Created, CreateError> {
    KeySpec::from_json(json)?.create(&Peppers::none(), at("2026-01-01T00:00:00Z"))
}

pub(super) fn key_of(json: &str) -> Key {
    made(json).unwrap().key
}

/// What is wrong with a creation that has to fail.
pub(super) fn faults_of(json: &str) -> String {
    match made(json) {
        Err(CreateError::Invalid(error)) => error.to_string(),
        other => panic!("{json}: {other:?}"),
    }
}
