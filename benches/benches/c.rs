//! The C library as a program loads it: what the whole job costs through libenclava.so, beside the same job in Rust.

#![allow(clippy::cast_precision_loss, reason = "numbers to be read")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, ptr};

use criterion::Criterion;
use enclava::{
    enclava_denial, enclava_error, enclava_gate, enclava_money, enclava_options, enclava_permit,
    enclava_request, enclava_settlement, enclava_status, enclava_str, enclava_usage,
};
use enclava_benches::keys::{self, Text, call, request};
use enclava_benches::two_threads;
use libloading::Library;
use serde_json::Value;

type Out<T> = *mut MaybeUninit<*mut T>;

/// The functions that a call takes, as the loader found them.
#[derive(Clone, Copy)]
struct Functions {
    authorize: unsafe extern "C" fn(
        *const enclava_gate,
        *const enclava_request,
        Out<enclava_permit>,
        Out<enclava_denial>,
    ) -> enclava_status,
    settle: unsafe extern "C" fn(
        *mut enclava_permit,
        enclava_usage,
        Out<enclava_settlement>,
        Out<enclava_error>,
    ) -> enclava_status,
    free: unsafe extern "C" fn(*mut enclava_permit),
}

/// A gate of the library that was loaded, with keys 0 to 99 of the benches.
struct Desk {
    functions: Functions,
    gate: *const enclava_gate,
}

// SAFETY: any threads may use a gate at once, and the functions are code.
unsafe impl Sync for Desk {}

impl Desk {
    fn open(library: &Library, keys: u32) -> Self {
        // SAFETY: these are the types that enclava.h declares.
        let (functions, open, import) = unsafe {
            let functions = Functions {
                authorize: *library.get(b"enclava_gate_authorize").expect("a function"),
                settle: *library.get(b"enclava_permit_settle").expect("a function"),
                free: *library.get(b"enclava_permit_free").expect("a function"),
            };
            let open: unsafe extern "C" fn(
                enclava_str,
                *const enclava_options,
                Out<enclava_gate>,
                *mut c_void,
            ) -> enclava_status = *library.get(b"enclava_gate_open").expect("a function");
            let import: unsafe extern "C" fn(
                *const enclava_gate,
                enclava_str,
                *mut c_void,
                *mut c_void,
            ) -> enclava_status = *library.get(b"enclava_key_import").expect("a function");
            (functions, open, import)
        };
        let mut gate = MaybeUninit::new(ptr::null_mut());
        let url = lent(b"memory:");
        // SAFETY: as the header says: outputs have places, and what is NULL may be.
        let gate = unsafe {
            assert_eq!(open(url, ptr::null(), &raw mut gate, ptr::null_mut()), enclava_status::Ok);
            gate.assume_init()
        };
        for key in 0..keys {
            let secret = keys::secret(key);
            let spec = format!(
                r#"{{"name": "Production App {key}", "secret": "{}", "allowed_models": ["gpt-4", "gpt-3.5-turbo"],
                "daily_spend_limit": "900000000.00", "monthly_spend_limit": "1000000000.00",
                "daily_token_limit": {}, "alert_threshold": 0.8}}"#,
                std::str::from_utf8(&secret).expect("ASCII"),
                1_u64 << 50
            );
            // SAFETY: as above.
            let status = unsafe { import(gate, lent(spec.as_bytes()), ptr::null_mut(), ptr::null_mut()) };
            assert_eq!(status, enclava_status::Ok);
        }
        Self { functions, gate }
    }

    /// The whole job, as a C program does it.
    fn call(&self, request: &enclava_request, usage: enclava_usage) {
        let Functions { authorize, settle, free } = self.functions;
        let (mut permit, none) = (MaybeUninit::uninit(), ptr::null_mut::<c_void>());
        // SAFETY: as the header says; the permit is freed once.
        unsafe {
            let status = authorize(self.gate, black_box(request), &raw mut permit, none.cast());
            assert_eq!(status, enclava_status::Ok);
            let permit = permit.assume_init();
            assert_eq!(settle(permit, black_box(usage), none.cast(), none.cast()), enclava_status::Ok);
            free(permit);
        }
    }
}

fn main() {
    let library = library();
    // SAFETY: the library runs no code of its own when it is loaded.
    let loaded = unsafe { Library::new(&library) }.expect("libenclava.so");
    let mut criterion = enclava_benches::config().configure_from_args();
    calls(&mut criterion, &loaded);
    criterion.final_summary();
    sizes(&library);
}

fn calls(c: &mut Criterion, library: &Library) {
    let desk = Desk::open(library, 100);
    let rust = keys::gate(1);
    let (first, second) = (keys::secret(0), keys::secret(27));
    let (ours, usage) = (asked(&first), usage());
    c.bench_function("c/rust", |b| b.iter(|| call(&rust, &request(&first))));
    c.bench_function("c/hot", |b| b.iter(|| desk.call(&ours, usage)));
    c.bench_function("c/null", |b| {
        let mut permit = MaybeUninit::uninit();
        b.iter(|| {
            // SAFETY: NULL is a status.
            let refused = unsafe {
                (desk.functions.authorize)(
                    ptr::null(),
                    black_box(&raw const ours),
                    &raw mut permit,
                    ptr::null_mut(),
                )
            };
            assert_eq!(refused, enclava_status::NullArgument);
        });
    });
    c.bench_function("c/two-threads/two-keys", |b| {
        b.iter_custom(|iterations| {
            two_threads(iterations, |thread| {
                let (desk, secret) = (&desk, if thread == 0 { first } else { second });
                move || desk.call(&asked(&secret), usage)
            })
        });
    });
}

fn asked(secret: &Text) -> enclava_request {
    let none = enclava_str { data: ptr::null(), len: 0 };
    enclava_request {
        size: u32::try_from(size_of::<enclava_request>()).expect("a small struct"),
        reserved: 0,
        secret: lent(secret),
        model: lent(b"gpt-4"),
        purpose: none,
        endpoint: none,
        ip: none,
        request_id: none,
        estimate: enclava_usage { cost: enclava_money { usd: 0, pico: 50_000_000_000 }, tokens: 1_500 },
        wait_milliseconds: 0,
    }
}

fn usage() -> enclava_usage {
    enclava_usage { cost: enclava_money { usd: 0, pico: 31_000_000_000 }, tokens: 1_234 }
}

fn lent(text: &[u8]) -> enclava_str {
    enclava_str { data: text.as_ptr().cast(), len: text.len() }
}

// Cargo builds every form of the library beside what depends on it.
fn library() -> PathBuf {
    env::current_exe().expect("this program").with_file_name("libenclava.so")
}

// What the libraries take once nobody needs to debug them.
fn sizes(library: &Path) {
    let Some(directory) = env::var_os("CRITERION_HOME").map(PathBuf::from) else { return };
    let mut told = BTreeMap::new();
    for form in ["so", "a"] {
        let stripped = directory.join(format!("stripped.{form}"));
        let strip = if form == "so" { "--strip-unneeded" } else { "--strip-debug" };
        let library = library.with_extension(form);
        let done = Command::new("strip").arg(strip).arg("-o").arg(&stripped).arg(&library).status();
        if done.is_ok_and(|status| status.success()) {
            let size = fs::metadata(&stripped).expect("a file").len();
            told.insert(format!("c/libenclava.{form}/KiB"), size as f64 / 1024.0);
            let _ = fs::remove_file(&stripped);
        }
    }
    fs::write(directory.join("c.json"), Value::from_iter(told).to_string()).expect("CRITERION_HOME");
}
