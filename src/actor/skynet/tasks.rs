//! What a program may ask about the tasks of its own service.

use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::Stage;
use crate::vm::{Coroutine, Stack};

impl State {
    /// True once the service's file has returned.
    pub(crate) fn has_started(&self) -> bool {
        self.main_done.get()
    }

    /// Pushes the coroutine of a task that has one, or nil.
    pub(crate) fn push_coroutine_of(&self, stack: &mut Stack<'_>, key: Key) {
        match self.tasks.borrow_mut().get(key).map(|task| &task.stage) {
            Some(
                Stage::Fresh(coroutine, _)
                | Stage::Ready(coroutine, _)
                | Stage::Suspended(coroutine),
            ) => stack.push_coroutine(coroutine),
            _ => stack.push_nil(),
        }
    }

    /// Calls `visit` with each task that waits: its session and its coroutine.
    pub(crate) fn for_each_waiting(&self, mut visit: impl FnMut(u64, &Coroutine)) {
        let mut tasks = self.tasks.borrow_mut();
        for key in tasks.keys() {
            if let Some(task) = tasks.get(key)
                && let Stage::Suspended(coroutine) = &task.stage
            {
                visit(task.session(), coroutine);
            }
        }
    }

    /// The task that waits under a session.
    pub(crate) fn task_waiting_under(&self, session: u64) -> Option<Key> {
        let mut tasks = self.tasks.borrow_mut();
        let keys = if session == 0 { Vec::new() } else { tasks.keys() };
        keys.into_iter().find(|key| tasks.get(*key).is_some_and(|task| task.session() == session))
    }
}
