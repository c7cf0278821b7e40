//! Locks, atomics and threads: the real ones, or under `--cfg shuttle` ones whose every interleaving a test can try.
//!
//! What outlives a test goes around these: the clock, the zones, the fork generation. So do counters that nobody decides by.

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use real::{Condvar, ThreadMark, this_thread, thread_number};
#[cfg(not(shuttle))]
pub(crate) use std::{sync::atomic, thread};

#[cfg(shuttle)]
pub(crate) use explored::{Condvar, Mutex, MutexGuard, RwLock, ThreadMark, this_thread, thread_number};
#[cfg(shuttle)]
pub(crate) use shuttle::{sync::atomic, thread};

#[cfg(not(shuttle))]
mod real {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use super::MutexGuard;

    pub(crate) type ThreadMark = u64;

    /// Which thread this is. Asked of std, a thread of the host's would keep a record that leak checkers report.
    pub(crate) fn this_thread() -> ThreadMark {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        thread_local! {
            static MARK: ThreadMark = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        MARK.with(|mark| *mark)
    }

    /// A number to spread threads by: those that begin one after the other have different ones.
    pub(crate) fn thread_number() -> usize {
        usize::try_from(this_thread()).unwrap_or(0)
    }

    /// Takes and gives back the guard, as the standard library's does: shuttle's can do no other.
    ///
    /// Whoever waits in parking_lot stands in a list of the whole process. A forked child inherits the list and not the
    /// threads, and follows it into memory that is others' by then. So threads that wait for long wait in the standard
    /// library, which keeps no such list. What they wait for stays under a lock that race detectors know.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar {
        calls: AtomicU64,
        turn: Mutex<()>,
        called: std::sync::Condvar,
    }

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.wait_for(guard, Duration::MAX)
        }

        pub(crate) fn wait_for<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            at_most: Duration,
        ) -> MutexGuard<'a, T> {
            // Taken before the other is let go: a call in between is not missed.
            let turn = self.turn();
            let before = self.calls.load(Ordering::Relaxed);
            let is_called = || self.calls.load(Ordering::Relaxed) != before;
            MutexGuard::unlocked(&mut guard, || {
                drop(self.called.wait_timeout_while(turn, at_most, |()| !is_called()));
            });
            guard
        }

        // Told before the turn is let go: nobody who comes after it is woken in the place of one who waits for it.
        pub(crate) fn notify_one(&self) {
            let _turn = self.turn();
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.called.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            let _turn = self.turn();
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.called.notify_all();
        }

        fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
            self.turn.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(shuttle)]
mod explored {
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) use shuttle::thread::ThreadId as ThreadMark;

    pub(crate) use shuttle::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    pub(crate) fn this_thread() -> ThreadMark {
        shuttle::thread::current().id()
    }

    pub(crate) fn thread_number() -> usize {
        this_thread().into()
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(crate) fn is_locked(&self) -> bool {
            self.0.try_lock().is_err()
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
        }

        /// Never gives up, so that whoever is not woken is noticed.
        pub(crate) fn wait_for<'a, T>(&self, guard: MutexGuard<'a, T>, _: Duration) -> MutexGuard<'a, T> {
            self.wait(guard)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
