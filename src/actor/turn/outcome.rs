//! What becomes of a task whose function has returned or failed: whoever waits for it is answered
//! or told, what it held is let go of, and its coroutine goes back to the pool.
//!
//! A failure that nobody waits for goes to the log. A service whose turns were interrupted too
//! often ends here as well.

use super::{Over, Turn};
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault, fault_of, unsendable};
use crate::actor::message::Caller;
use crate::actor::record::request::RequestId;
use crate::actor::record::trace::Step;
use crate::actor::slots::Key;
use crate::actor::task::{Role, Task};
use crate::vm::{Coroutine, LuaError};

impl Turn<'_, '_> {
    /// The task's function returned.
    #[inline(always)]
    pub(super) fn finished(&mut self, key: Key, coroutine: Coroutine, results: i32) {
        if let Some(caller) = self.end_simple(key) {
            self.answer(caller, &coroutine, results);
            self.stack.recycle(coroutine);
        } else {
            self.finished_otherwise(key, coroutine, results);
        }
    }

    #[inline(never)]
    fn finished_otherwise(&mut self, key: Key, coroutine: Coroutine, results: i32) {
        if let Some(mut task) = self.remove(key) {
            self.state.trace(key, task.request, || Step::End { failed: false });
            let caller = task.caller.take();
            match &task.role {
                Role::Main => return self.main_finished((task, caller), coroutine, results),
                Role::Handler => self.answer(caller, &coroutine, results),
                Role::Dispatch => self.dispatched(caller, &task),
                Role::Start => self.started(),
                Role::Exit => self.exit_finished(),
                Role::Fork | Role::Every(_) => {}
            }
            self.end_task(task);
        } else {
            self.run_ended(key, None);
        }
        self.stack.recycle(coroutine);
    }

    /// The short way out of a task that holds nothing but whom it owes an answer.
    #[inline(always)]
    pub(super) fn end_simple(&mut self, key: Key) -> Option<Option<Caller>> {
        let caller = self.state.tasks.borrow_mut().end_simple(key)?;
        self.state.skynet.drop_watch(key);
        Some(caller)
    }

    /// Sends what a handler returned; below it lies the name of the method.
    #[inline(always)]
    pub(super) fn answer(&mut self, caller: Option<Caller>, coroutine: &Coroutine, results: i32) {
        if let Some(caller) = caller
            && caller.waits()
        {
            self.send_answer(caller, coroutine, results);
        }
    }

    fn send_answer(&mut self, caller: Caller, coroutine: &Coroutine, results: i32) {
        self.state.note_request_done();
        if results == 0 {
            // Not even the name is left: the coroutine was closed by the code that ran in it.
            let text = "the handler closed its own coroutine in the place of returning";
            caller.fail(Fault::new(Code::Error, text).seen_by_caller());
            return;
        }
        let mut stack = self.stack.in_coroutine(coroutine);
        match stack.pack(2, results - 1, "results") {
            Ok(payload) => _ = self.state.answer(caller, payload),
            Err(error) => _ = caller.fail(unsendable("the answer", &error, "").seen_by_caller()),
        }
    }

    /// The task's function raised an error; the coroutine is closed already.
    pub(super) fn failed(&mut self, key: Key, coroutine: Coroutine, error: &LuaError) {
        let mut fault = fault_of(error);
        if self.state.was_interrupted() {
            fault.code = Code::TurnLimit;
            *self.state.offence.borrow_mut() = Some(fault.clone());
        }
        let ran_out_of_memory = fault.code == Code::Memory;
        self.task_failed(key, fault);
        self.stack.recycle(coroutine);
        if ran_out_of_memory {
            // What it held is garbage only now, and the collector would wait for as much again.
            self.stack.collect();
        }
    }

    /// User code yielded to the host, which has nothing to give it.
    pub(super) fn yielded(&mut self, key: Key, coroutine: Coroutine) {
        let hint = match self.state.skynet.is_started() {
            true => "skynet.wait and skynet.sleep suspend a task",
            false => "hive.wait and hive.sleep suspend a task",
        };
        let text = format!("attempt to yield from outside a coroutine\nhint: {hint}");
        let (text, traceback) = self.stack.locate(&coroutine, &text);
        self.task_failed(key, Fault::new(Code::Error, text).with_traceback(traceback));
        self.stack.recycle(coroutine);
    }

    fn task_failed(&mut self, key: Key, fault: Fault) {
        self.state.put_fork_first();
        let Some(mut task) = self.remove(key) else { return self.run_ended(key, Some(&fault)) };
        self.state.trace(key, task.request, || Step::End { failed: true });
        let caller = task.caller.take();
        if self.state.service.is_killed() {
            // Why it failed is told by the end that is on its way.
            self.state.unanswered.borrow_mut().extend(caller);
            return self.end_task(task);
        }
        match &task.role {
            Role::Main | Role::Start => self.main_failed(caller, fault),
            Role::Dispatch => self.dispatch_failed(caller, &task, fault),
            Role::Handler => self.handler_failed(caller, &task, fault),
            Role::Exit => {
                self.log_failure("the exit handler", task.request, &fault);
                self.exit_finished();
            }
            Role::Fork | Role::Every(_) if fault.code == Code::Cancelled => {}
            Role::Fork => self.log_failure("a task", task.request, &fault),
            Role::Every(_) => self.log_failure("a repeated timer", task.request, &fault),
        }
        self.end_task(task);
    }

    fn handler_failed(&mut self, caller: Option<Caller>, task: &Task, fault: Fault) {
        match caller {
            Some(caller) if caller.waits() => {
                self.state.note_request_done();
                let now_ms = self.state.core.handle.clock().now_ms();
                let ran_out =
                    fault.code == Code::Timeout && task.deadlines.inherited_passed(now_ms);
                caller.fail(if ran_out { fault } else { fault.seen_by_caller() });
            }
            _ => self.log_failure("a handler", task.request, &fault),
        }
    }

    /// Ends a service that was interrupted too often.
    #[inline(always)]
    pub(super) fn look_at_offences(&mut self) {
        if self.state.was_interrupted() && self.over.is_none() {
            self.note_interruption();
        }
    }

    #[cold]
    fn note_interruption(&mut self) {
        self.state.forget_interruptions();
        if self.state.service.figures.is_offender() {
            let fault = self.state.offence.borrow_mut().take().unwrap_or_else(|| {
                Fault::new(Code::TurnLimit, "its turns ran too long again and again")
            });
            self.over = Some(Over::new(End::Failed(fault), true));
        }
    }

    /// Takes a task out, unless it is a timer that begins again.
    pub(super) fn remove(&mut self, key: Key) -> Option<Box<Task>> {
        self.state.skynet.drop_watch(key);
        if self.rearm(key) { None } else { self.state.tasks.borrow_mut().remove(key) }
    }

    /// Lets go of what a task held besides its coroutine.
    pub(super) fn end_task(&mut self, mut task: Box<Task>) {
        if let Some(alarm) = task.deadlines.take_alarm() {
            self.state.core.handle.cancel(alarm);
        }
        if let Some(function) = task.function.take() {
            self.stack.release(function);
        }
        self.state.tasks.borrow_mut().reuse(task);
    }

    pub(in crate::actor) fn log_failure(&self, what: &str, request: RequestId, fault: &Fault) {
        self.log_error(request, &format!("{what} failed: {}", fault.report()));
    }

    /// Tells the log of a failure, or the service that takes the log in programs of skynet.
    pub(super) fn log_error(&self, request: RequestId, text: &str) {
        if self.state.skynet.is_started() && self.state.tell_logger(text.as_bytes()) {
            return;
        }
        let service = &self.state.service;
        tracing::error!(
            service = service.name(),
            address = service.log_address(),
            request = request.shown(),
            "{text}"
        );
    }
}
