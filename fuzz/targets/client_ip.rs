//! See `enclava_fuzz::client_ip`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(client_ip);
