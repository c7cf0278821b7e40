//! Processes that fork: permits of the parent are the parent's to resolve, and databases are closed while it lasts.

use std::sync::Once;

use enclava_keys::{after_fork, after_fork_in_parent, before_fork};

use crate::guard::or;

/// From now on the library is told of every fork of this process.
pub(crate) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handlers are functions of the library's own that let no panic out. If the system has no memory left for
        // the list of handlers, forks are as in a Rust program that does not tell of them: databases stay silent in the child.
        unsafe { libc::pthread_atfork(Some(before), Some(parent), Some(child)) };
    });
}

extern "C" fn before() {
    or((), before_fork);
}

extern "C" fn parent() {
    or((), after_fork_in_parent);
}

extern "C" fn child() {
    or((), after_fork);
}
