//! See `enclava_fuzz::endpoints`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(endpoints);
