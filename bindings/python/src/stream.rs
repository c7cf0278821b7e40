//! A streamed answer, and the permit that it settles.

use enclava_keys::gate::Stream as CoreStream;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::arguments::bytes;
use crate::errors::{Conflict, raised};
use crate::gate::Gate;
use crate::settlement::{Settlement, Usage};

/// Follows the answer as it streams, to settle by what it says of its usage.
#[pyclass(frozen, module = "enclava_keys")]
pub(crate) struct Stream {
    // Dropped before the gate.
    core: Mutex<Option<CoreStream>>,
    gate: Py<Gate>,
}

impl Stream {
    pub(crate) fn may_block(&self) -> bool {
        self.gate.get().blocks
    }

    pub(crate) fn new(core: CoreStream, gate: Py<Gate>) -> Self {
        Self { core: Mutex::new(Some(core)), gate }
    }

    fn abandon(&self, py: Python<'_>) {
        let core = self.core.lock_py_attached(py).take();
        self.gate.get().let_go(py, core);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(core) = self.core.get_mut().take() {
            Python::attach(|py| self.gate.get().let_go(py, core));
        }
    }
}

#[pymethods]
impl Stream {
    /// Take in the next bytes of the answer, cut anywhere. Never fails for what they say.
    #[pyo3(signature = (chunk, /))]
    pub(crate) fn feed(&self, py: Python<'_>, chunk: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunk = bytes("chunk", chunk)?;
        self.core.lock_py_attached(py).as_mut().ok_or_else(ended)?.feed(&chunk);
        Ok(())
    }

    /// What the answer may have used so far; `None` once it is settled.
    #[getter]
    fn progress(&self, py: Python<'_>) -> Option<Usage> {
        self.core.lock_py_attached(py).as_ref().and_then(CoreStream::progress).map(Usage)
    }

    /// Settle by the usage that the stream told; by what was seen of it if it told none. Where it told a
    /// usage that cannot be, it is charged no less than its estimate.
    ///
    /// Raises as `Permit.settle`; after `LedgerError` it may be called again.
    pub(crate) fn finish(&self, py: Python<'_>) -> PyResult<Settlement> {
        let finished = if self.gate.get().blocks {
            self.gate.get().attend(py, || self.core.lock().as_mut().map(CoreStream::finish))
        } else {
            self.core.lock_py_attached(py).as_mut().map(CoreStream::finish)
        };
        finished.ok_or_else(ended)?.map(Settlement).map_err(|error| raised(py, error))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Finishes it, unless that was done; after an exception it is let go, and charged what was seen.
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let open = self.core.lock_py_attached(py).as_ref().is_some_and(|core| core.permit().is_some());
        if kind.is_none() && open {
            self.finish(py)?;
        }
        self.abandon(py);
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let core = self.core.lock_py_attached(py);
        match core.as_ref().and_then(CoreStream::permit) {
            Some(permit) => format!("Stream(permit='{}')", permit.id()),
            None => "Stream(finished)".to_owned(),
        }
    }
}

fn ended() -> PyErr {
    Conflict::new_err("this stream is over")
}
