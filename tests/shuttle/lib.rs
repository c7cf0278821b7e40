//! The gate, its ledger and its directory under every interleaving that a scheduler can think of.
//!
//! Built only with `--cfg shuttle`, which puts shuttle's locks in the place of the real ones: `make test` tries four
//! thousand schedules of each test, `make soak` more. A failure prints its schedule, and `shuttle::replay` takes that.

#![cfg(all(test, shuttle))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]
#![expect(clippy::print_stdout, reason = "a run says how many schedules it tried")]

mod calls;
mod leases;
mod records;
mod teams;

use std::sync::Arc;
use std::time::Duration;

use enclava_keys::budget::Amount;
use enclava_keys::{Denial, Gate, KeyId, KeySpec, ManualClock, Money, Permit, Reason, Request, Usage};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

const SECRET: &str = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";

/// Runs `test` under many schedules: at random, and with few but well-placed switches.
fn explore(test: fn()) {
    let schedules =
        std::env::var("SHUTTLE_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    // It warns of relaxed atomics, whose reorderings it does not model: none of them decides anything by itself.
    config.silence_warnings = true;
    let run = |scheduler: Box<dyn Scheduler + Send>| Runner::new(scheduler, config.clone()).run(test);
    let tried =
        run(Box::new(RandomScheduler::new(schedules))) + run(Box::new(PctScheduler::new(3, schedules)));
    println!("{tried} schedules");
}

/// A gate with one key, whose secret is [`SECRET`].
struct Desk {
    gate: Gate,
    clock: Arc<ManualClock>,
    id: KeyId,
}

impl Desk {
    /// Names and secrets are the same in every run, so that a schedule is one to replay.
    fn with(spec: impl FnOnce(KeySpec) -> KeySpec) -> Arc<Self> {
        let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
        let gate = Gate::builder().clock(clock.clone()).open("memory:").unwrap();
        let key = gate.import_key(&spec(KeySpec::new("k")).id("k").secret(SECRET)).unwrap();
        Arc::new(Self { gate, clock, id: key.id().clone() })
    }

    fn authorize(&self, estimate: u64) -> Result<Permit, Denial> {
        self.gate.authorize(&request(estimate))
    }

    /// Tokens used and held today.
    fn standing(&self) -> (u64, u64) {
        let balance = self.gate.usage(&self.id).unwrap().daily_tokens;
        let tokens = |amount| match amount {
            Amount::Tokens(tokens) => tokens,
            Amount::Spend(_) => panic!("tokens are counted in tokens"),
        };
        (tokens(balance.used), tokens(balance.held))
    }
}

fn request(estimate: u64) -> Request<'static> {
    Request::new(SECRET).tokens(estimate)
}

fn tokens(tokens: u64) -> Usage {
    Usage::new(Money::ZERO, tokens)
}

/// Runs every task on a thread of its own, and waits for them.
fn at_once<T: Send + 'static>(tasks: Vec<Box<dyn FnOnce() -> T + Send>>) -> Vec<T> {
    let threads: Vec<_> = tasks.into_iter().map(shuttle::thread::spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// A task over a shared desk.
fn task<T>(desk: &Arc<Desk>, run: impl FnOnce(&Desk) -> T + Send + 'static) -> Box<dyn FnOnce() -> T + Send> {
    let desk = Arc::clone(desk);
    Box::new(move || run(&desk))
}
