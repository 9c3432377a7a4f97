//! The way out of a service: its exit handler, `__close` of what is still open, and what everybody
//! who waits for it is told.
//!
//! Two ways lead here. *Leaving* (`hive.exit`, `hive.stop`, the end of a script) runs the exit
//! handler while no new requests are served, then closes every coroutine. *Killing* runs no more
//! code of the service. At the end of the host each service first *prepares*: its exit handler runs
//! while it still serves, since the handlers of others may need it; when all have prepared, they
//! leave.

use std::sync::Arc;

use moonhive_kernel::mailbox::Batch;

use super::{Leaving, Service};
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::worker;
use crate::actor::limits::EXIT_GRACE;
use crate::actor::message::{Caller, Message, Obituary};
use crate::actor::record::request::RequestId;
use crate::actor::state::{ExitStage, State};
use crate::actor::task::alarm::Alarm;
use crate::actor::task::{Role, Stage, Task};
use crate::actor::turn::Turn;
use crate::vm::{Kind, Stack, Vm};

/// The handler that a service may have for its own end.
const EXIT_HANDLER: &str = "__exit";

impl Turn<'_, '_> {
    /// The service has decided to leave.
    pub(in crate::actor) fn begin_exit(&mut self) {
        if !self.run_exit_handler() {
            self.state.exit.set(ExitStage::Done);
            self.over = Some(self.gone());
        }
    }

    /// The host is about to end.
    pub(in crate::actor) fn prepare_to_end(&mut self) {
        self.state.service.figures.leave(Leaving::Preparing);
        self.state.preparing.set(true);
        match self.state.exit.get() {
            ExitStage::Not if self.run_exit_handler() => {}
            ExitStage::Not | ExitStage::Done => self.exit_finished(),
            ExitStage::Running => {}
        }
    }

    /// Begins the exit handler; false if there is none.
    fn run_exit_handler(&mut self) -> bool {
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        let handlers = self.state.handlers.borrow();
        let found = handlers.as_ref().is_some_and(|handlers| {
            stack.push_kept(handlers);
            stack.raw_get_field(-1, EXIT_HANDLER) == Kind::Function
        });
        drop(handlers);
        if !found {
            self.stack.recycle(coroutine);
            return false;
        }
        let leaving = self.state.leaving.borrow();
        let end = leaving.as_ref().unwrap_or(&End::Shutdown);
        stack.push_str(end.code());
        stack.push_str(&end.message());
        drop(leaving);
        let task = Task::new(Stage::Fresh(coroutine, 2), Role::Exit);
        // Beyond the limit of tasks as well: the handler is one more at most.
        let Ok(key) = self.state.tasks.borrow_mut().insert(task, usize::MAX) else { return false };
        self.state.exit.set(ExitStage::Running);
        self.state.ready.borrow_mut().push_back(key);
        // At the end of the host its stages say how long it may take.
        if !self.state.preparing.get()
            && let Err(fault) = self.state.arm(EXIT_GRACE, Alarm::ExitOverdue)
        {
            let what = "the exit handler runs without a time limit: arming it";
            self.log_failure(what, RequestId::NONE, &fault);
        }
        true
    }

    pub(in crate::actor) fn exit_finished(&mut self) {
        self.state.exit.set(ExitStage::Done);
        if self.state.preparing.get() {
            self.state.service.figures.leave(Leaving::Prepared);
        }
    }

    pub(in crate::actor) fn exit_overdue(&mut self) {
        if self.state.exit.get() == ExitStage::Running {
            self.give_exit_up(format!("it did not return within {} s", EXIT_GRACE.as_secs()));
        }
    }

    /// The exit handler still runs. True if that is of no account any more: the host ends, and all
    /// are to close what is open, for which the handler must not use up the time.
    pub(in crate::actor) fn is_exit_cut_short(&mut self) -> bool {
        let is_told = matches!(*self.state.leaving.borrow(), Some(End::Shutdown));
        let is_cut = is_told && self.state.preparing.get();
        if is_cut {
            self.give_exit_up("it did not return within the grace time".to_owned());
        }
        is_cut
    }

    fn give_exit_up(&mut self, text: String) {
        let fault = Fault::new(Code::Timeout, text);
        self.log_failure("the exit handler", RequestId::NONE, &fault);
        self.exit_finished();
    }
}

/// Closes every coroutine, so that `__close` methods run. They cannot wait.
fn close_coroutines(stack: &mut Stack<'_>, state: &State) {
    let mut keys = state.tasks.borrow().keys();
    state.skynet.put_leaver_last(&mut keys);
    for key in keys {
        let mut tasks = state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { continue };
        task.end_wait();
        let coroutine = match std::mem::replace(&mut task.stage, Stage::Running) {
            Stage::Suspended(coroutine) | Stage::Ready(coroutine, _) => coroutine,
            other => {
                task.stage = other;
                continue;
            }
        };
        drop(tasks);
        if let Err(error) = stack.close(&coroutine) {
            let service = &state.service;
            tracing::error!(
                service = service.name(),
                address = service.log_address(),
                "closing a task failed: {error}"
            );
        }
        stack.recycle(coroutine);
    }
}

/// Ends a service that has a VM: runs what may still run, tells everybody, frees the memory.
pub(super) fn bury_vm(
    service: &Arc<Service>,
    mut vm: Vm,
    batch: &mut Batch<Message>,
    end: End,
    at_once: bool,
) {
    let memory_bytes = vm.memory().used_bytes;
    let is_aborted = service.core().warden.is_aborting();
    let (callers, drops_suspended) = worker::with_vm(&mut vm, |stack| {
        let Some(state) = stack.data::<State>() else { return (Vec::new(), false) };
        let drops_suspended = is_aborted && state.skynet.is_started();
        if !at_once && !drops_suspended {
            close_coroutines(stack, state);
        }
        state.core.totals.note_profile(service.name(), &state.profile.borrow());
        (state.take_callers(), drops_suspended)
    });
    let obituary = bury(service, batch, end, memory_bytes);
    for caller in callers.into_iter().filter(Caller::waits) {
        caller.fail(obituary.to_fault());
    }
    if at_once {
        vm.kill();
    }
    if drops_suspended {
        vm.drop_suspended();
    }
    worker::close(vm);
    service.core().note_freed(memory_bytes);
    service.core().note_gone(service, &obituary);
}

/// Notes the end and tells everybody but those who are known to the VM alone.
pub(super) fn bury(
    service: &Arc<Service>,
    batch: &mut Batch<Message>,
    end: End,
    memory_bytes: usize,
) -> Arc<Obituary> {
    let core = service.core();
    let obituary = core.conclude(service, end);
    let mut left = service.mailbox().close();
    core.tell_exit_monitor(service.address());
    service.tell_watchers(&obituary);
    core.totals.note_end(&service.figures, memory_bytes);
    left.extend(batch.drain(service.mailbox()));
    for message in left {
        message.reject(|| obituary.to_fault());
    }
    obituary
}
