//! Sums over all services of a host, those that have ended included.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::core::Core;
use crate::actor::record::profile::{Profile, Profiles, ServiceProfile};
use crate::actor::service::Figures;
use crate::code::CacheStats;
use crate::share::SharedStats;

/// Counted when a service begins or ends, so nothing here is touched by messages.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    spawned: AtomicU64,
    ended: AtomicU64,
    /// Of services that have ended.
    messages: AtomicU64,
    memory_bytes: AtomicUsize,
    memory_bytes_max: AtomicUsize,
    ticks: AtomicU64,
    profiles: Mutex<Profiles>,
}

impl Totals {
    pub(crate) fn note_spawn(&self) {
        self.spawned.fetch_add(1, Ordering::Relaxed);
    }

    /// A service ends that has spent its time like this.
    pub(in crate::actor) fn note_profile(&self, service: &str, profile: &Profile) {
        self.ticks.fetch_add(profile.total(), Ordering::Relaxed);
        self.profiles.lock().add(service, profile);
    }

    /// A service ends that used this much memory at last.
    pub(crate) fn note_end(&self, figures: &Figures, memory_bytes: usize) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.messages.fetch_add(figures.messages.load(Ordering::Relaxed), Ordering::Relaxed);
        self.memory_bytes.fetch_add(memory_bytes, Ordering::Relaxed);
        self.memory_bytes_max.fetch_max(memory_bytes, Ordering::Relaxed);
    }
}

/// Figures of a host at one moment; each alone is exact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostStats {
    /// Services alive.
    pub services: usize,
    /// Services started since the host began.
    pub spawned: u64,
    /// Messages that services have handled.
    pub messages: u64,
    /// Messages that wait in mailboxes.
    pub waiting_messages: usize,
    /// Tasks (coroutines and timers) of living services.
    pub tasks: usize,
    /// Lua memory of living services, at the end of their last turns.
    pub memory_bytes: usize,
    /// The same over all services that ever were: for each what it used last, on average.
    pub memory_per_service_bytes: usize,
    /// The most that one service used at the end of a turn or of its life.
    pub memory_of_largest_bytes: usize,
    /// Time that services have spent on workers.
    pub time: Duration,
    /// The same for those that have ended, by the name of their file; the most expensive first.
    /// Filled for the program around the host only.
    pub profile: Vec<ServiceProfile>,
    /// Of the code cache.
    pub code: CacheStats,
    /// Of the shared tables.
    pub shared: SharedStats,
}

impl HostStats {
    pub(crate) fn of(core: &Core) -> HostStats {
        let totals = &core.totals;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut stats = HostStats {
            spawned: read(&totals.spawned),
            messages: read(&totals.messages),
            memory_of_largest_bytes: totals.memory_bytes_max.load(Ordering::Relaxed),
            code: core.code.stats(),
            shared: core.shared_stats(),
            ..HostStats::default()
        };
        let mut ticks = read(&totals.ticks);
        for service in core.all_services() {
            let figures = &service.figures;
            stats.waiting_messages += service.mailbox().counters().depth;
            let memory_bytes = figures.memory_bytes.load(Ordering::Relaxed);
            if memory_bytes == 0 {
                continue; // the Rust side, or inside its first turn
            }
            stats.services += 1;
            stats.messages += read(&figures.messages);
            ticks += read(&figures.ticks);
            stats.tasks += figures.tasks.load(Ordering::Relaxed);
            stats.memory_bytes += memory_bytes;
            stats.memory_of_largest_bytes = stats.memory_of_largest_bytes.max(memory_bytes);
        }
        stats.time = core.scale().duration(ticks);
        let past_bytes = totals.memory_bytes.load(Ordering::Relaxed);
        let counted = stats.services as u64 + read(&totals.ended);
        let all_bytes = (past_bytes + stats.memory_bytes) as u64;
        stats.memory_per_service_bytes = all_bytes.checked_div(counted).unwrap_or(0) as usize;
        stats
    }

    /// The same with the profile of services that have ended.
    pub(crate) fn with_profile(core: &Core) -> HostStats {
        let profile = core.totals.profiles.lock().list(core.scale());
        HostStats { profile, ..HostStats::of(core) }
    }
}
