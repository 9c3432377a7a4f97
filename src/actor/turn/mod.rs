//! One turn of a service: messages are taken from its mailbox, find the coroutine that waits for
//! them or get one from the pool, and are resumed right here. No Lua code dispatches.
//!
//! Order: control messages come before everything; then tasks that became ready (forks, wake-ups)
//! run in rounds between ordinary messages, so that neither can starve the other (services of
//! skynet run many rounds before the next message). A turn ends when nothing is left, after
//! [`TURN_STEPS_MAX`] messages and tasks, or after [`TURN_SLICE`]; that of a service of skynet also
//! after each message while few others wait, and it has few itself.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the loop of a turn: what comes next, and when it is enough |
//! | `deliver` | what a message does: answers, failures, timers find the task that waits |
//! | `resume` | running a coroutine until it blocks or ends; tasks that are ready |
//! | `serve` | from a request to the task that serves it |
//! | `file` | the file of a service, and what it returned |
//! | `begin` | tasks that begin: their coroutines, and what they are given |
//! | `outcome` | what becomes of a task that returned or failed |
//! | `repeat` | the runs of a repeated timer |
//! | `parting` | the last message of a turn, which needs no mailbox |
//! | `method`, `peers` | names of methods and services that are kept at hand |

mod begin;
mod deliver;
mod file;
pub(super) mod method;
mod outcome;
pub(super) mod parting;
pub(super) mod peers;
mod repeat;
mod resume;
mod serve;

use moonhive_kernel::mailbox::Batch;
use moonhive_kernel::scheduler::{Scheduled, WorkerContext};

use self::parting::Parcel;
use crate::actor::end::End;
use crate::actor::host::core::Core;
use crate::actor::limits::{TURN_BACKLOG_MIN, TURN_CLOCK_STRIDE, TURN_SLICE, TURN_STEPS_MAX};
use crate::actor::message::Message;
use crate::actor::slots::Key;
use crate::actor::state::{ExitStage, State};
use crate::actor::task::NEVER_MS;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::due::Due;
use crate::message::Payload;
use crate::vm::Stack;

/// How a turn ended.
pub(crate) enum Progress {
    /// Nothing is left to do.
    Idle,
    /// More is left.
    Again,
    /// The service ends.
    Over(Box<Over>),
}

/// The end of a service; without running any more of its code if that is `at_once`.
pub(crate) struct Over {
    pub(crate) end: End,
    pub(crate) at_once: bool,
}

impl Over {
    #[cold]
    pub(crate) fn new(end: End, at_once: bool) -> Box<Over> {
        Box::new(Over { end, at_once })
    }
}

/// A turn under way.
pub(super) struct Turn<'turn, 'vm> {
    pub(super) stack: &'turn mut Stack<'vm>,
    pub(super) state: &'vm State,
    pub(super) batch: &'turn mut Batch<Message>,
    pub(super) over: Option<Box<Over>>,
    worker: &'turn WorkerContext<'turn, Core>,
    /// Messages handled and ready tasks run.
    steps: u32,
    /// The service has not come up yet when the turn began.
    is_first: bool,
    /// The turn has looked into the mailbox: later wake-ups are absorbed before it looks again.
    has_taken: bool,
}

impl<'turn, 'vm> Turn<'turn, 'vm> {
    pub(super) fn new(
        stack: &'turn mut Stack<'vm>,
        state: &'vm State,
        batch: &'turn mut Batch<Message>,
        worker: &'turn WorkerContext<'turn, Core>,
    ) -> Turn<'turn, 'vm> {
        state.turn_began_ns.set(worker.turn_started_ns());
        let is_first = !state.has_started();
        Turn { stack, state, batch, over: None, worker, steps: 0, is_first, has_taken: false }
    }

    /// Runs the turn. `first` was handed over to it, and comes before all other ordinary messages.
    pub(super) fn run(&mut self, first: Option<Parcel>) -> Progress {
        // Nothing has changed since it was last looked whether the service ends.
        let mut has_looked = false;
        if let Some(first) = first {
            if self.state.service.mailbox().control_waits() {
                self.state.service.deposit(first);
            } else {
                self.handle_first(first);
                has_looked = true;
                if let Some(over) = self.look_for_end() {
                    self.tell_count();
                    return Progress::Over(over);
                }
            }
        }
        let progress = loop {
            let ran = self.run_ready();
            if ran {
                // Before anything else: a task may have ended the service.
                if let Some(over) = self.look_for_end() {
                    break Progress::Over(over);
                }
            }
            let tasks_come_first = self.state.tasks_come_first();
            if !tasks_come_first && self.lets_others_pass() {
                break Progress::Again;
            }
            let message = if tasks_come_first { None } else { self.next_message() };
            let is_idle = !ran && message.is_none();
            if !is_idle || !has_looked {
                if let Some(message) = message {
                    self.count_step();
                    self.handle(message);
                }
                has_looked = true;
                if let Some(over) = self.look_for_end() {
                    break Progress::Over(over);
                }
            }
            if is_idle {
                break self.rest();
            }
            if self.is_used_up() {
                break Progress::Again;
            }
        };
        self.tell_count();
        progress
    }

    /// Counts a message of the turn.
    #[inline]
    pub(super) fn count_step(&mut self) {
        let handled = &self.state.handled;
        handled.set(handled.get() + 1);
        self.state.skynet.note_message();
        self.steps += 1;
    }

    /// Adds up the messages of the turn where everybody sees them.
    fn tell_count(&self) {
        self.state.service.figures.count_messages(self.state.handled.take());
    }

    /// The next message, control messages first.
    #[inline(always)]
    pub(super) fn next_message(&mut self) -> Option<Message> {
        let mailbox = self.state.service.mailbox();
        if self.batch.is_empty() {
            if self.batch.is_finished() && !mailbox.has_news() {
                self.state.has_backlog.set(false);
                return None;
            }
            if std::mem::replace(&mut self.has_taken, true) {
                self.state.service.token().absorb();
            }
            mailbox.take(self.batch);
            self.state.has_backlog.set(self.batch.len() >= TURN_BACKLOG_MIN);
        } else if mailbox.control_waits() {
            mailbox.take(self.batch);
        }
        if let Some(control) = self.batch.pop_control(mailbox) {
            return Some(control);
        }
        if let Some(Message::Alarms(due)) = self.batch.front_mut() {
            let alarm = next_alarm(self.stack, self.state, due);
            // Until its last alarm the message waits where everybody sees it.
            if due.is_empty() {
                drop(self.batch.pop(mailbox));
            }
            return alarm;
        }
        self.batch.pop(mailbox)
    }

    /// Whether the turn has handled its message, and few others wait for the worker: services of
    /// skynet then get theirs message by message, in the order in which they were woken, and one
    /// that had its turn keeps its place in it for what comes meanwhile. (Neither one that has just
    /// come up nor who started it does: on skynet the latter hears of it by a detour through the
    /// launcher, while the former handles another message.)
    #[inline]
    fn lets_others_pass(&self) -> bool {
        let state = self.state;
        state.handled.get() > u32::from(self.is_first)
            && state.skynet.is_started()
            && self.worker.is_orderly()
            && !state.has_backlog.get()
            && !state.service.mailbox().control_waits()
            && if self.worker.has_waiting() {
                !self.is_first && !state.skynet.has_spawned.get() || self.has_more()
            } else {
                state.is_parting.get() && self.has_more()
            }
    }

    /// Whether messages wait, as far as this turn knows.
    fn has_more(&self) -> bool {
        !self.batch.is_empty() || self.state.service.mailbox().has_news()
    }

    /// Whether others should have the worker now.
    fn is_used_up(&self) -> bool {
        if self.steps >= TURN_STEPS_MAX {
            return true;
        }
        self.steps % TURN_CLOCK_STRIDE == TURN_CLOCK_STRIDE - 1 && {
            let now_ns = self.state.core.handle.clock().now_ns();
            let used_ns = now_ns.saturating_sub(self.worker.turn_started_ns());
            u128::from(used_ns) >= TURN_SLICE.as_nanos()
        }
    }

    /// Whether a deadline is over. The clock is read for those only that have one.
    #[inline]
    fn has_passed(&self, deadline_ms: u64) -> bool {
        deadline_ms != NEVER_MS && self.state.core.handle.clock().now_ms() >= deadline_ms
    }

    /// Nothing is left: a script without tasks has come to its end.
    fn rest(&mut self) -> Progress {
        self.state.service.forget_overload();
        let is_script = self.state.main_done.get()
            && self.state.handlers.borrow().is_none()
            && !self.state.skynet.is_started();
        if is_script && !self.state.tasks.borrow().any_alive() {
            if let Some(spawner) = self.state.skynet.take_spawner() {
                spawner.answer(Payload::EMPTY);
            }
            return Progress::Over(Over::new(End::Returned, false));
        }
        Progress::Idle
    }

    /// How the service ends, if it does now.
    #[inline(always)]
    fn look_for_end(&mut self) -> Option<Box<Over>> {
        if self.over.is_none() && self.state.leaving.borrow().is_some() {
            self.look_at_exit();
        }
        self.over.take()
    }

    /// Begins the exit once the service has decided to leave.
    #[cold]
    fn look_at_exit(&mut self) {
        match self.state.exit.get() {
            ExitStage::Not => self.begin_exit(),
            ExitStage::Running if !self.is_exit_cut_short() => {}
            ExitStage::Running | ExitStage::Done => self.over = Some(self.gone()),
        }
    }

    pub(super) fn gone(&self) -> Box<Over> {
        let end = self.state.leaving.borrow_mut().take().unwrap_or(End::Returned);
        let at_once = matches!(end, End::Killed(_));
        Over::new(end, at_once)
    }
}

/// The next of the alarms that came together. What those after it run lies scattered in memory,
/// which is asked for it here.
fn next_alarm(stack: &mut Stack<'_>, state: &State, due: &mut Due) -> Option<Message> {
    let ahead = due.ahead();
    if ahead.len() > 1 {
        let tasks = state.tasks.borrow();
        let keys = ahead.iter().filter_map(|alarm| match alarm.unpack() {
            Alarm::Begin(key) => Some(Key::from_bits(key)),
            _ => None,
        });
        stack.warm(tasks.armed_functions(keys));
    }
    due.next().map(|alarm| Message::Alarm(alarm.unpack()))
}
