//! How a service of skynet ends itself: by `skynet.exit`, or by `skynet.kill` of its own address.

use super::Skynet;
use crate::actor::end::End;
use crate::actor::fault::Fault;
use crate::actor::message::Message;
use crate::actor::slots::Key;
use crate::actor::state::{ExitStage, State};

impl Skynet {
    /// True once the service has decided to end: no other task begins or goes on.
    #[inline]
    pub(in crate::actor) fn is_leaving(&self) -> bool {
        self.is_leaving.get()
    }

    /// Puts the task that called `skynet.exit` behind all others, which are closed first.
    pub(in crate::actor) fn put_leaver_last(&self, tasks: &mut [Key]) {
        if let Some(leaver) = self.leaver.get() {
            tasks.sort_by_key(|task| *task == leaver);
        }
    }
}

impl State {
    /// The service ends when the running task lets go, as it does at once.
    pub(crate) fn exit_own(&self) {
        self.core.let_main_go(&self.service);
        self.skynet.leaver.set(self.current.get());
        self.skynet.is_leaving.set(true);
        self.leave(End::Exited(None));
    }

    /// The service is killed: nobody finds it from now on, and it ends when the running task waits
    /// or ends.
    pub(crate) fn kill_own(&self) {
        let end = End::Killed(None);
        self.core.retire(&self.service, end.clone());
        // A finalizer may run outside of any turn, which is then needed.
        self.service.turn_away(Message::Kill(Box::new(end.clone())));
        self.skynet.is_leaving.set(true);
        self.leave(end);
        // Nothing can be told to an exit handler any more.
        self.exit.set(ExitStage::Done);
    }

    /// Why whoever waits for the start of this service waits in vain although its start function
    /// has returned.
    pub(in crate::actor) fn start_in_vain(&self) -> Option<Fault> {
        if self.service.is_killed() {
            return Some(self.service.dead());
        }
        let leaving = self.leaving.borrow();
        leaving.as_ref().map(|end| end.to_fault(&self.service.label()))
    }
}
