//! Why a service ended: told to its monitors, to the callers that it leaves without an answer, to
//! the log and to whoever waits for it in Rust.

use super::fault::{Code, Fault};
use crate::vm::Stack;

/// Why a service ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Its file returned nothing, and its last task is done.
    Returned,
    /// It called `hive.exit`, with this reason.
    Exited(Option<String>),
    /// It was asked to stop, with this reason.
    Stopped(Option<String>),
    /// It was killed, with this reason.
    Killed(Option<String>),
    /// The host shut down.
    Shutdown,
    /// Its file could not be loaded or raised an error; memory and turn limits included.
    Failed(Fault),
}

/// What whoever calls a service is told whose file has returned nothing: one that was to serve
/// calls has most often only forgotten to return its handlers.
const RETURNED_HINT: &str = "a service's file returns a table of handlers, or starts tasks";

impl End {
    /// The name that Lua code compares with.
    pub fn code(&self) -> &str {
        match self {
            End::Returned => "returned",
            End::Exited(_) => "exit",
            End::Stopped(_) => "stopped",
            End::Killed(_) => "killed",
            End::Shutdown => "shutdown",
            End::Failed(fault) => fault.code.as_str(),
        }
    }

    /// The same for people, as the end of a sentence that begins with the service.
    pub fn message(&self) -> String {
        let (what, reason) = match self {
            End::Returned => ("its file returned and its tasks are done", &None),
            End::Exited(reason) => ("it exited", reason),
            End::Stopped(reason) => ("it was stopped", reason),
            End::Killed(reason) => ("it was killed", reason),
            End::Shutdown => ("the host shut down", &None),
            End::Failed(fault) => return fault.message.clone(),
        };
        match reason {
            Some(reason) => format!("{what}: {reason}"),
            None => what.to_owned(),
        }
    }

    /// The traceback of the error that ended it; empty where no error did.
    pub fn traceback(&self) -> &str {
        match self {
            End::Failed(fault) => &fault.traceback,
            _ => "",
        }
    }

    /// What a caller is told that this end leaves without an answer.
    pub fn to_fault(&self, service: &str) -> Fault {
        let mut message = format!("service {service} has ended: {}", self.message());
        if matches!(self, End::Returned) {
            message += &format!("\nhint: {RETURNED_HINT}");
        }
        Fault::new(Code::Dead, message).with_traceback(self.traceback())
    }

    /// True for the ends that nobody has to look into.
    pub fn is_orderly(&self) -> bool {
        !matches!(self, End::Failed(_) | End::Killed(_))
    }
}

/// Pushes why a service ended.
pub(super) fn push_end(stack: &mut Stack<'_>, end: &End) {
    push_end_table(stack, end.code(), &end.message(), end.traceback());
}

/// The same for one that ended so long ago that nobody knows why.
pub(super) fn push_unknown_end(stack: &mut Stack<'_>) {
    push_end_table(stack, Code::Dead.as_str(), "it has ended", "");
}

fn push_end_table(stack: &mut Stack<'_>, code: &str, message: &str, traceback: &str) {
    stack.push_table(0, 3);
    for (name, text) in [("code", code), ("message", message), ("traceback", traceback)] {
        stack.push_str(text);
        stack.raw_set_field(-2, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_who_ended_and_why() {
        let fault = End::Killed(Some("by the operator".into())).to_fault("db:7");
        assert_eq!(fault.code, Code::Dead);
        assert_eq!(fault.message, "service db:7 has ended: it was killed: by the operator");
    }

    #[test]
    fn a_failure_keeps_its_code_and_traceback() {
        let fault =
            Fault::new(Code::Memory, "not enough memory").with_traceback("stack traceback:");
        let end = End::Failed(fault);
        assert_eq!(end.code(), "memory");
        assert_eq!(end.to_fault("db:7").traceback, "stack traceback:");
        assert!(!end.is_orderly() && End::Returned.is_orderly());
    }
}
