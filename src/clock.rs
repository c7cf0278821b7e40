//! Where "now" comes from.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::Timestamp;

/// A source of the current time. The gate reads it once per call and passes the answer down; nothing below
/// the gate reads a clock.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current instant. It may step back (clocks do); the gate stays exact when it does.
    fn now(&self) -> Timestamp;
}

/// The operating system's wall clock. On Linux the coarse one, which takes a quarter of the time to read and moves with the
/// kernel's ticks, every 1 to 10 milliseconds: a window may end that much late.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Timestamp {
        now()
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let micros = now.tv_nsec.div_euclid(1_000);
    Timestamp::from_micros(now.tv_sec.saturating_mul(1_000_000).saturating_add(micros))
}

#[cfg(not(target_os = "linux"))]
fn now() -> Timestamp {
    Timestamp::from(std::time::SystemTime::now())
}

/// A clock that moves only when it is told to: for tests and replays.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    /// Puts the clock to `now`, earlier or later.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Moves the clock forward by `step`.
    pub fn advance(&self, step: Duration) {
        self.set(self.now().saturating_add(step));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}
