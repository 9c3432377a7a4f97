//! A state and an image with Rust's ownership, for tests that speak the raw API.

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use moonhive_lua_sys::host::BLOCK_MUST;
use moonhive_lua_sys::lua as ffi;
use moonhive_lua_sys::share::{self, Image, ShareStats};

/// Tests of one process share its figures, and so take turns.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process-wide figures.
pub fn stats() -> ShareStats {
    let mut stats = ShareStats::default();
    // SAFETY: the function only fills the structure it is given.
    unsafe { share::lua_sharestats(&mut stats) };
    stats
}

/// A state with all libraries, closed when dropped.
pub struct State(pub *mut ffi::lua_State);

impl State {
    pub fn new() -> Self {
        // SAFETY: a new state belongs to nobody else.
        unsafe {
            let state = ffi::luaL_newstate();
            assert!(!state.is_null());
            ffi::luaL_openlibs(state);
            Self(state)
        }
    }

    /// Runs a chunk and gives its first result as a string.
    pub fn run(&self, code: &str) -> Result<String, String> {
        // SAFETY: the state is open and used by this thread only; the chunk outlives the call.
        unsafe {
            let name = c"=test";
            let status = match ffi::luaL_loadbufferx(
                self.0,
                code.as_ptr().cast(),
                code.len(),
                name.as_ptr(),
                ptr::null(),
            ) {
                ffi::LUA_OK => ffi::lua_pcall(self.0, 0, 1, 0),
                status => status,
            };
            let text = self.pop_text();
            if status == ffi::LUA_OK { Ok(text) } else { Err(text) }
        }
    }

    /// Runs a chunk that must not fail.
    pub fn eval(&self, code: &str) -> String {
        self.run(code).unwrap_or_else(|message| panic!("{message}"))
    }

    fn pop_text(&self) -> String {
        // SAFETY: the value on top stays there while its text is copied.
        unsafe {
            let mut length = 0;
            let text = ffi::luaL_tolstring(self.0, -1, &mut length);
            let text = std::slice::from_raw_parts(text.cast::<u8>(), length);
            let text = String::from_utf8_lossy(text).into_owned();
            ffi::lua_pop(self.0, 2);
            text
        }
    }

    /// A full collection.
    pub fn collect(&self) {
        // SAFETY: the state is open and no collection runs.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCCOLLECT) };
    }

    /// Sets a global to a closure over the image.
    pub fn clone_as(&self, name: &str, image: &SharedImage) {
        let name = CString::new(name).unwrap();
        // SAFETY: the image is alive; the closure goes straight to a global.
        unsafe {
            share::lua_clonefunction(self.0, image.0);
            ffi::lua_setglobal(self.0, name.as_ptr());
        }
    }

    /// Sets a global to the table of the image.
    pub fn take_as(&self, name: &str, image: &SharedImage) {
        let name = CString::new(name).unwrap();
        // SAFETY: the image is alive; the table goes straight to a global.
        unsafe {
            share::lua_pushshared(self.0, image.0);
            ffi::lua_setglobal(self.0, name.as_ptr());
        }
    }

    /// Asks for a census; true if the heap was walked.
    pub fn census(&self) -> bool {
        // SAFETY: the state is open and runs nothing.
        unsafe { share::lua_sharecensus(self.0) != 0 }
    }

    /// Sets an option of the VM.
    pub fn option(&self, option: i32, value: bool) {
        // SAFETY: the state is open.
        unsafe { share::lua_shareoption(self.0, option, i32::from(value)) };
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: the state is open, and nobody uses it after this.
        unsafe { ffi::lua_close(self.0) };
    }
}

/// One reference to an image.
pub struct SharedImage(pub *mut Image);

impl SharedImage {
    /// Compiles a chunk in a scratch state.
    pub fn compile(code: &str) -> Self {
        let scratch = State::new();
        // SAFETY: the function that was just compiled is on top of the stack.
        unsafe {
            let status = ffi::luaL_loadbufferx(
                scratch.0,
                code.as_ptr().cast(),
                code.len(),
                c"@image.lua".as_ptr(),
                ptr::null(),
            );
            assert_eq!(status, ffi::LUA_OK, "{}", scratch.pop_text());
            let image = share::lua_sharefunction(scratch.0, -1);
            assert!(!image.is_null());
            Self(image)
        }
    }

    /// Shares the table that an expression gives in a state.
    pub fn of_table(state: &State, expression: &str, name: &str) -> Result<Self, String> {
        Self::share(state, expression, name, true)
    }

    /// The same, and functions are refused.
    pub fn of_data(state: &State, expression: &str, name: &str) -> Result<Self, String> {
        Self::share(state, expression, name, false)
    }

    fn share(
        state: &State,
        expression: &str,
        name: &str,
        takes_functions: bool,
    ) -> Result<Self, String> {
        state.eval(&format!("SHARE = {expression}"));
        let name = CString::new(name).unwrap();
        // SAFETY: the state is open, and the table is on top of the stack.
        unsafe {
            ffi::lua_getglobal(state.0, c"SHARE".as_ptr());
            let image = share::lua_sharetable(state.0, -1, name.as_ptr(), takes_functions.into());
            if image.is_null() {
                let message = state.pop_text();
                ffi::lua_pop(state.0, 1);
                return Err(message);
            }
            ffi::lua_pop(state.0, 1);
            state.eval("SHARE = nil");
            Ok(Self(image))
        }
    }

    /// The tables of the image will not be taken any more.
    pub fn retire(&self) {
        // SAFETY: the image is alive.
        unsafe { share::lua_retireimage(self.0) };
    }

    /// Tables of the image, or of its models.
    pub fn tables(&self) -> usize {
        // SAFETY: the image is alive.
        unsafe { share::lua_imagetables(self.0) }
    }

    /// Bytes of its blocks.
    pub fn size(&self) -> usize {
        // SAFETY: the image is alive.
        unsafe { share::lua_imagesize(self.0) }
    }

    /// The same code under another chunk name.
    pub fn renamed(&self, chunk_name: &str) -> Self {
        let chunk_name = CString::new(chunk_name).unwrap();
        // SAFETY: the image is alive and the name ends with a zero.
        Self(unsafe { share::lua_renameimage(self.0, chunk_name.as_ptr()) })
    }

    /// VMs that use the image.
    pub fn users(&self) -> u32 {
        // SAFETY: the image is alive.
        unsafe { share::lua_imageusers(self.0) }
    }
}

impl Drop for SharedImage {
    fn drop(&mut self) {
        // SAFETY: this value owns one reference.
        unsafe { share::lua_releaseimage(self.0) };
    }
}

/// Memory that counts, and refuses what goes beyond a limit. It outlives the states that it is for.
pub struct Limited {
    used: Cell<usize>,
    limit: Cell<usize>,
}

impl Limited {
    pub fn new() -> Box<Self> {
        Box::new(Self { used: Cell::new(0), limit: Cell::new(usize::MAX) })
    }

    pub fn used(&self) -> usize {
        self.used.get()
    }

    pub fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    /// A state with all libraries that has its memory from here.
    pub fn state(&self) -> State {
        let owner = ptr::from_ref(self).cast_mut().cast();
        // SAFETY: whoever asks keeps the figures as long as the state; the seed is of no matter.
        unsafe {
            let state = ffi::lua_newstate(allocate, owner, 1);
            ffi::luaL_openlibs(state);
            State(state)
        }
    }
}

unsafe extern "C" fn allocate(
    limited: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the states of a test are made with a `Limited` that outlives them, and `realloc` and
    // `free` get what they gave.
    unsafe {
        let limited = &*limited.cast::<Limited>();
        let is_needed = block.is_null() && old == BLOCK_MUST;
        let old = if block.is_null() { 0 } else { old };
        let used = limited.used.get() - old + new;
        if new > old && used > limited.limit.get() && !is_needed {
            return ptr::null_mut();
        }
        limited.used.set(used);
        if new == 0 {
            libc::free(block);
            return ptr::null_mut();
        }
        libc::realloc(block, new)
    }
}
