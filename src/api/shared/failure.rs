//! How operations fail: answers in nginx's words, or a structured error where no program expects
//! one.

use moonhive_shm::Error;

use crate::vm::{ErrorValue, NativeResult, Outcome, Raise, Stack};

/// `bad "exptime" argument` and the like.
#[cold]
pub fn bad(argument: &str) -> Raise {
    Raise::message(format!("bad \"{argument}\" argument"))
}

/// Answers nil and a reason.
#[cold]
pub fn refuse(stack: &mut Stack<'_>, reason: &str) -> NativeResult {
    stack.push_nil();
    stack.push_str(reason);
    Ok(Outcome::Return(2))
}

/// Answers false, a reason and whether live entries were thrown out.
#[cold]
pub fn refuse_store(stack: &mut Stack<'_>, reason: &str, forcible: bool) -> NativeResult {
    stack.push_bool(false);
    stack.push_str(reason);
    stack.push_bool(forcible);
    Ok(Outcome::Return(3))
}

/// Answers nil and the words of an error, or raises one that is no answer.
#[cold]
pub fn answer(stack: &mut Stack<'_>, error: &Error) -> NativeResult {
    if is_answer(error) { refuse(stack, &error.to_string()) } else { Err(raise(stack, error)) }
}

/// As [`answer`], for a store.
#[cold]
pub fn answer_store(stack: &mut Stack<'_>, error: &Error) -> NativeResult {
    let forcible = matches!(error, Error::NoMemory { forcible: true, .. });
    if is_answer(error) {
        refuse_store(stack, &error.to_string(), forcible)
    } else {
        Err(raise(stack, error))
    }
}

/// True for what a program has to expect of an operation.
fn is_answer(error: &Error) -> bool {
    matches!(
        error,
        Error::NoMemory { .. }
            | Error::Exists
            | Error::NotFound
            | Error::ValueIsList
            | Error::ValueNotList
            | Error::NotNumber
            | Error::Overflow
            | Error::Changed { .. }
            | Error::EmptyKey
            | Error::KeyTooLong { .. }
    )
}

/// Raises an error of the dictionary as a table with `code`, `message`, `errno` and `traceback`.
#[cold]
pub fn raise(stack: &mut Stack<'_>, error: &Error) -> Raise {
    let message = match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    };
    raise_as(stack, error.code(), message, error.errno())
}

/// Raises damage that only this module can see.
#[cold]
pub fn damaged(stack: &mut Stack<'_>, text: &str) -> Raise {
    let errno = Error::Damaged { what: "a value" }.errno();
    raise_as(stack, "damaged", text.to_owned(), errno)
}

pub(super) fn raise_as(
    stack: &mut Stack<'_>,
    code: &'static str,
    message: String,
    errno: i32,
) -> Raise {
    push_error(stack, code, message, errno);
    Raise::value()
}

/// Pushes a table with `code`, `message`, `errno` and `traceback`.
pub(super) fn push_error(stack: &mut Stack<'_>, code: &'static str, message: String, errno: i32) {
    stack.push_error(&ErrorValue::new(code, message));
    stack.push_integer(errno.into());
    stack.raw_set_field(-2, "errno");
}
