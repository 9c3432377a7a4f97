//! Memory outside Lua that counts as memory of a VM: what natives build before it becomes a string, and what
//! they hold for a program. Without this a script could take gigabytes under a limit of megabytes.

use std::ffi::c_int;
use std::ops::{Deref, Range};

use super::alloc::is_beyond_machine;
use super::context::Context;
use super::raise::Raise;
use super::stack::Stack;

/// Room for the first bytes, so that short texts do not grow again and again.
const LEAST_ROOM_BYTES: usize = 64;

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
        let new = needed.max(old.saturating_mul(2)).max(LEAST_ROOM_BYTES);
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

impl Stack<'_> {
    /// So many bytes outside Lua belong to this VM from now on, until
    /// [`uncount_outside`](Self::uncount_outside).
    ///
    /// # Errors
    /// `not enough memory` when the VM is beyond its limit with them, also after a collection, or when the
    /// machine does not have so many; they do not count then.
    pub fn count_outside(&mut self, bytes: usize) -> Result<(), Raise> {
        if is_beyond_machine(bytes) {
            return Err(self.no_memory());
        }
        self.context().memory.count_outside(0, bytes);
        if self.is_within_memory() {
            return Ok(());
        }
        self.uncount_outside(bytes);
        Err(self.no_memory())
    }

    /// Bytes that were counted do not belong to this VM any more.
    pub fn uncount_outside(&mut self, bytes: usize) {
        self.context().memory.count_outside(bytes, 0);
    }

    /// What Lua raises when it gets no memory.
    #[cold]
    pub fn no_memory(&mut self) -> Raise {
        self.push_str("not enough memory");
        Raise::value()
    }
}
