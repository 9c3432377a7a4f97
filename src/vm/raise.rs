//! How a native function fails: the errors it may return, and how they become Lua values.
//!
//! Invariant: a [`Raise`] is turned into a value on the Lua stack and dropped before the error is
//! thrown, so nothing is lost in the `longjmp`.

use std::borrow::Cow;
use std::ffi::c_int;

use moonhive_lua_sys::lua;

use super::error::LuaError;
use super::native::{Native, NativeResult, Outcome};
use super::stack::Stack;

/// Name of our error tables, seen in messages such as `got error`.
const ERROR_NAME: &str = "error";

/// Why a native function did not succeed. Small, so that results travel in registers.
#[derive(Debug)]
#[must_use]
pub struct Raise(Box<Reason>);

#[derive(Debug)]
pub(super) enum Reason {
    /// The value on top of the stack is the error.
    Value,
    /// Text, with the caller's position in front, as `luaL_error` does it.
    Message(String),
    /// A bad argument: position and what is wrong with it.
    Argument(c_int, String),
    /// A structured error.
    Structured(ErrorValue),
}

/// A structured error: what scripts see as a table with `code`, `message` and `traceback`.
///
/// ```
/// use moonhive::vm::{ErrorValue, Raise};
/// let raise = Raise::error(ErrorValue::new("dead", "service :2a has ended"));
/// # let _ = raise;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorValue {
    /// A stable word for programs, such as `dead` or `timeout`.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
    /// Where it happened; filled in from the running stack when empty.
    pub traceback: String,
}

impl ErrorValue {
    /// An error whose traceback is taken where it is raised.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> ErrorValue {
        ErrorValue { code: code.into(), message: message.into(), traceback: String::new() }
    }

    /// The same error with a traceback from elsewhere, for instance of a callee.
    #[must_use]
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> ErrorValue {
        self.traceback = traceback.into();
        self
    }
}

impl From<LuaError> for ErrorValue {
    fn from(error: LuaError) -> ErrorValue {
        ErrorValue::new(error.code, error.message).with_traceback(error.traceback)
    }
}

impl Raise {
    /// Raises the value on top of the stack as it is.
    pub fn value() -> Raise {
        Raise(Box::new(Reason::Value))
    }

    /// Raises a string, with the position of the Lua code that called the native in front.
    pub fn message(text: impl Into<String>) -> Raise {
        Raise(Box::new(Reason::Message(text.into())))
    }

    /// Raises `bad argument #n to 'f' (text)`.
    pub fn argument(index: c_int, text: impl Into<String>) -> Raise {
        Raise(Box::new(Reason::Argument(index, text.into())))
    }

    /// Raises a structured error.
    pub fn error(error: impl Into<ErrorValue>) -> Raise {
        Raise(Box::new(Reason::Structured(error.into())))
    }

    /// What is wrong with an argument, if that is the reason: for Lua code that knows better than a
    /// native which function its caller has called.
    pub fn bad_argument(&self) -> Option<&str> {
        match &*self.0 {
            Reason::Argument(_, text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn into_reason(self) -> Reason {
        *self.0
    }
}

impl From<ErrorValue> for Raise {
    fn from(error: ErrorValue) -> Raise {
        Raise::error(error)
    }
}

impl From<LuaError> for Raise {
    fn from(error: LuaError) -> Raise {
        Raise::error(error)
    }
}

impl Stack<'_> {
    /// Pushes a structured error: a table with `code`, `message`, `traceback` and a `__tostring`
    /// that gives the message. An empty traceback is filled in from this stack.
    pub fn push_error(&mut self, error: &ErrorValue) {
        self.push_table(0, 3);
        self.push_str(&error.code);
        self.raw_set_field(-2, "code");
        self.push_str(&error.message);
        self.raw_set_field(-2, "message");
        if error.traceback.is_empty() {
            self.push_traceback(1);
        } else {
            self.push_str(&error.traceback);
        }
        self.raw_set_field(-2, "traceback");
        self.push_error_metatable();
        self.set_metatable(-2);
    }

    /// Pushes a text with a position in front: that of the Lua code which called the running
    /// native, at level 1, or of who called that, at level 2 and so on.
    pub fn push_located(&mut self, level: c_int, text: &str) {
        self.reserve_or_unwind(3);
        let state = self.state();
        // SAFETY: there is room for three values, and while memory is not refused `luaL_where` and
        // the concatenation of two strings cannot raise.
        unsafe {
            lua::luaL_where(state, level);
            lua::lua_pushlstring(state, text.as_ptr().cast(), text.len());
            lua::lua_concat(state, 2);
        }
    }

    /// The position of the code at a level, as messages begin with it; `None` where there is no Lua
    /// code.
    pub(super) fn position(&mut self, level: c_int) -> Option<String> {
        self.push_located(level, "");
        let position = self.text(-1);
        self.pop(1);
        Some(position).filter(|position| !position.is_empty())
    }

    /// The metatable that all structured errors of a VM share, made on first use.
    fn push_error_metatable(&mut self) {
        static KEY: u8 = 0;
        if self.push_registry_slot(&KEY) {
            return;
        }
        self.push_table(0, 2);
        self.push_str(ERROR_NAME);
        self.raw_set_field(-2, "__name");
        self.push_native(Native::new(error_to_string));
        self.raw_set_field(-2, "__tostring");
        self.push_value(-1);
        self.set_registry_slot(&KEY);
    }
}

/// `__tostring` of a structured error.
fn error_to_string(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_kind(1, super::read::Kind::Table)?;
    stack.raw_get_field(1, "message");
    if stack.bytes(-1).is_none() {
        stack.push_str(ERROR_NAME);
    }
    Ok(Outcome::Return(1))
}

/// Leaves the error value for `raise` on top of the stack; for a bad argument its text, and the
/// result is the argument's position.
pub(super) fn prepare(stack: &mut Stack<'_>, raise: Raise) -> Option<c_int> {
    match raise.into_reason() {
        Reason::Value => {}
        Reason::Structured(error) => stack.push_error(&error),
        Reason::Argument(index, text) => {
            stack.push_str(&text);
            return Some(index);
        }
        Reason::Message(text) => stack.push_located(1, &text),
    }
    None
}
