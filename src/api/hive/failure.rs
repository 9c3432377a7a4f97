//! How a fault of the host becomes an error of Lua, and the other way round.

use crate::actor::{Code, Fault, State};
use crate::vm::{ErrorValue, Kind, NativeResult, Outcome, Raise, Stack};

/// Raises a fault as a structured error, with the traceback of the callee (where there is one) in
/// front of that of this call.
#[cold]
pub(in crate::api) fn raise(stack: &mut Stack<'_>, state: &State, fault: Fault) -> Raise {
    push(stack, state, fault);
    Raise::value()
}

/// Pushes the error that [`raise`] raises.
#[cold]
pub(super) fn push(stack: &mut Stack<'_>, state: &State, fault: Fault) {
    stack.push_traceback(1);
    let own = stack.text(-1);
    stack.pop(1);
    let traceback = if fault.traceback.is_empty() {
        own
    } else {
        format!("{}\ncalled by service {}\n{own}", fault.traceback, state.service.label())
    };
    let code = fault.code.as_str().to_owned();
    stack.push_error(&ErrorValue::new(code, fault.message).with_traceback(traceback));
    if let Some(cause) = fault.cause {
        stack.push_str(cause.as_str());
        stack.raw_set_field(-2, "cause");
    }
}

/// Nil and what is wrong, for a bad argument that the Lua code around a native reports in its own
/// name; any other failure is raised.
#[cold]
pub(super) fn tell_bad_argument(stack: &mut Stack<'_>, raise: Raise) -> NativeResult {
    let Some(problem) = raise.bad_argument() else { return Err(raise) };
    stack.push_nil();
    stack.push_str(problem);
    Ok(Outcome::Return(2))
}

/// Says in a fault that came from the waiting side which call it ended.
pub(super) fn name_call(fault: &mut Fault, method: &str, service: &str) {
    if matches!(fault.code, Code::Timeout | Code::Cancelled) {
        fault.message = format!("call of `{method}` to {service}: {}", fault.message);
    }
}

/// The error value in an argument as a fault: a structured error keeps its code, everything else is
/// an `error` with its text.
pub(super) fn fault_at(stack: &mut Stack<'_>, argument: i32) -> Fault {
    if stack.kind(argument) != Kind::Table {
        return Fault::new(Code::Error, stack.text(argument));
    }
    let code = field(stack, argument, "code").map_or(Code::Error, |code| Code::named(&code));
    let message = field(stack, argument, "message").unwrap_or_else(|| stack.error_text(argument));
    let traceback = field(stack, argument, "traceback").unwrap_or_default();
    Fault::new(code, message).with_traceback(traceback)
}

/// The text of a field, if it is a string.
fn field(stack: &mut Stack<'_>, table: i32, name: &str) -> Option<String> {
    stack.raw_get_field(table, name);
    let text = stack.bytes(-1).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    stack.pop(1);
    text
}
