//! A cell that holds at most one [`Arc`], exchanged as a whole by any thread.
//!
//! Cost: one atomic exchange (about 6 ns uncontended). Loom and Miri get a mutex in its place:
//! loom cannot see into `AtomicCell`, and Miri rejects the pointer to integer round trip that
//! `AtomicCell` makes.

use std::sync::Arc;

/// At most one `Arc<T>`; `swap` and `take` are atomic.
pub struct Slot<T> {
    #[cfg(not(any(loom, miri)))]
    cell: crossbeam_utils::atomic::AtomicCell<Option<Arc<T>>>,
    #[cfg(any(loom, miri))]
    cell: super::Mutex<Option<Arc<T>>>,
}

impl<T> Slot<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Self { cell: Cell::new(None) }
    }

    /// Puts `item` in and returns what was there.
    pub fn swap(&self, item: Option<Arc<T>>) -> Option<Arc<T>> {
        #[cfg(not(any(loom, miri)))]
        return self.cell.swap(item);
        #[cfg(any(loom, miri))]
        return std::mem::replace(&mut *self.cell.lock(), item);
    }

    /// Takes what is there.
    pub fn take(&self) -> Option<Arc<T>> {
        self.swap(None)
    }
}

#[cfg(any(loom, miri))]
use super::Mutex as Cell;
#[cfg(not(any(loom, miri)))]
use crossbeam_utils::atomic::AtomicCell as Cell;

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(miri))]
    fn a_slot_needs_no_lock() {
        assert!(crossbeam_utils::atomic::AtomicCell::<Option<Arc<u8>>>::is_lock_free());
    }

    #[test]
    fn a_slot_gives_back_what_was_put_in_once() {
        let slot = Slot::new();
        assert!(slot.swap(Some(Arc::new(1))).is_none());
        assert_eq!(slot.swap(Some(Arc::new(2))).as_deref(), Some(&1));
        assert_eq!(slot.take().as_deref(), Some(&2));
        assert!(slot.take().is_none());
    }
}
