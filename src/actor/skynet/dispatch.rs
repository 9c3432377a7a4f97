//! From a message of a numbered protocol to the coroutine that handles it. No Lua code dispatches:
//! the worker finds the handler and unpacks straight onto the stack of a pooled coroutine.

use super::{Form, Handler, Origin, Protocol};
use crate::actor::fault::{Code, Fault, fault_of, no_memory};
use crate::actor::message::Caller;
use crate::actor::record::request::Terms;
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::{Role, Served, Task};
use crate::actor::turn::Turn;
use crate::message::{Payload, PlainRequest, UnpackError};
use crate::vm::{Coroutine, Reference, Stack};

/// Where a dispatched coroutine has the first value of its message: above the handler, the session
/// and the source.
pub(in crate::actor) const COMMAND: i32 = 4;
/// What a message counts as that names no command.
const MESSAGE: &[u8] = b"(message)";

/// A message on its way to its handler.
pub(in crate::actor) struct Incoming<'a> {
    pub(in crate::actor) protocol: u8,
    pub(in crate::actor) caller: Caller,
    /// Who is named as the sender, if it is not the caller.
    pub(in crate::actor) origin: Option<Origin>,
    pub(in crate::actor) payload: &'a Payload,
    pub(in crate::actor) terms: Terms,
}

impl Incoming<'_> {
    /// Who is named as the sender, and under which session.
    pub(super) fn origin(&self) -> Origin {
        self.origin.unwrap_or_else(|| Origin::of(&self.caller))
    }
}

/// What has to be done with a payload, found out while the protocols are borrowed.
enum Reading {
    Values,
    Text,
    Raw,
    /// By the function that lies on the stack.
    Function,
}

impl Turn<'_, '_> {
    /// Runs the handler of a message in a coroutine of its own.
    #[inline(always)]
    pub(in crate::actor) fn dispatch(&mut self, incoming: Incoming<'_>) {
        if self.state.skynet.is_watching.get() {
            return self.watch(incoming);
        }
        self.hand_out(incoming);
    }

    /// The same for a message that needs no look any more.
    #[inline(always)]
    pub(super) fn hand_out(&mut self, incoming: Incoming<'_>) {
        // Functions of the program may run before its handler does.
        self.state.stay();
        let coroutine = self.stack.coroutine();
        let request = PlainRequest::new(incoming.payload);
        let usual = match request {
            Some(request) => self.prepare_usual(&coroutine, &incoming, request),
            None => None,
        };
        let prepared = match usual {
            Some(prepared) => Ok(prepared),
            None => self.prepare_otherwise(&coroutine, &incoming, request),
        };
        match prepared {
            Ok((values, handler)) => {
                let Incoming { caller, origin, terms, .. } = incoming;
                let (role, origin) = (Role::Dispatch, origin.map(Box::new));
                let served = Served { role, caller, origin, terms, handler };
                self.begin_served(served, coroutine, values);
            }
            Err(fault) => self.refuse_message(incoming, coroutine, fault),
        }
    }

    /// A message finds no handler, or what it holds cannot be read.
    #[cold]
    fn refuse_message(&mut self, incoming: Incoming<'_>, coroutine: Coroutine, fault: Fault) {
        self.stack.recycle(coroutine);
        self.state.skynet.blocks.reclaim();
        self.log_failure("a message", incoming.terms.request, &fault);
        if incoming.caller.waits() {
            incoming.caller.fail(fault.seen_by_caller());
        }
    }

    /// As [`prepare_dispatch`](Self::prepare_dispatch), for a function that handles a list of
    /// values which begins with a command that came lately, in a payload without tables. `None`,
    /// and nothing done, if it is not that simple; else the place where the time of the command is
    /// noted as well.
    #[inline(always)]
    fn prepare_usual(
        &mut self,
        coroutine: &Coroutine,
        incoming: &Incoming<'_>,
        request: PlainRequest<'_>,
    ) -> Option<(i32, u32)> {
        let (protocols, commands) =
            (self.state.skynet.protocols.borrow(), self.state.known.borrow());
        let handler = protocols.usual_handler(incoming.protocol)?;
        let command = commands.find(request.name())?;
        let mut stack = self.stack.in_empty_coroutine(coroutine);
        stack.push_kept(handler);
        push_origin(&mut stack, incoming);
        stack.push_kept(&command.name);
        if let Some(values) = stack.unpack_arguments(&request)
            && stack.is_within_memory()
        {
            self.state.profile.borrow_mut().call_again(command.handler);
            return Some((COMMAND - 1 + values, command.handler));
        }
        stack.set_top(0);
        None
    }

    /// The same for all others.
    #[inline(never)]
    fn prepare_otherwise(
        &mut self,
        coroutine: &Coroutine,
        incoming: &Incoming<'_>,
        request: Option<PlainRequest<'_>>,
    ) -> Result<(i32, u32), Fault> {
        let values = self.prepare_dispatch(coroutine, incoming)?;
        let handler = self.command_of(coroutine, request);
        Ok((values, handler))
    }

    /// Where the time of the command is noted that the message names in its first value.
    fn command_of(&mut self, coroutine: &Coroutine, request: Option<PlainRequest<'_>>) -> u32 {
        let stack = self.stack.in_coroutine(coroutine);
        let name = stack.bytes(COMMAND);
        let handler = self.state.profile.borrow_mut().call(name.unwrap_or(MESSAGE));
        if let Some(request) = request.filter(|request| name == Some(request.name())) {
            self.learn(coroutine, COMMAND, request.name(), handler);
        }
        handler
    }

    /// Puts the handler, the session, the source and what the message holds onto the coroutine's
    /// stack; returns how many values lie above the handler.
    fn prepare_dispatch(
        &mut self,
        coroutine: &Coroutine,
        incoming: &Incoming<'_>,
    ) -> Result<i32, Fault> {
        let state = self.state;
        let mut stack = self.stack.in_coroutine(coroutine);
        let stack = &mut stack;
        let protocols = state.skynet.protocols.borrow();
        let forwarded = protocols.forwarded(incoming.protocol);
        let number = forwarded.unwrap_or(incoming.protocol);
        let protocol = protocols.numbered(number);
        let lazy = match protocol.map(|protocol| &protocol.handler) {
            Some(Handler::Lazy(make)) => Some(*make),
            handler if push_handler(stack, handler) => None,
            _ => {
                let unknown = protocols.unknown_request.as_ref();
                // A request is refused, so that its caller learns that nobody handles it.
                let unknown = unknown.filter(|_| incoming.origin().session == 0);
                let unknown = unknown.ok_or_else(|| nobody(state, number, protocol))?;
                return push_unknown(stack, state, unknown, protocol, incoming);
            }
        };
        if let Some(make) = lazy {
            drop(protocols);
            stack.push_native(make);
            stack.call(0, 1).map_err(|error| fault_of(&error))?;
            stack.push_value(-1);
            let handler = Handler::Function(stack.keep());
            state.skynet.protocols.borrow_mut().set_handler(number, handler);
        } else {
            drop(protocols);
        }
        push_origin(stack, incoming);
        let protocols = state.skynet.protocols.borrow();
        let reading = reading(stack, protocols.numbered(number));
        drop(protocols);
        read(stack, state, reading, incoming.payload, forwarded.is_some())?;
        if !stack.is_within_memory() {
            return Err(no_memory(&state.service.label(), incoming.payload));
        }
        Ok(stack.top() - 1)
    }

    /// The handler returned; whoever waits for an answer that nobody will give is told at once.
    pub(in crate::actor) fn dispatched(&mut self, caller: Option<Caller>, task: &Task) {
        let Some(caller) = caller.filter(Caller::waits) else { return };
        self.state.note_request_done();
        let text = format!(
            "no response: the handler of service {} ended without one\n\
             hint: answer with skynet.ret or skynet.retpack, or take it along with skynet.response",
            self.state.service.label()
        );
        let fault = Fault::new(Code::Error, text);
        self.log_failure("a request", task.request, &fault);
        caller.fail(fault);
    }

    /// The handler raised an error.
    pub(in crate::actor) fn dispatch_failed(
        &mut self,
        caller: Option<Caller>,
        task: &Task,
        fault: Fault,
    ) {
        self.log_failure("a handler", task.request, &fault);
        if let Some(caller) = caller.filter(Caller::waits) {
            self.state.note_request_done();
            caller.fail(fault.seen_by_caller());
        }
    }

    /// Takes back what the task that ran until now was lent, and stops its watch.
    #[inline(always)]
    pub(in crate::actor) fn task_paused(&self, key: Key) {
        let skynet = &self.state.skynet;
        if skynet.blocks.is_lending() {
            skynet.blocks.reclaim();
        }
        skynet.stop_watches(key);
    }

    /// Puts a message pointer and its size onto the stack of the coroutine that asked for an answer
    /// in that form, above the values that it was given already.
    pub(in crate::actor) fn push_raw_answer(
        &mut self,
        key: Key,
        coroutine: Coroutine,
        given: i32,
        payload: &Payload,
    ) {
        let lent = {
            let mut stack = self.stack.in_coroutine(&coroutine);
            push_block(&mut stack, self.state, payload, false)
        };
        match lent {
            Ok(_) => self.resume(key, coroutine, given + 2, None),
            Err(fault) => self.resume(key, coroutine, given, Some(Box::new(fault))),
        }
    }
}

/// Pushes the function that handles messages; false if there is none.
fn push_handler(stack: &mut Stack<'_>, handler: Option<&Handler>) -> bool {
    match handler {
        Some(Handler::Function(handler)) => stack.push_kept(handler),
        Some(Handler::Described(table)) => {
            stack.push_kept(table);
            stack.raw_get_field(-1, "dispatch");
            if !stack.is_callable(-1) {
                stack.pop(2);
                return false;
            }
            stack.remove(stack.top() - 1);
        }
        _ => return false,
    }
    true
}

/// Why a message finds no handler.
fn nobody(state: &State, number: u8, protocol: Option<&Protocol>) -> Fault {
    let service = state.service.label();
    let text = match protocol {
        Some(protocol) => {
            let name = String::from_utf8_lossy(&protocol.name);
            format!(
                "service {service} does not handle messages of the protocol \"{name}\"\n\
                 hint: skynet.dispatch(\"{name}\", function(session, source, ...) ... end)"
            )
        }
        None => format!("service {service} knows no protocol of the number {number}"),
    };
    Fault::new(Code::NoHandler, text)
}

/// Pushes what the message says of its sender.
#[inline(always)]
fn push_origin(stack: &mut Stack<'_>, incoming: &Incoming<'_>) {
    let origin = incoming.origin();
    stack.push_integer(origin.session);
    stack.push_integer(origin.source);
}

/// The handler of what nobody handles, and its arguments: session, source, pointer, size, and the
/// protocol's name, or its number if it is not registered.
fn push_unknown(
    stack: &mut Stack<'_>,
    state: &State,
    unknown: &Reference,
    protocol: Option<&Protocol>,
    incoming: &Incoming<'_>,
) -> Result<i32, Fault> {
    stack.push_kept(unknown);
    push_origin(stack, incoming);
    push_block(stack, state, incoming.payload, false)?;
    match protocol {
        Some(protocol) => stack.push_bytes(&protocol.name),
        None => stack.push_integer(incoming.protocol.into()),
    }
    Ok(5)
}

/// How the payload is read; a function for it is pushed.
fn reading(stack: &mut Stack<'_>, protocol: Option<&Protocol>) -> Reading {
    match protocol.and_then(|protocol| protocol.unpack.as_ref()) {
        Some(Form::Values) => Reading::Values,
        Some(Form::Text) => Reading::Text,
        Some(Form::Function(function)) => {
            stack.push_kept(function);
            Reading::Function
        }
        None => Reading::Raw,
    }
}

/// Pushes what the message holds.
fn read(
    stack: &mut Stack<'_>,
    state: &State,
    reading: Reading,
    payload: &Payload,
    is_owned: bool,
) -> Result<(), Fault> {
    match reading {
        Reading::Values => stack.unpack(payload).map(drop).map_err(|error| match error {
            UnpackError::Memory => no_memory(&state.service.label(), payload),
            error => Fault::new(Code::Argument, format!("cannot read the message: {error}")),
        }),
        Reading::Text => {
            stack.push_bytes(&payload.to_bytes());
            Ok(())
        }
        Reading::Raw => push_block(stack, state, payload, is_owned).map(drop),
        Reading::Function => {
            let key = push_block(stack, state, payload, is_owned)?;
            stack.call(2, Stack::ALL).map_err(|error| {
                // Nobody handles the message, so nobody would trash it.
                state.skynet.blocks.take(stack, key);
                fault_of(&error)
            })
        }
    }
}

/// Pushes a message pointer and its size; returns the block's key.
pub(super) fn push_block(
    stack: &mut Stack<'_>,
    state: &State,
    payload: &Payload,
    is_owned: bool,
) -> Result<Key, Fault> {
    let (size, blocks) = (payload.len(), &state.skynet.blocks);
    let key = if is_owned {
        let owned = blocks.own(stack, payload.clone());
        owned.map_err(|_| no_memory(&state.service.label(), payload))?
    } else {
        blocks.lend(payload.clone()).map_err(|_| {
            Fault::new(
                Code::Overload,
                "too many message pointers are alive\nhint: skynet.trash them",
            )
        })?
    };
    crate::actor::Light::Block(key).push(stack);
    stack.push_integer(size as i64);
    Ok(key)
}
