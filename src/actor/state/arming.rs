//! Timers of one service, as the wheel of the host knows them: after some time, at a moment of the
//! host's clock, at a deadline. The host limits their number, and whoever asks for one too many is
//! told.

use std::time::Duration;

use moonhive_kernel::clock::NANOSECONDS_PER_MS;
use moonhive_kernel::timer::{TimerKey, TimersFull};

use super::State;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::workload::Timer;
use crate::actor::task::Task;
use crate::actor::task::alarm::Alarm;

impl State {
    /// Arms a timer of this service.
    pub(in crate::actor) fn arm(&self, delay: Duration, alarm: Alarm) -> Result<TimerKey, Fault> {
        let timer = Timer::Service { service: self.service.clone(), alarm: alarm.pack() };
        self.core.handle.arm(delay, timer).map_err(too_many_timers)
    }

    /// The same for a moment of the host's clock.
    pub(in crate::actor) fn arm_at_ns(&self, due_ns: u64, alarm: Alarm) -> Result<TimerKey, Fault> {
        let now_ns = self.core.handle.clock().now_ns();
        self.arm(Duration::from_nanos(due_ns.saturating_sub(now_ns)), alarm)
    }

    /// The same for a deadline.
    pub(in crate::actor) fn arm_at_ms(&self, due_ms: u64, alarm: Alarm) -> Result<TimerKey, Fault> {
        self.arm_at_ns(due_ms.saturating_mul(NANOSECONDS_PER_MS), alarm)
    }

    /// Calls off the timers of a task.
    pub(super) fn disarm(&self, task: &mut Task) {
        let deadline = task.deadlines.take_alarm();
        for alarm in task.alarm.take().into_iter().chain(deadline) {
            self.core.handle.cancel(alarm);
        }
    }
}

#[cold]
pub(in crate::actor) fn too_many_timers(full: TimersFull<Timer>) -> Fault {
    Fault::new(Code::Overload, format!("cannot arm a timer: {} are armed", full.limit))
}
