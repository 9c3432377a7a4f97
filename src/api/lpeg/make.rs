//! The functions and operators that make patterns.

use super::pattern::{self, Pattern};
use super::tree::{ByteSet, Capture, Leaf, Part, Tree};
use crate::vm::{Kind, NativeResult, Outcome, Raise, Stack};

/// Bytes that `B` may look back.
const BEHIND_LIMIT: usize = 255;

/// Copies of a pattern that `^` may make.
const COPIES_LIMIT: i64 = 10_000;

/// Parts of one sequence or choice.
const PARTS_LIMIT: usize = 1 << 16;

const ONE: NativeResult = Ok(Outcome::Return(1));

/// `P(value)`
pub(super) fn make(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_any(1)?;
    pattern::check(stack, 1)?;
    stack.set_top(1);
    ONE
}

/// `S(bytes)`: any of these bytes.
pub(super) fn set(stack: &mut Stack<'_>) -> NativeResult {
    let set: ByteSet = stack.check_bytes(1)?.iter().copied().collect();
    pattern::push(stack, Part::new(Tree::Set(set)))?;
    ONE
}

/// `R(range, ...)`: any byte of these ranges, such as "az".
pub(super) fn range(stack: &mut Stack<'_>) -> NativeResult {
    let mut set = ByteSet::default();
    for argument in 1..=stack.top() {
        let [from, to] = stack.check_bytes(argument)? else {
            return Err(Raise::argument(argument, "range must have two characters"));
        };
        (*from..=*to).for_each(|byte| set.add(byte));
    }
    pattern::push(stack, Part::new(Tree::Set(set)))?;
    ONE
}

/// `utfR(from, to)`: a character of UTF-8 in this range of code points.
pub(super) fn utf8_range(stack: &mut Stack<'_>) -> NativeResult {
    let code = |argument| {
        let code = stack.check_integer(argument)?;
        let valid = u32::try_from(code).ok().filter(|&code| code <= u32::from(char::MAX));
        valid.ok_or_else(|| Raise::argument(argument, "invalid code point"))
    };
    let (from, to) = (code(1)?, code(2)?);
    if from > to {
        return Err(Raise::argument(2, "empty range"));
    }
    pattern::push(stack, Part::new(Tree::Utf8(from, to)))?;
    ONE
}

/// `V(name)`: the rule of that name in the grammar around.
pub(super) fn rule(stack: &mut Stack<'_>) -> NativeResult {
    if stack.is_none_or_nil(1) {
        return Err(Raise::argument(1, "non-nil value expected"));
    }
    stack.set_top(1);
    pattern::push_with_value(stack, Part::new(Tree::Rule(1)))?;
    ONE
}

/// `B(pattern)`: matches if the pattern does just before.
pub(super) fn behind(stack: &mut Stack<'_>) -> NativeResult {
    let part = pattern::check(stack, 1)?;
    let length = part
        .facts()
        .fixed_length
        .ok_or_else(|| Raise::argument(1, "pattern may not have fixed length"))?;
    if part.facts().has_captures {
        return Err(Raise::argument(1, "pattern have captures"));
    }
    if length > BEHIND_LIMIT {
        return Err(Raise::argument(1, "pattern too long to look behind"));
    }
    pattern::push_single(stack, |part| Part::new(Tree::Behind(part, length)))?;
    ONE
}

/// `a * b`
pub(super) fn sequence(stack: &mut Stack<'_>) -> NativeResult {
    joined(stack, |left, right| match (left.tree(), right.tree()) {
        (Tree::False, _) | (_, Tree::True) => left,
        (Tree::True, _) => right,
        _ => flat_sequence(left, right),
    })
}

fn flat_sequence(left: Part, right: Part) -> Part {
    Part::new(Tree::Sequence(flat(left, right, |tree| match tree {
        Tree::Sequence(parts) => Some(parts),
        _ => None,
    })))
}

/// `a + b`
pub(super) fn choice(stack: &mut Stack<'_>) -> NativeResult {
    joined(stack, |left, right| {
        if let (Some(left), Some(right)) = (left.byte_set(), right.byte_set()) {
            return Part::new(Tree::Set(left.union(right)));
        }
        if left.facts().never_fails || matches!(right.tree(), Tree::False) {
            return left;
        }
        if matches!(left.tree(), Tree::False) {
            return right;
        }
        Part::new(Tree::Choice(flat(left, right, |tree| match tree {
            Tree::Choice(parts) => Some(parts),
            _ => None,
        })))
    })
}

/// The parts of both in one list, so that long chains stay flat.
fn flat(left: Part, right: Part, parts_of: fn(&Tree) -> Option<&Vec<Part>>) -> Vec<Part> {
    let mut all = Vec::new();
    for part in [left, right] {
        match parts_of(part.tree()) {
            Some(parts) => all.extend(parts.iter().map(|inner| inner.shifted(part.shift))),
            None => all.push(part),
        }
    }
    all
}

fn joined(stack: &mut Stack<'_>, join: fn(Part, Part) -> Part) -> NativeResult {
    pattern::push_pair(stack, join)?;
    let parts = stack.check_userdata::<Pattern>(-1)?.part.tree().children().len();
    if parts > PARTS_LIMIT {
        return Err(Raise::message(format!("a pattern of more than {PARTS_LIMIT} parts")));
    }
    ONE
}

/// `a - b`
pub(super) fn difference(stack: &mut Stack<'_>) -> NativeResult {
    joined(stack, |left, right| match (left.byte_set(), right.byte_set()) {
        (Some(left), Some(right)) => Part::new(Tree::Set(left.without(right))),
        _ => flat_sequence(Part::new(Tree::Not(right)), left),
    })
}

/// `-a`
pub(super) fn not(stack: &mut Stack<'_>) -> NativeResult {
    pattern::push_single(stack, |part| Part::new(Tree::Not(part)))?;
    ONE
}

/// `#a`
pub(super) fn and(stack: &mut Stack<'_>) -> NativeResult {
    pattern::push_single(stack, |part| Part::new(Tree::And(part)))?;
    ONE
}

/// `a ^ n`: at least n times; at most -n times if n is negative.
pub(super) fn power(stack: &mut Stack<'_>) -> NativeResult {
    let part = pattern::check(stack, 1)?;
    let count = stack.check_integer(2)?;
    if count.unsigned_abs() > COPIES_LIMIT.unsigned_abs() {
        return Err(Raise::argument(2, format!("more than {COPIES_LIMIT} repetitions")));
    }
    if count >= 0 && part.facts().is_nullable {
        return Err(Raise::message("loop body may accept empty string"));
    }
    pattern::push_single(stack, |part| {
        if count < 0 { at_most(part, count.unsigned_abs()) } else { at_least(part, count) }
    })?;
    ONE
}

fn at_least(part: Part, count: i64) -> Part {
    let mut parts: Vec<Part> = (0..count).map(|_| part.clone()).collect();
    parts.push(Part::new(Tree::Repeat(part)));
    if parts.len() == 1 { parts.remove(0) } else { Part::new(Tree::Sequence(parts)) }
}

fn at_most(part: Part, count: u64) -> Part {
    Part::new(Tree::AtMost(part, count as usize))
}

/// `a / value`
pub(super) fn divide(stack: &mut Stack<'_>) -> NativeResult {
    match stack.kind(2) {
        Kind::Number => {
            let number = stack.check_integer(2)?;
            let number = u32::try_from(number)
                .ok()
                .filter(|&number| number <= u32::from(u16::MAX))
                .ok_or_else(|| Raise::argument(2, "invalid number of a capture"))?;
            pattern::push_single(stack, |part| capture(Capture::Number(number), part))?;
        }
        Kind::String => own_value(stack, Capture::String)?,
        Kind::Table => own_value(stack, Capture::Query)?,
        Kind::Function => own_value(stack, Capture::Function)?,
        _ => return Err(Raise::argument(2, "invalid replacement value")),
    }
    ONE
}

fn capture(capture: Capture, part: Part) -> Part {
    Part::new(Tree::Capture(capture, part))
}

/// A capture around 1 with the value at 2.
fn own_value(stack: &mut Stack<'_>, make: fn(u32) -> Capture) -> Result<(), Raise> {
    pattern::push_with_own(stack, 2, |part, place| capture(make(place), part))
}

/// `a % function`
pub(super) fn accumulator(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_kind(2, Kind::Function)?;
    own_value(stack, Capture::Accumulator)?;
    ONE
}

/// `C(a)`
pub(super) fn simple(stack: &mut Stack<'_>) -> NativeResult {
    pattern::push_single(stack, |part| capture(Capture::Simple, part))?;
    ONE
}

/// `Ct(a)`
pub(super) fn table(stack: &mut Stack<'_>) -> NativeResult {
    pattern::push_single(stack, |part| capture(Capture::Table, part))?;
    ONE
}

/// `Cs(a)`
pub(super) fn substitution(stack: &mut Stack<'_>) -> NativeResult {
    pattern::push_single(stack, |part| capture(Capture::Substitution, part))?;
    ONE
}

/// `Cg(a [, name])`
pub(super) fn group(stack: &mut Stack<'_>) -> NativeResult {
    if stack.is_none_or_nil(2) {
        pattern::push_single(stack, |part| capture(Capture::Group(0), part))?;
    } else {
        own_value(stack, Capture::Group)?;
    }
    ONE
}

/// `Cf(a, function)`
pub(super) fn fold(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_kind(2, Kind::Function)?;
    own_value(stack, Capture::Fold)?;
    ONE
}

/// `Cmt(a, function)`
pub(super) fn runtime(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_kind(2, Kind::Function)?;
    pattern::push_with_own(stack, 2, |part, place| Part::new(Tree::Runtime(place, part)))?;
    ONE
}

/// `Cp()`
pub(super) fn position(stack: &mut Stack<'_>) -> NativeResult {
    pattern::push(stack, Part::new(Tree::Leaf(Leaf::Position)))?;
    ONE
}

/// `Carg(n)`
pub(super) fn argument(stack: &mut Stack<'_>) -> NativeResult {
    let number = stack.check_integer(1)?;
    let number = u32::try_from(number).ok().filter(|number| (1..=u16::MAX.into()).contains(number));
    let number = number.ok_or_else(|| Raise::argument(1, "invalid argument index"))?;
    pattern::push(stack, Part::new(Tree::Leaf(Leaf::Argument(number))))?;
    ONE
}

/// `Cb(name)`
pub(super) fn back(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_any(1)?;
    stack.set_top(1);
    pattern::push_with_value(stack, Part::new(Tree::Leaf(Leaf::Back(1))))?;
    ONE
}

/// `Cc(...)`: these values.
pub(super) fn constants(stack: &mut Stack<'_>) -> NativeResult {
    let count = stack.top();
    pattern::check_count(count as usize)?;
    stack.push_table(0, 0);
    let mut parts = Vec::new();
    let mut place = 0;
    for argument in 1..=count {
        let mut own = 0;
        if stack.kind(argument) != Kind::Nil {
            place += 1;
            own = place;
            stack.push_value(argument);
            stack.raw_set_item(-2, place.into());
        }
        parts.push(Part::new(Tree::Leaf(Leaf::Constant(own))));
    }
    let part = match parts.len() {
        0 => Part::new(Tree::True),
        1 => parts.remove(0),
        // They are one capture, of which a fold or a substitution takes the first value.
        _ => capture(Capture::Group(0), Part::new(Tree::Sequence(parts))),
    };
    pattern::push_with_values(stack, part)?;
    ONE
}
