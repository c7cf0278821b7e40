//! See `enclava_fuzz::c_calls`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(c_calls);
