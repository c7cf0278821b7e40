//! What keys take, a million of them: resident memory, and the time to take them in.

#![allow(clippy::cast_precision_loss, reason = "numbers to be read")]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use enclava_benches::keys::{self, SETTLED_IN};
use enclava_benches::ways::{self, Meter, tell};
use enclava_keys::{Gate, KeySpec};

const KEYS: u32 = 1_000_000;
// As many as a policy file has room for, near enough.
const IN_A_FILE: u32 = 150_000;
// Making a key takes as long however many there are.
const CREATED: u32 = 250_000;

fn main() -> io::Result<()> {
    ways::run(&[("import", import), ("create", create), ("file", file)], "memory.json")
}

// Keys that exist elsewhere: each as one call of `import_key`.
fn import() {
    let meter = Meter::start();
    let started = Instant::now();
    let gate = keys::gate(KEYS);
    tell("memory/import-key/ns", started.elapsed().as_nanos() as f64 / f64::from(KEYS));
    meter.tell("memory/idle/B", KEYS);

    let started = Instant::now();
    keys::use_each(&gate, KEYS, 1);
    tell("memory/first-call/ns", started.elapsed().as_nanos() as f64 / f64::from(KEYS));
    meter.tell("memory/used-once/B", KEYS);
    keys::use_each(&gate, KEYS, SETTLED_IN);
    meter.tell("memory/used-often/B", KEYS);
}

// New keys, each with a new secret.
fn create() {
    let gate = Gate::open("memory:").expect("a gate");
    let started = Instant::now();
    for key in 0..CREATED {
        let spec = KeySpec::new(format!("Production App {key}")).allowed_models(["gpt-4", "gpt-3.5-turbo"]);
        gate.create_key(&keys::limited(spec)).expect("a key");
    }
    tell("memory/create-key/ns", started.elapsed().as_nanos() as f64 / f64::from(CREATED));
}

// The records of a policy file, read when the gate opens.
fn file() {
    let path = env::temp_dir().join(format!("enclava-bench-{}.json", std::process::id()));
    write_policy(&path).expect("a policy file");
    let meter = Meter::start();
    let started = Instant::now();
    let gate = Gate::open(&format!("file://{}", path.display()));
    tell("memory/policy-file/ns", started.elapsed().as_nanos() as f64 / f64::from(IN_A_FILE));
    meter.tell("memory/policy-file/B", IN_A_FILE);
    let count = gate.expect("a gate").stats().keys;
    fs::remove_file(&path).expect("the file");
    assert_eq!(count, u64::from(IN_A_FILE));
}

fn write_policy(path: &Path) -> io::Result<()> {
    let mut text = String::from("{\"version\":1,\"keys\":[");
    for key in 0..IN_A_FILE {
        let digest = enclava_keys::key::Digest::of(&keys::secret(key));
        let hash = digest.as_bytes().iter().fold(String::new(), |mut hash, byte| {
            let _ = write!(hash, "{byte:02x}");
            hash
        });
        let comma = if key == 0 { "" } else { "," };
        let id = enclava_keys::KeyId::generate("2026-11-23T12:00:00Z".parse().map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
        let _ = write!(
            text,
            "{comma}{{\"id\":\"{id}\",\"name\":\"Production App {key}\",\"key_hash\":\"sha256:{hash}\",\
             \"allowed_models\":[\"gpt-4\",\"gpt-3.5-turbo\"],\"daily_spend_limit\":50.00,\
             \"monthly_spend_limit\":1500.00,\"daily_token_limit\":500000,\"alert_threshold\":0.8}}"
        );
    }
    text.push_str("]}");
    fs::write(path, text)
}
