//! The runs of a repeated timer: its task is one and lives on, while each run fails, is traced and
//! is told of by itself. When the next run is due is for `task/every.rs` to say.

use super::Turn;
use crate::actor::fault::{Code, Fault};
use crate::actor::record::request::RequestId;
use crate::actor::record::trace::Step;
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::{Role, Stage};

impl Turn<'_, '_> {
    /// Arms a repeated timer again whose run is over. False for every other task.
    pub(super) fn rearm(&mut self, key: Key) -> bool {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return false };
        let Role::Every(every) = &mut task.role else { return false };
        if every.cancelled || self.state.leaving.borrow().is_some() {
            return false;
        }
        every.due_ns = every.next_due_ns(self.state.core.handle.clock().now_ns());
        match self.state.arm_at_ns(every.due_ns, Alarm::Begin(key.to_bits())) {
            Ok(alarm) => {
                task.alarm = Some(alarm);
                task.stage = Stage::Armed;
                true
            }
            Err(fault) => {
                self.log_failure("a repeated timer", RequestId::NONE, &fault);
                false
            }
        }
    }

    /// Tells of a run of a repeated timer that begins again: its task lives on, the request that
    /// the run made does not.
    pub(super) fn run_ended(&mut self, key: Key, fault: Option<&Fault>) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        let request = std::mem::replace(&mut task.request, RequestId::NONE);
        let is_killed = self.state.service.is_killed();
        let failure = fault.filter(|fault| fault.code != Code::Cancelled && !is_killed);
        let clock = self.state.core.handle.clock();
        let told = match &mut task.role {
            Role::Every(every) => failure.and_then(|_| every.note_failure(clock.now_ns())),
            _ => None,
        };
        drop(tasks);
        self.state.trace(key, request, || Step::End { failed: fault.is_some() });
        if let (Some(fault), Some(count)) = (failure, told) {
            self.log_repeated_failure(request, fault, count);
        }
    }

    fn log_repeated_failure(&self, request: RequestId, fault: &Fault, count: u64) {
        if count == 1 {
            return self.log_failure("a repeated timer", request, fault);
        }
        let report = fault.report();
        let text = format!("a repeated timer failed, {count} times by now: {report}");
        self.log_error(request, &text);
    }
}
