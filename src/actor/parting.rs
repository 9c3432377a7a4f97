//! The last message of a turn: a call whose task blocks, or the answer with which it ends.
//!
//! A service that is at rest gets it without its mailbox. Whoever sends it claims the service's turn
//! and keeps the message; at the end of the sender's own turn both go to the worker, which runs the
//! service next. Two services that call each other then pay for no lock and no queue.
//!
//! Invariants: a service that was claimed is scheduled, whatever becomes of the sender; and nothing
//! that one sender sent is overtaken: who finds no news in the mailbox and may claim has nothing there
//! (see [`Mailbox::has_news`](moonhive_kernel::mailbox::Mailbox::has_news)).

use std::cell::Cell;
use std::sync::Arc;

use super::message::{Caller, Message};
use super::service::Service;
use super::state::State;
use crate::message::Payload;

/// A service whose turn was claimed, and the message for it. Dropping it schedules the service as any
/// other message would.
pub(crate) struct Parting(Option<(Arc<Service>, Parcel)>);

/// A message in a box: it passes a dozen hands, and moving it through all of them costs more than its
/// mailbox would. Boxes are used again; in a conversation one goes back and forth.
pub(crate) struct Parcel(Box<Option<Message>>);

impl Parcel {
    #[inline]
    fn new(message: Message, spare: &Cell<Option<Parcel>>) -> Parcel {
        match spare.take() {
            Some(mut parcel) => {
                *parcel.0 = Some(message);
                parcel
            }
            None => Parcel(Box::new(Some(message))),
        }
    }

    /// The message; the box is left as a spare one.
    #[inline]
    pub(crate) fn open(mut self, spare: &Cell<Option<Parcel>>) -> Option<Message> {
        let message = self.0.take();
        spare.set(Some(self));
        message
    }

    /// The message alone.
    pub(crate) fn into_message(mut self) -> Option<Message> {
        self.0.take()
    }
}

/// A message and the service that it is for.
pub(crate) struct Parted {
    pub(crate) service: Arc<Service>,
    pub(crate) message: Message,
}

impl Parting {
    /// Claims the turn of `service`, if it is at rest and nothing waits for it.
    ///
    /// # Errors
    /// Both, when the message has to go through the mailbox.
    #[inline]
    pub(crate) fn claim(
        service: Arc<Service>,
        message: Message,
        spare: &Cell<Option<Parcel>>,
    ) -> Result<Parting, Parted> {
        if service.mailbox().has_news() || !service.claim() {
            return Err(Parted { service, message });
        }
        Ok(Parting(Some((service, Parcel::new(message, spare)))))
    }

    /// Takes over what is owed to the service.
    #[inline]
    pub(crate) fn part(mut self) -> Option<(Arc<Service>, Parcel)> {
        self.0.take()
    }
}

impl Drop for Parting {
    #[inline]
    fn drop(&mut self) {
        if let Some((service, parcel)) = self.0.take() {
            service.deposit(parcel);
            service.schedule_claimed();
        }
    }
}

impl State {
    /// Sends what may be the last message of this turn.
    ///
    /// # Errors
    /// What has to go through the mailbox.
    #[inline]
    pub(super) fn part_with(&self, service: Arc<Service>, message: Message) -> Result<(), Parted> {
        if self.is_parting.get() {
            return Err(Parted { service, message });
        }
        self.parting.set(Some(Parting::claim(service, message, &self.spare)?));
        self.is_parting.set(true);
        Ok(())
    }

    /// The turn goes on with something that may last: what it was about to hand over goes the way of
    /// all messages.
    #[inline]
    pub(super) fn stay(&self) {
        if self.is_parting.replace(false) {
            drop(self.parting.take());
        }
    }

    /// The turn ends: what it hands over.
    #[inline]
    pub(super) fn leave_turn(&self) -> Option<Parting> {
        if self.is_parting.replace(false) { self.parting.take() } else { None }
    }

    /// Answers a request, as the last thing that its task does.
    pub(super) fn answer(&self, caller: Caller, payload: Payload) {
        let Some(answer) = caller.into_answer(payload) else { return };
        if let Err(Parted { service, message }) = self.part_with(answer.service, answer.message) {
            service.post(message);
        }
    }

    /// Answers a request from within its task. If `is_last`, that does nothing more. False if nobody waits
    /// for the answer any more.
    #[inline]
    pub(crate) fn answer_early(&self, caller: Caller, payload: Payload, is_last: bool) -> bool {
        if !is_last {
            return caller.answer(payload);
        }
        let Some(answer) = caller.into_answer(payload) else { return false };
        match self.part_with(answer.service, answer.message) {
            Ok(()) => true,
            Err(Parted { service, message }) => service.post(message),
        }
    }
}
