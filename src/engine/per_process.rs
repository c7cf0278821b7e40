//! What each process has for itself.

use std::sync::OnceLock;

/// Something that each process has for itself: a child that is forked does not take its parent's along, whatever state
/// another thread of the parent had it in.
#[derive(Debug)]
pub(super) struct PerProcess<T> {
    process: u32,
    value: T,
    // Of the child that this process forked, in the child.
    child: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(super) fn new(value: T) -> Self {
        Self { process: std::process::id(), value, child: OnceLock::new() }
    }

    /// What this process has; made by `make` from what came along if it is a child that has none yet.
    pub(super) fn get<E>(&self, make: impl FnOnce(&T) -> Result<T, E>) -> Result<&T, E> {
        let mut last = self;
        while let Some(child) = last.child.get() {
            last = child;
        }
        if last.process == std::process::id() {
            return Ok(&last.value);
        }
        let made = Box::new(Self::new(make(&last.value)?));
        Ok(&last.child.get_or_init(|| made).value)
    }
}
