//! See `enclava_fuzz::secret`.

#![cfg_attr(fuzzing, no_main)]

enclava_fuzz::program!(secret);
