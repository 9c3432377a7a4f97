//! The protocols that a service knows: their names, how values become bytes and back, and who
//! handles what arrives.
//!
//! A service has a handful of them, so a list that is searched from the front is the quickest
//! table.

use std::collections::VecDeque;

use moonhive_kernel::mailbox::Measured;

use super::{Envelope, Origin};
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::PASSED_BYTES_MAX;
use crate::actor::message::Message;
use crate::actor::record::request::Terms;
use crate::vm::{Native, Reference};

/// How the payload of a protocol is made from values, or read.
#[derive(Debug)]
pub(crate) enum Form {
    /// The list of values that the host's codec packs.
    Values,
    /// One string.
    Text,
    /// What a function of the program makes of it.
    Function(Reference),
}

/// Who handles the messages of a protocol.
#[derive(Debug)]
pub(crate) enum Handler {
    /// Nobody yet.
    None,
    /// A function of the program.
    Function(Reference),
    /// What the table by which the program described the protocol has in its field `dispatch`:
    /// nothing yet.
    Described(Reference),
    /// A native that returns the function, called when the first message comes.
    Lazy(Native),
}

/// One protocol.
#[derive(Debug)]
pub(crate) struct Protocol {
    pub(crate) number: u8,
    pub(crate) name: Box<[u8]>,
    /// `None` for a protocol whose messages this service cannot make.
    pub(crate) pack: Option<Form>,
    /// `None` for messages that are handed over as a pointer and a size.
    pub(crate) unpack: Option<Form>,
    pub(crate) handler: Handler,
    /// Each of its messages begins a request that is traced by log lines.
    pub(crate) traced: bool,
}

/// The program's own `skynet.dispatch_message`.
pub(crate) struct Dispatcher {
    pub(crate) function: Reference,
    /// Messages that it has left to the host and that are not handled yet.
    pub(super) passed: VecDeque<Message>,
    /// What they take.
    passed_bytes: usize,
    /// Whose message it looks at just now, and under what terms that was sent.
    pub(crate) offered: Option<(Origin, Terms)>,
}

impl Dispatcher {
    /// Leaves a message to the host.
    ///
    /// # Errors
    /// `overload` when too much waits there.
    pub(super) fn pass(&mut self, message: Message) -> Result<(), Fault> {
        let bytes = self.passed_bytes + taken_bytes(&message);
        if bytes > PASSED_BYTES_MAX {
            let count = self.passed.len();
            let text = format!(
                "too much was passed to skynet.dispatch_message: {count} messages wait to be handled\n\
                 hint: return from the dispatcher, or wait, before passing more"
            );
            return Err(Fault::new(Code::Overload, text));
        }
        self.passed_bytes = bytes;
        self.passed.push_back(message);
        Ok(())
    }

    pub(super) fn next_passed(&mut self) -> Option<Message> {
        let message = self.passed.pop_front()?;
        self.passed_bytes -= taken_bytes(&message);
        Some(message)
    }
}

/// What a message takes while it waits.
fn taken_bytes(message: &Message) -> usize {
    message.size_bytes() + size_of::<Message>() + size_of::<Envelope>()
}

/// All protocols of one service.
#[derive(Default)]
pub(crate) struct Protocols {
    list: Vec<Protocol>,
    /// What arrives as the first is handled as the second, and its bytes belong to the program.
    forwarded: Vec<(u8, u8)>,
    /// Handles what has no handler.
    pub(crate) unknown_request: Option<Reference>,
    /// Handles answers that no task waits for.
    pub(crate) unknown_response: Option<Reference>,
    /// What the program has put in the place of the host's handling of the protocols `"response"`
    /// and `"error"`.
    pub(crate) own: [Option<Reference>; 2],
    /// Rewrites every message before it finds its handler.
    pub(crate) filter: Option<Reference>,
    /// Handles every message in the place of the host.
    pub(crate) dispatcher: Option<Box<Dispatcher>>,
    /// The module `skynet` of this service.
    pub(crate) module: Option<Reference>,
    /// Is shown every message as it came.
    pub(crate) record: Option<Reference>,
}

impl Protocols {
    /// True in a service that handles numbered protocols.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Has a function of the program handle every message; returns the one of before.
    pub(crate) fn give_way(&mut self, function: Reference) -> Option<Reference> {
        let new = Dispatcher { function, passed: VecDeque::new(), passed_bytes: 0, offered: None };
        self.dispatcher.replace(Box::new(new)).map(|before| before.function)
    }

    /// Makes room for just so many, which is all that most services have.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.list.reserve_exact(count);
    }

    pub(crate) fn add(&mut self, protocol: Protocol) {
        self.list.push(protocol);
    }

    #[inline]
    pub(crate) fn numbered(&self, number: u8) -> Option<&Protocol> {
        self.list.iter().find(|protocol| protocol.number == number)
    }

    /// The function that handles the messages of a protocol as lists of values, unless anything
    /// about that is special.
    #[inline(always)]
    pub(crate) fn usual_handler(&self, number: u8) -> Option<&Reference> {
        if !self.forwarded.is_empty() {
            return None;
        }
        match self.numbered(number)? {
            Protocol {
                handler: Handler::Function(handler), unpack: Some(Form::Values), ..
            } => Some(handler),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn named(&self, name: &[u8]) -> Option<&Protocol> {
        self.list.iter().find(|protocol| *protocol.name == *name)
    }

    /// Has the messages of a protocol traced, or not; false if there is no such protocol.
    pub(crate) fn set_traced(&mut self, number: u8, traced: bool) -> bool {
        let protocol = self.list.iter_mut().find(|protocol| protocol.number == number);
        protocol.map(|protocol| protocol.traced = traced).is_some()
    }

    /// Replaces the handler and returns the old one.
    pub(crate) fn set_handler(&mut self, number: u8, handler: Handler) -> Option<Handler> {
        let protocol = self.list.iter_mut().find(|protocol| protocol.number == number)?;
        Some(std::mem::replace(&mut protocol.handler, handler))
    }

    /// The names, in the order of registration.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(|protocol| &*protocol.name)
    }

    /// Lets messages that arrive as `from` be handled as `to`.
    pub(crate) fn forward(&mut self, from: u8, to: u8) {
        self.forwarded.push((from, to));
    }

    /// What a message that arrives as `number` is handled as, if the program forwards it.
    #[inline]
    pub(crate) fn forwarded(&self, number: u8) -> Option<u8> {
        self.forwarded.iter().find(|(from, _)| *from == number).map(|&(_, to)| to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(number: u8, name: &str) -> Protocol {
        let name = name.as_bytes().into();
        let handler = Handler::None;
        Protocol { number, name, pack: None, unpack: None, handler, traced: false }
    }

    #[test]
    fn protocols_are_found_by_name_and_by_number() {
        let mut protocols = Protocols::default();
        assert!(!protocols.any());
        protocols.add(protocol(10, "lua"));
        protocols.add(protocol(3, "client"));
        assert_eq!(protocols.named(b"client").map(|found| found.number), Some(3));
        assert_eq!(protocols.numbered(10).map(|found| &*found.name), Some(b"lua".as_slice()));
        assert!(protocols.named(b"text").is_none() && protocols.numbered(0).is_none());
    }

    #[test]
    fn a_forwarded_protocol_tells_what_handles_it() {
        let mut protocols = Protocols::default();
        protocols.forward(10, 4);
        assert_eq!((protocols.forwarded(10), protocols.forwarded(4)), (Some(4), None));
    }
}
