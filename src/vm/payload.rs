//! Packing values of a stack into a message and back: the safe door to the codec.

use std::ffi::c_int;

use super::stack::Stack;
use crate::message::{PackError, PackOptions, Payload, UnpackError, UnpackOptions, pack, unpack};

impl Stack<'_> {
    /// Packs `count` values, beginning with the one at `first`; the stack stays as it was. `root` is
    /// what errors call the list of values: `args` in `args[2].cb`.
    ///
    /// # Errors
    /// [`PackError`] names the first value that cannot be sent.
    pub fn pack(
        &mut self,
        first: c_int,
        count: c_int,
        root: &'static str,
    ) -> Result<Payload, PackError> {
        self.pack_with(first, count, PackOptions { root, ..PackOptions::default() })
    }

    /// Packs a request: the name of a method at `first`, and the arguments above it up to the top.
    ///
    /// # Errors
    /// As [`Stack::pack`]; paths count the arguments only.
    pub fn pack_request(&mut self, first: c_int) -> Result<Payload, PackError> {
        let count = self.top() - self.absolute(first) + 1;
        self.pack_with(first, count, PackOptions { uncounted: 1, ..PackOptions::default() })
    }

    #[inline]
    fn pack_with(
        &mut self,
        first: c_int,
        count: c_int,
        options: PackOptions,
    ) -> Result<Payload, PackError> {
        let first = self.absolute(first);
        assert!(count >= 0 && first + count - 1 <= self.top(), "no {count} values to pack");
        self.forget_room();
        // SAFETY: this thread runs the state, and the values are there.
        unsafe { pack(self.state(), first, count, &options) }
    }

    /// Pushes the values of a payload and returns how many there are.
    ///
    /// # Errors
    /// [`UnpackError`]; the stack is then as it was.
    pub fn unpack(&mut self, payload: &Payload) -> Result<c_int, UnpackError> {
        self.forget_room();
        // SAFETY: this thread runs the state, and memory is not refused while a `Stack` exists.
        unsafe { unpack(self.state(), payload.as_bytes(), &UnpackOptions::default()) }
    }
}
