//! Processes that fork: permits of the parent are the parent's to resolve.

use std::sync::Once;

use enclava_keys::after_fork;

/// From now on every child of this process is told that it is one.
pub(crate) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handler only adds one to an atomic number, which a child may do. If the system has no memory left for
        // the list of handlers, children are on their own, as in a Rust program.
        unsafe { libc::pthread_atfork(None, None, Some(child)) };
    });
}

extern "C" fn child() {
    after_fork();
}
