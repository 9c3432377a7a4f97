//! What lies in a mailbox, and the promise that every request is answered.
//!
//! A request carries a [`Caller`]: whoever holds it owes an answer, and dropping it unanswered
//! tells the caller so. Every way a request can go (a full mailbox, a service that ends, a deferred
//! answer that the collector takes) therefore ends with something for the caller.

use std::num::NonZeroU64;
use std::sync::Arc;

use moonhive_kernel::address::Address;
use moonhive_kernel::mailbox::Measured;

use super::end::End;
use super::fault::{Code, Fault};
use super::host::inquiry::Inquiry;
use super::record::request::Terms;
use super::service::Service;
use super::skynet::Envelope;
use super::task::alarm::Alarm;
use super::task::due::Due;
use crate::message::Payload;

/// A message is moved four times on its way, in words of 16 bytes.
const _: () = assert!(size_of::<Message>() <= 80 && size_of::<Caller>() == 16);

/// One message to a service.
pub(crate) enum Message {
    /// The first one: run the service's file with these arguments.
    Start { caller: Caller, arguments: Payload },
    /// A method and its arguments; a caller that waits for nothing makes it a one-way message.
    Request { caller: Caller, payload: Payload, terms: Terms },
    /// A message of a numbered protocol, or in the name of somebody who is no living service.
    Numbered { caller: Caller, payload: Payload, envelope: Box<Envelope> },
    /// The answer to the request of that session.
    Answer { session: u64, payload: Payload },
    /// Why the request of that session has no answer.
    Failure { session: u64, fault: Box<Fault> },
    /// A timer has expired.
    Alarm(Alarm),
    /// Several have, in this order.
    Alarms(Due),
    /// What the wait of that session is for has come about outside the host.
    Rung { session: u64 },
    /// A service that is watched under that key has ended.
    Ended { watch: u64, obituary: Arc<Obituary> },
    /// End without running any more code of the service.
    Kill(Box<End>),
    /// Run the exit handler, then end.
    Stop(Box<End>),
    /// The host shuts down: run the exit handler and go on serving until told to end.
    PrepareToEnd,
    /// Tell what the tasks wait for.
    Inquiry(Inquiry),
    /// Nothing but a turn, at whose end the VM tells which unused shared strings it holds.
    Census,
    /// There are messages that the program's own dispatcher has left to the host.
    Passed,
    /// Collect garbage if that may free code that was replaced.
    LetGo,
}

/// Who has ended and why; shared by all who are told. It must not hold the service, which holds it.
#[derive(Debug)]
pub(crate) struct Obituary {
    pub(crate) address: Address,
    label: Box<str>,
    pub(crate) end: End,
}

impl Obituary {
    pub(crate) fn new(service: &Service, end: End) -> Obituary {
        Obituary { address: service.address(), label: service.label().into(), end }
    }

    /// The service's name and address.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// What a caller of the service is told.
    pub(crate) fn to_fault(&self) -> Fault {
        self.end.to_fault(&self.label)
    }
}

/// Whoever sent a request, and whether it waits for the answer.
pub(crate) struct Caller(Who);

/// Who waits is held until it has its answer. Of a mere sender the address will do: handles are
/// counted at a place that the processors of both would write with each message.
enum Who {
    Waits { service: Arc<Service>, session: NonZeroU64 },
    Sends(Address),
}

impl Caller {
    /// A caller that waits under `session`; under 0 it waits for nothing.
    #[inline]
    pub(crate) fn waiting(service: Arc<Service>, session: u64) -> Caller {
        match NonZeroU64::new(session) {
            Some(session) => Caller(Who::Waits { service, session }),
            None => Caller::sender(service.address()),
        }
    }

    /// A sender that waits for nothing.
    #[inline]
    pub(crate) fn sender(address: Address) -> Caller {
        Caller(Who::Sends(address))
    }

    /// True if an answer is owed.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        matches!(self.0, Who::Waits { .. })
    }

    /// The session under which it waits; 0 if it does not.
    pub(crate) fn session(&self) -> u64 {
        match self.0 {
            Who::Waits { session, .. } => session.get(),
            Who::Sends(_) => 0,
        }
    }

    /// The address of the service that called.
    pub(crate) fn address(&self) -> Address {
        match &self.0 {
            Who::Waits { service, .. } => service.address(),
            Who::Sends(address) => *address,
        }
    }

    /// Whether a service waits that has not ended.
    pub(crate) fn still_waits(&self) -> bool {
        matches!(&self.0, Who::Waits { service, .. } if service.obituary().is_none())
    }

    /// True if it is the service with that address, waiting under that session.
    pub(crate) fn is(&self, address: Address, session: u64) -> bool {
        session != 0 && self.session() == session && self.address() == address
    }

    /// Takes over what is owed; what remains only tells who called.
    #[inline]
    pub(crate) fn take(&mut self) -> Caller {
        let sender = Caller::sender(self.address());
        std::mem::replace(self, sender)
    }

    /// Sends the answer. False if the caller has ended meanwhile, or waits for nothing.
    pub(crate) fn answer(self, payload: Payload) -> bool {
        self.into_parts()
            .is_some_and(|(service, session)| service.post(Message::Answer { session, payload }))
    }

    /// Takes over to answer: the service, and the session under which it waits; `None` if it does
    /// not.
    #[inline]
    pub(super) fn into_parts(mut self) -> Option<(Arc<Service>, u64)> {
        self.give_up()
    }

    /// Sends a failure in place of the answer.
    pub(crate) fn fail(self, fault: Fault) -> bool {
        self.into_parts().is_some_and(|(service, session)| {
            service.post(Message::Failure { session, fault: Box::new(fault) })
        })
    }

    /// Forgets that an answer is owed: the caller is told otherwise.
    pub(crate) fn disarm(self) {
        self.into_parts();
    }

    /// What is owed, and to whom; from here on nothing is.
    #[inline]
    fn give_up(&mut self) -> Option<(Arc<Service>, u64)> {
        let sender = Who::Sends(self.address());
        match std::mem::replace(&mut self.0, sender) {
            Who::Waits { service, session } => Some((service, session.get())),
            Who::Sends(_) => None,
        }
    }
}

impl Drop for Caller {
    #[inline]
    fn drop(&mut self) {
        if self.waits() {
            tell_unanswered(self);
        }
    }
}

#[cold]
fn tell_unanswered(caller: &mut Caller) {
    if let Some((service, session)) = caller.give_up() {
        let text = "the callee let go of the request without answering it";
        let fault = Box::new(Fault::new(Code::Dead, text));
        service.post(Message::Failure { session, fault });
    }
}

impl Message {
    /// Tells the caller of a message that will not be handled.
    pub(crate) fn reject(self, fault: impl FnOnce() -> Fault) {
        if let Message::Start { caller, .. }
        | Message::Request { caller, .. }
        | Message::Numbered { caller, .. } = self
            && caller.waits()
        {
            caller.fail(fault());
        }
    }

    /// Adds alarms to the message that came last, if that holds alarms as well; otherwise they come
    /// back.
    pub(super) fn join_alarms(last: &mut Message, alarms: Message) -> Option<Message> {
        match (&mut *last, alarms) {
            (Message::Alarms(all), Message::Alarm(alarm)) => all.put([alarm.pack()]),
            (Message::Alarms(all), Message::Alarms(more)) => all.put(more),
            (Message::Alarm(first), Message::Alarm(alarm)) => {
                *last = Message::Alarms(Due::new(vec![first.pack(), alarm.pack()]));
            }
            (_, alarms) => return Some(alarms),
        }
        None
    }

    /// The same when the sender itself is told by other means.
    pub(crate) fn disarm(self) {
        if let Message::Start { caller, .. }
        | Message::Request { caller, .. }
        | Message::Numbered { caller, .. } = self
        {
            caller.disarm();
        }
    }
}

impl Measured for Message {
    fn size_bytes(&self) -> usize {
        match self {
            Message::Start { arguments: payload, .. }
            | Message::Request { payload, .. }
            | Message::Numbered { payload, .. }
            | Message::Answer { payload, .. } => payload.len(),
            Message::Failure { fault, .. } => fault.message.len() + fault.traceback.len(),
            _ => 0,
        }
    }

    fn is_displaceable(&self) -> bool {
        matches!(self, Message::Request { .. } | Message::Numbered { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::task::alarm::PackedAlarm;

    #[test]
    fn alarms_become_one_message_and_nothing_else_does() {
        let alarm = |number| Message::Alarm(Alarm::Begin(number));
        let mut last = alarm(1);
        assert!(Message::join_alarms(&mut last, alarm(2)).is_none());
        assert!(Message::join_alarms(&mut last, alarm(3)).is_none());
        let more = Due::new(vec![Alarm::Begin(4).pack(), Alarm::Begin(5).pack()]);
        assert!(Message::join_alarms(&mut last, Message::Alarms(more)).is_none());
        let Message::Alarms(all) = last else { panic!("alarms") };
        let numbers: Vec<Alarm> = all.map(PackedAlarm::unpack).collect();
        assert_eq!(numbers, (1..6).map(Alarm::Begin).collect::<Vec<_>>());
        let mut other = Message::Rung { session: 1 };
        assert!(Message::join_alarms(&mut other, alarm(6)).is_some());
        assert!(matches!(other, Message::Rung { session: 1 }));
    }
}
