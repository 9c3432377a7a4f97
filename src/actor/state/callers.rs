//! Who is owed an answer by this service: the caller of the running task, and all of them when the
//! service ends.

use moonhive_kernel::address::Address;

use super::State;
use crate::actor::fault::{Code, Fault};
use crate::actor::message::{Caller, Message};
use crate::actor::task::Stage;

impl State {
    /// The address of the service whose request the running task serves.
    pub(crate) fn caller(&self) -> Option<Address> {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.get(self.current.get()?)?;
        task.caller.as_ref().map(Caller::address)
    }

    /// Takes the answer of the running request out of its handler.
    ///
    /// # Errors
    /// When the running task serves no request, or its answer was taken already.
    pub(crate) fn defer(&self) -> Result<Caller, Fault> {
        let none = || Fault::new(Code::Argument, "no request of this task waits for an answer");
        let key = self.current_task()?;
        let mut tasks = self.tasks.borrow_mut();
        let caller = tasks.get(key).and_then(|task| task.caller.as_mut()).ok_or_else(none)?;
        if caller.waits() { Ok(caller.take()) } else { Err(none()) }
    }

    /// Everybody who waits for something of this service that ends, and calls off its timers.
    pub(in crate::actor) fn take_callers(&self) -> Vec<Caller> {
        let mut callers = self.unanswered.take();
        callers.extend(self.skynet.take_callers());
        let keys = self.tasks.borrow().keys();
        for key in keys {
            self.disarm_timer(key);
            let Some(mut task) = self.tasks.borrow_mut().remove(key) else { continue };
            callers.extend(task.caller.take());
            if let Stage::Watching(target) = &task.stage {
                target.unwatch(&self.service, key.to_bits());
            }
            self.disarm(&mut task);
        }
        for message in self.early.take() {
            if let Message::Request { caller, .. } | Message::Numbered { caller, .. } = message {
                callers.push(caller);
            }
        }
        callers
    }

    /// One request fewer is being served.
    pub(crate) fn note_request_done(&self) {
        self.service.figures.end_request();
    }
}
