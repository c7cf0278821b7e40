//! See `enclava_fuzz::price_catalogue`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(price_catalogue);
