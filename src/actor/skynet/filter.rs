//! What looks at messages before they find their handler or their task: the record of messages, the
//! program's own filter, traces by log lines, and the handler of answers that nobody waits for. Off
//! the common way.

use super::dispatch::push_block;
use super::{Envelope, Incoming, Origin};
use crate::actor::fault::{Code, Fault, fault_of};
use crate::actor::light::Light;
use crate::actor::limits::SKYNET_ASKED_MAX;
use crate::actor::message::Message;
use crate::actor::state::State;
use crate::actor::task::{Role, Stage, Task};
use crate::actor::turn::Turn;
use crate::message::Payload;
use crate::vm::Stack;

/// How many values [`push_message`] pushes.
const MESSAGE_VALUES: i32 = 5;

/// What a filter makes of a message.
struct Filtered {
    protocol: u8,
    payload: Payload,
    origin: Origin,
}

impl Turn<'_, '_> {
    /// Looks at a message before it is handed out.
    #[cold]
    pub(super) fn watch(&mut self, incoming: Incoming<'_>) {
        // A filter is a function of the program.
        self.state.stay();
        self.record(&incoming);
        match self.filtered(&incoming) {
            Ok(None) => self.offer(incoming),
            Ok(Some(filtered)) => self.offer_filtered(filtered, incoming),
            Err(fault) => self.refuse_filtered(fault, incoming),
        }
    }

    fn offer_filtered(&mut self, filtered: Filtered, incoming: Incoming<'_>) {
        let Filtered { protocol, payload, origin } = filtered;
        let origin = Some(origin).filter(|origin| *origin != incoming.origin());
        let origin = origin.or(incoming.origin);
        let Incoming { caller, terms, .. } = incoming;
        let payload = &payload;
        self.offer(Incoming { protocol, caller, origin, payload, terms });
    }

    /// Has the program's own `skynet.dispatch_message` handle a message, if there is one. Until it
    /// passes the message on, whoever waits for an answer counts as somebody whom the program
    /// answers by itself.
    fn offer(&mut self, mut incoming: Incoming<'_>) {
        if self.state.skynet.protocols.borrow().dispatcher.is_none() {
            return self.trace_and_hand_out(incoming);
        }
        let origin = incoming.origin();
        let waiting = incoming.caller.take();
        let (source, session) = (waiting.address(), waiting.session());
        if waiting.waits() {
            self.state.skynet.ignore(waiting);
        }
        incoming.origin = Some(origin);
        let shown = self.call_dispatcher(&incoming, origin);
        self.state.skynet.blocks.reclaim();
        if let Err(fault) = shown {
            self.log_failure("skynet.dispatch_message", incoming.terms.request, &fault);
            if let Some(caller) = self.state.skynet.take_ignored(source, session) {
                caller.fail(fault.seen_by_caller());
            }
        }
        self.hand_out_passed();
    }

    /// Calls the program's own dispatcher.
    fn call_dispatcher(&mut self, incoming: &Incoming<'_>, origin: Origin) -> Result<(), Fault> {
        let mut protocols = self.state.skynet.protocols.borrow_mut();
        let Some(dispatcher) = &mut protocols.dispatcher else { return Ok(()) };
        dispatcher.offered = Some((origin, incoming.terms));
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_kept(&dispatcher.function);
        drop(protocols);
        let called = push_message(&mut stack, self.state, incoming)
            .and_then(|()| stack.call(MESSAGE_VALUES, 0).map_err(|error| fault_of(&error)));
        self.stack.recycle(coroutine);
        if let Some(dispatcher) = &mut self.state.skynet.protocols.borrow_mut().dispatcher {
            dispatcher.offered = None;
        }
        called
    }

    /// Handles what the program's own dispatcher has left to the host up to now.
    pub(in crate::actor) fn hand_out_passed(&mut self) {
        let count = self.state.passed_count();
        for _ in 0..count {
            if self.over.is_some() {
                return;
            }
            let Some(Message::Numbered { caller, payload, envelope }) = self.state.next_passed()
            else {
                return;
            };
            let Envelope { protocol, origin, terms } = *envelope;
            let payload = &payload;
            self.trace_and_hand_out(Incoming { protocol, caller, origin, payload, terms });
        }
        // What handlers have passed on meanwhile comes after the messages that wait.
        if count > 0 && self.state.passed_count() > 0 {
            self.state.service.post(Message::Passed);
        }
    }

    fn refuse_filtered(&mut self, fault: Fault, incoming: Incoming<'_>) {
        self.state.skynet.blocks.reclaim();
        self.log_failure("a filter", incoming.terms.request, &fault);
        if incoming.caller.waits() {
            incoming.caller.fail(fault.seen_by_caller());
        }
    }

    #[inline(never)]
    fn trace_and_hand_out(&mut self, mut incoming: Incoming<'_>) {
        self.trace_by_lines(&mut incoming);
        self.hand_out(incoming);
    }

    /// Shows a message to the function that writes all of them down, if there is one.
    fn record(&mut self, incoming: &Incoming<'_>) {
        let protocols = self.state.skynet.protocols.borrow();
        let Some(record) = &protocols.record else { return };
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_kept(record);
        drop(protocols);
        let shown = push_message(&mut stack, self.state, incoming)
            .and_then(|()| stack.call(MESSAGE_VALUES, 0).map_err(|error| fault_of(&error)));
        self.stack.recycle(coroutine);
        self.state.skynet.blocks.reclaim();
        if let Err(fault) = shown {
            self.log_failure("the record of messages", incoming.terms.request, &fault);
        }
    }

    /// What the program's filter makes of a message.
    fn filtered(&mut self, incoming: &Incoming<'_>) -> Result<Option<Filtered>, Fault> {
        let protocols = self.state.skynet.protocols.borrow();
        let Some(filter) = &protocols.filter else { return Ok(None) };
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_kept(filter);
        drop(protocols);
        let result = run_filter(&mut stack, self.state, incoming);
        self.stack.recycle(coroutine);
        result.map(Some)
    }

    /// Has a message of a traced protocol begin a request, and logs that.
    fn trace_by_lines(&mut self, incoming: &mut Incoming<'_>) {
        let protocols = self.state.skynet.protocols.borrow();
        let protocol = protocols.numbered(incoming.protocol);
        if !protocol.is_some_and(|protocol| protocol.traced) {
            return;
        }
        let request = incoming.terms.request;
        let request = if request.is_none() { self.state.new_request() } else { request };
        incoming.terms.request = request.told();
        let now_ns = self.state.core.handle.clock().now_ns();
        let text = format!("<TRACE {}> {now_ns} request", incoming.terms.request);
        self.state.log_line(text.as_bytes());
    }

    /// An answer that no task waits for: the program's handler gets it, if it has one.
    #[cold]
    pub(in crate::actor) fn unknown_answer(&mut self, session: u64, payload: &Payload) {
        let protocols = self.state.skynet.protocols.borrow();
        let Some(handler) = &protocols.unknown_response else { return };
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_kept(handler);
        drop(protocols);
        stack.push_integer(session as i64);
        stack.push_integer(self.state.forget_asked(session));
        match push_block(&mut stack, self.state, payload, false) {
            Ok(_) => self.begin(Task::new(Stage::Running, Role::Fork), coroutine, 4),
            Err(_) => self.stack.recycle(coroutine),
        }
    }
}

impl State {
    /// Has the host handle a message in its own way, past the program's own dispatcher if there is
    /// one.
    pub(crate) fn pass(&self, origin: Origin, protocol: u8, payload: Payload) -> Result<(), Fault> {
        let mut message = self.message_as(origin, &self.service, protocol, payload);
        let mut protocols = self.skynet.protocols.borrow_mut();
        let Some(dispatcher) = &mut protocols.dispatcher else {
            drop(protocols);
            return self.service.request(message);
        };
        if let (Message::Numbered { envelope, .. }, Some((offered, terms))) =
            (&mut message, dispatcher.offered)
            && offered == origin
        {
            envelope.terms = terms;
        }
        let is_first = dispatcher.passed.is_empty();
        dispatcher.pass(message)?;
        if is_first && dispatcher.offered.is_none() {
            self.service.post(Message::Passed);
        }
        Ok(())
    }

    fn passed_count(&self) -> usize {
        let protocols = self.skynet.protocols.borrow();
        protocols.dispatcher.as_ref().map_or(0, |dispatcher| dispatcher.passed.len())
    }

    fn next_passed(&self) -> Option<Message> {
        let mut protocols = self.skynet.protocols.borrow_mut();
        protocols.dispatcher.as_mut()?.next_passed()
    }

    /// Remembers whom a request under an own session went to, for a handler of unknown answers.
    pub(super) fn note_asked(&self, session: i64, target: i64) {
        if self.skynet.protocols.borrow().unknown_response.is_none() {
            return;
        }
        let mut asked = self.skynet.asked.borrow_mut();
        if asked.len() == SKYNET_ASKED_MAX {
            asked.pop_front();
        }
        asked.push_back((session as u64, target));
    }

    /// Whom that request went to; 0 if nobody knows.
    fn forget_asked(&self, session: u64) -> i64 {
        let mut asked = self.skynet.asked.borrow_mut();
        let place = asked.iter().position(|(own, _)| *own == session);
        place.and_then(|place| asked.remove(place)).map_or(0, |(_, target)| target)
    }

    /// Writes a log line, by the service that has taken the log over, if there is one. That gets
    /// the bytes as they are.
    pub(crate) fn log_line(&self, text: &[u8]) {
        if self.tell_logger(text) {
            return;
        }
        let (service, text) = (&self.service, String::from_utf8_lossy(text));
        tracing::info!(service = service.name(), address = service.log_address(), "{text}");
    }

    /// The same for a warning of the host.
    pub(crate) fn warn_line(&self, text: &str) {
        if self.tell_logger(text.as_bytes()) {
            return;
        }
        let service = &self.service;
        tracing::warn!(service = service.name(), address = service.log_address(), "{text}");
    }
}

/// Pushes the protocol, the pointer and the size, the session and the source of a message.
fn push_message(
    stack: &mut Stack<'_>,
    state: &State,
    incoming: &Incoming<'_>,
) -> Result<(), Fault> {
    let Origin { source, session } = incoming.origin();
    stack.push_integer(incoming.protocol.into());
    push_block(stack, state, incoming.payload, false)?;
    stack.push_integer(session);
    stack.push_integer(source);
    Ok(())
}

/// Calls the filter on top of the stack with a message, and reads what it returns.
fn run_filter(
    stack: &mut Stack<'_>,
    state: &State,
    incoming: &Incoming<'_>,
) -> Result<Filtered, Fault> {
    let Origin { source, session } = incoming.origin();
    push_message(stack, state, incoming)?;
    stack.call(MESSAGE_VALUES, 5).map_err(|error| fault_of(&error))?;
    let first = stack.top() - 4;
    let number = stack.integer(first).and_then(|number| u8::try_from(number).ok());
    let protocol = number.ok_or_else(|| refused("let go of the message"))?;
    let payload = message_at(stack, state, first + 1)?;
    let integer = |index, before| stack.integer(index).unwrap_or(before);
    let origin =
        Origin { session: integer(first + 3, session), source: integer(first + 4, source) };
    state.skynet.blocks.reclaim();
    Ok(Filtered { protocol, payload, origin })
}

/// The message that a filter returned, a pointer or a string.
fn message_at(stack: &Stack<'_>, state: &State, index: i32) -> Result<Payload, Fault> {
    if let Some(bytes) = stack.bytes(index) {
        return Ok(Payload::from(bytes));
    }
    if stack.is_none_or_nil(index) {
        return Ok(Payload::EMPTY);
    }
    let payload = match Light::at(stack, index) {
        Some(Light::Block(key)) => state.skynet.blocks.take(stack, key),
        _ => None,
    };
    payload.ok_or_else(|| refused("returned no message"))
}

fn refused(what: &str) -> Fault {
    let text = format!(
        "the filter {what}\n\
         hint: it returns the protocol, the message and its size, the session and the source"
    );
    Fault::new(Code::Error, text)
}
