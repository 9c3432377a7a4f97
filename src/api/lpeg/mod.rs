//! The Lua module `lpeg`: patterns by parsing expression grammars, with the functions of LPeg 1.1.
//!
//! - [`make`] and [`grammar`] build [`tree`]s; a [`pattern`] is a tree in the hands of a script.
//! - [`facts`] tells what is known of a tree, [`walk`] what of one with references to rules.
//! - [`program`] turns a tree into instructions, once, at its first match.
//! - [`machine`] runs them over a subject; [`captures`] makes values of the marks it leaves.
//!
//! A match can be interrupted like any Lua code. Its functions cannot wait.

mod captures;
mod facts;
mod grammar;
mod machine;
mod make;
mod pattern;
mod program;
mod tree;
mod walk;

use std::ffi::c_int;
use std::sync::Arc;

use captures::{Places, Reader};
use machine::{Machine, MarkKind, STACK_LIMIT, Stop};
use pattern::Pattern;
use program::Program;
use tree::{ByteSet, Capture, Part, Tree};

use crate::vm::{Counted, Kind, Native, NativeResult, Outcome, Raise, Stack};

/// `require "lpeg"`.
pub(super) const OPEN: Native = Native::new(open);

/// `require "re"`.
pub(super) const RE: &str = include_str!("../../../lua/lib/re.lua");

/// Memory of a machine that is not worth counting: most matches need less.
const UNCOUNTED_BYTES: usize = 1 << 14;

/// What `lpeg.version` says: whose functions these are.
const VERSION: &str = "1.1.0";

/// Functions of the module, which are the methods of patterns as well.
const METHODS: [(&str, Native); 20] = [
    ("B", Native::new(make::behind)),
    ("C", Native::new(make::simple)),
    ("Carg", Native::new(make::argument)),
    ("Cb", Native::new(make::back)),
    ("Cc", Native::new(make::constants)),
    ("Cf", Native::new(make::fold)),
    ("Cg", Native::new(make::group)),
    ("Cmt", Native::new(make::runtime)),
    ("Cp", Native::new(make::position)),
    ("Cs", Native::new(make::substitution)),
    ("Ct", Native::new(make::table)),
    ("P", Native::new(make::make)),
    ("R", Native::new(make::range)),
    ("S", Native::new(make::set)),
    ("V", Native::new(make::rule)),
    ("locale", Native::new(locale)),
    ("match", Native::new(match_pattern)),
    ("setmaxstack", Native::new(set_max_stack)),
    ("type", Native::new(type_of)),
    ("utfR", Native::new(make::utf8_range)),
];

const METAMETHODS: [(&str, Native); 8] = [
    ("__add", Native::new(make::choice)),
    ("__div", Native::new(make::divide)),
    ("__len", Native::new(make::and)),
    ("__mod", Native::new(make::accumulator)),
    ("__mul", Native::new(make::sequence)),
    ("__pow", Native::new(make::power)),
    ("__sub", Native::new(make::difference)),
    ("__unm", Native::new(make::not)),
];

/// A class of bytes: its name, and which bytes are in it.
type Class = (&'static str, fn(u8) -> bool);

/// Classes of bytes that `locale` gives.
const CLASSES: [Class; 11] = [
    ("alnum", |byte| byte.is_ascii_alphanumeric()),
    ("alpha", |byte| byte.is_ascii_alphabetic()),
    ("cntrl", |byte| byte.is_ascii_control()),
    ("digit", |byte| byte.is_ascii_digit()),
    ("graph", |byte| byte.is_ascii_graphic()),
    ("lower", |byte| byte.is_ascii_lowercase()),
    ("print", |byte| byte.is_ascii_graphic() || byte == b' '),
    ("punct", |byte| byte.is_ascii_punctuation()),
    ("space", |byte| byte.is_ascii_whitespace() || byte == 0x0b),
    ("upper", |byte| byte.is_ascii_uppercase()),
    ("xdigit", |byte| byte.is_ascii_hexdigit()),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, METHODS.len() + 1);
    stack.set_natives(&METHODS);
    stack.push_str(VERSION);
    stack.raw_set_field(-2, "version");
    Ok(Outcome::Return(1))
}

/// `type(value)`: "pattern" or nil.
fn type_of(stack: &mut Stack<'_>) -> NativeResult {
    if stack.userdata::<Pattern>(1).is_some() {
        stack.push_str("pattern");
    } else {
        stack.push_nil();
    }
    Ok(Outcome::Return(1))
}

/// `locale([table])`: the table, with a pattern for each class of ASCII.
fn locale(stack: &mut Stack<'_>) -> NativeResult {
    if stack.is_none_or_nil(1) {
        stack.set_top(0);
        stack.push_table(0, CLASSES.len());
    }
    stack.check_kind(1, Kind::Table)?;
    stack.set_top(1);
    for (name, is_member) in CLASSES {
        let set: ByteSet = (0..=u8::MAX).filter(|&byte| is_member(byte)).collect();
        pattern::push(stack, Part::new(Tree::Set(set)))?;
        stack.raw_set_field(1, name);
    }
    Ok(Outcome::Return(1))
}

/// `setmaxstack(n)`: the stack of ways back grows as it needs to, up to a limit that is large; so
/// there is nothing to set.
fn set_max_stack(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_integer(1)?;
    Ok(Outcome::Return(0))
}

/// `match(pattern, subject [, init, ...])`: what the pattern captures, or where it ends; nil if it
/// does not match.
fn match_pattern(stack: &mut Stack<'_>) -> NativeResult {
    match match_or_stop(stack) {
        // Whatever the result is, the code that gets it cannot go on.
        Err(_) if stack.is_interrupted() => {
            stack.push_nil();
            Ok(Outcome::Return(1))
        }
        result => result,
    }
}

fn match_or_stop(stack: &mut Stack<'_>) -> NativeResult {
    const SUBJECT: c_int = 2;
    const EXTRA: c_int = 4;
    pattern::check(stack, 1)?;
    let program = program_of(stack)?;
    let length = stack.check_bytes(SUBJECT)?.len();
    if u32::try_from(length).is_err() {
        return Err(Raise::argument(SUBJECT, "subject too long"));
    }
    let begin = first_place(stack.optional_integer(3)?.unwrap_or(1), length);
    let top = stack.top();
    stack.push_companion(1);
    stack.push_nil();
    let places = Places {
        subject: SUBJECT,
        values: top + 1,
        given: top + 2,
        extra: EXTRA,
        extra_count: (top - EXTRA + 1).max(0),
    };
    let mut machine = Machine::new(&program, begin, STACK_LIMIT);
    let mut counted = Counted::new(stack);
    if !run(stack, &mut machine, places, &mut counted)? {
        stack.push_nil();
        return Ok(Outcome::Return(1));
    }
    let mut reader = Reader::new(&machine.marks, 0, places);
    match reader.all(stack)? {
        0 => {
            stack.push_integer(machine.place as i64 + 1);
            Ok(Outcome::Return(1))
        }
        count => Ok(Outcome::Return(count)),
    }
}

/// The program of the pattern at 1, made at its first use.
fn program_of(stack: &mut Stack<'_>) -> Result<Arc<Program>, Raise> {
    let pattern = stack.check_userdata::<Pattern>(1)?;
    if let Some(program) = pattern.program.get() {
        return Ok(program.clone());
    }
    let part = pattern.part.clone();
    let program = Arc::new(program::compile(stack, &part)?);
    Ok(stack.check_userdata::<Pattern>(1)?.program.get_or_init(|| program).clone())
}

/// Where a match begins: counted from the end if `init` is negative, and always inside the subject.
fn first_place(init: i64, length: usize) -> usize {
    let distance = usize::try_from(init.unsigned_abs()).unwrap_or(usize::MAX);
    match init {
        1.. => (distance - 1).min(length),
        _ => length.saturating_sub(distance),
    }
}

/// Runs the machine to its end; whether it has matched. What the machine remembers counts as
/// memory.
fn run(
    stack: &mut Stack<'_>,
    machine: &mut Machine<'_>,
    places: Places,
    counted: &mut Counted<'_>,
) -> Result<bool, Raise> {
    loop {
        let stop = machine.run(stack.bytes(places.subject).unwrap_or_default());
        if machine.size_bytes() > UNCOUNTED_BYTES {
            counted.grow_to(stack, machine.size_bytes())?;
        }
        match stop {
            Stop::Matched => return Ok(true),
            Stop::Failed => return Ok(false),
            // The function may be none of Lua, which would notice by itself.
            Stop::Asks { .. } if stack.is_interrupted() => return Ok(false),
            Stop::Asks { function, open } => {
                if !ask(stack, machine, places, function, open)? && machine.fail().is_err() {
                    return Ok(false);
                }
            }
            Stop::Pause if stack.is_interrupted() => return Ok(false),
            Stop::Pause => {}
            Stop::StackFull => {
                let message = format!("backtrack stack overflow (the limit is {STACK_LIMIT})");
                return Err(Raise::message(message));
            }
            Stop::CapturesFull => return Err(Raise::message("too many captures")),
        }
    }
}

/// Asks a function whether its capture matches, and puts the values it gives in the place of what
/// was captured.
fn ask(
    stack: &mut Stack<'_>,
    machine: &mut Machine<'_>,
    places: Places,
    function: u32,
    open: usize,
) -> Result<bool, Raise> {
    let base = stack.top();
    stack.raw_get_item(places.values, function.into());
    stack.push_value(places.subject);
    stack.push_integer(machine.place as i64 + 1);
    let mut reader = Reader::new(&machine.marks, open, places);
    let count = reader.nested(stack, false)?;
    reader.call(stack, count + 2, Stack::ALL)?;
    let begin = machine.marks[open];
    machine.marks.truncate(open);
    if stack.top() == base || !stack.truth(base + 1) {
        stack.set_top(base);
        return Ok(false);
    }
    if stack.kind(base + 1) != Kind::Boolean {
        machine.place = check_place(stack, base + 1, machine.place, places)?;
    }
    let given = stack.top() - base - 1;
    if given > 0 {
        keep_values(stack, machine, places, given);
        let first = machine.values - given as u32 + 1;
        machine.marks.push(machine::Mark { kind: MarkKind::Open(Capture::Group(0)), ..begin });
        for number in first..=machine.values {
            machine
                .mark(MarkKind::Value(number))
                .map_err(|_| Raise::message("too many captures"))?;
        }
        machine.mark(MarkKind::Close).map_err(|_| Raise::message("too many captures"))?;
    }
    stack.set_top(base);
    Ok(true)
}

/// The place that a function has returned.
fn check_place(
    stack: &Stack<'_>,
    index: c_int,
    current: usize,
    places: Places,
) -> Result<usize, Raise> {
    let length = stack.raw_len(places.subject);
    let place = stack.integer(index).and_then(|place| usize::try_from(place.checked_sub(1)?).ok());
    place
        .filter(|place| (current..=length).contains(place))
        .ok_or_else(|| Raise::message("invalid position returned by match-time capture"))
}

/// Moves the `count` values on top to the list of given values, which is made when it is needed.
fn keep_values(stack: &mut Stack<'_>, machine: &mut Machine<'_>, places: Places, count: c_int) {
    if stack.kind(places.given) != Kind::Table {
        stack.push_table(count as usize, 0);
        stack.replace(places.given);
    }
    for offset in (1..=count).rev() {
        stack.raw_set_item(places.given, i64::from(machine.values) + i64::from(offset));
    }
    machine.values += count as u32;
}

#[cfg(test)]
mod tests;
