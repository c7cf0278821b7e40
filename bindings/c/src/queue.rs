//! Calls that may block, off the event loop.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use enclava_keys::Error;

use crate::alert::Userdata;
use crate::fault::Fault;
use crate::guard::{guard, or};
use crate::handle::{Slot, given};
use crate::status::enclava_status;

const MOST_THREADS: u32 = 256;

/// Threads that run jobs which may block, and hand them back when they are done.
///
/// Any threads may submit to it and take from it at once. It belongs to the process that opened it: in a child of fork()
/// nothing runs it.
#[derive(Debug)]
pub struct enclava_queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    process: u32,
    capacity: usize,
    descriptor: i32,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Job>,
    done: VecDeque<Userdata>,
    // Submitted and not taken yet.
    count: usize,
    closing: bool,
    // INVARIANT: one byte is in the pipe while `done` is not empty, none while it is: so neither end ever blocks.
    signal: PipeWriter,
    signalled: PipeReader,
}

#[derive(Debug)]
struct Job {
    work: extern "C" fn(job: *mut c_void),
    data: Userdata,
}

/// Opens a queue of `threads` threads (1 to 256) and at most `capacity` jobs that are waiting, running or not taken yet.
/// Free it with enclava_queue_free().
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE for no threads, too many, or no room; ENCLAVA_STATUS_LEDGER if the system has no
/// threads or descriptors left.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_open(
    threads: u32,
    capacity: usize,
    queue: Option<&mut MaybeUninit<*mut enclava_queue>>,
) -> enclava_status {
    guard(|| {
        let queue = Slot::required(queue, "queue")?;
        if !(1..=MOST_THREADS).contains(&threads) {
            return Err(Fault::value("threads", "must be 1 to 256"));
        }
        if capacity == 0 {
            return Err(Fault::value("capacity", "must be at least 1"));
        }
        queue.fill(enclava_queue::open(threads, capacity)?);
        Ok(())
    })
}

/// Has `work(job)` called on a thread of the queue: it may make any calls of this library, and keeps what they answer in
/// the job, which must live until it was taken. It must not leave by longjmp or a C++ exception, and not use the queue.
///
/// Never blocks. Callable from any threads at once.
/// @return ENCLAVA_STATUS_BUSY if the queue is full; ENCLAVA_STATUS_CONFLICT in a child of fork(). The job is then not run.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_submit(
    queue: Option<&enclava_queue>,
    work: Option<extern "C" fn(job: *mut c_void)>,
    job: *mut c_void,
) -> enclava_status {
    guard(|| {
        let queue = given(queue, "queue")?;
        let work = given(work, "work")?;
        queue.here()?;
        let mut state = queue.shared.lock();
        if state.count >= queue.capacity {
            return Err(Fault::Busy);
        }
        state.count = state.count.saturating_add(1);
        state.waiting.push_back(Job { work, data: Userdata::new(job) });
        queue.shared.work.notify_one();
        Ok(())
    })
}

/// A descriptor that is readable while a job is done and not taken: for poll, epoll or kqueue, level-triggered. Only wait
/// for it; do not read it or close it. -1 for NULL.
///
/// Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_descriptor(queue: Option<&enclava_queue>) -> i32 {
    or(-1, || queue.map_or(-1, |queue| queue.descriptor))
}

/// Takes the job that was done first. Never blocks.
///
/// Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND if none is done.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_take(
    queue: Option<&enclava_queue>,
    job: Option<&mut MaybeUninit<*mut c_void>>,
) -> enclava_status {
    guard(|| {
        let job = given(job, "job")?;
        let queue = given(queue, "queue")?;
        queue.here()?;
        let mut state = queue.shared.lock();
        let taken = state.done.pop_front().ok_or(Fault::NotFound("job that is done"))?;
        state.count = state.count.saturating_sub(1);
        if state.done.is_empty() {
            // There is a byte: this reads it without waiting.
            let _ = state.signalled.read(&mut [0]);
        }
        job.write(taken.get());
        Ok(())
    })
}

/// Waits until every job that was submitted is done, and frees the queue. Jobs that were not taken are the caller's, as
/// ever. NULL is nothing to free.
///
/// No other thread may be using the queue. In a child of fork() only memory is freed.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_free(queue: Option<Box<enclava_queue>>) {
    or((), || drop(queue));
}

impl enclava_queue {
    fn open(threads: u32, capacity: usize) -> Result<Self, Fault> {
        let (signalled, signal) = pipe().map_err(|error| unavailable(&error))?;
        let descriptor = signalled.as_raw_fd();
        let state = State {
            waiting: VecDeque::new(),
            done: VecDeque::new(),
            count: 0,
            closing: false,
            signal,
            signalled,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new() });
        // If one cannot be started, dropping the queue ends the others.
        let mut queue =
            Self { shared, threads: Vec::new(), process: std::process::id(), capacity, descriptor };
        for _ in 0..threads {
            let shared = Arc::clone(&queue.shared);
            let thread = Builder::new().name("enclava-queue".into()).spawn(move || shared.run());
            queue.threads.push(thread.map_err(|error| unavailable(&error))?);
        }
        Ok(queue)
    }

    fn here(&self) -> Result<(), Fault> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(Error::Conflict("this queue belongs to the parent of this process; open another".into()).into())
    }
}

impl Shared {
    // The state is whole whenever the lock is free: nothing between two of its changes panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let Some(Job { work, data }) = state.waiting.pop_front() else {
                if state.closing {
                    return;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            work(data.get());
            state = self.lock();
            if state.done.is_empty() {
                let _ = state.signal.write(&[1]);
            }
            state.done.push_back(data);
        }
    }
}

impl Drop for enclava_queue {
    fn drop(&mut self) {
        if self.here().is_err() {
            // The threads are the parent's: there is nothing here to wait for, or to let go.
            self.threads.drain(..).for_each(std::mem::forget);
            return;
        }
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn unavailable(error: &std::io::Error) -> Fault {
    Error::Ledger(enclava_keys::ledger::LedgerError::new(error.to_string())).into()
}
