//! What waits to be taken, within bounds.

use std::collections::VecDeque;

/// The last things told, oldest first; past the bound the oldest makes room and is counted as lost.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: VecDeque<T>,
    lost: u64,
}

impl<T> Queue<T> {
    /// How many wait at most.
    pub(super) const MOST: usize = 1_024;

    pub(super) fn push(&mut self, item: T) {
        if self.waiting.len() >= Self::MOST {
            self.waiting.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.waiting.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Lets the oldest go while they are `past`: somebody else has them.
    pub(super) fn skip_while(&mut self, past: impl Fn(&T) -> bool) {
        while self.waiting.front().is_some_and(&past) {
            self.waiting.pop_front();
        }
    }

    /// At most `most` of them, oldest first.
    pub(super) fn take(&mut self, most: usize) -> Vec<T> {
        let count = self.waiting.len().min(most);
        self.waiting.drain(..count).collect()
    }

    /// The last few told that still wait, newest first.
    pub(super) fn newest(&mut self, count: usize) -> impl Iterator<Item = &mut T> {
        self.waiting.iter_mut().rev().take(count)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

// Not derived: that would ask the same of what waits.
impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), lost: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut queue = Queue::default();
        (0..1_030).for_each(|item| queue.push(item));
        assert_eq!((queue.lost(), queue.take(2)), (6, vec![6, 7]));
        assert_eq!(queue.newest(1).next(), Some(&mut 1_029));
        assert_eq!(queue.pop(), Some(8));
        queue.skip_while(|item| *item < 11);
        assert_eq!((queue.lost(), queue.take(usize::MAX).len()), (6, 1_019));
        assert!(queue.is_empty());
    }
}
