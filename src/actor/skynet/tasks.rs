//! What a program may ask about the tasks of its own service.

use crate::actor::fault::{Code, Fault};
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::{Role, Stage, Wait};
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

    /// The task whose coroutine is the thread at `index`, unless that runs.
    pub(crate) fn task_in_thread(&self, stack: &mut Stack<'_>, index: i32) -> Option<Key> {
        let keys = self.tasks.borrow().keys();
        keys.into_iter().find(|key| {
            self.push_coroutine_of(stack, *key);
            let is_it = stack.raw_equal(index, -1);
            stack.pop(1);
            is_it
        })
    }

    /// Pushes the coroutine of the task that starts the service, or nil once it has started.
    pub(crate) fn push_starter(&self, stack: &mut Stack<'_>) {
        let keys = self.tasks.borrow().keys();
        let starter = keys.into_iter().find(|key| {
            let mut tasks = self.tasks.borrow_mut();
            tasks.get(*key).is_some_and(|task| matches!(task.role, Role::Main | Role::Start))
        });
        match starter {
            Some(key) if self.current.get() == Some(key) => {
                stack.push_this_thread();
            }
            Some(key) => self.push_coroutine_of(stack, key),
            None => stack.push_nil(),
        }
    }

    /// Takes a task away without running it any further; only `__close` methods run. Whoever waits
    /// for its answer is told. False for one that runs, or that starts or ends the service.
    pub(crate) fn kill_task(&self, stack: &mut Stack<'_>, key: Key) -> bool {
        if self.cancel_timer(stack, key) {
            return true;
        }
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return false };
        let may_go = matches!(task.role, Role::Dispatch | Role::Fork | Role::Every(_));
        if !may_go || matches!(task.stage, Stage::Running) {
            return false;
        }
        if let Some(session) = task.end_wait()
            && let Wait::Token(token) = &task.wait
        {
            self.waiters.borrow_mut().forget(token, session);
        }
        if let Stage::Watching(target) = &task.stage {
            target.unwatch(&self.service, key.to_bits());
        }
        let Some(mut task) = tasks.remove(key) else { return false };
        drop(tasks);
        self.skynet.drop_watch(key);
        if let Some(caller) = task.caller.take().filter(|caller| caller.waits()) {
            self.note_request_done();
            caller.fail(Fault::new(Code::Cancelled, "the task that served the request was killed"));
        }
        self.release_task(stack, task);
        true
    }
}
