//! See `enclava_fuzz::request_body`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(request_body);
