//! `hive.defer`: an answer that outlives its handler.

use std::cell::Cell;
use std::sync::Arc;

use super::failure;
use crate::actor::{Caller, Code, Fault, Service, State, unsendable};
use crate::vm::{Native, NativeResult, Outcome, Stack, Userdata};

pub(super) const NATIVES: [(&str, Native); 1] = [("defer", Native::new(defer))];

/// An answer that is still owed. Whoever lets go of it, the collector included, tells the caller.
struct Reply {
    caller: Cell<Option<Caller>>,
    /// The service that owes it.
    service: Arc<Service>,
}

impl Userdata for Reply {
    const NAME: &'static str = "reply";

    fn methods() -> &'static [(&'static str, Native)] {
        const METHODS: [(&str, Native); 1] = [("error", Native::new(error))];
        &METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        const METAMETHODS: [(&str, Native); 2] =
            [("__call", Native::new(answer)), ("__close", Native::new(close))];
        &METAMETHODS
    }
}

impl Reply {
    fn take(&self) -> Option<Caller> {
        let caller = self.caller.take()?;
        self.service.figures.end_deferred();
        Some(caller)
    }

    /// Tells the caller that nobody will answer.
    fn let_go(&self) {
        if let Some(caller) = self.take() {
            caller.fail(match self.service.obituary() {
                Some(obituary) => obituary.to_fault(),
                None => Fault::new(Code::Dead, "the deferred reply was dropped without an answer"),
            });
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// `hive.defer()`.
fn defer(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.defer() {
        Ok(caller) => {
            let (caller, service) = (Cell::new(Some(caller)), state.service.clone());
            state.note_deferred();
            stack.push_userdata(Reply { caller, service });
            Ok(Outcome::Return(1))
        }
        Err(fault) => Err(failure::raise(stack, state, fault)),
    }
}

/// `reply(...)`: true if the caller is there and had no answer yet.
fn answer(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_userdata::<Reply>(1)?;
    let count = stack.top() - 1;
    let payload = match stack.pack(2, count, "results") {
        Ok(payload) => payload,
        Err(error) => {
            return Err(failure::raise(stack, state, unsendable("the answer", &error, "")));
        }
    };
    let caller = stack.check_userdata::<Reply>(1)?.take();
    stack.push_bool(caller.is_some_and(|caller| caller.answer(payload)));
    Ok(Outcome::Return(1))
}

/// `reply:error(err)`: the same with an error in place of an answer.
fn error(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_userdata::<Reply>(1)?;
    stack.check_any(2)?;
    let fault = failure::fault_at(stack, 2).seen_by_caller();
    let caller = stack.check_userdata::<Reply>(1)?.take();
    stack.push_bool(caller.is_some_and(|caller| caller.fail(fault)));
    Ok(Outcome::Return(1))
}

/// `__close`: an answer that was not given by the end of its scope is not given any more.
fn close(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_userdata::<Reply>(1)?.let_go();
    Ok(Outcome::Return(0))
}
