//! Processes that fork.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Tells the library that this process is a fresh child of `fork`. The Python and C bindings call it themselves; a Rust
/// program that forks calls it in the child before it touches a gate.
///
/// From then on permits that came along from the parent are the parent's to resolve: dropping them here does nothing.
/// Names of new holds are drawn afresh.
pub fn after_fork() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
}

/// How many forks lie between the first process and this one.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}
