//! What one VM has of the cache: a mode, and a place for what must outlive a jump out of Rust.

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_int};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use moonhive_lua_sys::{lua, share};

use super::cache::CodeCache;
use super::compile::{compile, is_compat_54};
use super::error::LoadError;
use super::image::Image;
use super::key::{Chunk, Spelling};
use super::loader::{Step, load_file, load_known};
use super::mode::Mode;
use super::module::{self, Search, find_module};
use super::source::{self, Kind};
use super::version::{Compiled, Lease};

/// One VM's access to the code cache. It must stay where it is, and live, until the VM is closed.
pub struct CodeClient {
    cache: Arc<CodeCache>,
    mode: Cell<Mode>,
    /// What the load under way hands to Lua. Pushing it may raise a memory error, which jumps over
    /// all Rust frames; so it is owned here, and a jump only delays its end until the next load.
    parked: Cell<Option<Parked>>,
    /// How often the cache had been purged when the last search for a module began.
    purges: Cell<usize>,
}

/// See [`CodeClient::parked`].
#[expect(dead_code, reason = "owned for as long as Lua uses the pointer to it")]
enum Parked {
    Lease(Arc<Lease<Image>>),
    Message(Arc<[u8]>),
}

/// A load as the VM asks for it.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) state: *mut lua::lua_State,
    /// The mode argument of `loadfile`.
    pub(super) kinds: Option<&'a [u8]>,
}

impl CodeClient {
    /// A client in this mode.
    pub fn new(cache: Arc<CodeCache>, mode: Mode) -> CodeClient {
        let (mode, parked, purges) = (Cell::new(mode), Cell::new(None), Cell::new(0));
        CodeClient { cache, mode, parked, purges }
    }

    /// The cache it uses.
    pub fn cache(&self) -> &Arc<CodeCache> {
        &self.cache
    }

    /// The VM's mode.
    pub fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// Changes the mode and returns the previous one. What is loaded already stays as it is.
    pub fn set_mode(&self, mode: Mode) -> Mode {
        self.mode.replace(mode)
    }

    /// Makes the VM load files through this client: `require`, `loadfile`, `dofile` and whatever
    /// else calls `luaL_loadfilex`.
    ///
    /// # Safety
    /// `state` is a live state that only the calling thread uses. The client stays at its address
    /// until that VM is closed, or `lua_setfileloader` has put something else in its place.
    pub unsafe fn install(&self, state: *mut lua::lua_State) {
        let user_data = std::ptr::from_ref(self).cast_mut().cast();
        // SAFETY: by contract; `load_file` casts the pointer back to a shared reference.
        unsafe {
            share::lua_setfileloader(state, Some(load_file), user_data);
            share::lua_setknownloader(state, Some(load_known));
            share::lua_setmodulefinder(state, Some(find_module));
        }
    }

    /// Compiles a file afresh, for a requester's VM, and publishes it in place of the version that
    /// is there. If that fails the version stays. Returns the number of the new version.
    ///
    /// # Errors
    /// The file cannot be read, its code is refused, or there is no memory for it.
    ///
    /// # Safety
    /// `state` is a live state of this client's VM that only the calling thread uses.
    pub unsafe fn reload(
        &self,
        state: *mut lua::lua_State,
        path: impl AsRef<Path>,
    ) -> Result<u64, LoadError> {
        let path = path.as_ref().as_os_str().as_bytes();
        let spelling = spelling_of(path)?;
        let request = Request { state, kinds: None };
        // SAFETY: by contract.
        let compat_54 = unsafe { is_compat_54(state) };
        self.cache.replace(&spelling, compat_54, |chunk| {
            // SAFETY: by contract.
            unsafe { compile_file(request, chunk, &spelling.chunk_name(), compat_54) }
        })
    }

    /// The number of the version of a file that a load of this VM would find in the cache now;
    /// `None` if there is none or the VM does not look there.
    ///
    /// # Safety
    /// As [`CodeClient::reload`].
    pub unsafe fn version_of(&self, state: *mut lua::lua_State, path: &Path) -> Option<u64> {
        if self.mode() == Mode::Off {
            return None;
        }
        let spelling = spelling_of(path.as_os_str().as_bytes()).ok()?;
        // SAFETY: by contract.
        self.cache.current_number(&spelling, unsafe { is_compat_54(state) })
    }

    /// Everything of loading a file but the push: what is owned is dropped or parked when this
    /// returns.
    ///
    /// # Safety
    /// As `load_file`.
    pub(super) unsafe fn prepare_file(&self, path: &[u8], request: Request<'_>) -> Step {
        if self.mode() == Mode::Off {
            self.cache.count_private();
            return Step::Pass;
        }
        // SAFETY: by contract.
        let prepared = || unsafe { self.find_file(path, request) };
        // A panic must not unwind into the C code that called us.
        let found = catch_unwind(AssertUnwindSafe(prepared));
        self.step(found.unwrap_or(Ok(None)), request)
    }

    /// The image of a file that this thread has loaded before under this name, parked, if a load
    /// does nothing but to find it.
    #[inline]
    pub(super) fn find_known(&self, path: &[u8], compat_54: bool) -> Option<*mut share::Image> {
        if self.mode() == Mode::Off || !path.starts_with(b"/") {
            return None;
        }
        let lease = self.cache.find_text(&Spelling::Absolute(path), compat_54)?;
        let image = lease.code.as_ptr();
        self.parked.set(Some(Parked::Lease(lease)));
        Some(image)
    }

    /// The same for an embedded text.
    ///
    /// # Safety
    /// As `load_named`.
    pub(super) unsafe fn prepare_named(
        &self,
        name: &str,
        text: &'static str,
        request: Request<'_>,
    ) -> Step {
        // SAFETY: by contract.
        let prepared = || unsafe { self.find_named(name, text, request) };
        let found = catch_unwind(AssertUnwindSafe(prepared));
        self.step(found.unwrap_or(Ok(None)), request)
    }

    /// What an earlier search for a module led to, if that is still current: what to push.
    ///
    /// # Safety
    /// As `find_module`.
    pub(super) unsafe fn prepare_module(
        &self,
        search: Search<'_>,
        request: Request<'_>,
    ) -> Option<Step> {
        if self.mode() == Mode::Off {
            return None;
        }
        // SAFETY: by contract.
        let compat_54 = unsafe { is_compat_54(request.state) };
        let find = || {
            self.purges.set(self.cache.purges());
            let text = search.text()?;
            let found = self.cache.find(&module::anywhere(&text), compat_54);
            found.or_else(|| self.cache.find(&module::from_here(&text)?, compat_54))
        };
        let lease = catch_unwind(AssertUnwindSafe(find)).ok().flatten()?;
        Some(self.step(Ok(Some(lease)), request))
    }

    /// Remembers the file that the search which was prepared last has found and that was just
    /// loaded.
    ///
    /// # Safety
    /// As `find_module`.
    pub(super) unsafe fn remember_module(
        &self,
        search: Search<'_>,
        filename: &[u8],
        request: Request<'_>,
    ) {
        if self.mode() == Mode::Off {
            return;
        }
        // SAFETY: by contract.
        let compat_54 = unsafe { is_compat_54(request.state) };
        let remember = || {
            let (text, file) = (search.text()?, Spelling::of_path(filename).ok()?);
            let place = match search.is_relative_up_to(filename) {
                true => module::from_here(&text)?,
                false => module::anywhere(&text),
            };
            self.cache.remember(&file, &place, self.purges.get(), compat_54);
            Some(())
        };
        // A panic must not unwind into the C code that called us; then it is searched for again.
        let _ = catch_unwind(AssertUnwindSafe(remember));
    }

    /// # Safety
    /// As `load_file`.
    unsafe fn find_file(&self, path: &[u8], request: Request<'_>) -> Found {
        let spelling = spelling_of(path)?;
        // SAFETY: by contract.
        let compat_54 = unsafe { is_compat_54(request.state) };
        self.find(&spelling, compat_54, |chunk| {
            // SAFETY: by contract.
            unsafe { compile_file(request, chunk, &spelling.chunk_name(), compat_54) }
        })
    }

    /// # Safety
    /// As `load_named`.
    unsafe fn find_named(&self, name: &str, text: &'static str, request: Request<'_>) -> Found {
        let spelling = Spelling::Named(name);
        // SAFETY: by contract.
        let compat_54 = unsafe { is_compat_54(request.state) };
        self.find(&spelling, compat_54, |_| {
            let (code, name) = (text.as_bytes(), spelling.chunk_name());
            // SAFETY: by contract.
            unsafe { compile(request.state, code, Kind::of(code), &name, compat_54) }
        })
    }

    /// What is cached, or, as the mode allows, what `compile` makes. `None` leaves it to others.
    #[inline]
    fn find(
        &self,
        spelling: &Spelling<'_>,
        compat_54: bool,
        compile: impl FnOnce(&Chunk) -> Result<Compiled<Image>, LoadError>,
    ) -> Found {
        if self.mode() != Mode::Off
            && let Some(lease) = self.cache.find(spelling, compat_54)
        {
            return Ok(Some(lease));
        }
        match self.mode() {
            Mode::Off => Ok(None),
            Mode::Exist => self.cache.find_version(spelling, compat_54),
            Mode::On => self.cache.fetch(spelling, compat_54, compile).map(Some),
        }
    }

    /// Parks what was found and tells what to push.
    fn step(&self, found: Found, request: Request<'_>) -> Step {
        match found.and_then(|lease| admit(lease, request.kinds)) {
            Ok(Some(lease)) => {
                let step = Step::Clone { image: lease.code.as_ptr(), kind: lease.version.kind };
                self.parked.set(Some(Parked::Lease(lease)));
                step
            }
            Ok(None) => {
                self.cache.count_private();
                Step::Pass
            }
            Err(LoadError::Rejected(rejection)) => {
                self.park_message(rejection.status, rejection.message.clone())
            }
            Err(LoadError::OutOfMemory) => Step::OutOfMemory,
            Err(error @ LoadError::WrongKind { .. }) => {
                self.park_message(lua::LUA_ERRSYNTAX, error.to_string().into_bytes())
            }
            // A runtime error, as interruptions are; the first instruction after it meets the real
            // one.
            Err(error @ LoadError::Interrupted) => {
                self.park_message(lua::LUA_ERRRUN, error.to_string().into_bytes())
            }
            // The stock loader meets the same obstacle and says so in its own words, or, beyond a
            // limit of ours, compiles privately.
            Err(_) => Step::Pass,
        }
    }

    fn park_message(&self, status: c_int, message: impl Into<Arc<[u8]>>) -> Step {
        let message = message.into();
        let step = Step::Message { status, start: message.as_ptr(), length: message.len() };
        self.parked.set(Some(Parked::Message(message)));
        step
    }

    /// Ends what [`Step`] pointed to.
    #[inline]
    pub(super) fn unpark(&self) {
        self.parked.set(None);
    }
}

impl fmt::Debug for CodeClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CodeClient").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Drop for CodeClient {
    fn drop(&mut self) {
        // The VM is closed by now, and may have been the last user of some retired version.
        self.unpark();
        self.cache.sweep();
    }
}

type Found = Result<Option<Arc<Lease<Image>>>, LoadError>;

/// Refuses code of a kind that the mode argument excludes, as stock Lua does.
fn admit(lease: Option<Arc<Lease<Image>>>, kinds: Option<&[u8]>) -> Found {
    match (&lease, kinds) {
        (Some(found), Some(kinds)) => check_kind(found.version.kind, Some(kinds)).map(|()| lease),
        _ => Ok(lease),
    }
}

fn check_kind(found: Kind, kinds: Option<&[u8]>) -> Result<(), LoadError> {
    if found.is_admitted_by(kinds) {
        return Ok(());
    }
    let mode = String::from_utf8_lossy(kinds.unwrap_or_default()).into_owned();
    Err(LoadError::WrongKind { found, mode })
}

fn spelling_of(path: &[u8]) -> Result<Spelling<'_>, LoadError> {
    Spelling::of_path(path).map_err(|reason| unreadable(OsStr::from_bytes(path).as_ref(), reason))
}

fn unreadable(path: &Path, reason: std::io::Error) -> LoadError {
    LoadError::Unreadable { path: path.display().to_string(), reason }
}

/// Reads and compiles the file of a chunk.
///
/// # Safety
/// As [`compile`].
unsafe fn compile_file(
    request: Request<'_>,
    chunk: &Chunk,
    chunk_name: &CStr,
    compat_54: bool,
) -> Result<Compiled<Image>, LoadError> {
    let path = match chunk {
        Chunk::File(path) => path,
        Chunk::Named(name) => Path::new(name),
    };
    let file = source::read(path).map_err(|reason| unreadable(path, reason))?;
    let code = source::code_of(&file);
    let kind = Kind::of(code);
    check_kind(kind, request.kinds)?;
    // SAFETY: by contract.
    unsafe { compile(request.state, code, kind, chunk_name, compat_54) }
}
