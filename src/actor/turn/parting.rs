//! The last message of a turn: a call whose task blocks, or the answer with which it ends.
//!
//! A service that is at rest gets it without its mailbox. Whoever sends it claims the service's
//! turn and keeps the message; at the end of the sender's own turn both go to the worker, which
//! runs the service next. Two services that call each other then pay for no lock and no queue.
//!
//! Invariants: a service that was claimed is scheduled, whatever becomes of the sender; and nothing
//! that one sender sent is overtaken: who finds no news in the mailbox and may claim has nothing
//! there (see [`Mailbox::has_news`](moonhive_kernel::mailbox::Mailbox::has_news)).

use std::cell::Cell;
use std::sync::Arc;

use moonhive_kernel::scheduler::{Claim, WorkerContext};

use crate::actor::host::core::Core;
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::Terms;
use crate::actor::service::Service;
use crate::actor::state::State;
use crate::message::Payload;

/// A service whose turn was claimed, and what it gets with that.
pub(in crate::actor) type Parting = (Claim<Service>, Parcel);

/// A message in a box: it passes a dozen hands, and moving it through all of them costs more than
/// its mailbox would. Boxes are used again; in a conversation one goes back and forth.
pub(crate) struct Parcel(Box<Content>);

struct Content {
    /// `None` in a spare box.
    parted: Option<Parted>,
    /// Whose turn has handed it over, once that is over: the handle that the worker needs no more.
    /// Two services that call each other count no handles, since each gets its own with what it is
    /// sent.
    sender: Option<Arc<Service>>,
}

/// What can be handed over.
pub(crate) enum Parted {
    /// A request of the sender, who waits for the answer.
    Request { session: u64, payload: Payload, terms: Terms },
    /// The answer to the request of that session.
    Answer { session: u64, payload: Payload },
}

impl Parcel {
    #[inline(always)]
    fn new(parted: Parted, spare: &Cell<Option<Parcel>>) -> Parcel {
        match spare.take() {
            Some(mut parcel) => {
                parcel.0.parted = Some(parted);
                parcel
            }
            None => Parcel(Box::new(Content { parted: Some(parted), sender: None })),
        }
    }

    /// The turn is over that has sent it.
    #[inline]
    pub(crate) fn sign(&mut self, sender: Arc<Service>) {
        self.0.sender = Some(sender);
    }

    /// What is in it, and who has sent it; the box is left as a spare one.
    #[inline]
    pub(crate) fn open(
        mut self,
        spare: &Cell<Option<Parcel>>,
    ) -> (Option<Parted>, Option<Arc<Service>>) {
        let content = (self.0.parted.take(), self.0.sender.take());
        spare.set(Some(self));
        content
    }

    /// The same as a message. `None` for a request that nobody has signed; there is none, since the
    /// worker signs what is handed over, and [`State::stay`] what is not.
    pub(crate) fn into_message(self) -> Option<Message> {
        let Content { parted, sender } = *self.0;
        debug_assert!(sender.is_some(), "every parcel is signed");
        match parted? {
            Parted::Request { session, payload, terms } => {
                let caller = Caller::waiting(sender?, session);
                Some(Message::Request { caller, payload, terms })
            }
            Parted::Answer { session, payload } => Some(Message::Answer { session, payload }),
        }
    }
}

impl Drop for State {
    /// Should a turn have come to no end, what it was about to hand over arrives all the same.
    fn drop(&mut self) {
        self.stay();
    }
}

impl State {
    /// Claims the turn of `service` for what may be the last message of this turn, if the service
    /// is at rest and nothing waits for it.
    ///
    /// # Errors
    /// The service, when the message has to go through its mailbox.
    #[inline(always)]
    pub(in crate::actor) fn claim(
        &self,
        service: Arc<Service>,
    ) -> Result<Claim<Service>, Arc<Service>> {
        if self.is_parting.get() || service.mailbox().has_news() {
            return Err(service);
        }
        self.core.handle.claim(service)
    }

    /// Keeps the message until the turn ends, or goes on.
    #[inline(always)]
    pub(in crate::actor) fn part_with(&self, claim: Claim<Service>, parted: Parted) {
        let parcel = Parcel::new(parted, &self.spare);
        self.parting.set(Some((claim, parcel)));
        self.is_parting.set(true);
    }

    /// The turn goes on with something that may last: what it was about to hand over goes the way
    /// of all messages.
    #[inline]
    pub(in crate::actor) fn stay(&self) {
        if self.is_parting.get() {
            self.send_parting();
        }
    }

    #[cold]
    fn send_parting(&self) {
        self.is_parting.set(false);
        if let Some((claim, mut parcel)) = self.parting.take() {
            parcel.sign(self.service.clone());
            claim.task().deposit(parcel);
            self.core.handle.schedule(claim);
        }
    }

    /// The turn ends, and with it what it hands over goes its way.
    #[inline]
    pub(in crate::actor) fn leave_turn(&self, context: &WorkerContext<'_, Core>) {
        if self.is_parting.replace(false)
            && let Some((claim, parcel)) = self.parting.take()
        {
            context.hand_over(claim, parcel);
        }
    }

    /// Answers a request, as the last thing that its task does. False if nobody waits for the
    /// answer any more.
    #[inline(always)]
    pub(super) fn answer(&self, caller: Caller, payload: Payload) -> bool {
        let Some((service, session)) = caller.into_parts() else { return false };
        match self.claim(service) {
            Ok(claim) => {
                self.part_with(claim, Parted::Answer { session, payload });
                true
            }
            Err(service) => service.post(Message::Answer { session, payload }),
        }
    }

    /// Answers a request from within its task. If `is_last`, that does nothing more. False if
    /// nobody waits for the answer any more.
    #[inline(always)]
    pub(crate) fn answer_early(&self, caller: Caller, payload: Payload, is_last: bool) -> bool {
        if is_last { self.answer(caller, payload) } else { caller.answer(payload) }
    }
}
