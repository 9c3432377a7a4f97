//! The table that all threads share: one slot for each chunk, with its current version and the
//! compilation under way.
//!
//! A miss *claims* the slot with a [`Build`]; others who miss it meanwhile sleep on the build. The
//! builder compiles with no lock held and then *publishes*, but only if the slot still has its
//! build: clearing takes the build out, so code read before a clear is never published after it.
//! Whoever waited since before the clear still gets that code.
//!
//! Retired versions stay on a list until no VM uses them, so that they can be counted and told.

use std::collections::HashMap;
use std::ffi::CStr;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::{Condvar, Mutex};

use super::error::{LoadError, Rejection};
use super::image::Code;
use super::key::{Chunk, Key};
use super::version::{Compiled, Version};

/// Chunks that one cache holds. A program that writes and loads ever new files reaches it.
pub(super) const MAX_CHUNKS: usize = 1 << 16;

/// Tables the chunks are spread over, so that clearing and statistics hold each lock shortly.
const SHARDS: usize = 16;

/// Chunks, their versions and compilations.
#[derive(Debug)]
pub(super) struct Store<C> {
    shards: [spin::Mutex<HashMap<Key, Slot<C>, RandomState>>; SHARDS],
    hasher: RandomState,
    chunks: AtomicUsize,
    max_chunks: usize,
    published: AtomicU64,
    /// Control plane: never touched by a hit.
    /// Versions that were ever retired.
    retirements: AtomicU64,
    retired: Mutex<Vec<Arc<Version<C>>>>,
    /// Length of `retired`, for a look without the lock.
    retired_count: AtomicUsize,
    pub(super) counts: Counts,
}

/// What happened, since the cache was made.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Compilations that succeeded.
    pub(super) compiled: AtomicU64,
    /// Compilations that failed, for whatever reason.
    pub(super) failed: AtomicU64,
    /// Loads that slept until another one's compilation was done.
    pub(super) waited: AtomicU64,
    /// Loads left to the stock loader: mode `OFF`, or `EXIST` with nothing there.
    pub(super) private: AtomicU64,
    /// Hits of versions that are gone.
    pub(super) past_hits: AtomicU64,
}

/// A slot is removed when both are gone.
#[derive(Debug)]
struct Slot<C> {
    current: Option<Arc<Version<C>>>,
    building: Option<Arc<Build<C>>>,
}

/// A compilation under way, on which others sleep.
#[derive(Debug)]
struct Build<C> {
    outcome: Mutex<Option<Outcome<C>>>,
    settled: Condvar,
}

#[derive(Debug, Clone)]
enum Outcome<C> {
    Ready(Arc<Version<C>>),
    Rejected(Arc<Rejection>),
    /// Something that says nothing about the chunk, such as a lack of memory.
    Abandoned,
}

/// What a load finds.
enum Found<'a, C: Code> {
    Current(Arc<Version<C>>),
    Claimed(Claim<'a, C>),
    Underway(Arc<Build<C>>),
}

impl<C: Code> Store<C> {
    pub(super) fn new(max_chunks: usize) -> Store<C> {
        Store {
            shards: std::array::from_fn(|_| spin::Mutex::new(HashMap::default())),
            hasher: RandomState::default(),
            chunks: AtomicUsize::new(0),
            max_chunks,
            published: AtomicU64::new(0),
            retirements: AtomicU64::new(0),
            retired: Mutex::new(Vec::new()),
            retired_count: AtomicUsize::new(0),
            counts: Counts::default(),
        }
    }

    /// The current version, if there is one.
    pub(super) fn current(&self, key: &Key) -> Option<Arc<Version<C>>> {
        self.shard(key).lock().get(key)?.current.clone()
    }

    /// The current version, or the one that `compile` makes. Several threads that get here together
    /// compile once.
    ///
    /// # Errors
    /// What `compile` fails with. A syntax error is shared by all who used the same chunk name;
    /// after any other failure each of them tries for itself.
    pub(super) fn fetch(
        &self,
        key: &Key,
        chunk_name: &CStr,
        compile: impl FnOnce() -> Result<Compiled<C>, LoadError>,
    ) -> Result<Arc<Version<C>>, LoadError> {
        loop {
            match self.look_up(key)? {
                Found::Current(version) => return Ok(version),
                Found::Claimed(claim) => return claim.settle(compile()),
                Found::Underway(build) => {
                    self.counts.waited.fetch_add(1, Ordering::Relaxed);
                    match build.wait() {
                        Outcome::Ready(version) => return Ok(version),
                        Outcome::Rejected(rejection) if *rejection.chunk_name == *chunk_name => {
                            return Err(LoadError::Rejected(rejection));
                        }
                        Outcome::Rejected(_) | Outcome::Abandoned => {}
                    }
                }
            }
        }
    }

    /// Compiles a chunk whether or not there is a version of it, and publishes the result in place
    /// of that. A compilation under way may have read an older text, so it will not be published.
    ///
    /// # Errors
    /// What `compile` fails with; the version that was there stays.
    pub(super) fn replace(
        &self,
        key: &Key,
        compile: impl FnOnce() -> Result<Compiled<C>, LoadError>,
    ) -> Result<Arc<Version<C>>, LoadError> {
        let build = Arc::new(Build::new());
        let mut shard = self.shard(key).lock();
        if !shard.contains_key(key) {
            self.admit_chunk()?;
        }
        let slot = shard.entry(key.clone()).or_insert(Slot { current: None, building: None });
        slot.building = Some(build.clone());
        drop(shard);
        Claim { store: self, key, build, settled: false }.settle(compile())
    }

    fn look_up<'a>(&'a self, key: &'a Key) -> Result<Found<'a, C>, LoadError> {
        // Made before the lock is taken, in case there is nothing.
        let (new_key, build) = (key.clone(), Arc::new(Build::new()));
        let mut shard = self.shard(key).lock();
        match shard.get(key) {
            Some(Slot { current: Some(version), .. }) => Ok(Found::Current(version.clone())),
            Some(Slot { building: Some(build), .. }) => Ok(Found::Underway(build.clone())),
            _ => {
                self.admit_chunk()?;
                shard.insert(new_key, Slot { current: None, building: Some(build.clone()) });
                Ok(Found::Claimed(Claim { store: self, key, build, settled: false }))
            }
        }
    }

    fn admit_chunk(&self) -> Result<(), LoadError> {
        if self.chunks.fetch_add(1, Ordering::Relaxed) >= self.max_chunks {
            self.chunks.fetch_sub(1, Ordering::Relaxed);
            return Err(LoadError::Full { limit: self.max_chunks });
        }
        Ok(())
    }

    /// Retires every current version and disowns every compilation under way. Returns how many
    /// versions it retired.
    pub(super) fn clear(&self) -> usize {
        let mut count = 0;
        for shard in &self.shards {
            // A statement of its own: the lock is spun on, and must not last until all are retired.
            let slots = std::mem::take(&mut *shard.lock());
            count += self.retire_slots(slots);
        }
        count
    }

    /// The same for one chunk, in all its dialects.
    pub(super) fn clear_chunk(&self, chunk: &Chunk) -> usize {
        let keys = [false, true].map(|compat_54| Key { chunk: chunk.clone(), compat_54 });
        let removed = keys.iter().filter_map(|key| self.shard(key).lock().remove_entry(key));
        self.retire_slots(removed.collect::<Vec<_>>())
    }

    fn retire_slots(&self, slots: impl IntoIterator<Item = (Key, Slot<C>)>) -> usize {
        let mut versions = Vec::new();
        for (_, slot) in slots {
            self.chunks.fetch_sub(1, Ordering::Relaxed);
            versions.extend(slot.current);
        }
        let count = versions.len();
        versions.iter().for_each(|version| version.retire());
        self.keep_retired(versions);
        count
    }

    fn keep_retired(&self, versions: Vec<Arc<Version<C>>>) {
        if versions.is_empty() {
            return;
        }
        self.retirements.fetch_add(versions.len() as u64, Ordering::Relaxed);
        let mut retired = self.retired.lock();
        retired.extend(versions);
        self.retired_count.store(retired.len(), Ordering::Relaxed);
    }

    /// Lets go of retired versions that nobody uses any more: no VM, and no load that is about to
    /// make a closure. Called after whatever may have been the last use of one.
    pub(super) fn sweep(&self) {
        if self.retired_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut retired = self.retired.lock();
        let is_unused =
            |version: &mut Arc<Version<C>>| Arc::strong_count(version) == 1 && version.users() == 0;
        let unused: Vec<_> = retired.extract_if(.., is_unused).collect();
        self.retired_count.store(retired.len(), Ordering::Relaxed);
        drop(retired);
        let hits = unused.iter().map(|version| version.hits()).sum();
        self.counts.past_hits.fetch_add(hits, Ordering::Relaxed);
        drop(unused); // frees images: only out of the lock
    }

    /// All current versions, in no order.
    pub(super) fn current_versions(&self) -> Vec<Arc<Version<C>>> {
        let mut versions = Vec::with_capacity(self.chunks.load(Ordering::Relaxed));
        for shard in &self.shards {
            versions.extend(shard.lock().values().filter_map(|slot| slot.current.clone()));
        }
        versions
    }

    /// How many versions were ever retired.
    pub(super) fn retirements(&self) -> u64 {
        self.retirements.load(Ordering::Relaxed)
    }

    /// Whether a retired version is still in use.
    pub(super) fn holds_retired(&self) -> bool {
        self.sweep();
        self.retired_count.load(Ordering::Relaxed) > 0
    }

    /// Retired versions that are still in use.
    pub(super) fn retired_versions(&self) -> Vec<Arc<Version<C>>> {
        self.sweep();
        self.retired.lock().clone()
    }

    fn shard(&self, key: &Key) -> &spin::Mutex<HashMap<Key, Slot<C>, RandomState>> {
        // The tables use other hash keys than this one: within a shard, hashes stay spread.
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl<C> Build<C> {
    fn new() -> Build<C> {
        Build { outcome: Mutex::new(None), settled: Condvar::new() }
    }

    fn settle(&self, outcome: Outcome<C>) {
        *self.outcome.lock() = Some(outcome);
        self.settled.notify_all();
    }
}

impl<C: Clone> Build<C> {
    /// Sleeps until the builder is done, one way or the other.
    fn wait(&self) -> Outcome<C> {
        let mut outcome = self.outcome.lock();
        loop {
            match &*outcome {
                Some(outcome) => return outcome.clone(),
                None => self.settled.wait(&mut outcome),
            }
        }
    }
}

/// The right, and the duty, to compile a chunk: whoever drops it wakes those who wait.
struct Claim<'a, C: Code> {
    store: &'a Store<C>,
    key: &'a Key,
    build: Arc<Build<C>>,
    settled: bool,
}

impl<C: Code> Claim<'_, C> {
    fn settle(
        mut self,
        result: Result<Compiled<C>, LoadError>,
    ) -> Result<Arc<Version<C>>, LoadError> {
        let result = match result {
            Ok(compiled) => Ok(self.publish(compiled)),
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        };
        self.settled = true;
        result
    }

    fn publish(&self, compiled: Compiled<C>) -> Arc<Version<C>> {
        let store = self.store;
        let number = store.published.fetch_add(1, Ordering::Relaxed) + 1;
        store.counts.compiled.fetch_add(1, Ordering::Relaxed);
        let version = Arc::new(Version::new(self.key.clone(), number, compiled));
        let outdated = match store.shard(self.key).lock().get_mut(self.key) {
            Some(slot) if slot.is_built_by(&self.build) => {
                slot.building = None;
                slot.current.replace(version.clone())
            }
            // Cleared meanwhile: those who waited get it, nobody else.
            _ => Some(version.clone()),
        };
        if let Some(outdated) = outdated {
            outdated.retire();
            store.keep_retired(vec![outdated]);
        }
        self.build.settle(Outcome::Ready(version.clone()));
        version
    }

    fn fail(&self, error: &LoadError) {
        self.store.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.withdraw();
        self.build.settle(match error {
            LoadError::Rejected(rejection) => Outcome::Rejected(rejection.clone()),
            _ => Outcome::Abandoned,
        });
    }

    /// Takes the build out of its slot, and the slot out of the table if nothing is left in it.
    fn withdraw(&self) {
        let mut shard = self.store.shard(self.key).lock();
        let Some(slot) = shard.get_mut(self.key).filter(|slot| slot.is_built_by(&self.build))
        else {
            return;
        };
        slot.building = None;
        if slot.current.is_none() {
            let removed = shard.remove_entry(self.key);
            self.store.chunks.fetch_sub(1, Ordering::Relaxed);
            drop(shard);
            drop(removed);
        }
    }
}

impl<C: Code> Drop for Claim<'_, C> {
    fn drop(&mut self) {
        if !self.settled {
            self.withdraw();
            self.build.settle(Outcome::Abandoned);
        }
    }
}

impl<C> Slot<C> {
    fn is_built_by(&self, build: &Arc<Build<C>>) -> bool {
        self.building.as_ref().is_some_and(|own| Arc::ptr_eq(own, build))
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
