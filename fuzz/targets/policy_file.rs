//! See `enclava_fuzz::policy_file`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(policy_file);
