//! Tasks that begin: their coroutine is made, or comes from the pool, gets the function and its
//! arguments, and runs.
//!
//! Some begin with the message that asks for them: the file of a service, the handler of a request.
//! Others were asked for earlier (`state/begin.rs`), and now a timer, an answer or the end of a
//! service has come for them.

use super::Turn;
use crate::actor::end::push_end;
use crate::actor::light::Light;
use crate::actor::limits::TASKS_MAX;
use crate::actor::message::{Caller, Obituary};
use crate::actor::record::trace::Step;
use crate::actor::service::link::LINK;
use crate::actor::skynet::COMMAND;
use crate::actor::slots::Key;
use crate::actor::task::kept::{push_function, spread_list};
use crate::actor::task::{Role, Served, Stage, Task};
use crate::vm::{Coroutine, Kind};

impl Turn<'_, '_> {
    /// Adds a task and runs it at once.
    pub(in crate::actor) fn begin(&mut self, task: Task, coroutine: Coroutine, values: i32) {
        let is_traced = task.request.is_traced();
        match self.state.insert(task) {
            Ok(key) => {
                if is_traced {
                    self.trace_begin(key, &coroutine);
                }
                self.resume(key, coroutine, values, None);
            }
            Err((fault, mut task)) => {
                self.stack.recycle(coroutine);
                if matches!(task.role, Role::Start) {
                    self.main_failed(None, fault);
                } else if let Some(caller) = task.caller.take() {
                    caller.fail(fault);
                }
            }
        }
    }

    /// The same for the task that serves a request.
    #[inline(always)]
    pub(in crate::actor) fn begin_served(
        &mut self,
        served: Served,
        coroutine: Coroutine,
        values: i32,
    ) {
        let (is_traced, is_owed) = (served.terms.request.is_traced(), served.caller.waits());
        let inserted = self.state.tasks.borrow_mut().insert_served(served, TASKS_MAX);
        match inserted {
            Ok(key) => {
                if is_owed {
                    self.state.service.figures.begin_request();
                }
                if is_traced {
                    self.trace_begin(key, &coroutine);
                }
                self.resume_here(key, coroutine, values, None);
            }
            Err(caller) => self.refuse_task(caller, coroutine),
        }
    }

    #[cold]
    fn refuse_task(&mut self, caller: Caller, coroutine: Coroutine) {
        self.stack.recycle(coroutine);
        caller.fail(self.state.too_many_tasks());
    }

    /// Records that a handler begins; below it lies the name of its method.
    #[cold]
    fn trace_begin(&mut self, key: Key, coroutine: &Coroutine) {
        let mut stack = self.stack.in_coroutine(coroutine);
        let named = if stack.kind(1) == Kind::Function { COMMAND } else { 1 };
        let method = stack.text(named).into_boxed_str();
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        let Some(caller) = &task.caller else { return };
        let from = self.state.core.label_of(caller.address()).into_boxed_str();
        let session = caller.session();
        self.state.trace(key, task.request, || Step::Begin { method, from, session });
    }

    /// A timer begins its task.
    pub(super) fn begin_armed(&mut self, key: Key) {
        let function = self.state.tasks.borrow_mut().begin_armed(key);
        let Some(function) = function else { return self.begin_again(key) };
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_released(function);
        let values = spread_list(&mut stack);
        self.resume_here(key, coroutine, values, None);
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
    #[inline(always)]
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
        self.make_coroutine_of(task)
    }

    #[inline(never)]
    fn make_coroutine_of(&mut self, task: &mut Task) -> Option<(Coroutine, i32)> {
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
