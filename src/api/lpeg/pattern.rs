//! Patterns in the hands of scripts: userdata with a tree, and beside it the list of Lua values
//! that the tree refers to. Turns other values into patterns, and puts patterns together.

use std::cell::OnceCell;
use std::ffi::c_int;
use std::sync::Arc;

use super::program::Program;
use super::tree::{DEPTH_LIMIT, Part, Tree};
use super::{METAMETHODS, METHODS, grammar};
use crate::vm::{Kind, Native, Raise, Stack, Userdata};

/// Values of one pattern: functions, names, constants. As many as LPeg allows.
const VALUES_LIMIT: usize = u16::MAX as usize;

/// A pattern; its companion is the list of its values, nil if it has none.
pub(super) struct Pattern {
    pub(super) part: Part,
    pub(super) program: OnceCell<Arc<Program>>,
}

impl Userdata for Pattern {
    const NAME: &'static str = "lpeg-pattern";
    const HAS_COMPANION: bool = true;

    fn methods() -> &'static [(&'static str, Native)] {
        &METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        &METAMETHODS
    }
}

/// Pushes a pattern without values.
pub(super) fn push(stack: &mut Stack<'_>, part: Part) -> Result<(), Raise> {
    if part.facts().depth > DEPTH_LIMIT {
        let message = format!("the pattern is built up more than {DEPTH_LIMIT} deep");
        return Err(Raise::message(message));
    }
    part.hold(stack)?;
    stack.push_userdata(Pattern { part, program: OnceCell::new() });
    Ok(())
}

/// Pops the list of its values and pushes a pattern with them.
pub(super) fn push_with_values(stack: &mut Stack<'_>, part: Part) -> Result<(), Raise> {
    push(stack, part)?;
    stack.push_value(-2);
    stack.set_companion(-2);
    stack.remove(-2);
    Ok(())
}

/// Pushes a pattern whose only value is the one on top, which is popped.
pub(super) fn push_with_value(stack: &mut Stack<'_>, part: Part) -> Result<(), Raise> {
    stack.push_table(1, 0);
    stack.insert(-2);
    stack.raw_set_item(-2, 1);
    push_with_values(stack, part)
}

/// Makes sure that the value at `index` is a pattern, and gives its tree: strings, numbers,
/// booleans, tables and functions become one.
pub(super) fn check(stack: &mut Stack<'_>, index: c_int) -> Result<Part, Raise> {
    if let Some(pattern) = stack.userdata::<Pattern>(index) {
        return Ok(pattern.part.clone());
    }
    match stack.kind(index) {
        Kind::String => {
            let text = stack.bytes(index).unwrap_or_default();
            let tree = if text.is_empty() { Tree::True } else { Tree::Text(text.into()) };
            push(stack, Part::new(tree))?;
        }
        Kind::Number => {
            let count = stack.check_integer(index)?;
            let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let tree = match size {
                0 => Tree::True,
                size if count > 0 => Tree::Any(size),
                size => Tree::Not(Part::new(Tree::Any(size))),
            };
            push(stack, Part::new(tree))?;
        }
        Kind::Boolean => {
            let tree = if stack.truth(index) { Tree::True } else { Tree::False };
            push(stack, Part::new(tree))?;
        }
        Kind::Function => {
            stack.push_value(index);
            push_with_value(stack, Part::new(Tree::Runtime(1, Part::new(Tree::True))))?;
        }
        Kind::Table => push_grammar(stack, index)?,
        _ => return Err(stack.type_error(index, "lpeg-pattern")),
    }
    stack.replace(index);
    stack.check_userdata::<Pattern>(index).map(|pattern| pattern.part.clone())
}

fn push_grammar(stack: &mut Stack<'_>, index: c_int) -> Result<(), Raise> {
    let base = stack.top();
    match grammar::push(stack, index) {
        // Whatever the result is, the code that gets it cannot go on.
        Err(_) if stack.is_interrupted() => {
            stack.set_top(base);
            push(stack, Part::new(Tree::False))
        }
        result => result,
    }
}

/// Pushes the list of values of the pattern at `index`; nil if it has none.
pub(super) fn push_values(stack: &mut Stack<'_>, index: c_int) -> u32 {
    if stack.push_companion(index) != Kind::Table {
        return 0;
    }
    u32::try_from(stack.raw_len(-1)).unwrap_or(u32::MAX)
}

/// Appends the values of the pattern at `index` to the list on top; returns how far they moved.
pub(super) fn append_values(stack: &mut Stack<'_>, index: c_int) -> Result<u32, Raise> {
    let (index, list) = (stack.absolute(index), stack.top());
    let shift = stack.raw_len(list) as u32;
    let count = push_values(stack, index);
    check_count(shift as usize + count as usize)?;
    for place in 1..=i64::from(count) {
        stack.raw_get_item(list + 1, place);
        stack.raw_set_item(list, i64::from(shift) + place);
    }
    stack.set_top(list);
    Ok(shift)
}

/// Makes sure that a pattern may have so many values.
pub(super) fn check_count(values: usize) -> Result<(), Raise> {
    if values > VALUES_LIMIT {
        let message = format!("a pattern of more than {VALUES_LIMIT} values");
        return Err(Raise::message(message));
    }
    Ok(())
}

/// Pushes the pattern that `make` puts together of those at 1 and 2.
pub(super) fn push_pair(
    stack: &mut Stack<'_>,
    make: impl FnOnce(Part, Part) -> Part,
) -> Result<(), Raise> {
    let (left, right) = (check(stack, 1)?, check(stack, 2)?);
    let counts = [1, 2].map(|index| {
        let count = push_values(stack, index);
        stack.pop(1);
        count
    });
    match counts {
        [0, 0] => push(stack, make(left, right)),
        [_, 0] | [0, _] => {
            push_values(stack, if counts[0] == 0 { 2 } else { 1 });
            push_with_values(stack, make(left, right))
        }
        _ => {
            stack.push_table(0, 0);
            append_values(stack, 1)?;
            let shift = append_values(stack, 2)?;
            push_with_values(stack, make(left, right.shifted(shift)))
        }
    }
}

/// Pushes the pattern that `make` makes of the one at 1, whose values it keeps.
pub(super) fn push_single(
    stack: &mut Stack<'_>,
    make: impl FnOnce(Part) -> Part,
) -> Result<(), Raise> {
    let part = check(stack, 1)?;
    push_values(stack, 1);
    push_with_values(stack, make(part))
}

/// The same, and the value at `value` joins the others; `make` gets its place.
pub(super) fn push_with_own(
    stack: &mut Stack<'_>,
    value: c_int,
    make: impl FnOnce(Part, u32) -> Part,
) -> Result<(), Raise> {
    let part = check(stack, 1)?;
    stack.push_table(0, 0);
    append_values(stack, 1)?;
    let place = stack.raw_len(-1) as u32 + 1;
    check_count(place as usize)?;
    stack.push_value(value);
    stack.raw_set_item(-2, place.into());
    push_with_values(stack, make(part, place))
}
