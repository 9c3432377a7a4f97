//! Sizes of what natives keep outside Lua in structures of their own: counted as memory of the VM
//! for as long as a native runs ([`Counted`]), or for as long as something lives that a script may
//! hold ([`Held`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::Context;
use super::raise::Raise;
use super::stack::Stack;

/// Memory of a running native: the room of something that grows, and may shrink.
pub struct Counted<'vm> {
    bytes: usize,
    context: &'vm Context,
}

impl<'vm> Counted<'vm> {
    /// None yet, for the VM of that stack.
    pub fn new(stack: &Stack<'vm>) -> Counted<'vm> {
        Counted { bytes: 0, context: stack.context() }
    }

    /// So many bytes count.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// From now on so many bytes count; fewer than before do not become less.
    ///
    /// # Errors
    /// As [`Stack::count_outside`]; what counted before still does.
    #[inline]
    pub fn grow_to(&mut self, stack: &mut Stack<'_>, bytes: usize) -> Result<(), Raise> {
        if bytes > self.bytes {
            stack.count_outside(bytes - self.bytes)?;
            self.bytes = bytes;
        }
        Ok(())
    }

    /// From now on so many bytes count, be they more or fewer.
    ///
    /// # Errors
    /// As [`Stack::count_outside`]; then those from before go on to count.
    pub fn set(&mut self, stack: &mut Stack<'_>, bytes: usize) -> Result<(), Raise> {
        stack.recount_outside(self.bytes, bytes)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.context.memory.count_outside(self.bytes, 0);
    }
}

/// Memory of a part of a value that scripts hold. It may be shared, and dropped wherever the last
/// of its owners is, also after the VM: so it refers to nothing but a counter.
#[derive(Debug)]
pub struct Held {
    bytes: usize,
    released_bytes: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nothing is read that depends on it.
        self.released_bytes.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl Stack<'_> {
    /// So many bytes outside Lua belong to this VM while the result lives. Now and then it collects
    /// garbage.
    ///
    /// # Errors
    /// As [`Stack::count_outside`].
    pub fn hold_outside(&mut self, bytes: usize) -> Result<Held, Raise> {
        if self.context().memory.is_worth_collecting(bytes) {
            self.collect();
        }
        self.count_outside(bytes)?;
        Ok(Held { bytes, released_bytes: self.context().memory.released_bytes() })
    }
}
