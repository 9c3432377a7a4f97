//! A host as an operator sees it while it runs: workers and what they are at, services and what
//! they use.
//!
//! Whoever looks is no worker and may find every worker stuck. So nothing of a VM is touched: all
//! is read from figures that turns leave behind, each by itself, and where code is it says itself,
//! in the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ServiceId;
use super::core::Core;
use super::totals::HostStats;
use crate::actor::service::Service;

/// The target of log lines that answer an operator's question. They are written whatever the level
/// of the log, because somebody has asked.
pub const REPORT: &str = "report";

/// A way to look at a host from any thread.
///
/// ```
/// use moonhive::actor::{Host, Spawn};
///
/// let host = Host::builder().threads(1).build()?;
/// let id = host.spawn(Spawn::text("idle", "return {}"), ())?;
/// let view = host.observer().look();
/// let idle = view.services.iter().find(|service| service.id == id).expect("it lives");
/// assert_eq!((idle.name.as_str(), idle.waiting), ("idle", 0));
/// assert_eq!(view.workers.len(), 1);
/// # Ok::<(), moonhive::actor::HostError>(())
/// ```
#[derive(Clone)]
pub struct Observer {
    core: Arc<Core>,
}

/// A host at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostView {
    /// Its figures.
    pub stats: HostStats,
    /// Timers that are armed.
    pub timers: usize,
    /// Its workers, by number.
    pub workers: Vec<WorkerView>,
    /// Its services, in the order of their addresses.
    pub services: Vec<ServiceView>,
}

/// A worker at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerView {
    /// The turn that it is in; `None` if it has nothing to do, or is between two turns.
    pub turn: Option<TurnView>,
    /// Processor time that its thread has used; `None` once the thread has ended.
    pub cpu_time: Option<Duration>,
}

/// A turn that runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TurnView {
    /// Name and address of the service, unless that has ended just now.
    pub service: Option<(String, ServiceId)>,
    /// How long it has run.
    pub lasted: Duration,
}

/// A service at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceView {
    /// The name of its file.
    pub name: String,
    /// Its address.
    pub id: ServiceId,
    /// It has been killed and has not ended yet.
    pub is_killed: bool,
    /// Lua memory at the end of its last turn; 0 inside its first one.
    pub memory_bytes: usize,
    /// Messages that it has handled.
    pub messages: u64,
    /// Coroutines and timers.
    pub tasks: usize,
    /// Messages in its mailbox.
    pub waiting: usize,
    /// Their size.
    pub waiting_bytes: usize,
    /// How long the first of them has waited.
    pub waiting_for: Duration,
    /// Time that it has spent on workers.
    pub time: Duration,
}

impl Observer {
    pub(super) fn new(core: Arc<Core>) -> Observer {
        Observer { core }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// The host at this moment.
    pub fn look(&self) -> HostView {
        let core = &self.core;
        let services = core.all_services();
        let services =
            services.iter().filter(|service| Some(service.address()) != core.outside_address());
        HostView {
            stats: HostStats::with_profile(core),
            timers: core.handle.timers(),
            workers: self.workers(),
            services: services.map(|service| ServiceView::of(service)).collect(),
        }
    }

    /// Has each turn that runs now say in the log where its code is, under the target [`REPORT`];
    /// one that is inside a C function that neither calls Lua nor polls says it afterwards. The
    /// code goes on. Returns how many were asked.
    pub fn ask_where(&self) -> usize {
        self.core.warden.ask_where()
    }

    fn workers(&self) -> Vec<WorkerView> {
        let core = &self.core;
        let turns = core.handle.running_turns();
        turns
            .map(|(worker, lasted)| {
                let (address, cpu_time) = core.warden.look_at(worker);
                let service = address.and_then(|address| core.running(address));
                let service =
                    service.map(|service| (service.name().to_owned(), ServiceId::of(&service)));
                WorkerView { turn: lasted.map(|lasted| TurnView { service, lasted }), cpu_time }
            })
            .collect()
    }
}

impl ServiceView {
    fn of(service: &Service) -> ServiceView {
        let (figures, backlog) = (&service.figures, service.backlog());
        ServiceView {
            name: service.name().to_owned(),
            id: ServiceId::of(service),
            is_killed: service.is_killed(),
            memory_bytes: figures.memory_bytes.load(Ordering::Relaxed),
            messages: figures.messages.load(Ordering::Relaxed),
            tasks: figures.tasks.load(Ordering::Relaxed),
            waiting: backlog.messages,
            waiting_bytes: backlog.size_bytes,
            waiting_for: backlog.age,
            time: service.core().scale().duration(figures.ticks.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Observer").finish_non_exhaustive()
    }
}
