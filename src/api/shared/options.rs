//! Options in tables: what is wrong with one is raised as a table with `code` (`invalid_option`),
//! `message`, `errno`, and `option`, `given` and `expected` for programs.

use moonhive_shm::{SHARDS_MOST, SIZE_LEAST_BYTES, SIZE_MOST_BYTES};

use super::failure;
use crate::api::size;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

/// For the Lua half.
pub(super) const NATIVES: [(&str, Native); 1] = [("invalid_option", Native::new(invalid_option))];

/// The code of these errors.
const CODE: &str = "invalid_option";

/// Letters of what was given that a message shows.
const SHOWN_LETTERS: usize = 60;

/// What a time to live may be.
pub const SECONDS: &str = "seconds from 0 (for ever) up";

/// What the size of a dictionary may be.
pub fn expected_size() -> String {
    let (least, most) = (SIZE_LEAST_BYTES >> 10, SIZE_MOST_BYTES >> 30);
    format!("{} from {least}KiB to {most}GiB", size::EXPECTED)
}

/// What the number of shards may be.
pub fn expected_shards() -> String {
    format!("a power of two from 1 to {SHARDS_MOST}")
}

/// The options of one call.
#[derive(Clone, Copy)]
pub struct Table {
    /// Who was called.
    pub method: &'static str,
    /// Where the table is.
    pub index: i32,
    /// Which argument that is for who called.
    pub argument: i32,
}

impl Table {
    /// Refuses a field that no option has: a typing error must not go unnoticed.
    ///
    /// # Errors
    /// `unknown option 'tll' (expected ttl)`.
    pub fn check_names(self, stack: &mut Stack<'_>, known: &[&str]) -> Result<(), Raise> {
        let mut unknown = None;
        stack.for_each(self.index, |stack| {
            if !stack.str(-2).is_some_and(|name| known.contains(&name)) {
                unknown.get_or_insert(shorten(&stack.text(-2)));
            }
            Ok(())
        })?;
        let Some(name) = unknown else { return Ok(()) };
        let expected = known.join(", ");
        stack.push_nil();
        let text = format!("unknown option '{name}' (expected {expected})");
        Err(self.refuse(stack, &name, &expected, &text))
    }

    /// An option, where it is given.
    ///
    /// # Errors
    /// `option 'ttl': expected seconds from 0 (for ever) up, got -1`.
    pub fn option<T>(
        self,
        stack: &mut Stack<'_>,
        name: &str,
        expected: &str,
        read: impl Fn(&Stack<'_>) -> Option<T>,
    ) -> Result<Option<T>, Raise> {
        if stack.raw_get_field(self.index, name) == Kind::Nil {
            stack.pop(1);
            return Ok(None);
        }
        if let Some(value) = read(stack) {
            stack.pop(1);
            return Ok(Some(value));
        }
        let given = shown(stack);
        let text = format!("option '{name}': expected {expected}, got {given}");
        Err(self.refuse(stack, name, expected, &text))
    }

    /// An option that has to be given is not.
    pub fn missing(self, stack: &mut Stack<'_>, name: &str, expected: &str, why: &str) -> Raise {
        stack.push_nil();
        let text = format!("option '{name}' is missing: {why} (expected {expected})");
        self.refuse(stack, name, expected, &text)
    }

    /// The error for an option whose value is on top of the stack.
    #[cold]
    fn refuse(self, stack: &mut Stack<'_>, name: &str, expected: &str, text: &str) -> Raise {
        let message = format!("bad argument #{} to '{}' ({text})", self.argument, self.method);
        push_refusal(stack, 1, name, expected, &message);
        Raise::value()
    }
}

/// `invalid_option(level, option, expected, given, text)`: the error, for the Lua half to raise;
/// the level is that of `error`.
fn invalid_option(stack: &mut Stack<'_>) -> NativeResult {
    let level = stack.check_integer(1)?;
    let (name, expected) = (stack.check_str(2)?.to_owned(), stack.check_str(3)?.to_owned());
    let text = stack.check_str(5)?.to_owned();
    stack.push_value(4);
    let level = i32::try_from(level).unwrap_or(1);
    push_refusal(stack, level, &name, &expected, &text);
    Ok(Outcome::Return(1))
}

/// Pushes the error for an option whose value is on top, which it takes the place of. The message
/// begins with the position of the code that called, at a level as `error` counts them.
fn push_refusal(stack: &mut Stack<'_>, level: i32, name: &str, expected: &str, message: &str) {
    stack.push_located(level, message);
    let message = stack.text(-1);
    stack.pop(1);
    failure::push_error(stack, CODE, message, libc::EINVAL);
    for (field, text) in [("option", name), ("expected", expected)] {
        stack.push_str(text);
        stack.raw_set_field(-2, field);
    }
    stack.insert(-2);
    stack.raw_set_field(-2, "given");
}

/// The value on top as a message shows it.
fn shown(stack: &mut Stack<'_>) -> String {
    let text = shorten(&stack.text(-1));
    match stack.kind(-1) {
        Kind::String => format!("\"{}\"", text.escape_debug()),
        _ => text,
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_LETTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// A size: a number of bytes, or a text such as "64m".
pub fn size_at(stack: &Stack<'_>) -> Option<u64> {
    let bytes = match stack.kind(-1) {
        Kind::Number => u64::try_from(stack.integer(-1)?).ok()?,
        _ => size::parse(stack.str(-1)?)?,
    };
    (SIZE_LEAST_BYTES..=SIZE_MOST_BYTES).contains(&bytes).then_some(bytes)
}

/// Permission bits: a text of octal digits, or a number.
pub fn mode_at(stack: &Stack<'_>) -> Option<u32> {
    let mode = match stack.kind(-1) {
        Kind::Number => u32::try_from(stack.integer(-1)?).ok()?,
        _ => octal(stack.str(-1)?)?,
    };
    (mode <= 0o777).then_some(mode)
}

fn octal(text: &str) -> Option<u32> {
    let is_octal = text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    is_octal.then(|| u32::from_str_radix(text, 8).ok())?
}

/// A number of shards.
pub fn shards_at(stack: &Stack<'_>) -> Option<u32> {
    let shards = match stack.kind(-1) {
        Kind::Number => u32::try_from(stack.integer(-1)?).ok()?,
        _ => return None,
    };
    (shards.is_power_of_two() && shards <= SHARDS_MOST).then_some(shards)
}
