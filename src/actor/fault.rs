//! What goes wrong between services, as a value that travels: to the caller in another VM, to a
//! Rust caller, into a log line. Every call that does not end with an answer ends with a [`Fault`].

use std::fmt;

use super::limits::TRACEBACK_BYTES_MAX;
use crate::message::{PackError, Payload};
use crate::vm::{ErrorKind, LuaError};

/// What happened to a call. The names are part of the Lua API (`error.code`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The callee's handler raised an error.
    Error,
    /// The callee has ended, or ended before it answered.
    Dead,
    /// The deadline passed first.
    Timeout,
    /// The caller's task was cancelled.
    Cancelled,
    /// The callee serves no method of that name.
    NoHandler,
    /// No service is registered under that name, or no service file was found.
    NotFound,
    /// The callee's mailbox is full, or a named limit is reached.
    Overload,
    /// The name belongs to another service.
    NameTaken,
    /// A memory limit was reached.
    Memory,
    /// A piece of Lua ran longer than the turn limit.
    TurnLimit,
    /// A service to which it is linked has ended in disorder.
    Linked,
    /// The host is shutting down and starts nothing new.
    Shutdown,
    /// An argument cannot be used or cannot be sent.
    Argument,
    /// A code of the program's own: the callee raised a table with this `code`.
    Other(Box<str>),
}

/// The codes of the host itself, in the order of [`Code`].
const OWN: [Code; 13] = [
    Code::Error,
    Code::Dead,
    Code::Timeout,
    Code::Cancelled,
    Code::NoHandler,
    Code::NotFound,
    Code::Overload,
    Code::NameTaken,
    Code::Memory,
    Code::TurnLimit,
    Code::Linked,
    Code::Shutdown,
    Code::Argument,
];

impl Code {
    /// The name that Lua code compares with.
    pub fn as_str(&self) -> &str {
        match self {
            Code::Error => "error",
            Code::Dead => "dead",
            Code::Timeout => "timeout",
            Code::Cancelled => "cancelled",
            Code::NoHandler => "no_handler",
            Code::NotFound => "not_found",
            Code::Overload => "overload",
            Code::NameTaken => "name_taken",
            Code::Memory => "memory",
            Code::TurnLimit => "turn_limit",
            Code::Linked => "linked",
            Code::Shutdown => "shutdown",
            Code::Argument => "argument",
            Code::Other(name) => name,
        }
    }

    /// The code of that name: one of the host's, or the program's own.
    pub fn named(name: &str) -> Code {
        let own = OWN.iter().find(|code| code.as_str() == name);
        own.cloned().unwrap_or_else(|| Code::Other(name.into()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a call, a spawn or a task failed: a code for programs, a message for people, and the
/// traceback of the Lua code that raised it (empty where none ran).
///
/// ```
/// use moonhive::actor::{Code, Fault};
///
/// let fault = Fault::new(Code::Dead, "service `db` has ended: killed");
/// assert_eq!(fault.to_string(), "service `db` has ended: killed");
/// assert_eq!(fault.code.as_str(), "dead");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What happened.
    pub code: Code,
    /// The same for people: what, which service, what to do next.
    pub message: String,
    /// Where it was raised, innermost first; joined with the callers' on its way.
    pub traceback: String,
    /// For [`Code::Error`]: the host's code of the failed call that made the callee fail.
    pub cause: Option<Code>,
}

impl Fault {
    /// A fault without a traceback.
    pub fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), traceback: String::new(), cause: None }
    }

    /// The same as seen by the caller of the service in which it was raised. A code of the
    /// program's own passes through; one of the host's is about a call that the callee made, so it
    /// becomes the cause of an `error`.
    pub fn seen_by_caller(mut self) -> Fault {
        if !matches!(self.code, Code::Other(_) | Code::Error | Code::Memory | Code::TurnLimit) {
            self.cause = Some(std::mem::replace(&mut self.code, Code::Error));
        }
        self
    }

    /// The same with the traceback of where it was raised, cut to its named limit.
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> Fault {
        self.traceback = shortened(traceback.into(), TRACEBACK_BYTES_MAX);
        self
    }

    /// The message and, where there is one, the traceback on the following lines.
    pub fn report(&self) -> String {
        if self.traceback.is_empty() {
            return self.message.clone();
        }
        format!("{}\n{}", self.message, self.traceback)
    }
}

/// An error of Lua as what travels between services.
pub(super) fn fault_of(error: &LuaError) -> Fault {
    let code = match error.kind {
        ErrorKind::Memory => Code::Memory,
        kind if error.code == kind.code() => Code::Error,
        _ => Code::named(&error.code),
    };
    Fault::new(code, error.message.clone()).with_traceback(error.traceback.clone())
}

/// A message that does not fit into the memory of the service it is for.
pub(super) fn no_memory(label: &str, payload: &Payload) -> Fault {
    let bytes = payload.len();
    let text = format!("service {label} has no memory for a message of {bytes} bytes");
    Fault::new(Code::Memory, text)
}

/// Why values could not be sent, an aside to that, and what to do about it.
pub(crate) fn unsendable(what: &str, error: &PackError, aside: &str) -> Fault {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    Fault::new(Code::Argument, format!("cannot send {what}: {error}{aside}{hint}"))
}

/// `text` when it is short enough, else its head and tail around a line that says what is missing.
fn shortened(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let head = text.floor_char_boundary(bytes_max / 2);
    let tail = text.ceil_char_boundary(text.len() - bytes_max / 2);
    format!("{}\n\t... ({} bytes left out)\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_holds_message_and_traceback() {
        let fault = Fault::new(Code::Error, "boom").with_traceback("stack traceback:\n\t[C]: in ?");
        assert_eq!(fault.report(), "boom\nstack traceback:\n\t[C]: in ?");
        assert_eq!(Fault::new(Code::Dead, "gone").report(), "gone");
    }

    #[test]
    fn every_code_is_found_by_its_name() {
        for code in OWN {
            assert_eq!(Code::named(code.as_str()), code);
        }
        assert_eq!(Code::named("insolvent"), Code::Other("insolvent".into()));
    }

    #[test]
    fn a_caller_does_not_mistake_its_callees_dead_callee_for_a_dead_callee() {
        let fault = Fault::new(Code::Dead, "service db:7 has ended").seen_by_caller();
        assert_eq!((fault.code, fault.cause), (Code::Error, Some(Code::Dead)));
        let own = Fault::new(Code::named("insolvent"), "no money").seen_by_caller();
        assert_eq!((own.code.as_str(), own.cause), ("insolvent", None));
    }

    #[test]
    fn a_long_traceback_keeps_both_ends_and_says_what_is_missing() {
        let text = format!("first{}last", "ä".repeat(TRACEBACK_BYTES_MAX));
        let fault = Fault::new(Code::Error, "boom").with_traceback(text);
        assert!(fault.traceback.len() < TRACEBACK_BYTES_MAX + 64);
        assert!(fault.traceback.starts_with("first") && fault.traceback.ends_with("last"));
        assert!(fault.traceback.contains("bytes left out"));
    }
}
