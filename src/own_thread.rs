//! Threads of the library's own.

use crate::sync::thread::{Builder, JoinHandle};

/// A thread of this process. A child that is forked has the handle and not the thread: there it is let go unseen, since to
/// let go of a thread properly is to look for it.
#[derive(Debug)]
pub(crate) struct OwnThread {
    handle: Option<JoinHandle<()>>,
    process: u32,
}

impl OwnThread {
    /// Starts one, if the system has one to give.
    pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Option<Self> {
        let handle = Builder::new().name(name.to_owned()).spawn(work).ok()?;
        Some(Self { handle: Some(handle), process: std::process::id() })
    }

    /// Waits for its end. A panic of its own is told by then.
    pub(crate) fn join(mut self) {
        if self.is_here()
            && let Some(handle) = self.handle.take()
        {
            let _ = handle.join();
        }
    }

    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        if !self.is_here() {
            std::mem::forget(self.handle.take());
        }
    }
}
