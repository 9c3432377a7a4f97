//! Tasks that are called off, wherever they stand, and what a task lets go of that never runs
//! again.
//!
//! One that waits is not ended from outside: it goes on with an error, so that the program can
//! clean up after itself. One that has not begun just goes.

use super::State;
use crate::actor::fault::{Code, Fault};
use crate::actor::slots::Key;
use crate::actor::task::{Role, Stage, Task};
use crate::vm::{Reference, Stack};

impl State {
    /// Ends a task wherever it stands. False if there was nothing left to end.
    ///
    /// # Errors
    /// When the task is the running one.
    pub(crate) fn cancel(&self, stack: &mut Stack<'_>, key: Key) -> Result<bool, Fault> {
        if self.cancel_timer(stack, key) {
            return Ok(true);
        }
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return Ok(false) };
        if let Role::Every(every) = &mut task.role {
            every.cancelled = true;
        }
        match &task.stage {
            Stage::Running if self.current.get() == Some(key) && !is_repeated(task) => {
                let text = "a task cannot cancel itself\nhint: return, or raise an error";
                Err(Fault::new(Code::Argument, text))
            }
            Stage::Running => Ok(is_repeated(task)),
            Stage::Ready(..) => {
                task.doom.get_or_insert_with(cancelled);
                Ok(true)
            }
            Stage::Suspended(_) => {
                self.interrupt_wait(task, key);
                Ok(true)
            }
            Stage::Fresh(..) | Stage::Armed | Stage::Watching(_) | Stage::Expecting => {
                if let Stage::Watching(target) = &task.stage {
                    target.unwatch(&self.service, key.to_bits());
                }
                drop(tasks);
                self.drop_task(stack, key);
                Ok(true)
            }
        }
    }

    /// Calls off a timer that has not begun its task. False if there is none of that key.
    pub(in crate::actor) fn cancel_timer(&self, stack: &mut Stack<'_>, key: Key) -> bool {
        let function = self.disarm_timer(key);
        let is_timer = function.is_some();
        function.into_iter().for_each(|function| stack.release(function));
        is_timer
    }

    /// The same; what it would have run is left to be released.
    pub(super) fn disarm_timer(&self, key: Key) -> Option<Reference> {
        let armed = self.tasks.borrow_mut().remove_armed(key)?;
        self.core.handle.cancel(armed.alarm);
        Some(armed.function)
    }

    /// A waiting task becomes ready, to be told that it is cancelled.
    fn interrupt_wait(&self, task: &mut Task, key: Key) {
        if let Some(session) = task.end_wait()
            && let Some(coroutine) = self.unsuspend(task, session)
        {
            task.stage = Stage::Ready(coroutine, 0);
            task.doom = Some(cancelled());
            self.ready.borrow_mut().push_back(key);
        }
    }

    /// Takes out a task that has not begun.
    pub(super) fn drop_task(&self, stack: &mut Stack<'_>, key: Key) {
        let task = self.tasks.borrow_mut().remove(key);
        task.into_iter().for_each(|task| self.release_task(stack, task));
    }

    /// Lets go of everything that a task holds.
    pub(in crate::actor) fn release_task(&self, stack: &mut Stack<'_>, mut task: Box<Task>) {
        self.disarm(&mut task);
        if let Some(function) = task.function.take() {
            stack.release(function);
        }
        match task.stage {
            Stage::Fresh(coroutine, _)
            | Stage::Ready(coroutine, _)
            | Stage::Suspended(coroutine) => stack.recycle(coroutine),
            Stage::Watching(_) | Stage::Expecting | Stage::Armed | Stage::Running => {}
        }
    }
}

fn is_repeated(task: &Task) -> bool {
    matches!(task.role, Role::Every(_))
}

pub(super) fn cancelled() -> Box<Fault> {
    Box::new(Fault::new(Code::Cancelled, "the task was cancelled"))
}
