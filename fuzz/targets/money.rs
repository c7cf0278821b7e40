//! See `enclava_fuzz::money`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(money);
