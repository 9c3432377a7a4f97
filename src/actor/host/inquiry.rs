//! Who waits for whom, for an operator: every service says what its tasks wait for, since when and
//! where in their code.
//!
//! Only its own turns touch a service, so it is asked by a message, which comes before all others.
//! A service in a long turn does not answer; [`Observer::look`] names that turn. Few are asked at a
//! time, so that a host of many services goes on with its work meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use moonhive_kernel::address::Address;

use super::ServiceId;
use super::view::Observer;
use crate::actor::message::{Caller, Message};
use crate::actor::service::Service;
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::{Stage, Task, Wait};
use crate::vm::Stack;

/// Services that are asked and have not answered yet.
const ASKED_MAX: usize = 64;
/// Tasks of which one service tells, those that wait longest.
const TASKS_TOLD_MAX: usize = 1000;

/// The question. Whoever lets go of it has answered, if only that there is nothing to say.
pub(crate) struct Inquiry {
    asked: ServiceId,
    answers: Option<Sender<Answer>>,
}

/// Who was asked, and what it said if any of its tasks waits.
type Answer = (ServiceId, Option<ServiceWaits>);

/// What all services said.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostWaits {
    /// Those that answered and have tasks that wait, in no order.
    pub services: Vec<ServiceWaits>,
    /// Services with tasks that did not answer in time, most of them because a turn of theirs took
    /// so long; or were not even asked.
    pub silent: Vec<ServiceId>,
}

/// A service some of whose tasks wait.
#[derive(Debug, Clone)]
pub struct ServiceWaits {
    /// The name of its file.
    pub name: String,
    /// Its address.
    pub id: ServiceId,
    /// The tasks, the one that has waited longest first; at most a thousand, those that serve
    /// requests before others.
    pub tasks: Vec<TaskWait>,
    /// Tasks that wait as well.
    pub untold: usize,
}

/// A task that waits.
#[derive(Debug, Clone)]
pub struct TaskWait {
    /// Names this wait among those of its service.
    pub session: u64,
    /// What it is for.
    pub for_what: WaitFor,
    /// It ends by itself after a time: a timeout, a deadline or a sleep.
    pub has_limit: bool,
    /// How long it has lasted, and what came before it in the turn in which it began.
    pub lasted: Duration,
    /// Where the code waits: a line of a traceback.
    pub place: Option<String>,
    /// The request that the task serves and has not answered.
    pub serves: Option<ServedRequest>,
}

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitFor {
    /// An answer of this service.
    Answer(ServiceId),
    /// Time to pass.
    Time,
    /// Another task of its service to wake it.
    Wakeup,
    /// Something outside the host, or a service that none could be named as.
    Other,
}

/// A request as its callee sees it.
#[derive(Debug, Clone)]
pub struct ServedRequest {
    /// Who sent it.
    pub caller: ServiceId,
    /// The session under which a task of the caller waits for the answer.
    pub session: u64,
    /// The name of its handler, if that is known.
    pub method: Option<String>,
}

impl Observer {
    /// Asks every service what its tasks wait for, until all have answered or patience is over.
    /// Services are interrupted for some microseconds each, or a millisecond for 10,000 tasks; one
    /// whose turn is long answers afterwards.
    ///
    /// ```
    /// use std::time::Duration;
    /// use moonhive::actor::{Host, Spawn, WaitFor};
    ///
    /// let host = Host::builder().threads(1).build()?;
    /// let text = "local hive = require 'hive' hive.fork(function() hive.sleep(60) end) return {}";
    /// let id = host.spawn(Spawn::text("sleeper", text), ())?;
    /// # let mut waits = host.observer().ask_waits(Duration::from_secs(5));
    /// # while waits.services.is_empty() { waits = host.observer().ask_waits(Duration::from_secs(5)); }
    /// let waits = host.observer().ask_waits(Duration::from_secs(5));
    /// assert_eq!((waits.services[0].id, waits.silent.len()), (id, 0));
    /// assert_eq!(waits.services[0].tasks[0].for_what, WaitFor::Time);
    /// # Ok::<(), moonhive::actor::HostError>(())
    /// ```
    pub fn ask_waits(&self, patience: Duration) -> HostWaits {
        let until = Instant::now() + patience;
        let all = self.core().all_services();
        let (answers, inbox) = mpsc::channel();
        let mut left = all.iter().filter(|service| service.has_tasks());
        let mut silent = HashSet::new();
        let mut services = Vec::new();
        for service in left.by_ref().take(ASKED_MAX) {
            silent.insert(ServiceId::of(service));
            service.ask_waits(&answers);
        }
        while !silent.is_empty() {
            let patience = until.saturating_duration_since(Instant::now());
            let Ok((id, answer)) = inbox.recv_timeout(patience) else { break };
            silent.remove(&id);
            services.extend(answer);
            if !patience.is_zero()
                && let Some(service) = left.next()
            {
                silent.insert(ServiceId::of(service));
                service.ask_waits(&answers);
            }
        }
        let unasked = left.map(|service| ServiceId::of(service));
        HostWaits { services, silent: silent.into_iter().chain(unasked).collect() }
    }
}

impl Service {
    /// Whether a turn has left coroutines or timers behind.
    fn has_tasks(&self) -> bool {
        self.figures.tasks.load(Ordering::Relaxed) > 0
    }

    fn ask_waits(self: &Arc<Self>, answers: &Sender<Answer>) {
        let (asked, answers) = (ServiceId::of(self), Some(answers.clone()));
        // A service that takes no more messages drops the question, which answers it.
        self.control(Message::Inquiry(Inquiry { asked, answers }));
    }
}

impl Inquiry {
    /// Answers the question.
    pub(in crate::actor) fn answer(mut self, waits: Option<ServiceWaits>) {
        if let Some(answers) = self.answers.take() {
            // Who asked may have lost patience.
            let _ = answers.send((self.asked, waits));
        }
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        if let Some(answers) = self.answers.take() {
            let _ = answers.send((self.asked, None));
        }
    }
}

impl State {
    /// The running task, which has begun to wait, does so for an answer of that service.
    pub(crate) fn expects_of(&self, callee: Address) {
        if let Some(key) = self.current.get()
            && let Some(task) = self.tasks.borrow_mut().get(key)
        {
            task.callee = Some(callee);
        }
    }

    /// What the tasks of the service wait for; `None` if none does.
    pub(in crate::actor) fn waits(&self, stack: &Stack<'_>) -> Option<ServiceWaits> {
        let mut tasks = self.tasks.borrow_mut();
        let mut waiting = Vec::new();
        for key in tasks.keys() {
            if let Some(task) = tasks.get(key)
                && task.session() != 0
            {
                waiting.push((task.serves().is_none(), task.waits_since_ns(), key));
            }
        }
        let untold = waiting.len().saturating_sub(TASKS_TOLD_MAX);
        if untold > 0 {
            let first = |&(serves_none, since_ns, _): &(bool, u64, Key)| (serves_none, since_ns);
            waiting.select_nth_unstable_by_key(TASKS_TOLD_MAX, first);
            waiting.truncate(TASKS_TOLD_MAX);
        }
        waiting.sort_unstable_by_key(|&(_, since_ns, _)| since_ns);
        let now_ns = self.core.handle.clock().now_ns();
        let told = waiting.into_iter().filter_map(|(_, _, key)| {
            let task = tasks.get(key)?;
            Some(self.wait_of(stack, task, now_ns))
        });
        let told: Vec<TaskWait> = told.collect();
        let (name, id) = (self.service.name().to_owned(), ServiceId::of(&self.service));
        (!told.is_empty()).then_some(ServiceWaits { name, id, tasks: told, untold })
    }

    fn wait_of(&self, stack: &Stack<'_>, task: &Task, now_ns: u64) -> TaskWait {
        let for_what = match (&task.wait, task.callee) {
            (Wait::Answer | Wait::RawAnswer, Some(callee)) => WaitFor::Answer(callee.into()),
            (Wait::Time, _) => WaitFor::Time,
            (Wait::Token(_), _) => WaitFor::Wakeup,
            _ => WaitFor::Other,
        };
        let place = match &task.stage {
            Stage::Suspended(coroutine) => stack.place_of(coroutine),
            _ => None,
        };
        TaskWait {
            session: task.session(),
            for_what,
            has_limit: task.alarm.is_some() || task.deadlines.armed_ms().is_some(),
            lasted: Duration::from_nanos(now_ns.saturating_sub(task.waits_since_ns())),
            place,
            serves: task
                .caller
                .as_ref()
                .filter(|caller| caller.waits())
                .map(|caller| self.served(caller, task.handler)),
        }
    }

    fn served(&self, caller: &Caller, handler: u32) -> ServedRequest {
        ServedRequest {
            caller: caller.address().into(),
            session: caller.session(),
            method: self.profile.borrow().name_of(handler),
        }
    }
}
