//! Answers that a program gives by itself, at any time while its handler runs or later.

use std::sync::Arc;

use moonhive_kernel::address::Address;

use super::{Envelope, Origin};
use crate::actor::fault::Fault;
use crate::actor::message::{Caller, Message};
use crate::actor::request::Terms;
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

impl State {
    /// Takes what the running task owes out of it.
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

    /// Session and source of the request that the running task serves; no session once it was answered.
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
        if let Owed::Answer(caller) = self.take_owed() {
            self.note_request_done();
            self.skynet.ignored.borrow_mut().push(caller);
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
        let terms = Terms::timeless(self.request());
        let Some(source) = origin.service(self) else {
            let caller = Caller::sender(self.service.clone());
            let envelope = Box::new(Envelope { protocol, origin: Some(origin), terms });
            return target.request(Message::Numbered { caller, payload, envelope });
        };
        let is_own = Arc::ptr_eq(&source, &self.service);
        let caller = match u64::try_from(origin.session) {
            Ok(session) if session != 0 => {
                if is_own {
                    self.note_asked(origin.session, target.address().number() as i64);
                }
                self.caller_of(&source, session)
            }
            _ => Caller::sender(source),
        };
        let envelope = Box::new(Envelope { protocol, origin: None, terms });
        target.request(Message::Numbered { caller, payload, envelope })
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
            && caller.is(source, session)
        {
            self.note_request_done();
            task.answered = true;
            return caller.take();
        }
        let mut ignored = self.skynet.ignored.borrow_mut();
        match ignored.iter().position(|caller| caller.is(source, session)) {
            Some(place) => ignored.swap_remove(place),
            None => Caller::waiting(source.clone(), session),
        }
    }
}

/// True for a task that serves a message; whoever waits for the start of a service is no caller.
fn serves(task: &Task) -> bool {
    matches!(task.role, Role::Dispatch | Role::Handler)
}

impl Origin {
    /// Who called, and the session under which it waits.
    pub(crate) fn of(caller: &Caller) -> Origin {
        let source = caller.service().address().number() as i64;
        Origin { source, session: caller.session() as i64 }
    }

    /// The service that is named, unless its session is no session of a wait but a number that means
    /// something to the program, such as a channel or a connection.
    fn service(&self, state: &State) -> Option<Arc<Service>> {
        if self.session != 0 && self.session >> SESSION_INDEX_BITS == 0 {
            return None;
        }
        let number = u64::try_from(self.source).ok()?;
        let address = Address::from_number(number)?;
        state.core.table.get(address)
    }
}
