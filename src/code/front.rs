//! The first table of a load: what a script wrote leads straight to code.
//!
//! Each thread has a *stripe* of its own here, so a hit writes nothing that another thread reads.
//! The stripes belong to the cache, not to the threads: clearing empties all of them at once, and
//! nothing depends on when a thread ends. With more threads than stripes some share one, which is
//! only slower.
//!
//! Invariant: a lease handed out was current when it was handed out, and after [`Front::purge`]
//! returns no stripe holds a lease of a version that was retired before. An insertion that races
//! with the purge looks at the version's flag under the stripe's lock: it either sees the flag and
//! gives up, or the purge comes to that stripe later.
//!
//! A stripe's lock is spun on, so nothing walks a table while it holds one: a walk takes the tables
//! out, and loads that come meanwhile find nothing and start others. Walks wait for each other,
//! because each must see what another one has taken out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::image::Code;
use super::key::Spelling;
use super::module::is_search;
use super::source::Kind;
use super::version::Lease;

/// Spellings that one table of a stripe holds before it starts afresh.
const MAX_SPELLINGS: usize = 4096;

/// Stripes for each core: workers and some other threads that load code.
const STRIPES_PER_CORE: usize = 2;
const MAX_STRIPES: usize = 256;

/// How often a walk tries to put tables back that meet others; then it drops them.
const MERGES_MAX: usize = 8;

type Table<C> = HashMap<Box<[u8]>, Arc<Lease<C>>, foldhash::fast::RandomState>;

/// All stripes of one cache.
#[derive(Debug)]
pub(super) struct Front<C: Code> {
    stripes: Box<[Stripe<C>]>,
    /// Held by the one walk that is under way.
    walking: Mutex<()>,
    /// Purges that have begun. Written by those who purge, read by those who remember a search.
    purges: AtomicUsize,
}

/// Apart from its neighbours, or the locks would meet in one cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe<C: Code> {
    /// One shelf for each dialect.
    shelves: [spin::Mutex<Shelf<C>>; 2],
}

#[derive(Debug)]
struct Shelf<C: Code> {
    absolute: Table<C>,
    named: Table<C>,
    /// Relative paths, all seen from `directory`.
    relative: Table<C>,
    directory: PathBuf,
}

impl<C: Code> Front<C> {
    pub(super) fn new() -> Front<C> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = (cores * STRIPES_PER_CORE).next_power_of_two().min(MAX_STRIPES);
        let stripes = (0..count).map(|_| Stripe::new()).collect();
        Front { stripes, walking: Mutex::new(()), purges: AtomicUsize::new(0) }
    }

    /// The code for this spelling, if this thread has loaded it before and it is still current.
    #[inline]
    pub(super) fn find(&self, spelling: &Spelling<'_>, compat_54: bool) -> Option<Arc<Lease<C>>> {
        self.look(spelling, compat_54, Lease::hit)
    }

    /// The same for code that is text; of other code there is neither a find nor a hit.
    #[inline]
    pub(super) fn find_text(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
    ) -> Option<Arc<Lease<C>>> {
        let is_text = |lease: &Lease<C>| lease.version.kind == Kind::Text;
        let note = |lease: &Lease<C>| {
            if is_text(lease) {
                lease.hit();
            }
        };
        self.look(spelling, compat_54, note).filter(|lease| is_text(lease))
    }

    /// As [`find`](Self::find), and counts no hit.
    #[inline]
    pub(super) fn current(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
    ) -> Option<Arc<Lease<C>>> {
        self.look(spelling, compat_54, |_| ())
    }

    /// What is current under a spelling, after `note` has seen it under the stripe's lock.
    #[inline(always)]
    fn look(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
        note: impl FnOnce(&Lease<C>),
    ) -> Option<Arc<Lease<C>>> {
        let shelf = self.shelf(compat_54).lock();
        let table = match spelling {
            Spelling::Absolute(_) => &shelf.absolute,
            Spelling::Named(_) => &shelf.named,
            Spelling::Relative(_, directory) if *directory == shelf.directory => &shelf.relative,
            Spelling::Relative(..) => return None,
        };
        let lease = table.get(spelling.text())?;
        if !lease.version.is_current() {
            return None;
        }
        note(lease);
        Some(lease.clone())
    }

    /// Remembers the code for this spelling, unless it was retired meanwhile.
    pub(super) fn insert(&self, spelling: &Spelling<'_>, compat_54: bool, lease: Arc<Lease<C>>) {
        let text = Box::from(spelling.text());
        let mut outdated = Table::default();
        let mut shelf = self.shelf(compat_54).lock();
        if !lease.version.is_current() {
            return;
        }
        if let Spelling::Relative(_, directory) = spelling
            && shelf.stand_in(directory)
        {
            std::mem::swap(&mut shelf.relative, &mut outdated);
        }
        let table = shelf.table(spelling);
        if table.len() >= MAX_SPELLINGS {
            std::mem::swap(table, &mut outdated);
        }
        let replaced = table.insert(text, lease);
        drop(shelf);
        drop((outdated, replaced)); // may free images: only out of the lock
    }

    /// Drops what is remembered under this spelling.
    pub(super) fn forget(&self, spelling: &Spelling<'_>, compat_54: bool) {
        let mut shelf = self.shelf(compat_54).lock();
        let forgotten = shelf.table(spelling).remove(spelling.text());
        drop(shelf);
        drop(forgotten); // may free images: only out of the lock
    }

    /// Drops every lease of a version that is no longer current, and every search: what was cleared
    /// or published may be what it should find now.
    pub(super) fn purge(&self) {
        self.purges.fetch_add(1, Ordering::AcqRel);
        self.walk(|shelf| {
            for table in shelf.tables() {
                table.retain(|text, lease| lease.version.is_current() && !is_search(text));
            }
        });
    }

    /// A number that rises with each purge.
    pub(super) fn purges(&self) -> usize {
        self.purges.load(Ordering::Acquire)
    }

    /// Brings the hits of all versions up to date.
    pub(super) fn settle(&self) {
        self.walk(|shelf| {
            for table in shelf.tables() {
                table.values().for_each(|lease| lease.settle());
            }
        });
    }

    /// Visits every shelf, while no lock of a stripe is held.
    fn walk(&self, mut visit: impl FnMut(&mut Shelf<C>)) {
        let _walking = self.walking.lock();
        for place in self.shelves() {
            let mut shelf = place.lock().take();
            visit(&mut shelf);
            put_back(place, shelf);
        }
    }

    fn shelves(&self) -> impl Iterator<Item = &spin::Mutex<Shelf<C>>> {
        self.stripes.iter().flat_map(|stripe| &stripe.shelves)
    }

    #[inline]
    fn shelf(&self, compat_54: bool) -> &spin::Mutex<Shelf<C>> {
        // The number of stripes is a power of two.
        let stripe = &self.stripes[thread_number() & (self.stripes.len() - 1)];
        &stripe.shelves[usize::from(compat_54)]
    }
}

impl<C: Code> Stripe<C> {
    fn new() -> Stripe<C> {
        Stripe { shelves: std::array::from_fn(|_| spin::Mutex::new(Shelf::new())) }
    }
}

impl<C: Code> Shelf<C> {
    fn new() -> Shelf<C> {
        Shelf {
            absolute: Table::default(),
            named: Table::default(),
            relative: Table::default(),
            directory: PathBuf::new(),
        }
    }

    /// Leaves an empty shelf.
    fn take(&mut self) -> Shelf<C> {
        std::mem::replace(self, Shelf::new())
    }

    fn is_empty(&self) -> bool {
        self.absolute.is_empty() && self.named.is_empty() && self.relative.is_empty()
    }

    /// Takes in what is newer.
    fn merge(&mut self, newer: Shelf<C>) {
        self.absolute.extend(newer.absolute);
        self.named.extend(newer.named);
        if newer.relative.is_empty() {
            return;
        }
        if self.stand_in(&newer.directory) {
            self.relative.clear();
        }
        self.relative.extend(newer.relative);
    }

    fn tables(&mut self) -> [&mut Table<C>; 3] {
        [&mut self.absolute, &mut self.named, &mut self.relative]
    }

    fn table(&mut self, spelling: &Spelling<'_>) -> &mut Table<C> {
        match spelling {
            Spelling::Absolute(_) => &mut self.absolute,
            Spelling::Named(_) => &mut self.named,
            Spelling::Relative(..) => &mut self.relative,
        }
    }

    /// Takes the relative paths as seen from `directory`; true if that is another one than before.
    fn stand_in(&mut self, directory: &Path) -> bool {
        let moved = self.directory != directory;
        if moved {
            self.directory = directory.to_owned();
        }
        moved
    }
}

/// Puts a shelf back in its place, together with what came there meanwhile.
fn put_back<C: Code>(place: &spin::Mutex<Shelf<C>>, mut shelf: Shelf<C>) {
    for _ in 0..MERGES_MAX {
        let mut current = place.lock();
        if current.is_empty() {
            let empty = std::mem::replace(&mut *current, shelf);
            drop(current);
            return drop(empty);
        }
        let newer = current.take();
        drop(current);
        shelf.merge(newer);
    }
    // Somebody loads as quickly as this: the shelf there fills up again by itself.
}

/// A small number for the running thread; threads count up from zero.
#[inline]
fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
    // A thread that is ending has no number any more; sharing a stripe is harmless.
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::version::fake::{FakeCode, version};
    use super::*;

    fn lease(name: &str) -> Arc<Lease<FakeCode>> {
        let version = version(name, 1);
        let code = version.code_named(c"@x.lua").unwrap();
        Arc::new(Lease::new(version, code))
    }

    fn relative(directory: &str) -> Spelling<'static> {
        Spelling::Relative(b"x.lua", PathBuf::from(directory))
    }

    #[test]
    fn a_spelling_is_found_again_with_its_own_dialect() {
        let front = Front::new();
        let path = Spelling::Absolute(b"/x.lua");
        assert!(front.find(&path, false).is_none());
        front.insert(&path, false, lease("m"));
        let found = front.find(&path, false).unwrap();
        assert!(front.find(&path, true).is_none());
        front.settle();
        assert_eq!(found.version.hits(), 1);
    }

    #[test]
    fn a_relative_path_means_another_file_after_a_change_of_directory() {
        let front = Front::new();
        front.insert(&relative("/a"), false, lease("a"));
        assert!(front.find(&relative("/b"), false).is_none());
        front.insert(&relative("/b"), false, lease("b"));
        assert_eq!(front.find(&relative("/b"), false).unwrap().code.0.text, "b");
        assert!(front.find(&relative("/a"), false).is_none());
    }

    #[test]
    fn paths_and_names_do_not_meet() {
        let front = Front::new();
        front.insert(&Spelling::Named("/x.lua"), false, lease("text"));
        assert!(front.find(&Spelling::Absolute(b"/x.lua"), false).is_none());
    }

    #[test]
    fn a_retired_version_is_neither_found_nor_inserted_nor_kept() {
        let front = Front::new();
        let path = Spelling::Absolute(b"/x.lua");
        let old = lease("m");
        front.insert(&path, false, old.clone());
        old.version.retire();
        assert!(front.find(&path, false).is_none());
        front.purge();
        assert_eq!(Arc::strong_count(&old), 1);
        front.insert(&path, false, old.clone());
        assert_eq!(Arc::strong_count(&old), 1);
    }

    #[test]
    fn loads_go_on_during_a_walk_and_what_they_found_stays() {
        let front = Front::new();
        let (first, second) = (relative("/a"), Spelling::Absolute(b"/second.lua"));
        front.insert(&first, false, lease("first"));
        front.walk(|_| {
            // These would spin for ever if the walk held the lock of the running thread's stripe.
            front.find(&first, false);
            front.insert(&second, false, lease("second"));
        });
        assert!(front.find(&first, false).is_some());
        assert!(front.find(&second, false).is_some());
    }

    #[test]
    fn a_walk_forgets_relative_paths_of_a_directory_that_was_left_meanwhile() {
        let front = Front::new();
        front.insert(&relative("/a"), false, lease("a"));
        front.walk(|_| front.insert(&relative("/b"), false, lease("b")));
        assert!(front.find(&relative("/a"), false).is_none());
        assert_eq!(front.find(&relative("/b"), false).unwrap().code.0.text, "b");
    }

    #[test]
    fn a_flood_of_spellings_starts_the_table_afresh() {
        let front = Front::new();
        let lease = lease("m");
        for number in 0..MAX_SPELLINGS + 2 {
            let path = format!("/{number}");
            front.insert(&Spelling::Absolute(path.as_bytes()), false, lease.clone());
        }
        assert_eq!(Arc::strong_count(&lease), 3);
    }
}
