//! From a request to the task that serves it: the handler is found, the arguments go straight onto
//! the stack of a coroutine, and it runs.
//!
//! Requests that come before the file of the service has returned wait for it. Who asks for what is
//! not there is told at once; a sender, who waits for nothing, gets a line in the log in its place.

use super::Turn;
use crate::actor::fault::{Code, Fault, no_memory};
use crate::actor::limits::INDEX_CHAIN_MAX;
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::RequestId;
use crate::actor::skynet::{Envelope, Incoming, VALUES};
use crate::actor::task::{Role, Served};
use crate::message::{Payload, PlainRequest, UnpackError};
use crate::vm::{Coroutine, Kind};

/// Names that begin like this are the service's own and not to be called.
const RESERVED_PREFIX: &[u8] = b"__";

impl Turn<'_, '_> {
    /// Finds the handler and runs it in a coroutine of its own.
    pub(super) fn serve(&mut self, incoming: Incoming<'_>) {
        if self.state.leaving.borrow().is_some() {
            incoming.caller.fail(self.state.service.dead());
            return;
        }
        if !self.state.main_done.get() {
            return self.keep_for_later(incoming);
        }
        if self.has_passed(incoming.terms.deadline_ms) {
            let text = "the deadline passed before the request could be served";
            incoming.caller.fail(Fault::new(Code::Timeout, text));
            return;
        }
        if self.state.skynet.protocols.borrow().any() && self.state.handlers.borrow().is_none() {
            return self.dispatch(incoming);
        }
        let Incoming { protocol, caller, payload, terms, .. } = incoming;
        if protocol != VALUES {
            let label = self.label();
            let text = format!("service {label} handles no messages of protocol {protocol}");
            return self.refuse(caller, terms.request, Fault::new(Code::NoHandler, text));
        }
        let coroutine = self.stack.coroutine();
        let request = PlainRequest::new(payload);
        let known = match &request {
            Some(request) => self.prepare_known(&coroutine, request),
            None => None,
        };
        let prepared = match known {
            Some(prepared) => Ok(prepared),
            None => self.prepare_and_learn(&coroutine, payload, request),
        };
        match prepared {
            Ok((values, handler)) => {
                let (role, origin) = (Role::Handler, None);
                let served = Served { role, caller, origin, terms, handler };
                self.begin_served(served, coroutine, values);
            }
            Err(fault) => {
                self.stack.recycle(coroutine);
                self.refuse(caller, terms.request, fault);
            }
        }
    }

    fn keep_for_later(&mut self, incoming: Incoming<'_>) {
        let mut early = self.state.early.borrow_mut();
        let limit = self.state.service.mailbox().messages_max();
        let Incoming { protocol, caller, origin, payload, terms } = incoming;
        if early.len() < limit {
            let payload = payload.clone();
            early.push_back(match (protocol, origin) {
                (VALUES, None) => Message::Request { caller, payload, terms },
                _ => {
                    let envelope = Box::new(Envelope { protocol, origin, terms });
                    Message::Numbered { caller, payload, envelope }
                }
            });
            return;
        }
        drop(early);
        let text = format!("{limit} requests wait for service {} to start", self.label());
        self.refuse(caller, terms.request, Fault::new(Code::Overload, text));
    }

    /// As [`prepare`](Self::prepare), for a method that was asked for lately and arguments that
    /// hold no others. `None`, and nothing done, if it is not that simple.
    #[inline(always)]
    fn prepare_known(
        &mut self,
        coroutine: &Coroutine,
        request: &PlainRequest<'_>,
    ) -> Option<(i32, u32)> {
        let (methods, handlers) = (self.state.known.borrow(), self.state.handlers.borrow());
        let (known, handlers) = (methods.find(request.name())?, handlers.as_ref()?);
        let mut stack = self.stack.in_empty_coroutine(coroutine);
        if stack.push_method(handlers, &known.name, INDEX_CHAIN_MAX)
            && let Some(values) = stack.unpack_arguments(request)
            && stack.is_within_memory()
        {
            self.state.profile.borrow_mut().call_again(known.handler);
            return Some((values, known.handler));
        }
        stack.set_top(0);
        None
    }

    /// Keeps the name of a method for the next time; it lies at `place` on the coroutine's stack.
    pub(in crate::actor) fn learn(
        &mut self,
        coroutine: &Coroutine,
        place: i32,
        name: &[u8],
        handler: u32,
    ) {
        let mut methods = self.state.known.borrow_mut();
        if !methods.has_room_for(name) {
            return;
        }
        let mut stack = self.stack.in_coroutine(coroutine);
        stack.push_value(place);
        let kept = stack.keep();
        if let Some(before) = methods.keep(name, kept, handler) {
            stack.release(before);
        }
    }

    /// As [`prepare`](Self::prepare), and keeps the name for the next time.
    #[inline(never)]
    fn prepare_and_learn(
        &mut self,
        coroutine: &Coroutine,
        payload: &Payload,
        request: Option<PlainRequest<'_>>,
    ) -> Result<(i32, u32), Fault> {
        let (values, handler) = self.prepare(coroutine, payload)?;
        if let Some(request) = request {
            self.learn(coroutine, 1, request.name(), handler);
        }
        Ok((values, handler))
    }

    /// Puts the method's name, its handler and the arguments onto the coroutine's stack. Returns
    /// the number of arguments, and where the time of the handler is noted.
    fn prepare(&mut self, coroutine: &Coroutine, payload: &Payload) -> Result<(i32, u32), Fault> {
        let mut stack = self.stack.in_coroutine(coroutine);
        stack.push_nil();
        let values = stack.unpack(payload).map_err(|error| match error {
            UnpackError::Memory => no_memory(&self.state.service.label(), payload),
            error => Fault::new(Code::Argument, format!("cannot read the request: {error}")),
        })?;
        if !stack.is_within_memory() {
            return Err(no_memory(&self.state.service.label(), payload));
        }
        if values == 0 || stack.kind(2) != Kind::String {
            return Err(Fault::new(Code::Argument, "a request begins with the name of a method"));
        }
        // From `nil method arguments` to `method handler arguments`.
        stack.copy(2, 1);
        let is_reserved = stack.bytes(1).is_some_and(|name| name.starts_with(RESERVED_PREFIX));
        let handlers = self.state.handlers.borrow();
        let found = !is_reserved
            && handlers
                .as_ref()
                .is_some_and(|handlers| stack.find_method(handlers, 1, 2, INDEX_CHAIN_MAX));
        if !found {
            let method = String::from_utf8_lossy(stack.bytes(1).unwrap_or_default()).into_owned();
            let what = match &*handlers {
                Some(_) => format!("has no handler `{method}`"),
                None => format!("has no handlers (called: `{method}`)"),
            };
            let text = format!("service {} {what}", self.state.service.label());
            return Err(Fault::new(Code::NoHandler, text));
        }
        let handler = self.state.profile.borrow_mut().call(stack.bytes(1).unwrap_or_default());
        Ok((values - 1, handler))
    }

    /// Tells the caller why its request is not served; a sender gets a log line in its place.
    fn refuse(&mut self, caller: Caller, request: RequestId, fault: Fault) {
        if caller.waits() {
            caller.fail(fault);
            return;
        }
        let service = &self.state.service;
        tracing::warn!(
            service = service.name(),
            address = service.log_address(),
            sender = self.state.core.label_of(caller.address()),
            request = request.shown(),
            "a message was not handled: {fault}"
        );
    }

    fn label(&self) -> String {
        self.state.service.label()
    }
}
