//! Memory that held a secret is wiped when it is let go (K6). The kernel reads this process's memory back to it as a file,
//! also where nothing in Rust points any more.

use std::fs::File;
use std::os::unix::fs::FileExt;

use enclava_keys::key::{Prefix, SecretFormat};
use enclava_keys::{Gate, KeySpec, Secret};

use super::IMPORTED;

/// What lies where `text` does.
struct Place {
    start: usize,
    text: Vec<u8>,
}

impl Place {
    fn of(text: &str) -> Self {
        Self { start: text.as_ptr().addr(), text: text.bytes().collect() }
    }

    /// Whether the end of the text is still there. The first bytes may be the allocator's by now, which keeps in them
    /// what else is free.
    fn is_left(&self) -> bool {
        let mut found = vec![0; self.text.len()];
        let memory = File::open("/proc/self/mem").expect("the memory of this process");
        let start = u64::try_from(self.start).expect("an address");
        // Memory that was given back to the kernel cannot be read, and holds nothing.
        memory.read_exact_at(&mut found, start).is_ok() && found.get(ENDS..) == self.text.get(ENDS..)
    }
}

/// As many bytes as an allocator writes into what is free.
const ENDS: usize = 16;

#[test]
fn a_secret_that_is_dropped() {
    for format in
        [SecretFormat::Hex, SecretFormat::Base62, SecretFormat::Checked, SecretFormat::CheckedBase62]
    {
        let secret = Secret::generate(Prefix::default(), format).expect("random bytes");
        let place = Place::of(secret.reveal());
        assert!(place.is_left());
        drop(secret);
        assert!(!place.is_left(), "{format:?}");
    }
    let secret = Secret::import(IMPORTED, Prefix::default()).expect("a secret");
    let place = Place::of(secret.reveal());
    drop(secret);
    assert!(!place.is_left());
}

#[test]
fn the_secret_of_a_new_key() {
    let gate = Gate::open("memory:").expect("a gate");
    let made = gate.create_key(&KeySpec::new("app")).expect("a good spec");
    let place = Place::of(made.secret.reveal());
    assert!(place.is_left());
    drop(made);
    assert!(!place.is_left());
    let made = gate.create_key(&KeySpec::new("app").id("app")).expect("a good spec");
    let rotated = gate.rotate_key(made.key.id(), std::time::Duration::ZERO).expect("a key in force");
    let places = [Place::of(made.secret.reveal()), Place::of(rotated.secret.reveal())];
    drop((made, rotated));
    assert!(!places.iter().any(Place::is_left));
}

#[test]
fn what_is_not_wiped_would_be_found() {
    // Another thread may be given the same memory in between, so one look need not find it.
    let found = (0..100).any(|_| {
        let text = IMPORTED.to_owned();
        let place = Place::of(&text);
        drop(text);
        place.is_left()
    });
    assert!(found);
}
