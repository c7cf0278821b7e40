//! What is seen of an answer as it passes, and what its call is settled by.

use std::borrow::Cow;

use enclava_keys::wire::{ResponseFacts, UsageError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::item;
use crate::arguments::wrong_type;
use crate::errors::InvalidValue;
use crate::headers;
use crate::permit::Permit;
use crate::stream::Stream;

// Larger answers are passed on like any other, and charged the estimate.
const MOST_KEPT: usize = 64 * 1024 * 1024;
const EVENTS: &[u8] = b"text/event-stream";
const FIRST_ERROR: u16 = 300;
// Errors by which nobody can tell whether the model answered before somebody stopped waiting for it.
const TIMEOUTS: [u16; 3] = [408, 504, 524];

/// What is seen of an answer.
#[derive(Default)]
pub(crate) struct Answer {
    kind: Kind,
    status: u16,
    kept: Vec<Py<PyBytes>>,
    size: usize,
}

#[derive(Default)]
enum Kind {
    /// It has not begun, or tells no usage that could be read on its way.
    #[default]
    Opaque,
    /// Events, one of which may tell the usage.
    Stream(Box<Stream>),
    /// One JSON text.
    Whole,
    Error,
}

impl Answer {
    /// Takes in how the answer begins; whether it is a stream of events.
    pub(super) fn begin(&mut self, message: &Bound<'_, PyDict>, permit: &Permit) -> PyResult<bool> {
        let py = message.py();
        let status = item(message, intern!(py, "status"))?;
        self.status = status.extract().map_err(|_| wrong_type("status", "a status of HTTP", &status))?;
        let (mut is_events, mut is_json, mut is_encoded) = (false, true, false);
        if let Some(sent) = message.get_item(intern!(py, "headers"))? {
            headers::each(&sent, |_, name, value| {
                if name.eq_ignore_ascii_case(b"content-type") {
                    let kind = headers::bytes(value)?;
                    is_events =
                        kind.get(..EVENTS.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS));
                    is_json =
                        kind.is_empty() || kind.windows(4).any(|part| part.eq_ignore_ascii_case(b"json"));
                } else if name.eq_ignore_ascii_case(b"content-encoding") {
                    is_encoded = !headers::bytes(value)?.eq_ignore_ascii_case(b"identity");
                }
                Ok(())
            })?;
        }
        self.kind = if self.status >= FIRST_ERROR {
            Kind::Error
        } else if is_encoded || permit.is_given_up() {
            Kind::Opaque
        } else if is_events {
            Kind::Stream(Box::new(permit.stream(py)?))
        } else if is_json {
            Kind::Whole
        } else {
            Kind::Opaque
        };
        Ok(matches!(self.kind, Kind::Stream(_)))
    }

    /// Takes in the next piece.
    pub(super) fn take(&mut self, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        match &self.kind {
            Kind::Opaque => {}
            Kind::Stream(stream) => stream.feed(piece.py(), piece)?,
            Kind::Whole | Kind::Error => {
                let piece = match piece.cast::<PyBytes>() {
                    Ok(piece) => piece.clone(),
                    // What may still change is copied.
                    Err(_) => PyBytes::new(piece.py(), &crate::arguments::bytes("body", piece)?),
                };
                self.size = self.size.saturating_add(piece.as_bytes().len());
                if self.size > MOST_KEPT {
                    self.kept.clear();
                } else {
                    self.kept.push(piece.unbind());
                }
            }
        }
        Ok(())
    }

    /// Settles the call by what was seen.
    pub(super) fn settle(&self, py: Python<'_>, permit: &Permit) -> PyResult<()> {
        match &self.kind {
            Kind::Stream(stream) => stream.finish(py).map(drop),
            // Whoever took the permit settles it.
            _ if permit.is_given_up() => Ok(()),
            Kind::Opaque => permit.settle_estimate(py).map(drop),
            Kind::Whole => self.settle_by_body(py, permit),
            // An error says that nothing was generated, unless it tells usage or that somebody stopped waiting.
            Kind::Error if TIMEOUTS.contains(&self.status) || self.tells_usage(py) => {
                self.settle_by_body(py, permit)
            }
            Kind::Error => permit.release(py),
        }
    }

    fn settle_by_body(&self, py: Python<'_>, permit: &Permit) -> PyResult<()> {
        match permit.settle_by_body(py, &self.whole(py)) {
            // It was cut short, or is no answer of a model: the most that it can have used.
            Err(error) if error.is_instance_of::<InvalidValue>(py) => permit.settle_estimate(py).map(drop),
            settled => settled.map(drop),
        }
    }

    // Whether there is a usage in it, be it one that cannot be.
    fn tells_usage(&self, py: Python<'_>) -> bool {
        match ResponseFacts::from_slice(&self.whole(py)) {
            Ok(facts) => facts.usage.is_some(),
            Err(fault) => fault != UsageError::NotAnObject,
        }
    }

    fn whole<'a>(&'a self, py: Python<'a>) -> Cow<'a, [u8]> {
        match self.kept.as_slice() {
            [whole] => whole.as_bytes(py).into(),
            pieces => pieces.iter().map(|piece| piece.as_bytes(py)).collect::<Vec<_>>().concat().into(),
        }
    }
}
