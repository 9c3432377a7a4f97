//! Which natives can wait where they are called.

use crate::vm::{Raise, Stack};

/// Makes sure that `function` of `module` can block here.
///
/// # Errors
/// Says which function cannot wait, why, and what to use in its place.
#[inline]
pub(super) fn check(stack: &Stack<'_>, module: &str, function: &str) -> Result<(), Raise> {
    if stack.can_block() { Ok(()) } else { Err(refusal(module, function)) }
}

/// The same for methods of dictionaries.
///
/// # Errors
/// As [`check`].
pub(super) fn check_dictionary(stack: &Stack<'_>) -> Result<(), Raise> {
    if stack.can_block() { Ok(()) } else { Err(refusal_of("a method of a dictionary", "hive")) }
}

#[cold]
fn refusal(module: &str, function: &str) -> Raise {
    refusal_of(&format!("{module}.{function}"), module)
}

#[cold]
fn refusal_of(what: &str, module: &str) -> Raise {
    Raise::message(format!(
        "{what} cannot wait here: a C function that called this code cannot be suspended \
         (attempt to yield across a C-call boundary)\n\
         hint: do not wait in __tostring, sort functions, gsub callbacks or finalizers; \
         in their place use {module}.fork"
    ))
}
