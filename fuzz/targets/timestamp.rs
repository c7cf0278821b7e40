//! See `enclava_fuzz::timestamp`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(timestamp);
