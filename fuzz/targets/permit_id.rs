//! See `enclava_fuzz::permit_id`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(permit_id);
