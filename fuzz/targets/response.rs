//! See `enclava_fuzz::response`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(response);
