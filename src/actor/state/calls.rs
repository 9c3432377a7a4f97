//! Messages to other services: requests, of which the caller waits for the answer, and messages
//! that nobody answers.
//!
//! A call takes one of two ways to its callee: past the mailbox, with the next turn of a service
//! that is at rest (`turn/parting.rs`), or through the mailbox, as does every call that is traced.

use std::sync::Arc;
use std::time::Duration;

use moonhive_kernel::address::Address;

use super::State;
use super::waits::Begun;
use crate::actor::fault::{Code, Fault};
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::Terms;
use crate::actor::service::Service;
use crate::actor::slots::Key;
use crate::actor::task::{Role, Task};
use crate::actor::turn::parting::Parted;
use crate::message::Payload;

impl State {
    /// The service with that address.
    ///
    /// # Errors
    /// `dead` when it has ended.
    #[inline(always)]
    pub(crate) fn peer(&self, address: Address) -> Result<Arc<Service>, Fault> {
        self.peers.borrow_mut().get(address, |address| self.core.service(address))
    }

    /// Takes a handle of a service back, for the next time that it is wanted.
    #[inline(always)]
    pub(crate) fn give_back(&self, service: Arc<Service>) {
        self.peers.borrow_mut().give_back(service);
    }

    /// Sends a request to `target`; the running task then has to block. The deadline of the task
    /// goes along, and `timeout` shortens this wait alone.
    ///
    /// # Errors
    /// `dead`, `overload`, `timeout` when the task's deadline has passed already.
    #[inline(always)]
    pub(crate) fn call(
        &self,
        target: Arc<Service>,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Result<(), Fault> {
        if target.address() == self.service.address() {
            self.check_call_of_self()?;
        }
        let key = self.current_task()?;
        let wait = self.begin_wait_of(key, Some(target.address()), timeout)?;
        let terms = self.terms_of(&wait);
        let claimed = if terms.request.is_traced() { Err(target) } else { self.claim(target) };
        let target = match claimed {
            Ok(claim) => {
                self.part_with(claim, Parted::Request { session: wait.session, payload, terms });
                return Ok(());
            }
            Err(target) => target,
        };
        let caller = Caller::waiting(self.service.clone(), wait.session);
        let sent = self.send_or_trace(&target, key, Message::Request { caller, payload, terms });
        self.give_back(target);
        sent.inspect_err(|_| self.cancel_wait())
    }

    /// Sends a message that nobody answers.
    ///
    /// # Errors
    /// `dead`, `overload`.
    #[inline(always)]
    pub(crate) fn send(&self, target: &Arc<Service>, payload: Payload) -> Result<(), Fault> {
        let caller = Caller::sender(self.service.address());
        let terms = Terms::timeless(self.request());
        if terms.request.is_traced()
            && let Some(key) = self.current.get()
        {
            return self.send_traced(target, key, Message::Request { caller, payload, terms });
        }
        target.request(Message::Request { caller, payload, terms })
    }

    /// Sends a request for whose answer no coroutine waits.
    ///
    /// # Errors
    /// `dead`, `overload`, and `no_handler` as [`State::call`].
    pub(super) fn send_request(
        &self,
        target: &Arc<Service>,
        key: Key,
        wait: Begun,
        payload: Payload,
    ) -> Result<(), Fault> {
        if target.address() == self.service.address() {
            self.check_call_of_self()?;
        }
        let caller = Caller::waiting(self.service.clone(), wait.session);
        let terms = self.terms_of(&wait);
        self.send_or_trace(target, key, Message::Request { caller, payload, terms })
    }

    /// What goes along with the request for which a task waits.
    #[inline]
    fn terms_of(&self, wait: &Begun) -> Terms {
        let request = if wait.request.is_none() { self.new_request() } else { wait.request };
        Terms { deadline_ms: wait.deadline_ms, request }
    }

    /// Sends a request of that task through the mailbox.
    fn send_or_trace(
        &self,
        target: &Arc<Service>,
        key: Key,
        request: Message,
    ) -> Result<(), Fault> {
        match &request {
            Message::Request { terms, .. } if terms.request.is_traced() => {
                self.send_traced(target, key, request)
            }
            _ => target.request(request),
        }
    }

    /// The file of a service cannot wait for handlers that it has not returned yet.
    #[cold]
    fn check_call_of_self(&self) -> Result<(), Fault> {
        let key = self.current_task()?;
        match self.tasks.borrow_mut().get(key) {
            Some(Task { role: Role::Main, .. }) => Err(Fault::new(
                Code::NoHandler,
                "the service calls itself before its file has returned handlers\n\
                 hint: call the function itself, or let hive.fork make the call",
            )),
            _ => Ok(()),
        }
    }
}
