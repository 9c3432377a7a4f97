//! Traces: the steps of one request through all services, with nanosecond stamps.
//!
//! Who asks for a trace gets a request id that is marked; every step of a marked request is
//! recorded here, under one lock. For all others a step costs one test of a bit of an id that is at
//! hand.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::request::RequestId;
use crate::actor::host::core::Core;
use crate::actor::limits::{TRACE_EVENTS_MAX, TRACES_MAX};
use crate::actor::service::Service;
use crate::actor::slots::Key;
use crate::message::{Payload, from_payload};

/// The traces of one host that are being recorded.
#[derive(Default)]
pub(crate) struct Traces(Mutex<HashMap<RequestId, Weak<Trace>>>);

/// One request and what follows from it.
pub(crate) struct Trace {
    request: RequestId,
    began_ns: u64,
    events: Mutex<Vec<Event>>,
    /// Events beyond the limit.
    lost: AtomicU64,
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Since the trace began.
    pub(crate) at_ns: u64,
    /// Where it happened, as log lines show it.
    pub(crate) service: Box<str>,
    /// The task that took the step; together with the service's label it is unique.
    task: u64,
    pub(crate) step: Step,
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A request is sent; session 0 for a message that nobody answers.
    Send { to: Box<str>, method: Box<str>, session: u64 },
    /// The mailbox has taken it, behind `before` others.
    Queued { to: Box<str>, before: usize },
    /// A handler begins to serve a request of that caller and session.
    Begin { method: Box<str>, from: Box<str>, session: u64 },
    /// The task begins to wait.
    Wait,
    /// It goes on.
    Resume,
    /// The handler, or another task of the request, has ended.
    End { failed: bool },
}

impl Step {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Step::Send { .. } => "send",
            Step::Queued { .. } => "queued",
            Step::Begin { .. } => "begin",
            Step::Wait => "wait",
            Step::Resume => "resume",
            Step::End { failed: false } => "end",
            Step::End { failed: true } => "fail",
        }
    }

    /// The method, where there is one.
    pub(crate) fn method(&self) -> Option<&str> {
        match self {
            Step::Send { method, .. } | Step::Begin { method, .. } => Some(method),
            _ => None,
        }
    }

    /// The other service, where there is one.
    pub(crate) fn other(&self) -> Option<&str> {
        match self {
            Step::Send { to, .. } | Step::Queued { to, .. } => Some(to),
            Step::Begin { from, .. } => Some(from),
            _ => None,
        }
    }
}

impl Traces {
    /// Begins to record a request; `None` at the limit of traces.
    pub(crate) fn begin(&self, request: RequestId, now_ns: u64) -> Option<Arc<Trace>> {
        debug_assert!(request.is_traced());
        let mut traces = self.0.lock();
        if traces.len() >= TRACES_MAX {
            traces.retain(|_, trace| trace.strong_count() > 0);
        }
        if traces.len() >= TRACES_MAX {
            return None;
        }
        let (events, lost) = (Mutex::default(), AtomicU64::new(0));
        let trace = Arc::new(Trace { request, began_ns: now_ns, events, lost });
        traces.insert(request.recorded(), Arc::downgrade(&trace));
        Some(trace)
    }

    /// Records no more of a request.
    pub(crate) fn end(&self, request: RequestId) {
        self.0.lock().remove(&request.recorded());
    }

    fn find(&self, request: RequestId) -> Option<Arc<Trace>> {
        self.0.lock().get(&request.recorded())?.upgrade()
    }
}

/// Records a step of a traced request, if the trace still goes on.
#[cold]
pub(crate) fn record(core: &Core, request: RequestId, service: &Service, task: Key, step: Step) {
    let Some(trace) = core.traces.find(request) else { return };
    let at_ns = core.handle.clock().now_ns().saturating_sub(trace.began_ns);
    let (service, task) = (service.label().into(), task.to_bits());
    let mut events = trace.events.lock();
    if events.len() < TRACE_EVENTS_MAX {
        events.push(Event { at_ns, service, task, step });
    } else {
        trace.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// The name of the method that a request calls.
pub(crate) fn method_of(payload: &Payload) -> Box<str> {
    from_payload::<Method>(payload).map_or_else(|_| "?".into(), |Method(name)| name)
}

/// The first value of a request.
struct Method(Box<str>);

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = Method;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a method and its arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Method, A::Error> {
                let name: Option<String> = values.next_element()?;
                while values.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Method(name.unwrap_or_default().into()))
            }
        }
        deserializer.deserialize_seq(First)
    }
}

impl Trace {
    pub(crate) fn request(&self) -> RequestId {
        self.request
    }

    /// What was recorded so far, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().clone();
        events.sort_by_key(|event| event.at_ns);
        events
    }

    /// Steps that were not recorded because there were too many.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// One JSON object for each step, on a line of its own.
    pub(crate) fn to_json_lines(&self) -> String {
        let mut text = String::new();
        for event in self.events() {
            let head = format!(
                "{{\"request\":\"{}\",\"at_ns\":{},\"step\":\"{}\",\"service\":{}",
                self.request,
                event.at_ns,
                event.step.name(),
                Json::from(&*event.service)
            );
            text += &head;
            for (name, value) in [("other", event.step.other()), ("method", event.step.method())] {
                if let Some(value) = value {
                    text += &format!(",\"{name}\":{}", Json::from(value));
                }
            }
            if let Step::Queued { before, .. } = event.step {
                text += &format!(",\"before\":{before}");
            }
            text += "}\n";
        }
        text
    }
}

/// For people: one line for each step, indented by how deep in calls it was.
impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.events();
        let last_ns = events.last().map_or(0, |event| event.at_ns);
        let count = events.len();
        write!(formatter, "request {}: {} us, {count} steps", self.request, micros(last_ns))?;
        if self.lost() > 0 {
            write!(formatter, " ({} more are not recorded)", self.lost())?;
        }
        let mut depths = Depths::default();
        for event in &events {
            let (depth, waited_ns) = depths.note(event);
            let at = micros(event.at_ns);
            let indent = 2 * depth;
            write!(formatter, "\n{at:>14} us  {:indent$}{:<6}", "", event.step.name())?;
            match &event.step {
                Step::Send { to, method, .. } => write!(formatter, " `{method}` to {to}")?,
                Step::Queued { to, before } => write!(formatter, " at {to} behind {before}")?,
                Step::Begin { method, .. } => {
                    write!(formatter, " `{method}` at {}", event.service)?;
                    if let Some(waited_ns) = waited_ns {
                        write!(formatter, " after {} us", micros(waited_ns))?;
                    }
                }
                _ => write!(formatter, " at {}", event.service)?,
            }
        }
        Ok(())
    }
}

/// How deep in calls each task is, and when each request was sent.
#[derive(Default)]
struct Depths<'a> {
    tasks: HashMap<(&'a str, u64), usize>,
    sent: HashMap<(&'a str, u64), (usize, u64)>,
}

impl<'a> Depths<'a> {
    /// The depth of an event, and for a `begin` the time since its request was sent.
    fn note(&mut self, event: &'a Event) -> (usize, Option<u64>) {
        let task = (&*event.service, event.task);
        match &event.step {
            Step::Begin { from, session, .. } => {
                let sent = self.sent.get(&(&**from, *session));
                let depth = sent.map_or(1, |(depth, _)| depth + 1);
                let waited_ns = sent.map(|(_, at_ns)| event.at_ns.saturating_sub(*at_ns));
                self.tasks.insert(task, depth);
                (depth, waited_ns)
            }
            step => {
                let depth = self.tasks.get(&task).copied().unwrap_or(0);
                if let Step::Send { session, .. } = step {
                    self.sent.insert((task.0, *session), (depth, event.at_ns));
                }
                (depth, None)
            }
        }
    }
}

/// Nanoseconds as microseconds with all digits.
fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::to_request;

    fn event(at_ns: u64, service: &str, task: u64, step: Step) -> Event {
        Event { at_ns, service: service.into(), task, step }
    }

    fn trace_of_one_call() -> Trace {
        let (main, counter) = ("main:01", "counter:02");
        let steps = vec![
            event(10, main, 1, Step::Send { to: counter.into(), method: "add".into(), session: 5 }),
            event(900, main, 1, Step::Queued { to: counter.into(), before: 3 }),
            event(
                2_010,
                counter,
                7,
                Step::Begin { method: "add".into(), from: main.into(), session: 5 },
            ),
            event(2_500, counter, 7, Step::End { failed: false }),
            event(4_000, main, 1, Step::Resume),
        ];
        trace_of(steps)
    }

    fn trace_of(steps: Vec<Event>) -> Trace {
        let request = RequestId::new(1, 9).traced();
        Trace { request, began_ns: 0, events: Mutex::new(steps), lost: AtomicU64::new(0) }
    }

    #[test]
    fn a_trace_for_people_shows_who_did_what_when_and_how_deep() {
        let expected = "\
request 00000001-9: 4.000 us, 5 steps
         0.010 us  send   `add` to counter:02
         0.900 us  queued at counter:02 behind 3
         2.010 us    begin  `add` at counter:02 after 2.000 us
         2.500 us    end    at counter:02
         4.000 us  resume at main:01";
        assert_eq!(trace_of_one_call().to_string(), expected);
    }

    #[test]
    fn a_trace_for_programs_is_one_json_object_a_line() {
        let lines = trace_of_one_call().to_json_lines();
        let lines: Vec<Json> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["method"], "add");
        assert_eq!(lines[1]["before"], 3);
        assert_eq!(lines[2]["other"], "main:01");
        assert_eq!(lines[3]["at_ns"], 2_500);
    }

    #[test]
    fn names_are_escaped_in_json() {
        let text = "a\"b\\c\nd\u{1}\u{e4}";
        let steps = vec![event(1, text, 1, Step::Resume)];
        let line: Json = serde_json::from_str(&trace_of(steps).to_json_lines()).unwrap();
        assert_eq!(line["service"], text);
    }

    #[test]
    fn the_method_of_a_request_is_its_first_value() {
        let payload = to_request("add", &(1, "x", vec![1, 2])).unwrap();
        assert_eq!(&*method_of(&payload), "add");
        assert_eq!(&*method_of(&Payload::EMPTY), "");
    }
}
