//! Opening a gate.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use enclava_keys::gate::{Builder, OnUnavailable};
use enclava_keys::key::Peppers;
use enclava_keys::ledger::OnLapse;
use enclava_keys::{Clock, Gate as CoreGate, SystemClock};
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use crate::amounts::{count, seconds};
use crate::arguments::{flag, optional_text, text, type_name, wrong_type};
use crate::clock::ManualClock;
use crate::errors::{invalid, raised};
use crate::gate::Gate;
use crate::plugged::{self, PythonLedger, PythonStore};
use crate::prices;

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

#[pymethods]
impl Gate {
    /// Open the gate at `url`.
    ///
    /// - `memory:` keeps keys and budgets in this process.
    /// - `file:///etc/enclava/policy.json` reads keys from a policy file and keeps budgets in this process.
    /// - `sqlite:///relative.db` or `sqlite:////absolute.db` keeps both in a SQLite file, for the processes of
    ///   this host.
    ///
    /// `store` and `ledger` say otherwise where keys or budgets live: a URL, or an object that does what
    /// `enclava_keys.store.Store` or `enclava_keys.ledger.Ledger` says. `clock` is a `ManualClock` for tests
    /// and replays. `prices` are for `authorize_request`: a `PriceBook`, or a dict as `PriceBook.from_json`
    /// reads it. `peppers` key the hashes of secrets, ids to 32 to 64 bytes: the first for new secrets, up to
    /// four for those presented.
    ///
    /// `leased=True` takes slices of the budgets and hands them out in this process, so that most calls do not ask the
    /// ledger: for a ledger that processes share. Limits still hold exactly. Permits and request ids then work in the
    /// process that was asked for them, alerts come a second or more later, calls in flight are bounded for each process,
    /// coroutines go by way of a thread, and what a killed process had leased stays held until somebody settles it
    /// (`leases`).
    ///
    /// `on_unavailable`: `"deny"` (the default), or `"admit"` to let calls of known keys through while the
    /// ledger cannot answer; their permits say so (`is_degraded`). `hold_seconds` (600) is how long a hold
    /// lives when nobody settles it, `on_lapse` whether it is then charged its estimate (`"charge"`, the
    /// default) or let go (`"release"`). `max_in_flight` (4096) bounds the calls of one key in flight. A store
    /// that others write to is asked for news every `refresh_seconds` (1); when it has been silent for
    /// `stale_seconds` (30), calls are denied. `hide_amounts` and `hide_state` make denials say less.
    ///
    /// Raises `InvalidValue` for a URL or a setting that is none, `InvalidRecord` with every fault of a policy
    /// file or of prices, `LedgerError` if the store cannot be read.
    ///
    /// In a forked child a gate works on: permits that came along are the parent's to resolve, and budgets in
    /// memory are each process's own.
    #[classmethod]
    #[pyo3(signature = (url, *, clock = None, store = None, ledger = None, prices = None, peppers = None,
        leased = None, on_unavailable = None, hold_seconds = None, on_lapse = None, max_in_flight = None,
        refresh_seconds = None, stale_seconds = None, hide_amounts = None, hide_state = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the caller's")]
    fn open<'py>(
        _class: &Bound<'py, PyType>,
        py: Python<'py>,
        url: &Bound<'py, PyAny>,
        clock: Option<&Bound<'py, PyAny>>,
        store: Given<'_, 'py>,
        ledger: Given<'_, 'py>,
        prices: Given<'_, 'py>,
        peppers: Given<'_, 'py>,
        leased: Given<'_, 'py>,
        on_unavailable: Given<'_, 'py>,
        hold_seconds: Given<'_, 'py>,
        on_lapse: Given<'_, 'py>,
        max_in_flight: Given<'_, 'py>,
        refresh_seconds: Given<'_, 'py>,
        stale_seconds: Given<'_, 'py>,
        hide_amounts: Given<'_, 'py>,
        hide_state: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, Self>> {
        let url = text("url", url)?;
        let mut builder = CoreGate::builder();
        let clock = clock_of(clock)?;
        builder = builder.clock(Arc::clone(&clock));
        let leased = flag("leased", leased)?;
        builder = builder.leased(leased);
        builder = places(builder, store, ledger)?;
        if let Some(prices) = prices {
            builder = builder.prices(prices::book(prices)?);
        }
        if let Some(peppers) = peppers {
            builder = builder.peppers(peppers_of(peppers)?);
        }
        builder = match optional_text("on_unavailable", on_unavailable)? {
            None | Some("deny") => builder,
            Some("admit") => builder.on_unavailable(OnUnavailable::Admit),
            Some(_) => return Err(invalid("on_unavailable", "must be deny or admit")),
        };
        builder = match optional_text("on_lapse", on_lapse)? {
            None | Some("charge") => builder,
            Some("release") => builder.on_lapse(OnLapse::Release),
            Some(_) => return Err(invalid("on_lapse", "must be charge or release")),
        };
        if let Some(lifetime) = hold_seconds {
            builder = builder.hold_lifetime(seconds("hold_seconds", lifetime)?);
        }
        if let Some(most) = max_in_flight {
            let most = count("max_in_flight", most)?;
            builder = builder.max_in_flight(u32::try_from(most).unwrap_or(u32::MAX));
        }
        if let Some(interval) = refresh_seconds {
            builder = builder.refresh_interval(seconds("refresh_seconds", interval)?);
        }
        if let Some(limit) = stale_seconds {
            builder = builder.stale_limit(seconds("stale_seconds", limit)?);
        }
        if flag("hide_amounts", hide_amounts)? {
            builder = builder.hide_amounts();
        }
        if flag("hide_state", hide_state)? {
            builder = builder.hide_state();
        }
        let core = plugged::detached(py, || builder.open(url)).map_err(|error| raised(py, error))?;
        let gate = Self {
            core: Some(core),
            clock,
            // Only what is in memory never blocks.
            blocks: url != "memory:" || store.is_some() || ledger.is_some() || leased,
            closed: AtomicBool::new(false),
            callback: Arc::new(Mutex::new(None)),
        };
        let gate = Bound::new(py, gate)?;
        py.import("enclava_keys._lifecycle")?.call_method1("remember", (&gate,))?;
        Ok(gate)
    }
}

fn clock_of(clock: Given<'_, '_>) -> PyResult<Arc<dyn Clock>> {
    let Some(clock) = clock else { return Ok(Arc::new(SystemClock)) };
    let clock =
        clock.cast::<ManualClock>().map_err(|_| wrong_type("clock", "a ManualClock or None", clock))?;
    Ok(clock.get().0.clone())
}

// Where keys and budgets live, when that is not what the URL says.
fn places(mut builder: Builder, store: Given<'_, '_>, ledger: Given<'_, '_>) -> PyResult<Builder> {
    if let Some(store) = store {
        builder = if store.is_instance_of::<PyString>() {
            builder.store_at(text("store", store)?).map_err(|error| raised(store.py(), error))?
        } else {
            builder.store(Arc::new(PythonStore(does(store, "store", &["news", "put", "remove"])?)))
        };
    }
    if let Some(ledger) = ledger {
        builder = if ledger.is_instance_of::<PyString>() {
            builder.ledger_at(text("ledger", ledger)?).map_err(|error| raised(ledger.py(), error))?
        } else {
            let ledger = does(ledger, "ledger", &["apply", "row", "hold", "due", "forget"])?;
            builder.ledger(Arc::new(PythonLedger(ledger)))
        };
    }
    Ok(builder)
}

// An object that has these methods.
fn does(object: &Bound<'_, PyAny>, field: &'static str, methods: &[&str]) -> PyResult<Py<PyAny>> {
    for method in methods {
        if !object.getattr_opt(*method)?.is_some_and(|method| method.is_callable()) {
            let found = type_name(object);
            return Err(PyTypeError::new_err(format!(
                "{field}: must be a URL or have a method {method}, not {found}"
            )));
        }
    }
    Ok(object.clone().unbind())
}

// `{"p1": b"…"}` or pairs of the same: the first is for new secrets.
fn peppers_of(peppers: &Bound<'_, PyAny>) -> PyResult<Peppers> {
    let pairs = match peppers.cast::<PyDict>() {
        Ok(dict) => dict.items().into_any(),
        Err(_) => peppers.clone(),
    };
    let mut known: Vec<(Bound<'_, PyAny>, Bound<'_, PyBytes>)> = Vec::new();
    for pair in pairs.try_iter()? {
        // The pair itself is not shown: it holds a secret.
        let wanted = || invalid("peppers", "must be pairs of an id and 32 to 64 bytes");
        let (id, bytes): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract().map_err(|_| wanted())?;
        known.push((id, bytes.cast_into::<PyBytes>().map_err(|_| wanted())?));
    }
    let pairs = known.iter().map(|(id, bytes)| Ok((text("peppers", id)?, bytes.as_bytes())));
    Peppers::new(pairs.collect::<PyResult<Vec<_>>>()?).map_err(|error| invalid("peppers", error))
}
