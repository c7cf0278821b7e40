//! See `enclava_fuzz::stream`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(stream);
