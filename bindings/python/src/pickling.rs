//! What is bound to its process, or holds a secret, is not pickled: by no protocol, and by no copy.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::clock::ManualClock;
use crate::gate::Gate;
use crate::key::{Key, NewKey, Secret};
use crate::permit::Permit;
use crate::prices::PriceBook;
use crate::steps::{Change, Outcome, Step};
use crate::stream::Stream;
use crate::values::Decision;

macro_rules! not_pickled {
    ($($class:ident)*) => {$(
        #[pymethods]
        impl $class {
            #[pyo3(signature = (protocol, /))]
            fn __reduce_ex__(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
                let _ = protocol;
                Err(PyTypeError::new_err(concat!("cannot pickle '", stringify!($class), "' object")))
            }
        }
    )*};
}

not_pickled! {
    Change Decision Gate Key ManualClock NewKey Outcome Permit PriceBook Secret Step Stream
}
