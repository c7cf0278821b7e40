//! Keeping up with the store, and bringing what is on its way to where it is kept.

use super::directory::Directory;
use super::{Error, Gate};

impl Gate {
    /// Asks the store for news now, instead of within the refresh interval.
    ///
    /// # Errors
    /// If the store cannot answer, or its records are not valid: those in force stay in force.
    pub fn refresh(&self) -> Result<(), Error> {
        Ok(self.core.refresher.refresh(&self.core, self.core.clock.now())?)
    }

    /// What is found among the keys by name, once they have kept up as they do for a call. What is not found may be new. A store
    /// that does not answer leaves what is known: nobody is let in by it.
    pub(super) fn look_up<T>(&self, find: impl Fn(&Directory) -> Option<T>) -> Option<T> {
        let core = &*self.core;
        if !core.refresher.is_shared() {
            return find(&core.directory);
        }
        let now = core.clock.now();
        let _ = core.refresher.keep_up(core, now);
        match find(&core.directory) {
            None if core.refresher.look_again(core, now) => find(&core.directory),
            found => found,
        }
    }

    /// Waits until everything is where it is kept and every alert was told to the callback, if there is one. From the callback
    /// it does not wait for alerts.
    ///
    /// # Errors
    /// [`Error::Ledger`] if something could not be brought where it is kept.
    pub fn flush(&self) -> Result<(), Error> {
        // What is brought there may cross a threshold.
        let flushed = self.core.books.ledger().flush();
        self.core.alerts.flush();
        Ok(flushed?)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Whoever must know that everything arrived calls `flush`.
        let _ = self.core.books.ledger().flush();
        self.core.alerts.retire();
    }
}
