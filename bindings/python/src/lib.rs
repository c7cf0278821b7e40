//! The native module of the Python package `enclava_keys`. Thin: each class translates one noun of the core.

mod amounts;
mod arguments;
mod asgi;
mod asynchronous;
mod calls;
mod clock;
mod denial;
mod errors;
mod gate;
mod headers;
mod hold;
mod interrupts;
mod json;
mod key;
mod manage;
mod open;
mod permit;
mod pickling;
mod plugged;
mod prices;
mod record;
mod settlement;
mod sqlite;
mod steps;
mod stream;
mod times;
mod values;
mod wire;

use pyo3::prelude::*;

/// Free of a global interpreter lock: every class is frozen or locks what it changes.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::amounts::wait_seconds;
    #[pymodule_export]
    use crate::asgi::{
        call::Call,
        door::Door,
        passing::{Replay, Tap},
    };
    #[pymodule_export]
    use crate::clock::ManualClock;
    #[pymodule_export]
    use crate::denial::{Denial, denial_told};
    #[pymodule_export]
    use crate::gate::{Gate, after_fork, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use crate::hold::Hold;
    #[pymodule_export]
    use crate::key::{Key, NewKey, Secret};
    #[pymodule_export]
    use crate::permit::Permit;
    #[pymodule_export]
    use crate::prices::PriceBook;
    #[pymodule_export]
    use crate::settlement::{Settlement, Usage, settlement_told};
    #[pymodule_export]
    use crate::sqlite::Sqlite;
    #[pymodule_export]
    use crate::steps::{Change, Moved, Outcome, Row, Step};
    #[pymodule_export]
    use crate::stream::Stream;
    #[pymodule_export]
    use crate::values::Decision;
    #[pymodule_export]
    use crate::wire::{bearer, dispatch_body, resolve_client_ip};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name is Python's")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
