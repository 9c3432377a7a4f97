//! The natives under `skynet.request`: a call that nobody waits in, and what became of it.

use super::arguments::{Target, label, protocol, target};
use super::call;
use crate::actor::skynet::Form;
use crate::actor::{Light, State};
use crate::vm::{Native, NativeResult, Outcome, Stack};

/// `skynet.core.request`.
pub(super) const REQUEST: Native = Native::new(request);
/// `skynet.core.answer`.
pub(super) const ANSWER: Native = Native::new(answer);

/// Where the address stands in the arguments of [`request`]: behind the function that gets the
/// answer, and two values for it.
const ADDRESS: i32 = 4;
const PROTOCOL: i32 = ADDRESS + 1;

/// What stands before the answer in the arguments of [`answer`].
const BEFORE_ANSWER: i32 = 2;

/// `request(f, a, b, address, protocol, ...)`: sends the request at once; when the call is over
/// `f(a, b, address, protocol, ...)` runs in a task of its own, with what [`answer`] takes behind
/// the protocol. Returns the task, or nil and why the request could not be sent.
fn request(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let known = protocol(stack, state, PROTOCOL)?;
    let number = known.number;
    let takes_values = matches!(known.unpack, Some(Form::Values));
    let payload = call::pack(stack, state, known, PROTOCOL + 1)?;
    stack.set_top(PROTOCOL);
    let service = match target(stack, state, ADDRESS)? {
        Target::Found(service) => service,
        Target::Missing(fault) => {
            let address = label(stack, ADDRESS);
            let text = format!("call to invalid address {address}: {}", fault.message);
            return Ok(not_sent(stack, &text));
        }
    };
    state.note_sent(&service);
    match state.begin_call_by(stack, 1, (number, takes_values), &service, payload) {
        Ok(key) => {
            Light::Task(key).push(stack);
            Ok(Outcome::Return(1))
        }
        Err(fault) => Ok(not_sent(stack, &format!("call failed: {}", fault.report()))),
    }
}

fn not_sent(stack: &mut Stack<'_>, why: &str) -> Outcome {
    stack.push_nil();
    stack.push_str(why);
    Outcome::Return(2)
}

/// `answer(address, protocol, ...)`: the results of the call that began this task.
///
/// # Errors
/// Why the call failed.
fn answer(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let takes_values = matches!(protocol(stack, state, BEFORE_ANSWER)?.unpack, Some(Form::Values));
    call::results(stack, BEFORE_ANSWER, takes_values)
}
