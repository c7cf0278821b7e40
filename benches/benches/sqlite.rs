//! SQLite: a full cycle (reserve over three meters, then settle), durable, by one thread and by many, with group commit
//! and with one transaction for each call; and the same by hand.

#![allow(missing_docs, reason = "criterion_group! writes a public function")]

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use enclava_benches::keys::{self, Text, call, request};
use enclava_keys::budget::{Hold, HoldId, Meter, Moved, Outcome, Owner, Row, Step};
use enclava_keys::engine::Sqlite;
use enclava_keys::ledger::LedgerError;
use enclava_keys::{Gate, Ledger, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;
use tempfile::TempDir;

const THREADS: [usize; 4] = [1, 4, 16, 64];

criterion_group! {
    name = sqlite;
    config = enclava_benches::config().sample_size(10);
    targets = cycles, leased, by_hand
}
criterion_main!(sqlite);

fn cycles(c: &mut Criterion) {
    for durability in ["full", "normal"] {
        for threads in THREADS {
            for alone in [false, true] {
                let directory = TempDir::new().expect("a directory");
                let url = format!("sqlite:///{}/e.db?durability={durability}", directory.path().display());
                let database = Sqlite::open(&url).expect("a database");
                let ledger: Arc<dyn Ledger> = Arc::new(database.ledger());
                let ledger = if alone { Arc::new(Alone(Mutex::new(()), ledger)) } else { ledger };
                let gate = Gate::builder()
                    .store(Arc::new(database.store()))
                    .ledger(ledger)
                    .open(&url)
                    .expect("a gate");
                let count = u32::try_from(threads).expect("few");
                for key in 0..count {
                    gate.import_key(&keys::spec(key)).expect("a key");
                }
                let secrets: Vec<Text> = (0..count).map(keys::secret).collect();
                let kind = if alone { "alone" } else { "together" };
                c.bench_function(&format!("sqlite/{durability}/{kind}/{threads}"), |b| {
                    b.iter_custom(|iterations| {
                        many_threads(threads, iterations, |thread| call(&gate, &request(&secrets[thread])))
                    });
                });
            }
        }
    }
}

fn leased(c: &mut Criterion) {
    let directory = TempDir::new().expect("a directory");
    let url = format!("sqlite:///{}/e.db", directory.path().display());
    let gate = Gate::builder().leased(true).open(&url).expect("a gate");
    gate.import_key(&keys::spec(0)).expect("a key");
    let secret = keys::secret(0);
    c.bench_function("sqlite/full/leased/1", |b| b.iter(|| call(&gate, &request(&secret))));
}

// The wall time of `iterations` pieces of work, shared out among threads that start together.
fn many_threads(threads: usize, iterations: u64, work: impl Fn(usize) + Sync) -> Duration {
    let start = Barrier::new(threads + 1);
    let left = std::sync::atomic::AtomicU64::new(iterations);
    let mut started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (start, left, work) = (&start, &left, &work);
            scope.spawn(move || {
                start.wait();
                let take = |left: u64| left.checked_sub(1);
                while left
                    .try_update(
                        std::sync::atomic::Ordering::Relaxed,
                        std::sync::atomic::Ordering::Relaxed,
                        take,
                    )
                    .is_ok()
                {
                    work(thread);
                }
            });
        }
        start.wait();
        started = Instant::now();
    });
    started.elapsed()
}

/// A ledger whose callers come one by one, so that none goes along with another.
#[derive(Debug)]
struct Alone(Mutex<()>, Arc<dyn Ledger>);

impl Ledger for Alone {
    fn apply(&self, step: &Step<'_>, rows: &mut [Moved]) -> Result<Outcome, LedgerError> {
        let _alone = self.0.lock();
        self.1.apply(step, rows)
    }

    fn row(&self, owner: &Owner, meter: Meter, start: Timestamp) -> Result<Row, LedgerError> {
        self.1.row(owner, meter, start)
    }

    fn hold(&self, owner: &Owner, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.1.hold(owner, id)
    }

    fn due(&self, owner: &Owner, now: Timestamp, most: usize) -> Result<Vec<Hold>, LedgerError> {
        self.1.due(owner, now, most)
    }

    fn forget(&self, owner: &Owner) -> Result<(), LedgerError> {
        self.1.forget(owner)
    }
}

// What a gateway would write itself: one UPDATE for each limit, no holds, no windows, floats for money.
fn by_hand(c: &mut Criterion) {
    for durability in ["full", "normal"] {
        let directory = TempDir::new().expect("a directory");
        let connection = Connection::open(directory.path().join("hand.db")).expect("a database");
        connection.pragma_update(None, "journal_mode", "wal").expect("WAL");
        connection.pragma_update(None, "synchronous", durability).expect("a level");
        let schema = "CREATE TABLE budget (key TEXT, name TEXT, used REAL, cap REAL, PRIMARY KEY (key, name));
                      INSERT INTO budget VALUES ('k', 'day', 0, 1e9), ('k', 'month', 0, 1e9), ('k', 'tokens', 0, 1e15)";
        connection.execute_batch(schema).expect("a schema");
        let add = |amounts: [f64; 3]| {
            connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
            for (name, amount) in ["day", "month", "tokens"].iter().zip(amounts) {
                let sql =
                    "UPDATE budget SET used = used + ?1 WHERE key = 'k' AND name = ?2 AND used + ?1 <= cap";
                let mut update = connection.prepare_cached(sql).expect("a statement");
                assert_eq!(update.execute((amount, name)).expect("an update"), 1);
            }
            connection.execute_batch("COMMIT").expect("a commit");
        };
        c.bench_function(&format!("sqlite/{durability}/by-hand"), |b| {
            b.iter(|| {
                add([0.05, 0.05, 1500.0]);
                add([-0.02, -0.02, -300.0]);
            });
        });
    }
}
