//! One task: a coroutine that runs, waits or is about to begin. Bookkeeping only; no Lua is touched
//! here.
//!
//! A task has a *key* from birth to end (it is what `hive.fork` hands out), and a *session* for
//! each wait (it is what a request carries). Both name the slot, so either finds the task by an
//! index and a comparison, and neither finds anything once it is stale.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the task, its stages and its deadlines |
//! | `tasks` | all tasks of a service |
//! | `token` | who waits for which token |
//! | `alarm`, `due` | what a timer is for; timers that expired together |
//! | `kept` | what a task keeps until it begins: a function and its arguments |
//! | `every` | how a repeated timer goes on |
//! | `deferred` | answers that are owed when the handler has returned |
//! | `sleeper` | a task that waits for something outside the host |

pub(super) mod alarm;
mod deferred;
pub(super) mod due;
pub(super) mod every;
pub(super) mod kept;
pub(super) mod sleeper;
pub(super) mod tasks;
pub(super) mod token;

use std::sync::Arc;

use moonhive_kernel::address::Address;
use moonhive_kernel::timer::TimerKey;

use self::every::Every;
use self::token::Token;
use crate::actor::fault::Fault;
use crate::actor::message::Caller;
use crate::actor::record::profile::TASKS;
use crate::actor::record::request::{RequestId, Terms};
use crate::actor::service::Service;
use crate::actor::skynet::Origin;
use crate::vm::{Coroutine, Reference};

/// No deadline.
pub(crate) const NEVER_MS: u64 = u64::MAX;

/// Bits of a session that name the slot; the rest counts waits.
pub(super) const SESSION_INDEX_BITS: u32 = 24;
/// The index of no slot: sessions that no task waits for carry it.
pub(super) const SESSION_INDEX_MASK: u64 = (1 << SESSION_INDEX_BITS) - 1;

/// One task.
pub(crate) struct Task {
    pub(crate) stage: Stage,
    /// What a monitor or a repeated timer will run: a function, or a list of it and its arguments.
    pub(crate) function: Option<Reference>,
    /// The request that the task serves; the answer is owed until it is taken out.
    pub(crate) caller: Option<Caller>,
    /// Its answer was given or taken by the program.
    pub(crate) answered: bool,
    /// Who is named as its sender, where that is not the caller.
    pub(crate) origin: Option<Box<Origin>>,
    pub(crate) role: Role,
    pub(crate) deadlines: Deadlines,
    /// The request to which it belongs, if any.
    pub(crate) request: RequestId,
    /// Whose time it uses.
    pub(crate) handler: u32,
    /// Session of the present wait; 0 when it does not wait.
    session: u64,
    /// When the turn began in which the present wait did, by the host's clock.
    waits_since_ns: u64,
    /// Whose answer the present wait is for, if it is one.
    pub(super) callee: Option<Address>,
    /// What the present wait is for.
    pub(crate) wait: Wait,
    /// What ends the present wait by time, or begins the task.
    pub(crate) alarm: Option<TimerKey>,
    /// The wait ends with this as soon as the task runs again.
    pub(crate) doom: Option<Box<Fault>>,
}

/// Puts `value` in the place of one that owns nothing: it is not dropped, nor asked whether it
/// has anything to drop.
#[inline(always)]
fn replace_nothing<T>(place: &mut T, value: T) {
    std::mem::forget(std::mem::replace(place, value));
}

/// What makes a task one that serves a request.
pub(crate) struct Served {
    /// [`Role::Handler`] or [`Role::Dispatch`].
    pub(crate) role: Role,
    pub(crate) caller: Caller,
    pub(crate) origin: Option<Box<Origin>>,
    pub(crate) terms: Terms,
    pub(crate) handler: u32,
}

/// How far a task has come.
pub(crate) enum Stage {
    /// A timer will begin it again.
    Armed,
    /// The end of a service will begin it.
    Watching(Arc<Service>),
    /// The answer to a call will begin it.
    Expecting,
    /// It is about to begin, with this many arguments on top of its stack.
    Fresh(Coroutine, i32),
    /// It has waited and is about to go on, with this many values on top of its stack.
    Ready(Coroutine, i32),
    /// It waits.
    Suspended(Coroutine),
    /// It runs; the turn holds its coroutine.
    Running,
}

/// What a task waits for.
pub(crate) enum Wait {
    /// The answer to a call; when its time is over the call fails.
    Answer,
    /// The same, and the answer is taken as a message pointer.
    RawAnswer,
    /// Time to pass.
    Time,
    /// All tasks to run that are ready before it.
    Turn,
    /// `hive.wakeup` with this token.
    Token(Token),
    /// Something outside the host, of which a [`Sleeper`](sleeper::Sleeper) tells.
    Bell,
}

/// What a task is for.
pub(crate) enum Role {
    /// The service's file.
    Main,
    /// A request or a one-way message; its method, for log lines, is in the coroutine.
    Handler,
    /// A message of a numbered protocol, which its handler answers by itself or not.
    Dispatch,
    /// The start function: the service has started when it has ended.
    Start,
    /// A fork, a timer or a monitor's function.
    Fork,
    /// A timer that begins again.
    Every(Box<Every>),
    /// The exit handler.
    Exit,
}

/// The deadlines a task runs under, by the host's clock in milliseconds. Most tasks have none.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(Option<Box<Limits>>);

#[derive(Debug)]
struct Limits {
    /// Of the request that the task serves.
    inherited_ms: u64,
    /// Of `hive.timeout`, innermost last; user coroutines may end them in any order.
    scopes: Vec<(u64, u64)>,
    scopes_begun: u64,
    /// The armed timer and what it is armed for.
    alarm: Option<(TimerKey, u64)>,
}

impl Deadlines {
    /// Those of a task that serves a request.
    pub(crate) fn new(inherited_ms: u64) -> Deadlines {
        let mut deadlines = Deadlines::default();
        if inherited_ms != NEVER_MS {
            deadlines.limits().inherited_ms = inherited_ms;
        }
        deadlines
    }

    fn limits(&mut self) -> &mut Limits {
        self.0.get_or_insert_with(|| {
            let (scopes, scopes_begun) = (Vec::new(), 0);
            Box::new(Limits { inherited_ms: NEVER_MS, scopes, scopes_begun, alarm: None })
        })
    }

    /// The earliest one.
    #[inline]
    pub(crate) fn earliest_ms(&self) -> u64 {
        let Some(limits) = &self.0 else { return NEVER_MS };
        let scopes = limits.scopes.iter().map(|&(_, deadline_ms)| deadline_ms);
        scopes.fold(limits.inherited_ms, u64::min)
    }

    /// Begins a scope; its number ends it.
    pub(crate) fn begin_scope(&mut self, deadline_ms: u64) -> u64 {
        let limits = self.limits();
        limits.scopes_begun += 1;
        limits.scopes.push((limits.scopes_begun, deadline_ms));
        limits.scopes_begun
    }

    pub(crate) fn end_scope(&mut self, scope: u64) {
        if let Some(limits) = &mut self.0 {
            limits.scopes.retain(|&(number, _)| number != scope);
        }
    }

    /// Whether the deadline of the request is over.
    pub(crate) fn inherited_passed(&self, now_ms: u64) -> bool {
        self.0.as_ref().is_some_and(|limits| now_ms >= limits.inherited_ms)
    }

    /// What the timer is armed for.
    pub(crate) fn armed_ms(&self) -> Option<u64> {
        self.0.as_ref()?.alarm.map(|(_, armed_ms)| armed_ms)
    }

    pub(crate) fn set_alarm(&mut self, alarm: TimerKey, armed_ms: u64) {
        self.limits().alarm = Some((alarm, armed_ms));
    }

    pub(crate) fn take_alarm(&mut self) -> Option<TimerKey> {
        self.0.as_mut()?.alarm.take().map(|(alarm, _)| alarm)
    }
}

impl Task {
    pub(crate) fn new(stage: Stage, role: Role) -> Task {
        Task {
            stage,
            function: None,
            caller: None,
            answered: false,
            origin: None,
            role,
            deadlines: Deadlines::default(),
            request: RequestId::NONE,
            handler: TASKS,
            session: 0,
            waits_since_ns: 0,
            callee: None,
            wait: Wait::Answer,
            alarm: None,
            doom: None,
        }
    }

    /// The task, which holds nothing, begins to serve a request.
    #[inline(always)]
    fn serve(&mut self, served: Served) {
        let Served { role, caller, origin, terms, handler } = served;
        debug_assert!(self.holds_nothing(), "nothing is lost that another task had");
        self.role = role;
        self.answered = false;
        replace_nothing(&mut self.caller, Some(caller));
        if origin.is_some() {
            self.origin = origin;
        }
        if terms.deadline_ms != NEVER_MS {
            self.deadlines = Deadlines::new(terms.deadline_ms);
        }
        self.request = terms.request;
        self.handler = handler;
    }

    /// The task, which holds nothing, begins as another one.
    #[inline]
    fn begin(&mut self, role: Role, request: RequestId) {
        self.stage = Stage::Running;
        self.role = role;
        self.answered = false;
        self.request = request;
        self.handler = TASKS;
    }

    /// True if dropping the task would do nothing.
    #[inline(always)]
    fn holds_nothing(&self) -> bool {
        let waits = self.session != 0 || self.alarm.is_some() || !matches!(self.wait, Wait::Answer);
        let owes = self.caller.is_some() || self.doom.is_some() || self.origin.is_some();
        let keeps = self.function.is_some() || self.deadlines.0.is_some();
        !waits && !owes && !keeps && matches!(self.stage, Stage::Running)
    }

    /// Begins to wait under that session.
    pub(super) fn begin_wait(&mut self, session: u64, callee: Option<Address>, now_ns: u64) {
        debug_assert_eq!(self.session, 0, "a task waits for one thing at a time");
        self.session = session;
        self.waits_since_ns = now_ns;
        self.callee = callee;
        // A wait that was asked for and did not come about must not be taken for this one.
        self.wait = Wait::Answer;
    }

    /// Ends the present wait and returns its session; `None` if the task does not wait.
    pub(crate) fn end_wait(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.session)).filter(|session| *session != 0)
    }

    /// Who waits for the answer of this task, if anybody does.
    pub(super) fn serves(&self) -> Option<&Caller> {
        self.caller.as_ref().filter(|caller| caller.waits())
    }

    /// When the turn began in which the present wait did.
    pub(super) fn waits_since_ns(&self) -> u64 {
        self.waits_since_ns
    }

    /// The session of the present wait; 0 when it does not wait.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// True if the service lives on for this task's sake.
    pub(crate) fn keeps_alive(&self) -> bool {
        !matches!(self.stage, Stage::Watching(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_counts_and_scopes_may_end_in_any_order() {
        let mut deadlines = Deadlines::new(50);
        let outer = deadlines.begin_scope(20);
        let inner = deadlines.begin_scope(30);
        assert_eq!(deadlines.earliest_ms(), 20);
        deadlines.end_scope(outer);
        assert_eq!(deadlines.earliest_ms(), 30);
        deadlines.end_scope(inner);
        assert_eq!(deadlines.earliest_ms(), 50);
    }
}
