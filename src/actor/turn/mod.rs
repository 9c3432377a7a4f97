//! One turn of a service: messages are taken from its mailbox, find the coroutine that waits for
//! them or get one from the pool, and are resumed right here. No Lua code dispatches.
//!
//! Order: control messages come before everything; then tasks that became ready (forks, wake-ups)
//! run in rounds between ordinary messages, so that neither can starve the other (services of
//! skynet run many rounds before the next message). A turn ends when nothing is left, after
//! [`TURN_STEPS_MAX`] messages and tasks, or after [`TURN_SLICE`].
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the loop of a turn |
//! | `serve` | from a request to its answer |
//! | `begin` | tasks that begin: their coroutines, and what they are given |
//! | `repeat` | the runs of a repeated timer |
//! | `parting` | the last message of a turn, which needs no mailbox |
//! | `method`, `peers` | names of methods and services that are kept at hand |

mod begin;
pub(super) mod method;
pub(super) mod parting;
pub(super) mod peers;
mod repeat;
pub(super) mod serve;

use moonhive_kernel::mailbox::Batch;
use moonhive_kernel::scheduler::Scheduled;

use self::parting::{Parcel, Parted};
use self::serve::no_memory;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::{TURN_CLOCK_STRIDE, TURN_SLICE, TURN_STEPS_MAX};
use crate::actor::message::{Caller, Message};
use crate::actor::record::profile::{Started, TASKS};
use crate::actor::record::trace::Step;
use crate::actor::skynet::{Envelope, Incoming, VALUES};
use crate::actor::slots::Key;
use crate::actor::state::{ExitStage, State};
use crate::actor::task::alarm::Alarm;
use crate::actor::task::due::Due;
use crate::actor::task::{NEVER_MS, Stage, Wait};
use crate::message::{Payload, UnpackError};
use crate::vm::{Coroutine, Resumed, Stack};

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
    slice: Slice,
    /// Messages handled and ready tasks run.
    steps: u32,
    /// The turn has looked into the mailbox: later wake-ups are absorbed before it looks again.
    has_taken: bool,
}

/// Where and when a turn runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) worker: usize,
    /// When it began, by the host's clock.
    pub(crate) started_ns: u64,
}

impl<'turn, 'vm> Turn<'turn, 'vm> {
    pub(super) fn new(
        stack: &'turn mut Stack<'vm>,
        state: &'vm State,
        batch: &'turn mut Batch<Message>,
        slice: Slice,
    ) -> Turn<'turn, 'vm> {
        state.turn_began_ns.set(slice.started_ns);
        Turn { stack, state, batch, over: None, slice, steps: 0, has_taken: false }
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
            let message = if self.state.tasks_come_first() { None } else { self.next_message() };
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

    /// Handles what was handed over to the turn.
    #[inline]
    fn handle_first(&mut self, first: Parcel) {
        self.count_step();
        match first.open(&self.state.spare) {
            (Some(Parted::Request { session, payload, terms }), Some(sender)) => {
                let (protocol, origin, payload) = (VALUES, None, &payload);
                let caller = Caller::waiting(sender, session);
                self.serve(Incoming { protocol, caller, origin, payload, terms });
            }
            (Some(Parted::Answer { session, payload }), sender) => {
                if let Some(sender) = sender {
                    self.state.give_back(sender);
                }
                self.answered(session, &payload);
            }
            _ => debug_assert!(false, "every parcel is signed"),
        }
    }

    /// Adds up the messages of the turn where everybody sees them.
    fn tell_count(&self) {
        self.state.service.figures.count_messages(self.state.handled.take());
    }

    /// The next message, control messages first.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        let mailbox = self.state.service.mailbox();
        if self.batch.is_empty() {
            if self.batch.is_finished() && !mailbox.has_news() {
                return None;
            }
            if std::mem::replace(&mut self.has_taken, true) {
                self.state.service.token().absorb();
            }
            mailbox.take(self.batch);
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

    /// Whether others should have the worker now.
    fn is_used_up(&self) -> bool {
        if self.steps >= TURN_STEPS_MAX {
            return true;
        }
        self.steps % TURN_CLOCK_STRIDE == TURN_CLOCK_STRIDE - 1 && {
            let now_ns = self.state.core.handle.clock().now_ns();
            let used_ns = now_ns.saturating_sub(self.slice.started_ns);
            u128::from(used_ns) >= TURN_SLICE.as_nanos()
        }
    }

    /// Whether a deadline is over. The clock is read for those only that have one.
    #[inline]
    pub(super) fn has_passed(&self, deadline_ms: u64) -> bool {
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

    /// Frees what code was replaced, as far as this service alone still kept it.
    fn let_go(&mut self) {
        let held = self.stack.retired_code_count();
        if held == 0 {
            return;
        }
        self.state.stay();
        self.stack.collect();
        if self.stack.retired_code_count() < held {
            self.state.core.code.sweep();
        }
    }

    // ---- messages ----

    pub(super) fn handle(&mut self, message: Message) {
        match message {
            Message::Request { caller, payload, terms } => {
                let (protocol, origin, payload) = (VALUES, None, &payload);
                self.serve(Incoming { protocol, caller, origin, payload, terms });
            }
            Message::Numbered { caller, payload, envelope } => {
                let Envelope { protocol, origin, terms } = *envelope;
                self.serve(Incoming { protocol, caller, origin, payload: &payload, terms });
            }
            Message::Answer { session, payload } => self.answered(session, &payload),
            Message::Failure { session, fault } => self.wait_failed(session, fault),
            Message::Alarm(alarm) => self.alarmed(alarm),
            // Those of a mailbox are taken out one by one, see `next_message`.
            Message::Alarms(mut due) => {
                while let Some(alarm) = due.next().filter(|_| self.over.is_none()) {
                    self.alarmed(alarm.unpack());
                }
            }
            Message::Rung { session } => self.rung(session),
            Message::Start { caller, arguments } => self.start(caller, &arguments),
            Message::Ended { watch, obituary } => self.watched_ended(watch, &obituary),
            Message::Kill(end) => self.over = Some(Over::new(*end, true)),
            Message::Stop(end) => self.state.leave(*end),
            Message::PrepareToEnd => self.prepare_to_end(),
            Message::Passed => self.hand_out_passed(),
            Message::Inquiry(inquiry) => inquiry.answer(self.state.waits(self.stack)),
            Message::Census => {}
            Message::LetGo => self.let_go(),
        }
    }

    /// The answer to a call: its values become the results of the native that blocked.
    fn answered(&mut self, session: u64, payload: &Payload) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some((key, task)) = tasks.end_wait(session) else {
            drop(tasks);
            return self.unknown_answer(session, payload);
        };
        let takes_raw = matches!(task.wait, Wait::RawAnswer);
        let Some((coroutine, given)) = self.awaken(key, task, session) else { return };
        drop(tasks);
        if takes_raw {
            return self.push_raw_answer(key, coroutine, given, payload);
        }
        match self.stack.in_coroutine(&coroutine).unpack(payload) {
            Ok(values) if self.stack.is_within_memory() => {
                self.resume(key, coroutine, given + values, None);
            }
            Ok(values) => {
                self.stack.in_coroutine(&coroutine).pop(values);
                let fault = Box::new(no_memory(&self.state.service.label(), payload));
                self.resume(key, coroutine, given, Some(fault));
            }
            Err(UnpackError::Memory) => {
                let fault = Box::new(no_memory(&self.state.service.label(), payload));
                self.resume(key, coroutine, given, Some(fault));
            }
            Err(error) => {
                let text = format!("cannot read the answer: {error}");
                let fault = Box::new(Fault::new(Code::Error, text));
                self.resume(key, coroutine, given, Some(fault));
            }
        }
    }

    fn wait_failed(&mut self, session: u64, fault: Box<Fault>) {
        if let Some((key, coroutine, given)) = self.end_wait(session) {
            self.resume(key, coroutine, given, Some(fault));
        }
    }

    /// A wait for something outside the host has ended. One that had ended before is none any more.
    fn rung(&mut self, session: u64) {
        if let Some((key, coroutine, given)) = self.end_wait(session) {
            self.resume(key, coroutine, given, None);
        }
    }

    /// Ends the wait of a session; its task counts as running from now on. The number is that of
    /// the values that lie on the coroutine's stack already.
    fn end_wait(&mut self, session: u64) -> Option<(Key, Coroutine, i32)> {
        let mut tasks = self.state.tasks.borrow_mut();
        let (key, task) = tasks.end_wait(session)?;
        let (coroutine, given) = self.awaken(key, task, session)?;
        Some((key, coroutine, given))
    }

    // ---- timers ----

    fn alarmed(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Wait(session) => self.wait_is_over(session),
            Alarm::Deadline(key) => self.deadline_passed(Key::from_bits(key)),
            Alarm::Begin(key) => self.begin_armed(Key::from_bits(key)),
            Alarm::ExitOverdue => self.exit_overdue(),
            Alarm::LookForDropped => self.look_for_dropped(),
        }
    }

    fn wait_is_over(&mut self, session: u64) {
        let mut tasks = self.state.tasks.borrow_mut();
        let ended = tasks.end_wait_under(Alarm::SESSION_MASK, session);
        let Some((key, session, task)) = ended else { return };
        task.alarm = None;
        let (results, fault) = match &task.wait {
            Wait::Answer | Wait::RawAnswer => (0, Some(timeout())),
            Wait::Time | Wait::Turn => (0, None),
            Wait::Token(_) | Wait::Bell => (1, None),
        };
        let Some((coroutine, given)) = self.awaken(key, task, session) else { return };
        drop(tasks);
        if results == 1 {
            self.stack.in_coroutine(&coroutine).push_bool(false);
        }
        self.resume(key, coroutine, given + results, fault);
    }

    /// A deadline of the task may have passed: ends its wait, or waits for the next deadline.
    fn deadline_passed(&mut self, key: Key) {
        let now_ms = self.state.core.handle.clock().now_ms();
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        task.deadlines.take_alarm();
        let earliest_ms = task.deadlines.earliest_ms();
        if now_ms < earliest_ms {
            if earliest_ms != NEVER_MS
                && let Ok(alarm) = self.state.arm_at_ms(earliest_ms, Alarm::Deadline(key.to_bits()))
            {
                task.deadlines.set_alarm(alarm, earliest_ms);
            }
            return;
        }
        let Some(session) = task.end_wait() else { return };
        let Some((coroutine, given)) = self.awaken(key, task, session) else { return };
        drop(tasks);
        self.resume(key, coroutine, given, Some(timeout()));
    }

    // ---- tasks ----

    /// Runs the tasks that are ready now; those that become ready meanwhile wait for the next
    /// round. False if there was none.
    fn run_ready(&mut self) -> bool {
        let round = self.state.ready.borrow().len();
        for _ in 0..round {
            // Nothing of a service that was killed runs any more.
            if self.state.service.mailbox().control_waits() {
                break;
            }
            let Some(key) = self.state.next_ready() else { break };
            self.steps += 1;
            self.run_ready_task(key);
            if self.over.is_some() || self.state.skynet.is_leaving() || self.is_used_up() {
                break;
            }
        }
        round > 0
    }

    fn run_ready_task(&mut self, key: Key) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        let doom = task.doom.take();
        self.state.trace(key, task.request, || Step::Resume);
        let (coroutine, values) = match std::mem::replace(&mut task.stage, Stage::Running) {
            Stage::Fresh(coroutine, values) | Stage::Ready(coroutine, values) => {
                (coroutine, values)
            }
            other => {
                task.stage = other;
                return;
            }
        };
        drop(tasks);
        if doom.is_some() {
            self.stack.in_coroutine(&coroutine).pop(values);
            self.resume(key, coroutine, 0, doom);
        } else {
            self.resume(key, coroutine, values, None);
        }
    }

    /// Runs a coroutine until it blocks or ends; `failure` is what the native it blocked in raises.
    pub(super) fn resume(
        &mut self,
        key: Key,
        coroutine: Coroutine,
        values: i32,
        failure: Option<Box<Fault>>,
    ) {
        self.state.core.warden.note_beat(self.slice.worker);
        self.state.stay();
        self.state.set_failure(failure);
        self.state.current.set(Some(key));
        self.state.skynet.start_watches(key);
        let measured = self.begin_measuring(key);
        let resumed = self.stack.resume(&coroutine, values);
        self.state.current.set(None);
        self.task_paused(key);
        match resumed {
            Resumed::Blocked(left) => {
                self.stack.in_coroutine(&coroutine).pop(left);
                self.suspend(key, coroutine);
            }
            Resumed::Finished(results) => self.finished(key, coroutine, results),
            Resumed::Yielded(_) => self.yielded(key, coroutine),
            Resumed::Failed(error) => self.failed(key, coroutine, &error),
        }
        if let Some((handler, started)) = measured {
            self.state.profile.borrow_mut().spend(handler, started);
        }
        self.look_at_offences();
    }

    /// Whose time is measured from now on, if this run is one of those that are.
    #[inline]
    fn begin_measuring(&self, key: Key) -> Option<(u32, Started)> {
        let started = self.state.profile.borrow_mut().begin()?;
        let mut tasks = self.state.tasks.borrow_mut();
        Some((tasks.get(key).map_or(TASKS, |task| task.handler), started))
    }

    fn suspend(&mut self, key: Key, coroutine: Coroutine) {
        if let Some(task) = self.state.tasks.borrow_mut().get(key) {
            self.state.trace(key, task.request, || Step::Wait);
            if matches!(task.wait, Wait::Turn) {
                task.wait = Wait::Answer;
                task.stage = Stage::Ready(coroutine, 0);
                self.state.ready.borrow_mut().push_back(key);
                self.state.skynet.let_message_come();
            } else {
                task.stage = Stage::Suspended(coroutine);
            }
            return;
        }
        // A running task is never removed; should it be, its coroutine goes with it.
        self.stack.recycle(coroutine);
    }

    // ---- the way out ----

    /// How the service ends, if it does now.
    #[inline]
    fn look_for_end(&mut self) -> Option<Box<Over>> {
        self.look_at_exit();
        self.over.take()
    }

    /// Begins the exit once the service has decided to leave.
    fn look_at_exit(&mut self) {
        if self.over.is_some() || self.state.leaving.borrow().is_none() {
            return;
        }
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

fn timeout() -> Box<Fault> {
    Box::new(Fault::new(Code::Timeout, "the deadline passed"))
}
