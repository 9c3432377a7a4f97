//! Run queues: one per worker, first in first out, from which other workers steal; and one that
//! any thread may push to.
//!
//! In real builds these are crossbeam's (push 3 ns, pop 6 ns, a thief takes up to half). Loom gets
//! a locked queue with the same promises: it has no view into crossbeam's, which has its own
//! models.

use crate::sync::Arc;

#[cfg(not(loom))]
use crossbeam_deque as deque;
#[cfg(loom)]
use locked as deque;

/// The queue of one worker. Only its worker pushes and pops.
pub(super) struct LocalQueue<T>(deque::Worker<Arc<T>>);

/// The side of a [`LocalQueue`] that other workers see.
pub(super) struct Stealer<T>(deque::Stealer<Arc<T>>);

/// The queue for threads that are not workers.
pub(super) struct Injector<T>(deque::Injector<Arc<T>>);

impl<T> LocalQueue<T> {
    pub(super) fn new() -> Self {
        Self(deque::Worker::new_fifo())
    }

    pub(super) fn push(&self, task: Arc<T>) {
        self.0.push(task);
    }

    pub(super) fn pop(&self) -> Option<Arc<T>> {
        self.0.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.stealer())
    }
}

impl<T> Stealer<T> {
    /// Moves some tasks into `thief`'s queue and returns one more.
    pub(super) fn steal_into(&self, thief: &LocalQueue<T>) -> Option<Arc<T>> {
        loop {
            let steal = self.0.steal_batch_and_pop(&thief.0);
            if !steal.is_retry() {
                return steal.success();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Injector<T> {
    pub(super) fn new() -> Self {
        Self(deque::Injector::new())
    }

    pub(super) fn push(&self, task: Arc<T>) {
        self.0.push(task);
    }

    /// Moves some tasks into `thief`'s queue and returns one more.
    pub(super) fn steal_into(&self, thief: &LocalQueue<T>) -> Option<Arc<T>> {
        loop {
            let steal = self.0.steal_batch_and_pop(&thief.0);
            if !steal.is_retry() {
                return steal.success();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Crossbeam's interface over a locked queue.
#[cfg(loom)]
mod locked {
    use std::collections::VecDeque;

    use crate::sync::{Arc, Mutex};

    pub(super) struct Worker<T>(Arc<Mutex<VecDeque<T>>>);
    pub(super) struct Stealer<T>(Arc<Mutex<VecDeque<T>>>);
    pub(super) struct Injector<T>(Mutex<VecDeque<T>>);
    pub(super) struct Steal<T>(Option<T>);

    impl<T> Steal<T> {
        pub(super) fn is_retry(&self) -> bool {
            false
        }

        pub(super) fn success(self) -> Option<T> {
            self.0
        }
    }

    impl<T> Worker<T> {
        pub(super) fn new_fifo() -> Self {
            Self(Arc::new(Mutex::new(VecDeque::new())))
        }

        pub(super) fn push(&self, item: T) {
            self.0.lock().push_back(item);
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.0.lock().pop_front()
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }

        pub(super) fn len(&self) -> usize {
            self.0.lock().len()
        }

        pub(super) fn stealer(&self) -> Stealer<T> {
            Stealer(Arc::clone(&self.0))
        }
    }

    impl<T> Stealer<T> {
        pub(super) fn steal_batch_and_pop(&self, _thief: &Worker<T>) -> Steal<T> {
            Steal(self.0.lock().pop_front())
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }
    }

    impl<T> Injector<T> {
        pub(super) fn new() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }

        pub(super) fn push(&self, item: T) {
            self.0.lock().push_back(item);
        }

        pub(super) fn steal_batch_and_pop(&self, _thief: &Worker<T>) -> Steal<T> {
            Steal(self.0.lock().pop_front())
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }
    }
}
