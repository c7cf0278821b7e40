//! The `_async` twins of what may block, and `async with`: coroutines that the package makes of the plain calls.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::asgi::call::Call;
use crate::gate::Gate;
use crate::permit::Permit;
use crate::stream::Stream;

macro_rules! twins {
    ($class:ty: $($(#[$doc:meta])* $twin:ident of $plain:literal $signature:literal)*) => {
        #[pymethods]
        impl $class {$(
            $(#[$doc])*
            #[pyo3(signature = (*args, **kwargs), text_signature = $signature)]
            fn $twin<'py>(
                slf: &Bound<'py, Self>,
                args: &Bound<'py, PyTuple>,
                kwargs: Option<&Bound<'py, PyDict>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                coroutine(&slf.getattr($plain)?, slf.get().may_block(), args, kwargs)
            }
        )*}
    };
}

twins! { Gate:
    /// `authorize` for an event loop. A `wait` is sat out without a thread.
    authorize_async of "authorize"
        "($self, secret, *, model=None, cost=None, tokens=None, purpose=None, endpoint=None, ip=None, request_id=None, wait=None)"
    /// `authorize_request` for an event loop. A `wait` is sat out without a thread.
    authorize_request_async of "authorize_request"
        "($self, secret, body, *, floor=None, purpose=None, endpoint=None, ip=None, request_id=None, wait=None)"
    /// `check` for an event loop.
    check_async of "check"
        "($self, secret, *, model=None, cost=None, tokens=None, purpose=None, endpoint=None, ip=None)"
    /// `verify` for an event loop.
    verify_async of "verify"
        "($self, secret)"
    /// `allowed_models` for an event loop.
    allowed_models_async of "allowed_models"
        "($self, secret, models)"
    /// `settle` for an event loop.
    settle_async of "settle"
        "($self, permit_id, usage=None, /, *, cost=None, tokens=None)"
    /// `release` for an event loop.
    release_async of "release"
        "($self, permit_id, /)"
    /// `record` for an event loop.
    record_async of "record"
        "($self, key_id, usage=None, /, *, cost=None, tokens=None, request_id=None)"
    /// `history` for an event loop.
    history_async of "history"
        "($self, key_id, /, days)"
    /// `take_alerts` for an event loop.
    take_alerts_async of "take_alerts"
        "($self, most=None)"
    /// `refresh` for an event loop.
    refresh_async of "refresh"
        "($self)"
    /// `leases` for an event loop.
    leases_async of "leases"
        "($self, key_id, /)"
    /// `usage` for an event loop.
    usage_async of "usage"
        "($self, key_id, /)"
    /// `create_key` for an event loop.
    create_key_async of "create_key"
        "($self, name, /, **fields)"
    /// `create_key_json` for an event loop.
    create_key_json_async of "create_key_json"
        "($self, body, /)"
    /// `import_key` for an event loop.
    import_key_async of "import_key"
        "($self, name, /, **fields)"
    /// `import_key_json` for an event loop.
    import_key_json_async of "import_key_json"
        "($self, body, /)"
    /// `keys` for an event loop.
    keys_async of "keys"
        "($self, after=None, limit=None)"
    /// `key` for an event loop.
    key_async of "key"
        "($self, key_id, /)"
    /// `update_key` for an event loop.
    update_key_async of "update_key"
        "($self, key_id, /, *, widen=None, revision=None, **changes)"
    /// `update_key_json` for an event loop.
    update_key_json_async of "update_key_json"
        "($self, key_id, body, /, *, widen=None, revision=None)"
    /// `rotate_key` for an event loop.
    rotate_key_async of "rotate_key"
        "($self, key_id, /, overlap=None)"
    /// `disable_key` for an event loop.
    disable_key_async of "disable_key"
        "($self, key_id, /)"
    /// `enable_key` for an event loop.
    enable_key_async of "enable_key"
        "($self, key_id, /)"
    /// `revoke_key` for an event loop.
    revoke_key_async of "revoke_key"
        "($self, key_id, /)"
    /// `delete_key` for an event loop.
    delete_key_async of "delete_key"
        "($self, key_id, /)"
}

#[pymethods]
impl Gate {
    /// `flush` for an event loop.
    fn flush_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        // In a thread whatever blocks: it waits for the callbacks of alerts, which may wait for the event loop.
        coroutine(&slf.getattr("flush")?, true, &PyTuple::empty(slf.py()), None)
    }
}

twins! { Call:
    /// `admit` for an event loop. A `wait` is sat out without a thread.
    admit_async of "admit"
        "($self, body, /, *, wait=None)"
}

twins! { Permit:
    /// `extend` for an event loop.
    extend_async of "extend"
        "($self, *, cost=None, tokens=None)"
    /// `settle` for an event loop.
    settle_async of "settle"
        "($self, usage=None, /, *, cost=None, tokens=None)"
    /// `settle_response` for an event loop.
    settle_response_async of "settle_response"
        "($self, body, /)"
    /// `release` for an event loop.
    release_async of "release"
        "($self)"
}

twins! { Stream:
    /// `finish` for an event loop.
    finish_async of "finish"
        "($self)"
}

macro_rules! contexts {
    ($($class:ty: $blocks:expr;)*) => {$(
        #[pymethods]
        impl $class {
            fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                coroutine(&slf.getattr("__enter__")?, false, &PyTuple::empty(slf.py()), None)
            }

            #[pyo3(signature = (*args), text_signature = "($self, _kind, _error, _traceback, /)")]
            fn __aexit__<'py>(
                slf: &Bound<'py, Self>,
                args: &Bound<'py, PyTuple>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let blocks: fn(&Self) -> bool = $blocks;
                coroutine(&slf.getattr("__exit__")?, blocks(slf.get()), args, None)
            }
        }
    )*};
}

contexts! {
    // It waits for the callbacks of alerts, which may wait for the event loop.
    Gate: |_| true;
    Permit: Self::may_block;
    Stream: Self::may_block;
}

fn coroutine<'py>(
    plain: &Bound<'py, PyAny>,
    blocks: bool,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    static CALL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = plain.py();
    let kwargs = kwargs.map_or_else(|| PyDict::new(py), Clone::clone);
    CALL.import(py, "enclava_keys._aio", "call")?.call1((plain, blocks, args, kwargs))
}
