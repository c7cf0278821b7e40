//! Taking turns between processes.
//!
//! SQLite's own lock is taken by whoever happens to ask at the right moment, and those who waited longest ask least
//! often: with eight processes most of them starve. So whoever wants to write passes two locks first. `next` is held by
//! the one process that is next in line and `turn` by the one whose turn it is: whoever just had a turn finds somebody
//! else next in line. The locks live with the process: when it dies, they are free.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fault::Fault;

/// How often the process that is next in line looks again at once, before it sleeps in between.
const GLANCES: u32 = 8;
const SHORT: Duration = Duration::from_micros(20);
const LONG: Duration = Duration::from_micros(200);

#[derive(Debug)]
pub(super) struct Turnstile {
    next: PathBuf,
    turn: PathBuf,
}

/// This process's turn; over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(File);

impl Turnstile {
    pub(super) fn beside(path: &Path) -> Self {
        Self { next: super::file::sibling(path, "-next"), turn: super::file::sibling(path, "-turn") }
    }

    /// Waits for a turn, until `deadline`.
    pub(super) fn enter(&self, deadline: Instant) -> Result<Turn, Fault> {
        let _next = lock(&self.next, LONG, deadline)?;
        lock(&self.turn, SHORT, deadline)
    }
}

// Opened each time: a lock of a file that stays open would be inherited by a forked child, and outlive its holder there.
fn lock(path: &Path, pause: Duration, deadline: Instant) -> Result<Turn, Fault> {
    let fault = |error: std::io::Error| Fault::io(path, &error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(fault)?;
    let mut glances = 0_u32;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Turn(file)),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(Fault::told(format!(
                    "{}: another process has not let go of its turn; is it stopped?",
                    path.display()
                )));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        glances = glances.saturating_add(1);
        if glances < GLANCES {
            std::thread::yield_now();
        } else {
            std::thread::sleep(pause);
        }
    }
}

impl Drop for Turn {
    // Said and not left to the closing: a child that was forked meanwhile holds the same open file.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
