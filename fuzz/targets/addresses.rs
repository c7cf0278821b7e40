//! See `enclava_fuzz::addresses`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(addresses);
