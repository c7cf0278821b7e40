//! The C ABI of enclava-keys. Thin: one file for each noun, each function a translation of one call of the core.
//! The rules it keeps are on the first page of `include/enclava.h`, which is generated from this crate.
//!
//! A pointer is taken as `Option<&T>`, `Option<&mut T>` or `Option<Box<T>>`: NULL is a value like any other, and the caller
//! of C, who reads the header, answers for what is not NULL. Texts, arrays and structs that may grow come as raw
//! pointers and are followed in `text` and `sized`; so does what may overlap, in `handle`.

#![allow(non_camel_case_types, reason = "the names of C")]
#![allow(clippy::needless_pass_by_value, reason = "what C gives up is taken by value")]
#![allow(clippy::too_many_arguments, reason = "each text out takes three")]

// In the order of the header.

mod version;

mod status;

mod text;

mod time;

mod money;

mod gate;

mod prices;

mod manage;

mod key;

mod secret;

mod headers;

mod request;

mod authorize;

mod reason;

mod denial;

mod permit;

mod settlement;

mod books;

mod history;

mod lease;

mod alert;

mod event;

mod decision;

mod error;

mod queue;

mod answer;

mod submit;

mod submit_permit;

mod submit_books;

mod submit_keys;

mod database;

mod step;

mod ledger;

mod store;

// What the header does not see.

mod fault;
mod fork;
mod guard;
mod handle;
mod sized;
mod table;

pub use alert::*;
pub use answer::*;
pub use authorize::*;
pub use books::*;
pub use database::*;
pub use decision::*;
pub use denial::*;
pub use error::*;
pub use event::*;
pub use gate::*;
pub use headers::*;
pub use history::*;
pub use key::*;
pub use lease::*;
pub use ledger::*;
pub use manage::*;
pub use money::*;
pub use permit::*;
pub use prices::*;
pub use queue::*;
pub use reason::*;
pub use request::*;
pub use secret::*;
pub use settlement::*;
pub use status::*;
pub use step::*;
pub use store::*;
pub use submit::*;
pub use submit_books::*;
pub use submit_keys::*;
pub use submit_permit::*;
pub use text::enclava_str;
pub use time::*;
pub use version::*;
