//! See `enclava_fuzz::key_spec`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(key_spec);
