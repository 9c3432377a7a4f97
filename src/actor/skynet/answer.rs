//! Answers that a program gives by itself, at any time while its handler runs or later.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use moonhive_kernel::address::Address;
use parking_lot::Mutex;

use super::{Envelope, Origin, Skynet};
use crate::actor::fault::Fault;
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::Terms;
use crate::actor::service::Service;
use crate::actor::state::State;
use crate::actor::task::{Role, SESSION_INDEX_BITS, Task};
use crate::message::Payload;

/// What the running task owes.
pub(crate) enum Owed {
    /// It serves nobody, or the answer was given or taken already.
    Nothing,
    /// It serves a message that nobody waits for.
    NoAnswer,
    /// Whoever has this owes an answer.
    Answer(Caller),
}

/// What becomes of an answer that a task has taken out of its request, when it is dropped.
pub(crate) struct OpenAnswer {
    stays: Arc<AtomicBool>,
    ignored: Weak<Mutex<Vec<Caller>>>,
}

impl OpenAnswer {
    /// Keeps the caller until the service ends or answers by itself, if the program meant that;
    /// else the caller comes back.
    pub(crate) fn keep(&self, caller: Caller) -> Option<Caller> {
        match self.ignored.upgrade() {
            Some(ignored) if self.stays.load(Relaxed) => {
                ignore(&ignored, caller);
                None
            }
            _ => Some(caller),
        }
    }
}

impl State {
    /// Takes what the running task owes out of it.
    #[inline(always)]
    pub(crate) fn take_owed(&self) -> Owed {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = self.current.get().and_then(|key| tasks.get(key)) else {
            return Owed::Nothing;
        };
        if !serves(task) {
            return Owed::Nothing;
        }
        match &mut task.caller {
            Some(_) if std::mem::replace(&mut task.answered, true) => Owed::Nothing,
            Some(caller) if caller.waits() => Owed::Answer(caller.take()),
            Some(_) => Owed::NoAnswer,
            None => Owed::Nothing,
        }
    }

    /// Session and source of the request that the running task serves; no session once it was
    /// answered.
    pub(crate) fn origin(&self) -> Option<(Option<i64>, i64)> {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.get(self.current.get()?).filter(|task| serves(task))?;
        let origin = match &task.origin {
            Some(origin) => **origin,
            None => task.caller.as_ref().map(Origin::of)?,
        };
        Some((Some(origin.session).filter(|_| !task.answered), origin.source))
    }

    /// Leaves the answer of the running request to a later [`State::send_as`] in the caller's name.
    /// The caller is told if the service ends before.
    pub(crate) fn ignore_request(&self) {
        match self.take_owed() {
            Owed::Answer(caller) => {
                self.note_request_done();
                self.skynet.ignore(caller);
            }
            Owed::Nothing => self.leave_open(),
            Owed::NoAnswer => {}
        }
    }

    /// The running task takes the answer out of its request, to give it later. What is returned
    /// says whether it may be dropped without a word.
    pub(crate) fn open_answer(&self) -> OpenAnswer {
        let stays = Arc::new(AtomicBool::new(false));
        if let Some(task) = self.current.get() {
            self.skynet.opened.replace(Some((task, Arc::downgrade(&stays))));
        }
        OpenAnswer { stays, ignored: Arc::downgrade(&self.skynet.ignored) }
    }

    /// The running task means what it has taken out of its request to stay open.
    fn leave_open(&self) {
        let opened = self.skynet.opened.borrow();
        if let Some((task, stays)) = &*opened
            && self.current.get() == Some(*task)
            && let Some(stays) = stays.upgrade()
        {
            stays.store(true, Relaxed);
        }
    }

    /// Sends a request in the name of `origin`. The answer goes to it directly, and is owed by the
    /// receiver alone from now on.
    ///
    /// # Errors
    /// `dead`, `overload`.
    pub(crate) fn send_as(
        &self,
        origin: Origin,
        target: &Arc<Service>,
        protocol: u8,
        payload: Payload,
    ) -> Result<(), Fault> {
        target.request(self.message_as(origin, target, protocol, payload))
    }

    /// The message of `send_as`.
    pub(super) fn message_as(
        &self,
        origin: Origin,
        target: &Arc<Service>,
        protocol: u8,
        payload: Payload,
    ) -> Message {
        let terms = Terms::timeless(self.request());
        let Some(source) = origin.service(self) else {
            let caller = Caller::sender(self.service.address());
            let envelope = Box::new(Envelope { protocol, origin: Some(origin), terms });
            return Message::Numbered { caller, payload, envelope };
        };
        let is_own = Arc::ptr_eq(&source, &self.service);
        let caller = match u64::try_from(origin.session) {
            Ok(session) if session != 0 => {
                if is_own {
                    self.note_asked(origin.session, target.address().number() as i64);
                }
                self.caller_of(&source, session)
            }
            _ => Caller::sender(source.address()),
        };
        let envelope = Box::new(Envelope { protocol, origin: None, terms });
        Message::Numbered { caller, payload, envelope }
    }

    /// Ends the wait of `target` under that session, if it waits, in the place of whoever owes it
    /// the answer.
    pub(crate) fn answer_as(
        &self,
        target: &Arc<Service>,
        session: i64,
        answer: Result<Payload, Fault>,
    ) {
        let Ok(session @ 1..) = u64::try_from(session) else { return };
        let caller = self.caller_of(target, session);
        match answer {
            Ok(payload) => caller.answer(payload),
            Err(fault) => caller.fail(fault),
        };
    }

    /// The caller that waits under that session: the one whose request this service has, if any.
    fn caller_of(&self, source: &Arc<Service>, session: u64) -> Caller {
        let mut tasks = self.tasks.borrow_mut();
        if let Some(task) = self.current.get().and_then(|key| tasks.get(key))
            && let Some(caller) = &mut task.caller
            && caller.is(source.address(), session)
        {
            self.note_request_done();
            task.answered = true;
            return caller.take();
        }
        let ignored = self.skynet.take_ignored(source.address(), session);
        ignored.unwrap_or_else(|| Caller::waiting(source.clone(), session))
    }
}

impl Skynet {
    /// The program answers that caller by itself, or the end of the service does.
    pub(super) fn ignore(&self, caller: Caller) {
        ignore(&self.ignored, caller);
    }

    /// The caller of that session, if the program has taken upon itself to answer it.
    pub(super) fn take_ignored(&self, source: Address, session: u64) -> Option<Caller> {
        let mut ignored = self.ignored.lock();
        let place = ignored.iter().position(|caller| caller.is(source, session))?;
        Some(ignored.swap_remove(place))
    }
}

/// Keeps a caller until the program answers it. Nobody waits under a number that means something to
/// the program, such as a connection, and there may be one with each message: it is not kept, and
/// may be answered all the same.
fn ignore(ignored: &Mutex<Vec<Caller>>, caller: Caller) {
    if caller.session() >> SESSION_INDEX_BITS == 0 {
        return caller.disarm();
    }
    ignored.lock().push(caller);
}

/// True for a task that serves a message; whoever waits for the start of a service is no caller.
fn serves(task: &Task) -> bool {
    matches!(task.role, Role::Dispatch | Role::Handler)
}

impl Origin {
    /// Who called, and the session under which it waits.
    pub(crate) fn of(caller: &Caller) -> Origin {
        let source = caller.address().number() as i64;
        Origin { source, session: caller.session() as i64 }
    }

    /// The service that is named, if it lives. The session may be any number: an answer under one
    /// that nobody waits for goes to the handler of unknown answers.
    fn service(&self, state: &State) -> Option<Arc<Service>> {
        let number = u64::try_from(self.source).ok()?;
        let address = Address::from_number(number)?;
        state.core.table.get(address)
    }
}
