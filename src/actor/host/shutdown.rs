//! The stages of a shutdown, as the warden goes through them.
//!
//! 1. *Draining*: nothing new is spawned; requests that are being served, and what they cause, are
//!    finished.
//! 2. *Preparing*: every service runs its exit handler while all go on serving.
//! 3. *Leaving*: every service closes what is open (`__close`) and ends.
//! 4. *Killing*: what is left when the grace time is over is interrupted and ended.
//!
//! A host that is aborted begins with the third, which then has a tenth of the grace time, as it
//! has at least in any shutdown. The first three share the grace time: whoever waits for what never
//! comes uses up the part of its stage, and takes nobody's exit handler with it. The fourth and the
//! end of the workers share what comes after it. A host with nothing pending passes through all in
//! the time that its services take for a turn each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;
use crate::actor::end::End;
use crate::actor::limits::{SHUTDOWN_KILL_WAIT, WORKERS_END_WAIT};
use crate::actor::message::Message;
use crate::actor::service::{Leaving, Service};

/// Pause between two looks at first; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Tenths of the grace time after which draining ends, and after which preparing does.
const DRAINING_TENTHS: u32 = 8;
const PREPARING_TENTHS: u32 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Draining,
    Preparing,
    Leaving,
    Killing,
    Done,
}

/// A shutdown under way.
pub(super) struct Shutdown {
    stage: Stage,
    began: Instant,
    /// Of the stage; that of the killing is that of the workers, too.
    deadline: Instant,
    has_killed: bool,
    pause: Duration,
    /// The last look found nothing being served.
    was_quiet: bool,
}

impl Shutdown {
    pub(super) fn begin(core: &Core) -> Shutdown {
        tracing::debug!(services = core.table.len(), "shutting down");
        let began = Instant::now();
        let mut shutdown = Shutdown {
            stage: Stage::Draining,
            began,
            deadline: began,
            has_killed: false,
            pause: PAUSE_MIN,
            was_quiet: false,
        };
        shutdown.enter(Stage::Draining, core);
        shutdown
    }

    /// Goes as far as it can. Returns how long to wait for more, `None` when all is over.
    pub(super) fn advance(&mut self, core: &Core) -> Option<Duration> {
        if self.stage < Stage::Leaving && core.warden.is_aborting() {
            self.enter(Stage::Leaving, core);
        }
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let is_late = left.is_zero();
            let (holds, next) = match self.stage {
                Stage::Draining => (self.is_drained(core), Stage::Preparing),
                Stage::Preparing => (each_service(core, is_prepared), Stage::Leaving),
                Stage::Leaving if tell(core, leave) => (true, Stage::Done),
                Stage::Leaving => (false, Stage::Killing),
                Stage::Killing => (tell(core, kill), Stage::Done),
                Stage::Done => {
                    end_outside(core);
                    return None;
                }
            };
            if !holds && !is_late {
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                return Some(self.pause.min(left));
            }
            self.enter(next, core);
        }
    }

    /// True when every turn that still runs has to be interrupted.
    pub(super) fn is_killing(&self) -> bool {
        self.stage == Stage::Killing
    }

    /// Until when the workers may take to end, once all is over here.
    pub(super) fn workers_deadline(&self) -> Instant {
        let now = Instant::now();
        if self.has_killed {
            self.deadline.max(now + WORKERS_END_WAIT)
        } else {
            now + SHUTDOWN_KILL_WAIT
        }
    }

    fn enter(&mut self, stage: Stage, core: &Core) {
        let grace = core.settings.grace;
        self.deadline = match stage {
            Stage::Draining => self.began + grace / 10 * DRAINING_TENTHS,
            Stage::Preparing => self.began + grace / 10 * PREPARING_TENTHS,
            Stage::Leaving if core.warden.is_aborting() => Instant::now() + grace / 10,
            Stage::Leaving => self.began + grace,
            Stage::Killing => Instant::now() + SHUTDOWN_KILL_WAIT,
            Stage::Done => self.deadline,
        };
        self.has_killed |= stage == Stage::Killing;
        self.stage = stage;
        self.pause = PAUSE_MIN / 2;
    }

    /// Nothing was being served at two looks in a row: a message between two services escapes one
    /// look, not both.
    fn is_drained(&mut self, core: &Core) -> bool {
        let is_quiet = each_service(core, is_quiet);
        std::mem::replace(&mut self.was_quiet, is_quiet) && is_quiet
    }
}

/// True if `check` holds for every service but the one that stands for the Rust side.
fn each_service(core: &Core, check: impl Fn(&Arc<Service>) -> bool) -> bool {
    let outside = core.outside_address();
    let mut holds = true;
    core.table.for_each(|address, service| {
        holds &= Some(address) == outside || check(&service);
    });
    holds
}

fn is_quiet(service: &Arc<Service>) -> bool {
    let counters = service.mailbox().counters();
    service.figures.requests_served() == 0 && counters.depth + counters.control_depth == 0
}

/// Asks the service to prepare, once.
fn is_prepared(service: &Arc<Service>) -> bool {
    if service.figures.leaving() == Leaving::No {
        service.figures.leave(Leaving::Preparing);
        service.control(Message::PrepareToEnd);
    }
    service.figures.leaving() >= Leaving::Prepared
}

/// Tells every service something; true if none is left.
fn tell(core: &Core, what: fn(&Arc<Service>)) -> bool {
    each_service(core, |service| {
        what(service);
        true
    });
    core.is_empty()
}

fn leave(service: &Arc<Service>) {
    if service.figures.leaving() < Leaving::Told {
        service.figures.leave(Leaving::Told);
        service.control(Message::Stop(Box::new(End::Shutdown)));
    }
}

fn kill(service: &Arc<Service>) {
    if service.figures.leaving() < Leaving::Killed {
        tracing::warn!(
            service = service.name(),
            address = service.log_address(),
            "did not end within the grace time and is killed"
        );
        service.figures.leave(Leaving::Killed);
        service.control(Message::Kill(Box::new(End::Shutdown)));
    }
}

fn end_outside(core: &Core) {
    if let Some(outside) = core.outside_address().and_then(|address| core.table.get(address)) {
        outside.control(Message::Kill(Box::new(End::Shutdown)));
    }
    let killed = core.killed();
    killed.iter().for_each(warn_stuck);
    core.table.for_each(|_, service| {
        if service.is_killed() {
            warn_stuck(&service);
        }
    });
}

fn warn_stuck(service: &Arc<Service>) {
    tracing::error!(
        service = service.name(),
        address = service.log_address(),
        "cannot be ended: it is inside a C function that does not return"
    );
}
