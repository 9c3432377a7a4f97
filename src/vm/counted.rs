//! Memory outside Lua that counts as memory of a VM: what natives build before it becomes a string,
//! and what they hold for a program. Without this a script could take gigabytes under a limit of
//! megabytes.

use std::ffi::c_int;
use std::ops::{Deref, Range};

use super::alloc::is_beyond_machine;
use super::context::Context;
use super::raise::Raise;
use super::stack::Stack;

/// The least room that is made for bytes: most of what natives build fits into it.
const LEAST_BYTES: usize = 256;

/// Bytes that a native builds. They count as memory of its VM while they live.
///
/// ```
/// use moonhive::vm::{CountedBytes, Native, NativeResult, Outcome, Stack, Vm};
///
/// fn twice(stack: &mut Stack<'_>) -> NativeResult {
///     let text = stack.check_bytes(1)?.to_vec();
///     let mut bytes = CountedBytes::new(stack);
///     bytes.extend(stack, &text)?;
///     bytes.extend(stack, &text)?;
///     stack.push_bytes(&bytes);
///     Ok(Outcome::Return(1))
/// }
/// # let _ = Native::new(twice);
/// ```
pub struct CountedBytes<'vm> {
    bytes: Vec<u8>,
    context: &'vm Context,
}

impl<'vm> CountedBytes<'vm> {
    /// None yet, for the VM of that stack.
    pub fn new(stack: &Stack<'vm>) -> CountedBytes<'vm> {
        CountedBytes { bytes: Vec::new(), context: stack.context() }
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// `not enough memory` when the VM would pass its limit, or the machine what it has.
    #[inline]
    pub fn extend(&mut self, stack: &mut Stack<'_>, bytes: &[u8]) -> Result<(), Raise> {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.grow(stack, bytes.len())?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds a part of the string at `index` at the end.
    ///
    /// # Errors
    /// As [`CountedBytes::extend`].
    ///
    /// # Panics
    /// If there is no string with such a part.
    #[inline]
    pub fn extend_part(
        &mut self,
        stack: &mut Stack<'_>,
        index: c_int,
        part: Range<usize>,
    ) -> Result<(), Raise> {
        self.extend_with(stack, |stack| {
            &stack.bytes(index).expect("a string to take a part of")[part.clone()]
        })
    }

    /// Adds the string at `index` at the end, nothing if there is none.
    ///
    /// # Errors
    /// As [`CountedBytes::extend`].
    #[inline]
    pub fn extend_string(&mut self, stack: &mut Stack<'_>, index: c_int) -> Result<(), Raise> {
        self.extend_with(stack, |stack| stack.bytes(index).unwrap_or_default())
    }

    /// Adds bytes that lie in the VM. They are looked up again when room has to be made.
    #[inline]
    fn extend_with<'l>(
        &mut self,
        stack: &mut Stack<'l>,
        bytes_of: impl for<'a> Fn(&'a Stack<'l>) -> &'a [u8],
    ) -> Result<(), Raise> {
        let bytes = bytes_of(stack);
        if self.bytes.capacity() - self.bytes.len() >= bytes.len() {
            self.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        let length = bytes.len();
        self.grow(stack, length)?;
        self.bytes.extend_from_slice(bytes_of(stack));
        Ok(())
    }

    /// Adds one byte at the end.
    ///
    /// # Errors
    /// As [`CountedBytes::extend`].
    #[inline]
    pub fn push(&mut self, stack: &mut Stack<'_>, byte: u8) -> Result<(), Raise> {
        self.extend(stack, &[byte])
    }

    /// Takes all bytes away; the room for them stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Bytes for which there is room, which are those that count.
    pub fn room(&self) -> usize {
        self.bytes.capacity()
    }

    /// Replaces bytes that are there.
    ///
    /// # Panics
    /// If they are not.
    pub fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes room for so many bytes more.
    #[cold]
    fn grow(&mut self, stack: &mut Stack<'_>, more: usize) -> Result<(), Raise> {
        let old = self.bytes.capacity();
        let needed = self.bytes.len().saturating_add(more);
        let new = needed.max(old.saturating_mul(2)).max(LEAST_BYTES);
        stack.count_outside(new - old)?;
        self.bytes.reserve_exact(new - self.bytes.len());
        // The allocator may have given more.
        self.context.memory.count_outside(new, self.bytes.capacity());
        Ok(())
    }
}

impl Deref for CountedBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CountedBytes<'_> {
    fn drop(&mut self) {
        self.context.memory.count_outside(self.bytes.capacity(), 0);
    }
}

impl<'vm> Stack<'vm> {
    /// The texts of all values from `first` on, as `tostring` gives them, with spaces between. One
    /// string may stand there a hundred times.
    ///
    /// # Errors
    /// As [`CountedBytes::extend`].
    pub fn joined_texts(&mut self, first: c_int) -> Result<CountedBytes<'vm>, Raise> {
        let mut joined = CountedBytes::new(self);
        for index in first..=self.top() {
            let text = self.text_bytes(index);
            let space: &[u8] = if index > first { b" " } else { b"" };
            joined.extend(self, space)?;
            joined.extend(self, &text)?;
        }
        Ok(joined)
    }
}

impl Stack<'_> {
    /// So many bytes outside Lua belong to this VM from now on, until
    /// [`uncount_outside`](Self::uncount_outside).
    ///
    /// # Errors
    /// `not enough memory` when the VM is beyond its limit with them, also after a collection, or
    /// when the machine does not have so many; they do not count then.
    #[inline]
    pub fn count_outside(&mut self, bytes: usize) -> Result<(), Raise> {
        if is_beyond_machine(bytes) || !self.has_room_outside(bytes) {
            return Err(self.no_memory());
        }
        self.context().memory.count_outside(0, bytes);
        Ok(())
    }

    /// Whether so many bytes more fit into the limit, if need be after a collection. They do not
    /// count yet while that runs: beyond the limit no finalizer could, and some let go of memory
    /// outside.
    #[inline]
    fn has_room_outside(&mut self, bytes: usize) -> bool {
        self.context().memory.has_room(bytes) || self.makes_room(bytes)
    }

    #[cold]
    fn makes_room(&mut self, bytes: usize) -> bool {
        self.collect();
        self.context().memory.has_room(bytes)
    }

    /// Bytes that were counted do not belong to this VM any more.
    #[inline]
    pub fn uncount_outside(&self, bytes: usize) {
        self.context().memory.count_outside(bytes, 0);
    }

    /// So many bytes count in the place of those that did.
    ///
    /// # Errors
    /// As [`count_outside`](Self::count_outside), for the difference.
    pub fn recount_outside(&mut self, old: usize, new: usize) -> Result<(), Raise> {
        if new > old {
            return self.count_outside(new - old);
        }
        self.uncount_outside(old - new);
        Ok(())
    }

    /// For loops that push much, as what Rust code pushes is never refused.
    ///
    /// # Errors
    /// `not enough memory` when the VM is beyond its limit, also after a collection.
    #[inline]
    pub fn check_memory(&mut self) -> Result<(), Raise> {
        if self.is_within_memory() { Ok(()) } else { Err(self.no_memory()) }
    }

    /// What Lua raises when it gets no memory.
    #[cold]
    pub fn no_memory(&mut self) -> Raise {
        self.push_str("not enough memory");
        Raise::value()
    }
}
