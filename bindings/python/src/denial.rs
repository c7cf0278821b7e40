//! A denial, ready to send.

use std::collections::HashMap;

use enclava_keys::wire::Dialect;
use enclava_keys::{Denial as CoreDenial, Reason, Timestamp};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use serde_json::Value;

use crate::errors::invalid;
use crate::{json, times};

/// Why a request was refused. `Denied` carries it.
#[pyclass(frozen, module = "enclava_keys", eq)]
#[derive(Debug)]
pub(crate) struct Denial(Source);

#[derive(Debug)]
enum Source {
    Here(CoreDenial),
    Elsewhere(Box<Told>),
}

/// All that a denial tells: what it comes to in another process.
#[derive(Debug, PartialEq)]
struct Told {
    reason: Reason,
    transient: bool,
    retry_after: Option<u64>,
    resets_at: Option<Timestamp>,
    message: String,
    headers: HashMap<String, String>,
    // For OpenAI's clients and for Anthropic's.
    bodies: [Value; 2],
    events: [String; 2],
}

const DIALECTS: [Dialect; 2] = [Dialect::OpenAi, Dialect::Anthropic];

/// `Told`, as it is pickled.
type Parts =
    (String, bool, Option<u64>, Option<String>, String, HashMap<String, String>, [String; 2], [String; 2]);

impl Told {
    fn of(denial: &CoreDenial) -> Self {
        Self {
            reason: denial.reason(),
            transient: denial.transient(),
            retry_after: denial.retry_after().map(|wait| wait.as_secs()),
            resets_at: denial.resets_at(),
            message: denial.message(),
            headers: denial.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            bodies: DIALECTS.map(|dialect| denial.body(dialect)),
            events: DIALECTS.map(|dialect| denial.sse_event(dialect)),
        }
    }

    fn parts(&self) -> Parts {
        (
            self.reason.to_string(),
            self.transient,
            self.retry_after,
            self.resets_at.map(|instant| instant.to_string()),
            self.message.clone(),
            self.headers.clone(),
            self.bodies.each_ref().map(ToString::to_string),
            self.events.clone(),
        )
    }

    fn from_parts(parts: Parts) -> Option<Self> {
        let (reason, transient, retry_after, resets_at, message, headers, [openai, anthropic], events) =
            parts;
        Some(Self {
            reason: reason.parse().ok()?,
            transient,
            retry_after,
            resets_at: resets_at.map(|instant| instant.parse()).transpose().ok()?,
            message,
            headers,
            bodies: [serde_json::from_str(&openai).ok()?, serde_json::from_str(&anthropic).ok()?],
            events,
        })
    }
}

impl Denial {
    pub(crate) fn new(denial: CoreDenial) -> Self {
        Self(Source::Here(denial))
    }

    // What `here` finds in a denial of this process, or `elsewhere` in one that came from another.
    fn tell<'a, T>(
        &'a self,
        here: impl FnOnce(&'a CoreDenial) -> T,
        elsewhere: impl FnOnce(&'a Told) -> T,
    ) -> T {
        match &self.0 {
            Source::Here(denial) => here(denial),
            Source::Elsewhere(told) => elsewhere(told),
        }
    }

    fn body_for<'py>(&self, py: Python<'py>, dialect: Dialect) -> PyResult<Bound<'py, PyAny>> {
        self.tell(
            |denial| json::object(py, &denial.body(dialect)),
            |told| json::object(py, of_dialect(dialect, &told.bodies)),
        )
    }
}

fn of_dialect<T>(dialect: Dialect, [openai, anthropic]: &[T; 2]) -> &T {
    if dialect == Dialect::Anthropic { anthropic } else { openai }
}

impl PartialEq for Denial {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Here(one), Source::Here(other)) => one == other,
            (Source::Elsewhere(one), Source::Elsewhere(other)) => one == other,
            (Source::Here(here), Source::Elsewhere(told)) | (Source::Elsewhere(told), Source::Here(here)) => {
                Told::of(here) == **told
            }
        }
    }
}

#[pymethods]
impl Denial {
    /// Why, in one word: `"model_not_allowed"`.
    #[getter]
    fn reason(&self) -> &'static str {
        self.tell(CoreDenial::reason, |told| told.reason).as_str()
    }

    /// The HTTP status to answer with.
    #[getter]
    fn status(&self) -> u16 {
        self.tell(CoreDenial::reason, |told| told.reason).status()
    }

    /// What happened and what to do about it, for the developer of the client.
    #[getter]
    fn message(&self) -> String {
        self.tell(CoreDenial::message, |told| told.message.clone())
    }

    /// The JSON body to answer with, as OpenAI's clients expect it.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.body_for(py, Dialect::OpenAi)
    }

    /// The JSON body to answer with, as Anthropic's clients expect it.
    #[getter]
    fn anthropic_body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.body_for(py, Dialect::Anthropic)
    }

    /// The headers to answer with; their names are in lower case.
    #[getter]
    fn headers(&self) -> HashMap<String, String> {
        self.tell(|denial| Told::of(denial).headers, |told| told.headers.clone())
    }

    /// Whole seconds to wait before the request is worth repeating; `None` where waiting does not help.
    #[getter]
    fn retry_after(&self) -> Option<u64> {
        self.tell(|denial| denial.retry_after().map(|wait| wait.as_secs()), |told| told.retry_after)
    }

    /// When the budget that refused starts from zero; `None` unless a budget refused.
    #[getter]
    fn resets_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        times::optional(py, self.tell(CoreDenial::resets_at, |told| told.resets_at))
    }

    /// Whether the same request may be admitted in a moment, with nothing changed by anyone.
    #[getter]
    fn transient(&self) -> bool {
        self.tell(CoreDenial::transient, |told| told.transient)
    }

    /// Tell the denial as a server-sent event, for a stream whose status has already gone out. End the stream
    /// after it.
    #[pyo3(signature = (dialect = "openai"))]
    fn sse_event(&self, dialect: &str) -> PyResult<String> {
        let dialect = match dialect {
            "openai" => Dialect::OpenAi,
            "anthropic" => Dialect::Anthropic,
            _ => return Err(invalid("dialect", "must be openai or anthropic")),
        };
        let elsewhere = |told: &Told| of_dialect(dialect, &told.events).clone();
        Ok(self.tell(|denial| denial.sse_event(dialect), elsewhere))
    }

    // It is bound to no process and holds no secret: a worker may raise it.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Parts,))> {
        static TOLD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let told = TOLD.import(py, "enclava_keys._native", "denial_told")?.clone();
        Ok((told, (self.tell(|denial| Told::of(denial).parts(), Told::parts),)))
    }

    fn __repr__(&self) -> String {
        format!("Denial(reason='{}')", self.reason())
    }
}

/// A denial of another process, of what it told there: how one is unpickled.
#[pyfunction]
#[pyo3(signature = (parts, /))]
pub(crate) fn denial_told(parts: Parts) -> PyResult<Denial> {
    let told = Told::from_parts(parts).ok_or_else(|| invalid("parts", "must be what a denial told"))?;
    Ok(Denial(Source::Elsewhere(Box::new(told))))
}
