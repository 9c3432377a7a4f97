//! What a host says of itself when an operator asks: lines of the log, whatever its level.
//!
//! ```text
//! INFO the host services=1001 messages=4937 waiting=12 tasks=1003 timers=2 memory_bytes=99614720 workers=2 busy=1
//! INFO lobby:00000003 in a turn worker=0 lasted_ms=7012
//! INFO lobby:00000003 used time_ms=7012 since_ms=7012 memory_bytes=43008 messages=1 tasks=1 waiting=12 waiting_bytes=96 waiting_ms=7011
//! INFO lobby:00000003 it runs here:
//!     lobby.lua:3: in field 'spin'
//! ```
//!
//! Of the services those are told of that used most time since the last report, that use most
//! memory, and whose messages have waited longest; and of the calls that have waited for a second
//! those that did so longest, with all that they wait for:
//!
//! ```text
//! INFO gate:00000002 waits for an answer lasted_ms=12034 others=0
//!     gate:00000002 waits for room:00000005 at gate.lua:12: in function <gate.lua:10>
//!     room:00000005 serves join and sleeps at room.lua:42: in field 'join'
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::chains::chains;
use crate::actor::{HostView, Observer, REPORT, ServiceId, ServiceView};

/// Services that are named for each reason.
const NAMED_MAX: usize = 8;

/// How long services may take to say what their tasks wait for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reports of one host.
///
/// ```
/// use moonhive::actor::Host;
/// use moonhive::ops::report::Reporter;
///
/// let host = Host::builder().threads(1).build()?;
/// let mut reporter = Reporter::new(host.observer());
/// reporter.log(); // for instance from the thread that waits for signals
/// # Ok::<(), moonhive::actor::HostError>(())
/// ```
#[derive(Debug)]
pub struct Reporter {
    host: Observer,
    /// The time of each service as of the last report.
    told: HashMap<ServiceId, Duration>,
}

impl Reporter {
    /// Reports of that host, none of which has been made.
    pub fn new(host: Observer) -> Reporter {
        Reporter { host, told: HashMap::new() }
    }

    /// Logs the host, the turns that run, the services of note, where code is that runs now, and
    /// calls that wait. Takes up to two seconds if services do not answer.
    pub fn log(&mut self) {
        let view = self.host.look();
        log_host(&view);
        log_turns(&view);
        let since: Vec<Duration> =
            view.services.iter().map(|service| self.since(service)).collect();
        for index in of_note(&view.services, &since) {
            log_service(&view.services[index], since[index]);
        }
        self.told = view.services.iter().map(|service| (service.id, service.time)).collect();
        self.host.ask_where();
        self.log_waits(&view);
    }

    fn log_waits(&self, view: &HostView) {
        let waits = self.host.ask_waits(PATIENCE);
        let services = view.services.iter().map(|service| (service.id, service)).collect();
        for chain in chains(&waits, &services) {
            let (service, id, lasted) = chain.first();
            tracing::info!(
                target: REPORT,
                service,
                address = address(id),
                lasted_ms = milliseconds(lasted),
                others = chain.others,
                "{}{chain}",
                if chain.is_ring() { "waits in a ring" } else { "waits for an answer" }
            );
        }
        if !waits.silent.is_empty() {
            tracing::info!(
                target: REPORT,
                services = waits.silent.len(),
                "some did not say what they wait for"
            );
        }
    }

    /// The time that a service has used since the last report.
    fn since(&self, service: &ServiceView) -> Duration {
        service.time.saturating_sub(self.told.get(&service.id).copied().unwrap_or_default())
    }
}

fn log_host(view: &HostView) {
    let stats = &view.stats;
    tracing::info!(
        target: REPORT,
        services = view.services.len(),
        spawned = stats.spawned,
        messages = stats.messages,
        waiting = stats.waiting_messages,
        tasks = stats.tasks,
        timers = view.timers,
        memory_bytes = stats.memory_bytes,
        code_bytes = stats.code.totals.size_bytes,
        time_ms = milliseconds(stats.time),
        workers = view.workers.len(),
        busy = view.workers.iter().filter(|worker| worker.turn.is_some()).count(),
        "the host"
    );
}

fn log_turns(view: &HostView) {
    for (number, worker) in view.workers.iter().enumerate() {
        let Some(turn) = &worker.turn else { continue };
        let service = turn.service.as_ref();
        tracing::info!(
            target: REPORT,
            service = service.map_or("(closing)", |(name, _)| name),
            address = service.map(|(_, id)| address(*id)),
            worker = number,
            lasted_ms = milliseconds(turn.lasted),
            "in a turn"
        );
    }
}

fn log_service(service: &ServiceView, since: Duration) {
    tracing::info!(
        target: REPORT,
        service = service.name,
        address = address(service.id),
        time_ms = milliseconds(service.time),
        since_ms = milliseconds(since),
        memory_bytes = service.memory_bytes,
        messages = service.messages,
        tasks = service.tasks,
        waiting = service.waiting,
        waiting_bytes = service.waiting_bytes,
        waiting_ms = milliseconds(service.waiting_for),
        "{}",
        if service.is_killed { "is killed and used" } else { "used" }
    );
}

/// The indices of services that a report names, in their order.
fn of_note(services: &[ServiceView], since: &[Duration]) -> BTreeSet<usize> {
    let most = |key: &dyn Fn(usize) -> u128| {
        let mut indices: Vec<usize> = (0..services.len()).filter(|index| key(*index) > 0).collect();
        indices.sort_by_key(|index| Reverse(key(*index)));
        indices.truncate(NAMED_MAX);
        indices
    };
    let by_time = most(&|index| since[index].as_nanos());
    let by_memory = most(&|index| services[index].memory_bytes as u128);
    // How long is known from the second look on only.
    let by_wait = most(&|index| {
        let service = &services[index];
        service.waiting_for.as_nanos() << 32 | service.waiting as u128
    });
    [by_time, by_memory, by_wait].into_iter().flatten().collect()
}

/// As log lines spell it.
fn address(id: ServiceId) -> String {
    id.to_string().trim_start_matches(':').to_owned()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
