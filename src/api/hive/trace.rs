//! `hive.trace`: the steps of what a task does from here on, through all services;
//! `hive.request_id`.

use std::cell::Cell;
use std::sync::Arc;

use super::failure;
use crate::actor::limits::TRACES_MAX;
use crate::actor::{Code, Fault, RequestId, State, Trace};
use crate::vm::{Native, NativeResult, Outcome, Stack, Userdata};

pub(super) const NATIVES: [(&str, Native); 2] =
    [("request_id", Native::new(request_id)), ("trace", Native::new(trace))];

/// A trace, which ends when it is closed.
struct Recording {
    trace: Arc<Trace>,
    /// The request to which the task belonged before, until the trace ends.
    before: Cell<Option<RequestId>>,
}

impl Userdata for Recording {
    const NAME: &'static str = "trace";

    fn methods() -> &'static [(&'static str, Native)] {
        const METHODS: [(&str, Native); 3] = [
            ("events", Native::new(events)),
            ("json", Native::new(json)),
            ("stop", Native::new(stop)),
        ];
        &METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        const METAMETHODS: [(&str, Native); 2] =
            [("__close", Native::new(stop)), ("__tostring", Native::new(to_string))];
        &METAMETHODS
    }
}

/// `hive.request_id()`: the request that the running task belongs to, as log lines show it, or nil.
fn request_id(stack: &mut Stack<'_>) -> NativeResult {
    match State::of(stack)?.request().shown() {
        Some(id) => stack.push_str(&id),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `hive.trace()`: from here on the calls of this task, and all that follow, are recorded.
fn trace(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let before = state.request();
    // A trace within a trace is one of its own, so that each can end alone.
    let is_new = before.is_none() || before.is_traced();
    let request = if is_new { state.new_request().told_as(before) } else { before }.traced();
    let Some(trace) = state.core.traces.begin(request, state.core.handle.clock().now_ns()) else {
        let fault = Fault::new(Code::Overload, format!("{TRACES_MAX} traces are under way"));
        return Err(failure::raise(stack, state, fault));
    };
    state.set_request(request);
    stack.push_userdata(Recording { trace, before: Cell::new(Some(before)) });
    Ok(Outcome::Return(1))
}

/// `trace:stop()`, `__close`: nothing more is recorded.
fn stop(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let recording = stack.check_userdata::<Recording>(1)?;
    let request = recording.trace.request();
    if let Some(before) = recording.before.take() {
        state.core.traces.end(request);
        let now = state.request();
        if now.recorded() == request.recorded() {
            state.set_request(after(now, before));
        }
    }
    Ok(Outcome::Return(0))
}

/// The request of a task that has belonged to the recorded request `now`, and `before` to another.
/// If `skynet.trace` has begun to follow it meanwhile, it goes on to.
fn after(now: RequestId, before: RequestId) -> RequestId {
    if before.is_none() && now.is_told() { now.untraced() } else { before.told_as(now) }
}

/// `tostring(trace)`: for people.
fn to_string(stack: &mut Stack<'_>) -> NativeResult {
    let text = stack.check_userdata::<Recording>(1)?.trace.to_string();
    stack.push_str(&text);
    Ok(Outcome::Return(1))
}

/// `trace:json()`: a JSON object for each step, on a line of its own.
fn json(stack: &mut Stack<'_>) -> NativeResult {
    let text = stack.check_userdata::<Recording>(1)?.trace.to_json_lines();
    stack.push_str(&text);
    Ok(Outcome::Return(1))
}

/// `trace:events()`: a list of tables with `at_ns`, `step`, `service`, `other`, `method`.
fn events(stack: &mut Stack<'_>) -> NativeResult {
    let events = stack.check_userdata::<Recording>(1)?.trace.events();
    stack.push_table(events.len(), 0);
    for (position, event) in (1..).zip(&events) {
        stack.push_table(0, 5);
        stack.push_integer(i64::try_from(event.at_ns).unwrap_or(i64::MAX));
        stack.raw_set_field(-2, "at_ns");
        let fields = [
            ("step", Some(event.step.name())),
            ("service", Some(&*event.service)),
            ("other", event.step.other()),
            ("method", event.step.method()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                stack.push_str(value);
                stack.raw_set_field(-2, name);
            }
        }
        stack.raw_set_item(-2, position);
    }
    Ok(Outcome::Return(1))
}
