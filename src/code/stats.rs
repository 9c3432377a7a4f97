//! Figures of one cache, for `cache.stats()`, `run --stats` and the dashboard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moonhive_lua_sys::share::ShareStats;

use super::image::{Code, share_stats};
use super::store::Store;
use super::version::Version;

/// Figures of one cache at one moment. Each figure is exact; they are not read all at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Current versions, by name.
    pub chunks: Vec<ChunkStats>,
    /// Retired versions that some VM still uses, by name and version.
    pub retired: Vec<ChunkStats>,
    /// Sums and counts.
    pub totals: Totals,
    /// What all caches and VMs of the process share.
    pub shared: ShareStats,
}

/// Figures of one version of one chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkStats {
    /// Canonical path of the file, or name of the embedded text.
    pub name: String,
    /// Number of the publication; rises over the whole cache.
    pub version: u64,
    /// True if compiled with the meaning of Lua 5.4 where 5.5 would refuse it.
    pub compat_54: bool,
    /// Bytes of its images; more than one if scripts spell the path in different ways.
    pub size_bytes: usize,
    /// VMs that use it; one that uses two spellings counts twice.
    pub users: usize,
    /// Loads it served, without the one that compiled it.
    pub hits: u64,
    /// What its compilation took.
    pub compile_time: Duration,
}

/// Sums over one cache, and what happened since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Bytes of current versions.
    pub size_bytes: usize,
    /// Bytes of retired versions still in use.
    pub retired_bytes: usize,
    /// VMs that use retired versions; one that uses several counts as often.
    pub retired_users: usize,
    /// Loads served from the cache.
    pub hits: u64,
    /// Compilations published.
    pub compiled: u64,
    /// Loads that failed: syntax errors, lack of memory, the wrong mode argument.
    pub failed: u64,
    /// Loads that slept while another thread compiled the same chunk.
    pub waited: u64,
    /// Loads that compiled privately, because of the VM's mode.
    pub private: u64,
}

impl CacheStats {
    pub(super) fn of<C: Code>(store: &Store<C>) -> CacheStats {
        let chunks = by_name(store.current_versions());
        let retired = by_name(store.retired_versions());
        let counts = &store.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let live_hits: u64 = chunks.iter().chain(&retired).map(|chunk| chunk.hits).sum();
        let totals = Totals {
            size_bytes: chunks.iter().map(|chunk| chunk.size_bytes).sum(),
            retired_bytes: retired.iter().map(|chunk| chunk.size_bytes).sum(),
            retired_users: retired.iter().map(|chunk| chunk.users).sum(),
            hits: live_hits + read(&counts.past_hits),
            compiled: read(&counts.compiled),
            failed: read(&counts.failed),
            waited: read(&counts.waited),
            private: read(&counts.private),
        };
        CacheStats { chunks, retired, totals, shared: share_stats() }
    }
}

fn by_name<C: Code>(versions: Vec<std::sync::Arc<Version<C>>>) -> Vec<ChunkStats> {
    let mut chunks: Vec<_> = versions.iter().map(|version| ChunkStats::of(version)).collect();
    chunks.sort_by(|one, other| (&one.name, one.version).cmp(&(&other.name, other.version)));
    chunks
}

impl ChunkStats {
    fn of<C: Code>(version: &Version<C>) -> ChunkStats {
        ChunkStats {
            name: version.key.chunk.to_string(),
            version: version.number,
            compat_54: version.key.compat_54,
            size_bytes: version.size_bytes(),
            users: version.users(),
            hits: version.hits(),
            compile_time: version.compile_time,
        }
    }
}
