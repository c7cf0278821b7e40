//! What every parser must survive: one function for each target, from bytes to "no panic, and these laws hold".
//!
//! `make soak` drives the functions with libFuzzer, coverage-guided; `cargo test` replays the committed corpus
//! through them on any machine. A crash that libFuzzer finds replays with `cargo run -p enclava-fuzz --bin <target>
//! <file>`.

#![expect(clippy::missing_panics_doc, reason = "a broken law is reported by panicking")]

use std::str::from_utf8;

use enclava_keys::budget::Money;
use enclava_keys::{KeyId, Timestamp};

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// A target: one function that takes whatever bytes there are.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its program and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[("key_id", key_id), ("money", money), ("timestamp", timestamp)];

/// A key id reads back from its own text, and its text is short and plain.
pub fn key_id(data: &[u8]) {
    let Some(id) = from_utf8(data).ok().and_then(|text| text.parse::<KeyId>().ok()) else { return };
    let text = id.to_string();
    assert!(text.len() <= 64 && text.is_ascii());
    assert_eq!(text.as_bytes(), data);
    assert_eq!(text.parse(), Ok(id));
}

/// An amount reads back from its own text, in every form, and rounding up never lowers it or adds a pico-dollar.
pub fn money(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let up = Money::parse_rounded_up(text);
    let Ok(exact) = text.parse::<Money>() else { return };
    assert_eq!(up, Ok(exact));
    assert_eq!(exact.to_string().parse(), Ok(exact));
    assert_eq!(Money::exact(exact.to_decimal()), Ok(exact));
    let (usd, pico) = exact.to_parts();
    assert_eq!(Money::from_parts(usd, pico), Ok(exact));
}

/// An instant reads back from its own text.
pub fn timestamp(data: &[u8]) {
    let Some(instant) = from_utf8(data).ok().and_then(|text| text.parse::<Timestamp>().ok()) else { return };
    assert_eq!(instant.to_string().parse(), Ok(instant));
}

/// The body of a target's program: libFuzzer's when it is built for fuzzing, else a replay of the files it is given.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target(data));
    };
}

/// The body of a target's program: libFuzzer's when it is built for fuzzing, else a replay of the files it is given.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        fn main() -> std::io::Result<()> {
            std::env::args_os()
                .skip(1)
                .try_for_each(|file| std::fs::read(file).map(|data| $crate::$target(&data)))
        }
    };
}
