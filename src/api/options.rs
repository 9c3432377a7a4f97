//! Option tables, for the natives of all modules.

use crate::vm::{Raise, Stack};

/// Refuses an option table with a field that no option has: a typing error must not go unnoticed.
///
/// # Errors
/// `unknown option 'tll' (expected ttl)`.
pub(super) fn check(stack: &mut Stack<'_>, options: i32, known: &[&str]) -> Result<(), Raise> {
    stack.for_each(options, |stack| {
        if stack.str(-2).is_some_and(|key| known.contains(&key)) {
            return Ok(());
        }
        let key = stack.text(-2);
        let text = format!("unknown option '{key}' (expected {})", known.join(", "));
        Err(Raise::argument(options, text))
    })
}
