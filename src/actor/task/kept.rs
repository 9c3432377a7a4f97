//! What a task keeps until it begins: a function and its arguments, as one reference into its VM. A
//! function alone is kept as it is, one with arguments in a list; a function is no table, so the
//! two are told apart by their kind.

use crate::vm::{Kind, Reference, Stack};

/// Keeps the function at `first` with the arguments above it, and pops them all.
#[inline(always)]
pub(in crate::actor) fn keep_function(stack: &mut Stack<'_>, first: i32) -> Reference {
    let count = stack.top() - first + 1;
    if count == 1 { stack.keep() } else { keep_list(stack, first, count) }
}

/// Keeps a function and its arguments as a list.
#[inline(never)]
fn keep_list(stack: &mut Stack<'_>, first: i32, count: i32) -> Reference {
    stack.push_table(count.unsigned_abs() as usize, 1);
    for position in 1..=count {
        stack.push_value(first + position - 1);
        stack.raw_set_item(-2, position.into());
    }
    stack.push_integer(count.into());
    stack.raw_set_field(-2, "n");
    let function = stack.keep();
    stack.set_top(first - 1);
    function
}

/// Pushes what [`keep_function`] kept; returns the number of arguments.
pub(in crate::actor) fn push_function(stack: &mut Stack<'_>, function: &Reference) -> i32 {
    stack.push_kept(function);
    spread_list(stack)
}

/// Spreads what was kept, if it is a list; returns the number of arguments.
#[inline]
pub(in crate::actor) fn spread_list(stack: &mut Stack<'_>) -> i32 {
    if stack.kind(-1) == Kind::Table { spread(stack) } else { 0 }
}

/// Replaces the list on top by the function and the arguments it holds; returns how many those are.
fn spread(stack: &mut Stack<'_>) -> i32 {
    let list = stack.top();
    stack.raw_get_field(list, "n");
    let count = stack.integer(-1).unwrap_or(0);
    stack.pop(1);
    for position in 1..=count {
        stack.raw_get_item(list, position);
    }
    stack.remove(list);
    i32::try_from(count).unwrap_or(1) - 1
}
