//! How deep code of ours may recurse. Lua counts calls of C functions, not bytes: a native that
//! recurses and calls Lua at its deepest could use up the stack of the thread long before Lua finds
//! the calls too many.

use super::raise::Raise;
use super::stack::Stack;

/// Left for what comes after a check: two hundred calls of C functions with a buffer each, as many
/// as Lua allows.
const RESERVE_BYTES: usize = 1 << 20;

impl Stack<'_> {
    /// To be asked at every level of a recursion that runs Lua code.
    ///
    /// # Errors
    /// `stack overflow` when the stack of the thread is nearly used up.
    #[inline]
    pub fn check_depth(&self) -> Result<(), Raise> {
        match stacker::remaining_stack() {
            Some(left) if left < RESERVE_BYTES => Err(Raise::message("C stack overflow")),
            _ => Ok(()),
        }
    }
}
