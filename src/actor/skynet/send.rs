//! Requests of numbered protocols. Those of [`VALUES`] are the requests of `hive` and go their way.

use std::sync::Arc;

use super::{Envelope, VALUES};
use crate::actor::fault::Fault;
use crate::actor::host::core::Core;
use crate::actor::host::kill;
use crate::actor::limits::{SKYNET_MAILBOX_BYTES, SKYNET_MAILBOX_MESSAGES};
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::{RequestId, Terms};
use crate::actor::service::Service;
use crate::actor::state::State;
use crate::actor::state::waits::Begun;
use crate::actor::task::Wait;
use crate::message::Payload;

/// The name of the service that gets log lines in place of the host's log.
pub(crate) const LOGGER: &str = ".logger";
/// What that is told of a service that cannot be loaded, in skynet's words.
pub(crate) const LOADER_ERROR: &str = "lua loader error : ";
/// The protocol in which they come.
const TEXT: u8 = 0;
/// The protocol in which it is told to begin the log anew.
const SYSTEM: u8 = 4;

impl Core {
    /// The service that has taken the log over. The host's own of that name is none: it only writes
    /// down what it is sent.
    fn logger(&self) -> Option<Arc<Service>> {
        self.names.find(LOGGER).filter(|logger| logger.name() != LOGGER)
    }

    /// Lets a program's service have the name of the log, if the host's own has it.
    pub(crate) fn give_log_away(&self) {
        if let Some(logger) = self.names.find(LOGGER)
            && logger.name() == LOGGER
        {
            kill(&logger, Some("another service takes the log over".to_owned()));
        }
    }

    /// Tells the service that has taken the log over to begin it anew. False if there is none.
    pub(crate) fn renew_log(self: &Arc<Self>) -> bool {
        let Some(logger) = self.logger() else { return false };
        if let Ok(outside) = self.outside() {
            let caller = Caller::sender(outside.address());
            let terms = Terms::timeless(RequestId::NONE);
            let envelope = Box::new(Envelope { protocol: SYSTEM, origin: None, terms });
            // A logger that takes no message has worse things to tell of.
            let _ = logger.request(Message::Numbered { caller, payload: Payload::EMPTY, envelope });
        }
        true
    }
}

impl State {
    /// The service speaks skynet, whose programs take for granted that a send succeeds: as many
    /// messages and bytes may wait for it, unless whoever spawned it gave it a limit of its own.
    pub(crate) fn widen_mailbox(&self) {
        let mailbox = self.service.mailbox();
        if mailbox.messages_max() == self.core.settings.mailbox.messages {
            mailbox.raise_messages_max(SKYNET_MAILBOX_MESSAGES);
            self.service.take_bytes(SKYNET_MAILBOX_BYTES);
        }
    }

    /// Sends a request by any protocol; the running task then has to block.
    ///
    /// # Errors
    /// As [`State::call`].
    #[inline(always)]
    pub(crate) fn call_by(
        &self,
        protocol: u8,
        target: Arc<Service>,
        payload: Payload,
    ) -> Result<(), Fault> {
        if protocol == VALUES {
            return self.call(target, payload, None);
        }
        self.call_numbered(protocol, target, payload)
    }

    #[inline(never)]
    fn call_numbered(
        &self,
        protocol: u8,
        target: Arc<Service>,
        payload: Payload,
    ) -> Result<(), Fault> {
        let wait = self.begin_wait_of(self.current_task()?, Some(target.address()), None)?;
        let sent = target.request(self.numbered_request(protocol, wait, payload));
        sent.inspect_err(|_| self.cancel_wait())
    }

    /// The message that asks for what a task has begun to wait for.
    #[inline]
    pub(in crate::actor) fn numbered_request(
        &self,
        protocol: u8,
        wait: Begun,
        payload: Payload,
    ) -> Message {
        let request = if wait.request.is_none() { self.new_request() } else { wait.request };
        let terms = Terms { deadline_ms: wait.deadline_ms, request };
        let caller = Caller::waiting(self.service.clone(), wait.session);
        let envelope = Box::new(Envelope { protocol, origin: None, terms });
        Message::Numbered { caller, payload, envelope }
    }

    /// Hands a log line to the service that has taken the log over; false if there is none, or if
    /// it is this one.
    pub(crate) fn tell_logger(&self, text: &[u8]) -> bool {
        let Some(logger) = self.core.logger() else { return false };
        logger.address() != self.service.address()
            && self.send_by(TEXT, &logger, text.into()).is_ok()
    }

    /// The running task, which is about to wait for an answer, takes it as a message pointer.
    pub(crate) fn expect_raw_answer(&self) {
        self.set_wait(Wait::RawAnswer);
    }

    /// Sends a message by any protocol that nobody answers.
    ///
    /// # Errors
    /// `dead`, `overload`.
    #[inline(always)]
    pub(crate) fn send_by(
        &self,
        protocol: u8,
        target: &Arc<Service>,
        payload: Payload,
    ) -> Result<(), Fault> {
        if protocol == VALUES {
            return self.send(target, payload);
        }
        self.send_numbered(protocol, target, payload)
    }

    #[inline(never)]
    fn send_numbered(
        &self,
        protocol: u8,
        target: &Arc<Service>,
        payload: Payload,
    ) -> Result<(), Fault> {
        let caller = Caller::sender(self.service.address());
        let terms = Terms::timeless(self.request());
        let envelope = Box::new(Envelope { protocol, origin: None, terms });
        target.request(Message::Numbered { caller, payload, envelope })
    }
}
