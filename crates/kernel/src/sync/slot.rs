//! A cell that holds at most one pointer (an `Arc`, a `Box`), exchanged as a whole by any thread.
//!
//! Cost: one atomic exchange (about 6 ns uncontended). Loom and Miri get a mutex in its place:
//! loom cannot see into `AtomicCell`, and Miri rejects the pointer to integer round trip that
//! `AtomicCell` makes.

/// At most one pointer; `swap` and `take` are atomic.
pub struct Slot<P> {
    #[cfg(not(any(loom, miri)))]
    cell: crossbeam_utils::atomic::AtomicCell<Option<P>>,
    #[cfg(any(loom, miri))]
    cell: super::Mutex<Option<P>>,
}

impl<P> Slot<P> {
    /// A slot with that in it.
    pub fn new(item: Option<P>) -> Self {
        const { assert!(size_of::<Option<P>>() == size_of::<usize>(), "a slot holds a pointer") };
        Self { cell: Cell::new(item) }
    }

    /// Puts `item` in and returns what was there.
    pub fn swap(&self, item: Option<P>) -> Option<P> {
        #[cfg(not(any(loom, miri)))]
        return self.cell.swap(item);
        #[cfg(any(loom, miri))]
        return std::mem::replace(&mut *self.cell.lock(), item);
    }

    /// Takes what is there.
    pub fn take(&self) -> Option<P> {
        self.swap(None)
    }
}

#[cfg(any(loom, miri))]
use super::Mutex as Cell;
#[cfg(not(any(loom, miri)))]
use crossbeam_utils::atomic::AtomicCell as Cell;

impl<P> Default for Slot<P> {
    fn default() -> Self {
        Self::new(None)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    #[cfg(not(miri))]
    fn a_slot_needs_no_lock() {
        assert!(crossbeam_utils::atomic::AtomicCell::<Option<Box<u8>>>::is_lock_free());
    }

    #[test]
    fn a_slot_gives_back_what_was_put_in_once() {
        let slot = Slot::new(None);
        assert!(slot.swap(Some(Arc::new(1))).is_none());
        assert_eq!(slot.swap(Some(Arc::new(2))).as_deref(), Some(&1));
        assert_eq!(slot.take().as_deref(), Some(&2));
        assert!(slot.take().is_none());
    }
}
