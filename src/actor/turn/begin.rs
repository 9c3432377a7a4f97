//! Tasks that begin: their coroutine is made, or comes from the pool, gets the function and its
//! arguments, and runs. They were asked for earlier (`state/begin.rs`), and a timer, an answer or
//! the end of a service has come for them.

use super::Turn;
use crate::actor::end::push_end;
use crate::actor::light::Light;
use crate::actor::message::Obituary;
use crate::actor::record::trace::Step;
use crate::actor::service::link::LINK;
use crate::actor::slots::Key;
use crate::actor::task::kept::{push_function, spread_list};
use crate::actor::task::{Role, Stage, Task};
use crate::vm::Coroutine;

impl Turn<'_, '_> {
    /// A timer begins its task.
    pub(super) fn begin_armed(&mut self, key: Key) {
        let function = self.state.tasks.borrow_mut().begin_armed(key);
        let Some(function) = function else { return self.begin_again(key) };
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_released(function);
        let values = spread_list(&mut stack);
        self.resume(key, coroutine, values, None);
    }

    /// The same for one that begins it again and again.
    fn begin_again(&mut self, key: Key) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key).filter(|task| matches!(task.stage, Stage::Armed)) else {
            return;
        };
        task.alarm = None;
        task.stage = Stage::Running;
        let coroutine = self.stack.coroutine();
        let values = self.push_function_of(&coroutine, task);
        drop(tasks);
        self.resume(key, coroutine, values, None);
    }

    /// The coroutine of a task whose wait is over, and how many values it was given already: a call
    /// in which no coroutine waits makes its own now, with the function that takes the results.
    pub(super) fn awaken(
        &mut self,
        key: Key,
        task: &mut Task,
        session: u64,
    ) -> Option<(Coroutine, i32)> {
        self.state.trace(key, task.request, || Step::Resume);
        if let Some(coroutine) = self.state.unsuspend(task, session) {
            return Some((coroutine, 0));
        }
        if !matches!(task.stage, Stage::Expecting) {
            return None;
        }
        task.stage = Stage::Running;
        let coroutine = self.stack.coroutine();
        let values = self.push_function_of(&coroutine, task);
        Some((coroutine, values))
    }

    /// A watched service has ended.
    pub(super) fn watched_ended(&mut self, watch: u64, obituary: &Obituary) {
        if watch == LINK {
            return self.linked_ended(obituary);
        }
        let key = Key::from_bits(watch);
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        if !matches!(task.stage, Stage::Watching(_)) {
            return;
        }
        let coroutine = self.stack.coroutine();
        let values = self.push_function_of(&coroutine, task);
        let mut stack = self.stack.in_coroutine(&coroutine);
        Light::Service(obituary.address).push(&mut stack);
        push_end(&mut stack, &obituary.end);
        tasks.begin_watcher(key, coroutine, values + 2);
        self.state.ready.borrow_mut().push_back(key);
    }

    /// Pushes the function that a task keeps, and its arguments; returns their number. A task that
    /// runs once lets go of it.
    fn push_function_of(&mut self, coroutine: &Coroutine, task: &mut Task) -> i32 {
        let Some(function) = &task.function else { return 0 };
        let mut stack = self.stack.in_coroutine(coroutine);
        let values = push_function(&mut stack, function);
        if !matches!(task.role, Role::Every(_))
            && let Some(function) = task.function.take()
        {
            stack.release(function);
        }
        values
    }
}
