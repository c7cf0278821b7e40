//! See `enclava_fuzz::models`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(models);
