//! The cache of one host: the two tables, and what one asks of them together.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::LoadError;
use super::front::Front;
use super::image::Image;
use super::key::{Chunk, Key, Spelling, chunks_called};
use super::source::Kind;
use super::stats::CacheStats;
use super::store::{MAX_CHUNKS, Store};
use super::version::{Compiled, Lease};

/// Compiled chunks of one host, shared by all its VMs. Several caches in one process know nothing
/// of each other.
///
/// ```
/// use moonhive::code::CodeCache;
/// let cache = CodeCache::new();
/// assert_eq!(cache.clear(), 0);
/// assert!(cache.stats().chunks.is_empty());
/// ```
#[derive(Debug)]
pub struct CodeCache {
    front: Front<Image>,
    store: Store<Image>,
}

impl Default for CodeCache {
    fn default() -> CodeCache {
        CodeCache::new()
    }
}

impl CodeCache {
    /// An empty cache.
    pub fn new() -> CodeCache {
        CodeCache { front: Front::new(), store: Store::new(MAX_CHUNKS) }
    }

    /// Retires every version: each chunk is compiled afresh at its next load. VMs go on running
    /// what they have loaded. Returns how many versions were retired.
    pub fn clear(&self) -> usize {
        let retired = self.store.clear();
        self.after_retiring();
        retired
    }

    /// The same for one chunk: a file by any of its paths, or an embedded text by its name.
    pub fn clear_chunk(&self, name: impl AsRef<Path>) -> usize {
        let chunks = chunks_called(name.as_ref());
        let retired = chunks.iter().map(|chunk| self.store.clear_chunk(chunk)).sum();
        self.after_retiring();
        retired
    }

    /// Frees the code of retired versions that no VM uses any more. Clearing, publishing and the
    /// end of a VM do so as well; a host calls it when VMs that live on have collected their
    /// garbage.
    pub fn sweep(&self) {
        self.store.sweep();
    }

    /// How many versions were ever retired: a number that stands still while nothing is replaced.
    pub fn retirements(&self) -> u64 {
        self.store.retirements()
    }

    /// Whether some VM still uses a retired version. Frees the others.
    pub fn holds_retired(&self) -> bool {
        self.store.holds_retired()
    }

    /// Figures at this moment.
    pub fn stats(&self) -> CacheStats {
        self.front.settle();
        CacheStats::of(&self.store)
    }

    fn after_retiring(&self) {
        self.front.purge();
        self.store.sweep();
    }

    /// The code for a spelling that this thread has loaded before: the fast way.
    #[inline]
    pub(super) fn find(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
    ) -> Option<Arc<Lease<Image>>> {
        self.front.find(spelling, compat_54)
    }

    /// The same for code that is text.
    #[inline]
    pub(super) fn find_text(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
    ) -> Option<Arc<Lease<Image>>> {
        self.front.find_text(spelling, compat_54)
    }

    /// A number that rises when something is cleared or published anew; see
    /// [`CodeCache::remember`].
    pub(super) fn purges(&self) -> usize {
        self.front.purges()
    }

    /// Lets a search, begun when there had been so many purges, lead to what this thread found
    /// under `spelling`. Not if it might lead elsewhere by now, and not to binary code, which does
    /// not carry the name of its file.
    pub(super) fn remember(
        &self,
        spelling: &Spelling<'_>,
        search: &Spelling<'_>,
        purges: usize,
        compat_54: bool,
    ) {
        let Some(lease) = self.front.current(spelling, compat_54) else { return };
        if lease.version.kind == Kind::Text {
            // One of its own: a lease lies under one spelling, where its hits are counted.
            let lease = Lease::new(lease.version.clone(), lease.code.clone());
            self.front.insert(search, compat_54, Arc::new(lease));
        }
        // Whoever purges comes to this thread's table after it has counted.
        if self.front.purges() != purges {
            self.front.forget(search, compat_54);
        }
    }

    /// The code for a spelling, from whatever version there is; `None` if there is none.
    pub(super) fn find_version(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
    ) -> Result<Option<Arc<Lease<Image>>>, LoadError> {
        let Some(version) = self.store.current(&key_of(spelling, compat_54)?) else {
            return Ok(None);
        };
        version.add_hits(1);
        let code = version.code_named(&spelling.chunk_name()).ok_or(LoadError::OutOfMemory)?;
        let lease = Arc::new(Lease::new(version, code));
        self.front.insert(spelling, compat_54, lease.clone());
        Ok(Some(lease))
    }

    /// The code for a spelling, compiled by `compile` if there is none.
    pub(super) fn fetch(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
        compile: impl FnOnce(&Chunk) -> Result<Compiled<Image>, LoadError>,
    ) -> Result<Arc<Lease<Image>>, LoadError> {
        let key = key_of(spelling, compat_54)?;
        let chunk_name = spelling.chunk_name();
        let mut was_compiled = false;
        let version = self.store.fetch(&key, &chunk_name, || {
            was_compiled = true;
            compile(&key.chunk)
        })?;
        if was_compiled {
            self.store.sweep();
        } else {
            version.add_hits(1);
        }
        let code = version.code_named(&chunk_name).ok_or(LoadError::OutOfMemory)?;
        let lease = Arc::new(Lease::new(version, code));
        self.front.insert(spelling, compat_54, lease.clone());
        Ok(lease)
    }

    /// The number of the version that a load would find now.
    pub(super) fn current_number(&self, spelling: &Spelling<'_>, compat_54: bool) -> Option<u64> {
        let key = key_of(spelling, compat_54).ok()?;
        Some(self.store.current(&key)?.number)
    }

    /// Compiles a chunk afresh and, if that succeeds, puts the result in place of what was there.
    /// Returns the number of the new version.
    pub(super) fn replace(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
        compile: impl FnOnce(&Chunk) -> Result<Compiled<Image>, LoadError>,
    ) -> Result<u64, LoadError> {
        let key = key_of(spelling, compat_54)?;
        let version = self.store.replace(&key, || compile(&key.chunk))?;
        self.after_retiring();
        Ok(version.number)
    }

    /// Notes a load that was left to the stock loader.
    pub(super) fn count_private(&self) {
        self.store.counts.private.fetch_add(1, Ordering::Relaxed);
    }
}

fn key_of(spelling: &Spelling<'_>, compat_54: bool) -> Result<Key, LoadError> {
    let chunk = spelling.chunk().map_err(|reason| LoadError::Unreadable {
        path: String::from_utf8_lossy(spelling.text()).into_owned(),
        reason,
    })?;
    Ok(Key { chunk, compat_54 })
}
