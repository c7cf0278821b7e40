//! See `enclava_fuzz::bearer`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(bearer);
