//! See `enclava_fuzz::key_edit`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(key_edit);
