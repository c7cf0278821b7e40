//! What every parser must survive: one function for each target, from bytes to "no panic, and these laws hold".
//!
//! `make soak` drives the functions with libFuzzer, coverage-guided; `cargo test` replays the committed corpus
//! through them on any machine. A crash that libFuzzer finds replays with `cargo run -p enclava-fuzz --bin <target>
//! <file>`.

#![allow(
    clippy::missing_panics_doc,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a broken law is reported by panicking"
)]

mod bodies;
mod calls;
mod keys;
mod policies;
mod prices;
mod texts;

pub use bodies::{bearer, request_body, response, stream};
pub use calls::c_calls;
pub use keys::{key_edit, key_record, key_spec, policy_file};
pub use policies::{addresses, client_ip, endpoints, models};
pub use prices::{price_catalogue, price_file};
pub use texts::{key_id, money, permit_id, secret, timestamp};

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// A target: one function that takes whatever bytes there are.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its program and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("addresses", addresses),
    ("bearer", bearer),
    ("c_calls", c_calls),
    ("client_ip", client_ip),
    ("endpoints", endpoints),
    ("key_edit", key_edit),
    ("key_id", key_id),
    ("key_record", key_record),
    ("key_spec", key_spec),
    ("models", models),
    ("money", money),
    ("permit_id", permit_id),
    ("policy_file", policy_file),
    ("price_catalogue", price_catalogue),
    ("price_file", price_file),
    ("request_body", request_body),
    ("response", response),
    ("secret", secret),
    ("stream", stream),
    ("timestamp", timestamp),
];

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
