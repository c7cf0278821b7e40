//! See `enclava_fuzz::price_file`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(price_file);
