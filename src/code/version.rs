//! One publication of a chunk, and what a hit hands out.

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::image::Code;
use super::key::Key;
use super::source::Kind;

/// Spellings of one version that get an image of their own. More than these, by a script that makes
/// up paths, are made for each load and belong to its VM alone.
const MAX_SPELLINGS: usize = 32;

/// What a compilation yields.
#[derive(Debug)]
pub(super) struct Compiled<C> {
    pub(super) code: C,
    pub(super) kind: Kind,
    pub(super) compile_time: Duration,
    /// The chunk name inside the code.
    pub(super) chunk_name: CString,
}

/// One publication of a chunk. Only its counters, the flag and the list of spellings change.
#[derive(Debug)]
pub(super) struct Version<C> {
    pub(super) key: Key,
    /// Rises with every publication in the cache.
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) compile_time: Duration,
    /// False from the moment when new loads must not get it; never true again.
    current: AtomicBool,
    /// Hits of leases that are gone, see [`Lease`].
    hits: AtomicU64,
    first: Spelled<C>,
    others: spin::Mutex<Vec<Spelled<C>>>,
}

/// The code under one chunk name: scripts see the name they used.
#[derive(Debug)]
struct Spelled<C> {
    chunk_name: CString,
    code: C,
}

impl<C: Code> Version<C> {
    pub(super) fn new(key: Key, number: u64, compiled: Compiled<C>) -> Version<C> {
        let Compiled { code, kind, compile_time, chunk_name } = compiled;
        Version {
            key,
            number,
            kind,
            compile_time,
            current: AtomicBool::new(true),
            hits: AtomicU64::new(0),
            first: Spelled { chunk_name, code },
            others: spin::Mutex::new(Vec::new()),
        }
    }

    /// The code under this chunk name; `None` when there is no memory for another spelling.
    pub(super) fn code_named(&self, chunk_name: &CStr) -> Option<C> {
        // A binary chunk carries its name with it, whatever the file is called.
        if self.kind == Kind::Binary || self.first.chunk_name.as_c_str() == chunk_name {
            return Some(self.first.code.clone());
        }
        if let Some(code) = self.other_named(chunk_name) {
            return Some(code);
        }
        let code = self.first.code.renamed(chunk_name)?;
        let new = Spelled { chunk_name: chunk_name.to_owned(), code: code.clone() };
        let mut others = self.others.lock();
        if let Some(other) = others.iter().find(|other| other.chunk_name == new.chunk_name) {
            let code = other.code.clone();
            drop(others);
            return Some(code); // another thread was quicker; ours is dropped out of the lock
        }
        if !self.is_current() {
            code.retire();
        }
        if others.len() < MAX_SPELLINGS {
            others.push(new);
        }
        Some(code)
    }

    fn other_named(&self, chunk_name: &CStr) -> Option<C> {
        let others = self.others.lock();
        let found = others.iter().find(|other| other.chunk_name.as_c_str() == chunk_name);
        found.map(|other| other.code.clone())
    }

    /// Whether new loads may get it.
    pub(super) fn is_current(&self) -> bool {
        self.current.load(Ordering::Acquire)
    }

    /// From now on no load that looks for it gets it.
    pub(super) fn retire(&self) {
        self.current.store(false, Ordering::Release);
        self.first.code.retire();
        self.others.lock().iter().for_each(|other| other.code.retire());
    }

    /// Bytes of its images.
    pub(super) fn size_bytes(&self) -> usize {
        self.sum(Code::size_bytes)
    }

    /// VMs that use it right now. One that uses two spellings counts twice.
    pub(super) fn users(&self) -> usize {
        self.sum(Code::users)
    }

    fn sum(&self, figure: impl Fn(&C) -> usize) -> usize {
        let others = self.others.lock();
        figure(&self.first.code) + others.iter().map(|other| figure(&other.code)).sum::<usize>()
    }

    /// Hits that were settled; those of live leases are not in yet.
    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Adds hits.
    pub(super) fn add_hits(&self, hits: u64) {
        self.hits.fetch_add(hits, Ordering::Relaxed);
    }
}

/// A version as one thread hands it out, under one spelling. Each thread has a lease of its own, so
/// its reference count and its hits stay in that thread's cache: with the counts of the image
/// itself, two threads on two cores gained a third less from each other.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lease<C: Code> {
    pub(super) version: Arc<Version<C>>,
    pub(super) code: C,
    /// Hits not yet added to the version.
    hits: AtomicU64,
}

impl<C: Code> Lease<C> {
    pub(super) fn new(version: Arc<Version<C>>, code: C) -> Lease<C> {
        Lease { version, code, hits: AtomicU64::new(0) }
    }

    /// Counts a hit. Whoever finds the lease does so under the lock of the one stripe that has it,
    /// under one spelling, so nobody else counts meanwhile, and a settling walk has taken it out.
    #[inline]
    pub(super) fn hit(&self) {
        self.hits.store(self.hits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Adds its hits to the version.
    pub(super) fn settle(&self) {
        self.version.add_hits(self.hits.swap(0, Ordering::Relaxed));
    }
}

impl<C: Code> Drop for Lease<C> {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
pub(super) mod fake {
    //! Code without Lua, for tests of the tables.

    use super::super::key::Chunk;
    use super::*;

    /// Code that is nothing but its own name.
    #[derive(Debug, Clone)]
    pub(in super::super) struct FakeCode(pub(in super::super) Arc<FakeInner>);

    #[derive(Debug, Default)]
    pub(in super::super) struct FakeInner {
        pub(in super::super) text: String,
        pub(in super::super) users: AtomicU64,
    }

    impl Code for FakeCode {
        fn size_bytes(&self) -> usize {
            100
        }

        fn users(&self) -> usize {
            self.0.users.load(Ordering::SeqCst) as usize
        }

        fn retire(&self) {}

        fn renamed(&self, chunk_name: &CStr) -> Option<FakeCode> {
            let text = format!("{} as {}", self.0.text, chunk_name.to_string_lossy());
            Some(FakeCode(Arc::new(FakeInner { text, ..FakeInner::default() })))
        }
    }

    pub(in super::super) fn named(name: &str) -> Key {
        Key { chunk: Chunk::Named(name.to_owned()), compat_54: false }
    }

    pub(in super::super) fn compiled(text: &str) -> Compiled<FakeCode> {
        let inner = FakeInner { text: text.to_owned(), ..FakeInner::default() };
        Compiled {
            code: FakeCode(Arc::new(inner)),
            kind: Kind::Text,
            compile_time: Duration::from_nanos(5),
            chunk_name: c"@x.lua".to_owned(),
        }
    }

    pub(in super::super) fn version(name: &str, number: u64) -> Arc<Version<FakeCode>> {
        Arc::new(Version::new(named(name), number, compiled(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::fake::{compiled, named, version};
    use super::*;

    #[test]
    fn each_spelling_gets_code_with_its_own_name_once() {
        let version = version("m", 1);
        assert_eq!(version.code_named(c"@x.lua").unwrap().0.text, "m");
        let dotted = version.code_named(c"@./x.lua").unwrap();
        assert_eq!(dotted.0.text, "m as @./x.lua");
        assert!(Arc::ptr_eq(&version.code_named(c"@./x.lua").unwrap().0, &dotted.0));
        assert_eq!(version.size_bytes(), 200);
    }

    #[test]
    fn binary_chunks_keep_the_name_they_carry() {
        let code = Compiled { kind: Kind::Binary, ..compiled("m") };
        let version = Version::new(named("m"), 1, code);
        assert_eq!(version.code_named(c"@./x.lua").unwrap().0.text, "m");
    }

    #[test]
    fn made_up_spellings_do_not_pile_up() {
        let version = version("m", 1);
        for number in 0..3 * MAX_SPELLINGS {
            let name = CString::new(format!("@{number}")).unwrap();
            let code = version.code_named(&name).unwrap();
            assert_eq!(code.0.text, format!("m as @{number}"));
        }
        assert_eq!(version.size_bytes(), 100 * (MAX_SPELLINGS + 1));
    }

    #[test]
    fn hits_of_a_lease_reach_its_version() {
        let version = version("m", 1);
        let lease = Lease::new(version.clone(), version.code_named(c"@x.lua").unwrap());
        lease.hit();
        lease.settle();
        lease.hit();
        assert_eq!(version.hits(), 1);
        drop(lease);
        assert_eq!(version.hits(), 2);
    }
}
