//! See `enclava_fuzz::key_record`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(key_record);
