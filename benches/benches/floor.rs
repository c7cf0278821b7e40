//! The floor: what the parts of one request cost by themselves. Nothing that does the whole job can be cheaper.

#![allow(missing_docs, reason = "criterion_group! writes a public function")]

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::hint::black_box;
use std::time::SystemTime;

use criterion::{Criterion, criterion_group, criterion_main};
use enclava_benches::{Random, mix, two_threads};
use hashbrown::HashMap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

const SECRET: &str = "en_8f3d0c6b1a5e4f7299d0e1b2c3a41e6a";
const SIZES: [(&str, u32); 3] = [("10k", 10_000), ("100k", 100_000), ("1M", 1_000_000)];

criterion_group! {
    name = floor;
    config = enclava_benches::config();
    targets = hash, lookup, misses, locks, clock
}
criterion_main!(floor);

// One secret is 35 bytes: one block.
fn hash(c: &mut Criterion) {
    c.bench_function("floor/sha256", |b| b.iter(|| Sha256::digest(black_box(SECRET))));
    c.bench_function("floor/sha256/two-threads", |b| {
        b.iter_custom(|iterations| {
            two_threads(iterations, |_| {
                || {
                    black_box(Sha256::digest(black_box(SECRET)));
                }
            })
        });
    });
}

fn lookup(c: &mut Criterion) {
    let table = table(1);
    c.bench_function("floor/lookup/1", |b| b.iter(|| table.get(black_box(&Fingerprint::of(0))).copied()));
    for (name, keys) in SIZES {
        let table = self::table(keys);
        let mut random = Random::new(1);
        c.bench_function(&format!("floor/lookup/{name}"), |b| {
            b.iter(|| table.get(&Fingerprint::of(random.below(keys))).copied());
        });
    }
}

// The memory that a request for a random key has to touch, and nothing else: the secret's text, then its entry in the
// table, then the first and the last line of a slot of 256 bytes with the key's limits and counters. Each address
// depends on what was read before: in a real request the digest is made of the text, and the lock that guards a slot
// keeps the processor from starting on the next request.
fn misses(c: &mut Criterion) {
    for (name, keys) in SIZES {
        let table = table(keys);
        let secrets = black_box(vec![[b'e'; SECRET.len()]; keys as usize]);
        let mut slots = black_box(vec![[1_u32; 64]; keys as usize]);
        let mut random = Random::new(1);
        let mut nothing = 0;
        c.bench_function(&format!("floor/misses/{name}"), |b| {
            b.iter(|| {
                let key = random.below(keys) + nothing;
                let text = secrets[key as usize];
                let index = table[&Fingerprint::of(key + u32::from(text[0] - b'e'))];
                let slot = &mut slots[index as usize];
                slot[0] += 1;
                slot[62] += 1;
                nothing = slot[63] - 1;
            });
        });
    }
}

// One to reserve, one to settle.
fn locks(c: &mut Criterion) {
    let counter = Mutex::new(0_u64);
    c.bench_function("floor/two-locks", |b| {
        b.iter(|| {
            *black_box(&counter).lock() += 1;
            *black_box(&counter).lock() += 1;
        });
    });
}

// One to reserve, one to settle. Of the clock that a program reads without asking for another; the library's own is coarser.
fn clock(c: &mut Criterion) {
    c.bench_function("floor/two-clocks", |b| b.iter(|| (SystemTime::now(), SystemTime::now())));
}

fn table(keys: u32) -> HashMap<Fingerprint, u32, BuildHasherDefault<First>> {
    // Slots are handed out in an order that has nothing to do with the digests.
    (0..keys).map(|key| (Fingerprint::of(key), key)).collect()
}

/// What a digest is to a table: 32 bytes that are random already.
#[derive(PartialEq, Eq)]
struct Fingerprint([u64; 4]);

impl Fingerprint {
    fn of(key: u32) -> Self {
        let number = u64::from(key);
        Self([mix(number), number, number, number])
    }
}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A hash that is the fingerprint's first word: hashing it again would only cost time.
#[derive(Default)]
struct First(u64);

impl Hasher for First {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| mix(hash ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}
