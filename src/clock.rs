//! Where "now" comes from.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::Timestamp;

/// A source of the current time. The gate reads it once for each decision and passes the answer down: budgets and policies are
/// told the time. A ledger that processes share may go by a clock of its own for what they have to agree on.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current instant. It may step back (clocks do); the gate stays exact when it does.
    fn now(&self) -> Timestamp;
}

/// The operating system's wall clock. On Linux the coarse one (`CLOCK_REALTIME_COARSE`), which is cheaper to read and moves with
/// the kernel's ticks, every 1 to 10 milliseconds: a window may end that much late.
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_system_clock_is_never_ahead_and_hardly_behind() {
        let before = Timestamp::from(SystemTime::now());
        let now = SystemClock.now();
        assert!(now <= Timestamp::from(SystemTime::now()));
        assert!(before.since(now) < Duration::from_secs(1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_moves_at_least_every_ten_milliseconds() {
        let tick = rustix::time::clock_getres(rustix::time::ClockId::RealtimeCoarse);
        assert!(tick.tv_sec == 0 && tick.tv_nsec <= 10_000_000, "{tick:?}");
    }
}
