//! Processes that fork.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

static GENERATION: AtomicU32 = AtomicU32::new(0);
static OPEN: Mutex<Vec<Weak<dyn Forks>>> = Mutex::new(Vec::new());

/// Something that must not be open while its process forks.
pub(crate) trait Forks: Send + Sync + Debug {
    /// Closes, and stays closed until [`Forks::after_fork_in_parent`].
    fn before_fork(&self);
    /// May open again.
    fn after_fork_in_parent(&self);
}

/// Tells the library that this process is about to fork: databases are closed for as long as that takes, so that neither
/// process has the other's locks. The Python and C bindings call it themselves; a Rust program that forks calls it before,
/// then [`after_fork_in_parent`] in the parent and [`after_fork`] in the child.
///
/// Calls of other threads wait meanwhile. A gate whose database was open across a fork without this answers
/// `ledger_unavailable` in the child; but one with leases that nobody told of the fork does not notice it, and hands out its
/// parent's a second time.
pub fn before_fork() {
    for open in open() {
        open.before_fork();
    }
}

/// Tells the library that the fork is over, in the parent.
pub fn after_fork_in_parent() {
    for open in open() {
        open.after_fork_in_parent();
    }
}

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

/// Has `open` told of forks, for as long as it lives.
#[cfg(feature = "sqlite")]
pub(crate) fn watch(open: Weak<dyn Forks>) {
    // A child whose parent forked while another thread was here would wait for that thread in vain.
    if let Some(mut all) = OPEN.try_lock_for(PATIENCE) {
        all.retain(|other| other.strong_count() > 0);
        all.push(open);
    }
}

const PATIENCE: Duration = Duration::from_secs(1);

fn open() -> Vec<Arc<dyn Forks>> {
    let open = OPEN.try_lock_for(PATIENCE);
    open.map(|all| all.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
}
