//! Calls that may block, off the event loop: the queue that makes them.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle, Thread};

use enclava_keys::Error;
use parking_lot::Mutex;

use crate::answer::enclava_answer;
use crate::fault::Fault;
use crate::guard::{guard, or};
use crate::handle::{Slot, Userdata, given};
use crate::status::enclava_status;

const MOST_THREADS: u32 = 256;

/// Threads that make calls which may block, so that an event loop does not wait for them.
///
/// A call is submitted by the function of its name that ends in _submit, which copies what it is lent and never blocks. When
/// the call was made, enclava_queue_descriptor() is readable and enclava_queue_run() calls `done(answer, data)` on the thread
/// of the event loop. If submitting fails, nothing was submitted and `done` is not called; else it is called exactly once,
/// at the latest by enclava_queue_free(), so `data` must live until then. Calls are made in any order; submit one that must
/// come after another when that is done.
///
/// Any threads may use it at once. It belongs to the process that opened it: in a child of fork() nothing is made by it.
#[derive(Debug)]
pub struct enclava_queue {
    shared: Arc<Shared>,
    process: u32,
    capacity: usize,
    descriptor: i32,
}

/// Told that a call was made. The answer belongs to the library and lives until this returns: take a permit out of it, or
/// it is let go. `data` is what was submitted along with the call.
///
/// It may submit more. It must not free the queue, and not leave by longjmp or a C++ exception.
pub type enclava_done = Option<extern "C" fn(answer: *mut enclava_answer, data: *mut c_void)>;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Job>,
    made: VecDeque<Made>,
    // The threads that have nothing to do. They do not wait in parking_lot, whose list of those who wait a forked child
    // would follow without having them.
    idle: Vec<Thread>,
    // Submitted and not told yet.
    count: usize,
    closing: bool,
    // INVARIANT: one byte is in the pipe while `made` is not empty, none while it is: so neither end ever blocks.
    signal: PipeWriter,
    signalled: PipeReader,
}

type Call = Box<dyn FnOnce() -> enclava_answer + Send>;

struct Job {
    call: Call,
    // Nobody waits for some.
    then: Option<Then>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Made {
    answer: enclava_answer,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
struct Then {
    done: extern "C" fn(answer: *mut enclava_answer, data: *mut c_void),
    data: Userdata,
}

/// Opens a queue of `threads` threads (1 to 256), which is how many calls are made at once, and at most `capacity` calls
/// that wait, are under way or were not told yet. Free it with enclava_queue_free().
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

/// Submits what has no function of its own: `work(data)` is called on a thread of the queue and may make any calls of this
/// library but for those on the queue. It must not leave by longjmp or a C++ exception. The answer is ENCLAVA_STATUS_OK.
///
/// Never blocks. Callable from any threads at once.
/// @return ENCLAVA_STATUS_BUSY if the queue is full; ENCLAVA_STATUS_CONFLICT while it is freed, or in a child of fork().
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_submit(
    queue: Option<&enclava_queue>,
    work: Option<extern "C" fn(data: *mut c_void)>,
    done: enclava_done,
    data: *mut c_void,
) -> enclava_status {
    guard(|| {
        let place = Place::on(queue, done, data)?;
        let work = given(work, "work")?;
        let data = Userdata::new(data);
        place.submit(move || {
            work(data.get());
            enclava_answer::default()
        });
        Ok(())
    })
}

/// A descriptor that is readable while enclava_queue_run() has something to tell: for poll, epoll or kqueue,
/// level-triggered. Only wait for it; do not read it or close it. -1 for NULL.
///
/// Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_descriptor(queue: Option<&enclava_queue>) -> i32 {
    or(-1, || queue.map_or(-1, |queue| queue.descriptor))
}

/// Calls the `done` of every call that was made by now, those that were made first before others. `count`, which may be
/// NULL, becomes how many there were.
///
/// Never blocks. Callable from any threads at once, and not from a `done`.
/// @return ENCLAVA_STATUS_CONFLICT in a child of fork().
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_run(
    queue: Option<&enclava_queue>,
    count: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let queue = given(queue, "queue")?;
        queue.here()?;
        let made = queue.shared.made();
        if let Some(count) = count {
            count.write(made.len());
        }
        for made in made {
            queue.shared.told();
            if let Some(left) = made.tell() {
                // It may have to be let go in a ledger that does I/O.
                queue.shared.push(Job { call: Box::new(|| left.emptied()), then: None });
            }
        }
        Ok(())
    })
}

/// Waits until every call that was submitted was made, calls each `done` that was not called yet, and frees the queue. What
/// those submit is refused. NULL is nothing to free.
///
/// Blocks. No other thread may be using the queue. In a child of fork() nothing is called and only memory is freed.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_queue_free(queue: Option<Box<enclava_queue>>) {
    or((), || {
        if let Some(queue) = queue {
            queue.close();
        }
    });
}

impl enclava_queue {
    fn open(threads: u32, capacity: usize) -> Result<Self, Fault> {
        let (signalled, signal) = pipe().map_err(|error| unavailable(&error))?;
        let descriptor = signalled.as_raw_fd();
        let state = State {
            waiting: VecDeque::new(),
            made: VecDeque::new(),
            idle: Vec::new(),
            count: 0,
            closing: false,
            signal,
            signalled,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), threads: Mutex::default() });
        let queue = Self { shared, process: std::process::id(), capacity, descriptor };
        for _ in 0..threads {
            let shared = Arc::clone(&queue.shared);
            let started = Builder::new().name("enclava-queue".into()).spawn(move || shared.work());
            match started {
                Ok(thread) => queue.shared.threads.lock().push(thread),
                Err(error) => {
                    queue.close();
                    return Err(unavailable(&error));
                }
            }
        }
        Ok(queue)
    }

    fn here(&self) -> Result<(), Fault> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(conflict("this queue belongs to the parent of this process; open another"))
    }

    // What is called here may still look at the queue: it changes nothing of it but what is shared with the threads.
    fn close(&self) {
        if self.here().is_err() {
            // The threads and their locks are the parent's: there is nothing here to wait for.
            return;
        }
        let idle = {
            let mut state = self.shared.state.lock();
            state.closing = true;
            std::mem::take(&mut state.idle)
        };
        idle.iter().for_each(Thread::unpark);
        for thread in std::mem::take(&mut *self.shared.threads.lock()) {
            let _ = thread.join();
        }
        for made in self.shared.made() {
            drop(made.tell());
        }
    }
}

impl Shared {
    fn push(&self, job: Job) {
        let idle = {
            let mut state = self.state.lock();
            state.waiting.push_back(job);
            state.idle.pop()
        };
        if let Some(thread) = idle {
            thread.unpark();
        }
    }

    /// There is room for one more.
    fn told(&self) {
        let mut state = self.state.lock();
        state.count = state.count.saturating_sub(1);
    }

    /// Takes what was made.
    fn made(&self) -> VecDeque<Made> {
        let mut state = self.state.lock();
        if !state.made.is_empty() {
            // There is a byte: this reads it without waiting.
            let _ = state.signalled.read(&mut [0]);
        }
        std::mem::take(&mut state.made)
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            let Some(Job { call, then }) = state.waiting.pop_front() else {
                if state.closing {
                    return;
                }
                state.idle.push(thread::current());
                drop(state);
                thread::park();
                state = self.state.lock();
                // It may have woken by itself.
                let own = thread::current().id();
                state.idle.retain(|idle| idle.id() != own);
                continue;
            };
            drop(state);
            let answer = call();
            state = self.state.lock();
            if let Some(then) = then {
                if state.made.is_empty() {
                    let _ = state.signal.write(&[1]);
                }
                state.made.push_back(Made { answer, then });
            }
        }
    }
}

impl Made {
    /// Tells it; answers what is left if freeing that may block.
    fn tell(self) -> Option<enclava_answer> {
        let mut answer = self.answer;
        (self.then.done)(&raw mut answer, self.then.data.get());
        answer.has_permit().then_some(answer)
    }
}

/// Room for one call on a queue.
pub(crate) struct Place<'a> {
    shared: &'a Shared,
    then: Option<Then>,
    is_taken: bool,
}

impl<'a> Place<'a> {
    /// Room for a call that `done` is told of.
    pub(crate) fn on(
        queue: Option<&'a enclava_queue>,
        done: enclava_done,
        data: *mut c_void,
    ) -> Result<Self, Fault> {
        let done = given(done, "done")?;
        Self::found(queue, Some(Then { done, data: Userdata::new(data) }))
    }

    /// Room for a call that nobody is told of. It is not counted: it must be bounded by something else.
    pub(crate) fn quietly_on(queue: Option<&'a enclava_queue>) -> Result<Self, Fault> {
        Self::found(queue, None)
    }

    fn found(queue: Option<&'a enclava_queue>, then: Option<Then>) -> Result<Self, Fault> {
        let queue = given(queue, "queue")?;
        queue.here()?;
        let mut state = queue.shared.state.lock();
        if state.closing {
            return Err(conflict("this queue is being freed"));
        }
        if then.is_some() {
            if state.count >= queue.capacity {
                return Err(Fault::Busy);
            }
            state.count = state.count.saturating_add(1);
        }
        Ok(Self { shared: &queue.shared, then, is_taken: false })
    }

    /// Has `call` made.
    pub(crate) fn submit(mut self, call: impl FnOnce() -> enclava_answer + Send + 'static) {
        self.is_taken = true;
        self.shared.push(Job { call: Box::new(call), then: self.then });
    }
}

// A caller that made a mistake after it had found room.
impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_taken && self.then.is_some() {
            self.shared.told();
        }
    }
}

fn conflict(message: &str) -> Fault {
    Error::Conflict(message.to_owned()).into()
}

fn unavailable(error: &std::io::Error) -> Fault {
    Error::Ledger(enclava_keys::ledger::LedgerError::new(error.to_string())).into()
}
