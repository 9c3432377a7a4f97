//! What a message does to the service that takes it. A request goes on to its handler (`serve.rs`);
//! an answer, a failure or a timer ends the wait of a task, whose coroutine runs at once; the rest
//! is told to the service itself.
//!
//! Whatever comes too late finds no task under its session, and nothing happens.

use super::parting::{Parcel, Parted};
use super::{Over, Turn};
use crate::actor::fault::{Code, Fault, no_memory};
use crate::actor::message::{Caller, Message};
use crate::actor::skynet::{Envelope, Incoming, VALUES};
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::{NEVER_MS, Wait};
use crate::message::{Payload, UnpackError};
use crate::vm::Coroutine;

impl Turn<'_, '_> {
    /// Handles what was handed over to the turn.
    #[inline(always)]
    pub(super) fn handle_first(&mut self, first: Parcel) {
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

    #[inline(always)]
    pub(in crate::actor) fn handle(&mut self, message: Message) {
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
            other => self.handle_other(other),
        }
    }

    #[inline(never)]
    fn handle_other(&mut self, message: Message) {
        match message {
            Message::Request { .. } | Message::Numbered { .. } | Message::Answer { .. } => {
                debug_assert!(false, "these are handled above");
            }
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
    pub(super) fn answered(&mut self, session: u64, payload: &Payload) {
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
                self.resume_here(key, coroutine, given + values, None);
            }
            Ok(values) => {
                self.stack.in_coroutine(&coroutine).pop(values);
                self.cannot_read_answer(key, coroutine, given, (payload, &UnpackError::Memory));
            }
            Err(error) => self.cannot_read_answer(key, coroutine, given, (payload, &error)),
        }
    }

    /// The task gets an error in the place of an answer that came.
    #[cold]
    fn cannot_read_answer(
        &mut self,
        key: Key,
        coroutine: Coroutine,
        given: i32,
        (payload, error): (&Payload, &UnpackError),
    ) {
        let fault = match error {
            UnpackError::Memory => no_memory(&self.state.service.label(), payload),
            error => Fault::new(Code::Error, format!("cannot read the answer: {error}")),
        };
        self.resume(key, coroutine, given, Some(Box::new(fault)));
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
    pub(super) fn end_wait(&mut self, session: u64) -> Option<(Key, Coroutine, i32)> {
        let mut tasks = self.state.tasks.borrow_mut();
        let (key, task) = tasks.end_wait(session)?;
        let (coroutine, given) = self.awaken(key, task, session)?;
        Some((key, coroutine, given))
    }

    pub(super) fn alarmed(&mut self, alarm: Alarm) {
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
}

pub(super) fn timeout() -> Box<Fault> {
    Box::new(Fault::new(Code::Timeout, "the deadline passed"))
}
