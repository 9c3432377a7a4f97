//! What a failed call or coroutine tells, copied out of the VM.
//!
//! Scripts may raise any value. A table with a string field `message` is a structured error (`code`
//! and `traceback` are read as well); a string is its own message; everything else is described, a
//! table by its code. The copy can leave the VM and its thread.

use std::borrow::Cow;
use std::ffi::c_int;

use moonhive_lua_sys::{lua, share};

use super::read::Kind;
use super::stack::Stack;

/// What went wrong, as Lua sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The code raised an error.
    Runtime,
    /// A chunk did not compile.
    Syntax,
    /// The VM reached its memory limit.
    Memory,
    /// An error while another one was handled.
    Handler,
    /// A file could not be read.
    File,
    /// The VM was killed: nothing can run in it any more.
    Killed,
}

impl ErrorKind {
    pub(super) fn of(status: c_int) -> ErrorKind {
        match status {
            lua::LUA_ERRSYNTAX => ErrorKind::Syntax,
            lua::LUA_ERRMEM => ErrorKind::Memory,
            lua::LUA_ERRERR => ErrorKind::Handler,
            lua::LUA_ERRFILE => ErrorKind::File,
            _ => ErrorKind::Runtime,
        }
    }

    /// The code of an error that carries none itself.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Runtime => "error",
            ErrorKind::Syntax => "syntax",
            ErrorKind::Memory => "memory",
            ErrorKind::Handler => "handler",
            ErrorKind::File => "file",
            ErrorKind::Killed => "killed",
        }
    }
}

/// An error that came out of Lua.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct LuaError {
    /// What went wrong, as Lua sees it.
    pub kind: ErrorKind,
    /// The `code` of a structured error, otherwise [`ErrorKind::code`].
    pub code: Cow<'static, str>,
    /// The message, with the position where Lua puts one.
    pub message: String,
    /// Where it was raised; empty when nothing ran (a chunk that does not compile) or no memory was
    /// left to tell.
    pub traceback: String,
}

impl LuaError {
    /// An error that the host itself reports in place of Lua.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> LuaError {
        let (code, message) = (Cow::Borrowed(kind.code()), message.into());
        LuaError { kind, code, message, traceback: String::new() }
    }
}

impl Stack<'_> {
    /// Reads the error value on top of the stack (it stays there). `traceback` is used when the
    /// value does not carry its own.
    pub(super) fn read_error(&mut self, status: c_int, traceback: String) -> LuaError {
        let kind = if self.is_killed() { ErrorKind::Killed } else { ErrorKind::of(status) };
        let mut error = LuaError::new(kind, String::new());
        error.traceback = traceback;
        if self.kind(-1) != Kind::Table || !self.read_structured(&mut error) {
            error.message = self.describe_error();
        }
        error
    }

    /// True if whatever runs in the VM is to stop: the next instruction of Lua raises an error. For
    /// natives that may run for long; what they return with then does not matter.
    pub fn is_interrupted(&self) -> bool {
        // SAFETY: the state is live and this thread has it.
        unsafe { share::lua_interrupted(self.state()) != share::INTERRUPT_NONE }
    }

    /// True once the VM was killed.
    fn is_killed(&self) -> bool {
        // SAFETY: the state is live and this thread has it.
        unsafe { share::lua_interrupted(self.state()) == share::INTERRUPT_KILL }
    }

    /// False for a table without a message, of which nothing but its code is read.
    fn read_structured(&mut self, error: &mut LuaError) -> bool {
        if let Some(code) = self.text_field("code") {
            error.code = Cow::Owned(code);
        }
        let Some(message) = self.text_field("message") else {
            return false;
        };
        error.message = message;
        if let Some(traceback) = self.text_field("traceback") {
            error.traceback = traceback;
        }
        true
    }

    /// The text of a field of the table on top.
    fn text_field(&mut self, name: &str) -> Option<String> {
        self.raw_get_field(-1, name);
        let text = self.bytes(-1).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        self.pop(1);
        text
    }

    /// The text of an error value, as the end of a script would show it.
    pub fn error_text(&mut self, index: c_int) -> String {
        self.push_value(index);
        let text = self.describe_error();
        self.pop(1);
        text
    }

    /// A message for the error value on top: a string or number itself, what `__tostring` gives, or
    /// the kind of value.
    fn describe_error(&mut self) -> String {
        match self.kind(-1) {
            Kind::String | Kind::Number => self.text(-1),
            _ => {
                let named = self.text_by_metamethod(-1);
                named.unwrap_or_else(|| {
                    let fields = self.told_fields();
                    format!("(error object is a {} value{fields})", self.kind(-1).name())
                })
            }
        }
    }

    /// What a table on top that is no structured error has of the fields of one.
    fn told_fields(&mut self) -> String {
        let mut told = String::new();
        if self.kind(-1) != Kind::Table {
            return told;
        }
        for name in ["code", "message"] {
            if matches!(self.raw_get_field(-1, name), Kind::String | Kind::Number | Kind::Boolean) {
                told += &format!(", {name} = {}", self.text(-1));
            }
            self.pop(1);
        }
        told
    }

    /// The text of a value as `tostring` gives it, or an empty one if its `__tostring` fails. What
    /// is no UTF-8 in it is replaced.
    pub fn text(&mut self, index: c_int) -> String {
        self.try_text(index).unwrap_or_default()
    }

    /// The same as it is.
    pub fn text_bytes(&mut self, index: c_int) -> Vec<u8> {
        self.try_bytes(index).unwrap_or_default()
    }

    fn try_text(&mut self, index: c_int) -> Option<String> {
        let bytes = self.try_bytes(index)?;
        let text = String::from_utf8(bytes);
        Some(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn try_bytes(&mut self, index: c_int) -> Option<Vec<u8>> {
        if let Some(bytes) = self.bytes(index) {
            return Some(bytes.to_vec());
        }
        self.push_value(index);
        let converted = self.call_plain(super::call::to_text, 1, 1).is_ok();
        let bytes = self.bytes(-1).filter(|_| converted).map(<[u8]>::to_vec);
        self.pop(1);
        bytes
    }

    /// What `__tostring` makes of a value; `None` without one, or if it fails.
    fn text_by_metamethod(&mut self, index: c_int) -> Option<String> {
        let (top, index) = (self.top(), self.absolute(index));
        let has_method =
            self.push_metatable(index) && self.raw_get_field(-1, "__tostring") != Kind::Nil;
        self.set_top(top);
        if has_method { self.try_text(index) } else { None }
    }

    /// How messages name a value's type: its `__name`, or Lua's name of its kind.
    pub(super) fn describe(&self, index: c_int) -> String {
        // SAFETY: same state, used one after the other; what is pushed is popped again, and bytes
        // that the caller borrowed stay where they are.
        let mut stack = unsafe { Stack::new(self.state(), self.context()) };
        let (top, index) = (stack.top(), stack.absolute(index));
        let name =
            if stack.push_metatable(index) && stack.raw_get_field(-1, "__name") == Kind::String {
                stack.text(-1)
            } else if stack.kind(index) == Kind::LightUserdata {
                "light userdata".to_owned()
            } else {
                stack.kind(index).name().to_owned()
            };
        stack.set_top(top);
        name
    }

    /// Turns a number argument into its text, in place.
    pub(super) fn number_to_text(&self, index: c_int) {
        debug_assert_eq!(self.kind(index), Kind::Number);
        // SAFETY: the index holds a number; the conversion allocates, which is not refused now.
        // No borrow into this slot exists, because numbers have no bytes to borrow.
        unsafe { lua::lua_tolstring(self.state(), index, std::ptr::null_mut()) };
    }
}
