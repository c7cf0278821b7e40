//! What each process has for itself.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fork;

/// Something that each process has for itself: a child that is forked does not take its parent's along, whatever state
/// another thread of the parent had it in.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    process: u32,
    // The forks that the library was told of when this was last known to be this process's.
    generation: AtomicU32,
    value: T,
    // Of the child that this process forked, in the child.
    child: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        let generation = AtomicU32::new(fork::generation());
        Self { process: std::process::id(), generation, value, child: OnceLock::new() }
    }

    /// What this process has; made by `make` from what came along if it is a child that has none yet.
    #[cfg(feature = "sqlite")]
    pub(crate) fn get<E>(&self, make: impl FnOnce(&T) -> Result<T, E>) -> Result<&T, E> {
        self.own(make).map(|own| &own.value)
    }

    /// The same, for whoever asks too often to ask the operating system which process this is: a child that nobody told
    /// the library of still gets its parent's.
    #[inline]
    pub(crate) fn get_as_told<E>(&self, make: impl FnOnce(&T) -> Result<T, E>) -> Result<&T, E> {
        let last = self.last();
        if last.generation.load(Ordering::Relaxed) == fork::generation() {
            return Ok(&last.value);
        }
        let own = self.own(make)?;
        own.generation.store(fork::generation(), Ordering::Relaxed);
        Ok(&own.value)
    }

    /// What this process has, if it has anything by now.
    pub(crate) fn known(&self) -> Option<&T> {
        let last = self.last();
        (last.process == std::process::id()).then_some(&last.value)
    }

    #[inline]
    fn last(&self) -> &Self {
        let mut last = self;
        while let Some(child) = last.child.get() {
            last = child;
        }
        last
    }

    fn own<E>(&self, make: impl FnOnce(&T) -> Result<T, E>) -> Result<&Self, E> {
        let last = self.last();
        if last.process == std::process::id() {
            return Ok(last);
        }
        let made = Box::new(Self::new(make(&last.value)?));
        Ok(last.child.get_or_init(|| made))
    }
}
