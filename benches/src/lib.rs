//! What the benches share: how long to measure, how to measure two threads, cheap random numbers, and gates with many keys.

pub mod keys;
pub mod ways;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::Criterion;

/// Seconds rather than minutes for each measurement: the table needs a steady median, not a plot.
pub fn config() -> Criterion {
    Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

/// The wall time in which two threads do `iterations` of work each, for `Bencher::iter_custom`.
///
/// The threads are pinned to different cores, prepare their work, and start together; the clock stops when the slower
/// one is done. So the result is the time of one operation on each of two threads, and if threads do not disturb each
/// other it equals the time of one operation on one.
///
/// # Panics
/// If a thread panics.
pub fn two_threads<W: FnMut()>(iterations: u64, prepare: impl Fn(usize) -> W + Sync) -> Duration {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let start = Barrier::new(2);
    let run = |thread: usize| {
        if let Some(core) = cores.get(thread) {
            core_affinity::set_for_current(*core);
        }
        let mut work = prepare(thread);
        start.wait();
        let started = Instant::now();
        (0..iterations).for_each(|_| work());
        (started, Instant::now())
    };
    let ((started_a, ended_a), (started_b, ended_b)) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| run(0)), scope.spawn(|| run(1)));
        (a.join().expect("thread 0"), b.join().expect("thread 1"))
    });
    ended_a.max(ended_b) - started_a.min(started_b)
}

/// A cheap sequence of random numbers, so that picking what to touch costs a nanosecond or two.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The same sequence for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let high = u32::try_from(mix(self.0) >> 32).unwrap_or(0);
        u32::try_from((u64::from(high) * u64::from(bound)) >> 32).unwrap_or(0)
    }
}

/// A number that looks like nothing in particular, the same for the same input (SplitMix64).
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
