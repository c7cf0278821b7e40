//! See `enclava_fuzz::key_id`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(key_id);
