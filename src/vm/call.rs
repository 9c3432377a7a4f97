//! Protected calls and chunks: the ways from Rust into Lua that come back with an error instead of
//! a jump.
//!
//! Each way leaves the context before and enters it again after, by absolute state: an error may
//! jump past any number of natives in between.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use moonhive_lua_sys::{host, lua};

use super::context::Context;
use super::error::LuaError;
use super::raise::Raise;
use super::stack::Stack;

impl Stack<'_> {
    /// Calls the function below the `arguments` topmost values. They are replaced by `results`
    /// values ([`Stack::ALL`] for as many as there are).
    ///
    /// # Errors
    /// What the function raised, with the traceback of the place where it did. Nothing is left on
    /// the stack.
    pub fn call(&mut self, arguments: c_int, results: c_int) -> Result<(), LuaError> {
        match self.call_protected(arguments, results) {
            lua::LUA_OK => Ok(()),
            status => {
                let traceback = self.context().traceback.take();
                let error = self.read_error(status, traceback);
                self.pop(1);
                Err(error)
            }
        }
    }

    /// The same for natives that pass an error on: the value stays as it was raised.
    ///
    /// # Errors
    /// The value that the function raised.
    pub fn call_or_raise(&mut self, arguments: c_int, results: c_int) -> Result<(), Raise> {
        match self.call_protected(arguments, results) {
            lua::LUA_OK => Ok(()),
            _ => Err(Raise::value()),
        }
    }

    /// For [`Stack::call`]: all results.
    pub const ALL: c_int = lua::LUA_MULTRET;

    /// Calls with our message handler; on an error its value is on top.
    fn call_protected(&mut self, arguments: c_int, results: c_int) -> c_int {
        let function = self.top() - arguments;
        assert!(arguments >= 0 && function > 0, "no function below {arguments} arguments");
        self.reserve_or_unwind(results.max(0) + 1);
        self.context().traceback.borrow_mut().clear();
        // SAFETY: there is room for the handler; function and arguments are on the stack above it.
        let status = unsafe {
            lua::lua_pushcclosure(self.state(), note_traceback, 0);
            lua::lua_rotate(self.state(), function, 1);
            self.outside(|state| lua::lua_pcallk(state, arguments, results, function, 0, None))
        };
        self.remove(function);
        status
    }

    /// Pushes the text of a value as `tostring` gives it.
    ///
    /// # Errors
    /// What its `__tostring` raises; that it gave no string.
    pub fn push_text(&mut self, index: c_int) -> Result<(), Raise> {
        self.push_value(index);
        self.call_plain(to_text, 1, 1)
    }

    /// Calls a plain C function protected, without a message handler. On an error its value is on
    /// top of the stack.
    pub(super) fn call_plain(
        &mut self,
        function: lua::lua_CFunction,
        arguments: c_int,
        results: c_int,
    ) -> Result<(), Raise> {
        match self.call_plain_status(function, arguments, results) {
            lua::LUA_OK => Ok(()),
            _ => Err(Raise::value()),
        }
    }

    fn call_plain_status(
        &mut self,
        function: lua::lua_CFunction,
        arguments: c_int,
        results: c_int,
    ) -> c_int {
        self.put_below(function, arguments, results);
        // SAFETY: function and arguments are on the stack; every error is caught.
        unsafe { self.outside(|state| lua::lua_pcallk(state, arguments, results, 0, 0, None)) }
    }

    /// The same without leaving the context, for a C function that runs no Lua code but may raise.
    fn call_plain_inside(
        &mut self,
        function: lua::lua_CFunction,
        arguments: c_int,
        results: c_int,
    ) -> c_int {
        self.put_below(function, arguments, results);
        self.forget_room();
        // SAFETY: function and arguments are on the stack; every error is caught.
        unsafe { lua::lua_pcallk(self.state(), arguments, results, 0, 0, None) }
    }

    /// Puts a C function below its arguments, with room for the results.
    fn put_below(&mut self, function: lua::lua_CFunction, arguments: c_int, results: c_int) {
        let place = self.top() - arguments + 1;
        assert!(arguments >= 0 && place > 0, "not enough values for {arguments} arguments");
        self.reserve_or_unwind(results.max(0) + 1);
        // SAFETY: there is room for the function, which goes below its arguments.
        unsafe {
            lua::lua_pushcclosure(self.state(), function, 0);
            lua::lua_rotate(self.state(), place, 1);
        }
    }

    /// Runs `work`, which may run Lua code, outside the context, and forgets about free room.
    ///
    /// # Safety
    /// `work` catches every error that Lua may raise in it.
    pub(super) unsafe fn outside<R>(&mut self, work: impl FnOnce(*mut lua::lua_State) -> R) -> R {
        let context = self.context();
        let before = context.leave();
        let result = work(self.state());
        context.restore(before);
        self.forget_room();
        result
    }

    /// Compiles a chunk and pushes its main function. `name` is Lua's chunk name: `@file`, `=name`
    /// or the text itself.
    ///
    /// # Errors
    /// What does not compile, or that there is no memory for it.
    pub fn load(&mut self, chunk: &[u8], name: &str, mode: LoadMode) -> Result<(), LuaError> {
        let name = c_string(name.as_bytes());
        self.reserve_or_unwind(1);
        // SAFETY: there is room; the loader catches its errors and returns a status.
        let status = unsafe {
            let (bytes, name) = (chunk.as_ptr().cast(), name.as_ptr());
            self.outside(|state| {
                lua::luaL_loadbufferx(state, bytes, chunk.len(), name, mode.text().as_ptr())
            })
        };
        self.loaded(status)
    }

    /// Compiles a file and pushes its main function, through the code cache where there is one.
    ///
    /// # Errors
    /// What does not compile, cannot be read, or that there is no memory for it.
    pub fn load_file(&mut self, path: &Path, mode: LoadMode) -> Result<(), LuaError> {
        self.load_c_path(Some(&c_string(path.as_os_str().as_bytes())), mode)
    }

    /// The same for the path as Lua takes it: `None` is standard input.
    pub(super) fn load_c_path(
        &mut self,
        path: Option<&CStr>,
        mode: LoadMode,
    ) -> Result<(), LuaError> {
        unsafe extern "C-unwind" fn load(state: *mut lua::lua_State) -> c_int {
            // SAFETY: both arguments are null or addresses of C strings that outlive the call; a
            // plain frame. The status and the result are returned.
            unsafe {
                let path: *const c_char = lua::lua_touserdata(state, 1).cast();
                let mode: *const c_char = lua::lua_touserdata(state, 2).cast();
                let status = lua::luaL_loadfilex(state, path, mode);
                lua::lua_pushinteger(state, status.into());
                lua::lua_rotate(state, -2, 1);
                2
            }
        }
        let path = path.map_or(ptr::null(), CStr::as_ptr);
        self.push_pointer(path.cast_mut().cast());
        self.push_pointer(mode.text().as_ptr().cast_mut().cast());
        let status = self.call_loader(load, 2);
        self.loaded(status)
    }

    /// Calls a plain C function that loads something and returns the status and the function or the
    /// message, of which the latter is left on the stack.
    pub(super) fn call_loader(&mut self, loader: lua::lua_CFunction, arguments: c_int) -> c_int {
        let status = self.call_plain_status(loader, arguments, 2);
        if status != lua::LUA_OK {
            return status;
        }
        let status = self.integer(-2).and_then(|status| c_int::try_from(status).ok());
        self.remove(-2);
        status.unwrap_or(lua::LUA_ERRRUN)
    }

    /// Turns what a loader left on the stack into a result.
    pub(super) fn loaded(&mut self, status: c_int) -> Result<(), LuaError> {
        if status == lua::LUA_OK {
            return Ok(());
        }
        let error = self.read_error(status, String::new());
        self.pop(1);
        Err(error)
    }

    /// Pushes a traceback of a coroutine of this VM (or of this one), from `level` outwards.
    pub(super) fn push_traceback_of(&mut self, thread: *mut lua::lua_State, level: c_int) {
        unsafe extern "C-unwind" fn traceback(state: *mut lua::lua_State) -> c_int {
            // SAFETY: the arguments are the address of a live state and a level; a plain frame.
            unsafe {
                let thread = lua::lua_touserdata(state, 1).cast();
                let level = lua::lua_tointeger(state, 2) as c_int;
                lua::luaL_traceback(state, thread, ptr::null(), level);
                1
            }
        }
        // The helper is itself on the stack when it looks at the stack it runs on.
        let level = if ptr::eq(thread, self.state()) { level + 1 } else { level };
        self.push_pointer(thread.cast());
        self.push_integer(level.into());
        if self.call_plain_inside(traceback, 2, 1) != lua::LUA_OK {
            self.pop(1);
            self.push_str("");
        }
    }

    /// True if the VM is within its memory limit, if need be after a collection. What Rust code
    /// puts on a stack is never refused, so whoever puts something large there asks afterwards.
    #[inline]
    pub fn is_within_memory(&mut self) -> bool {
        !self.context().memory.is_over_limit() || self.collects_enough()
    }

    #[cold]
    fn collects_enough(&mut self) -> bool {
        self.collect();
        !self.context().memory.is_over_limit()
    }

    /// The VM is about to build what it will live with: no collection before that many bytes more
    /// are in use (a quarter of its limit at most), until [`Stack::settle`].
    pub fn grow(&mut self, bytes: usize) {
        let bytes = bytes.min(self.context().memory.limit_bytes() / 4);
        // SAFETY: the state is live; figures of the collector change, and nothing runs.
        unsafe { host::lua_gcgrant(self.state(), bytes) };
    }

    /// It is built: collections begin again at their usual pace.
    pub fn settle(&mut self) {
        // SAFETY: as in `grow`.
        unsafe { host::lua_gcsettle(self.state()) };
        self.context().forget_credit();
    }

    /// True if a collection is under way or will soon begin in the middle of something, and the VM
    /// may allocate at least `least_bytes` between two of them.
    #[inline]
    pub fn is_collection_near(&self, least_bytes: usize) -> bool {
        self.context().is_collection_near(least_bytes)
    }

    /// Does a step of a collection ahead of time; finalizers may run. True if the collection is to
    /// go on, false when it has ended.
    pub fn collect_ahead(&mut self) -> bool {
        unsafe extern "C-unwind" fn collect(state: *mut lua::lua_State) -> c_int {
            // SAFETY: a plain frame with free slots; finalizers may run here.
            unsafe {
                let goes_on = host::lua_gcahead(state);
                lua::lua_pushboolean(state, goes_on);
                1
            }
        }
        // After an error there is a message in the place of the result, which ends it as well.
        let goes_on = self.call_plain(collect, 0, 1).is_ok() && self.truth(-1);
        self.pop(1);
        if !goes_on {
            self.context().forget_credit();
        }
        goes_on
    }

    /// Collects all garbage, twice so that what finalizers let go of is freed as well.
    pub fn collect(&mut self) {
        unsafe extern "C-unwind" fn collect(state: *mut lua::lua_State) -> c_int {
            // SAFETY: a plain frame; finalizers may run here.
            unsafe {
                lua::lua_gc(state, lua::LUA_GCCOLLECT);
                lua::lua_gc(state, lua::LUA_GCCOLLECT);
                0
            }
        }
        if self.call_plain(collect, 0, 0).is_err() {
            self.pop(1);
        }
    }
}

/// What a chunk may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LoadMode {
    /// Source text only: safe for text from anywhere.
    #[default]
    Text,
    /// Precompiled code only. Lua does not check it: crafted code can crash the process.
    Binary,
    /// Either.
    Any,
}

impl LoadMode {
    fn text(self) -> &'static CStr {
        match self {
            LoadMode::Text => c"t",
            LoadMode::Binary => c"b",
            LoadMode::Any => c"bt",
        }
    }
}

/// A C string of the text up to its first zero byte, as Lua's own C code would see it.
fn c_string(text: &[u8]) -> CString {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// `tostring` as a plain function: leaves the text on top.
pub(super) unsafe extern "C-unwind" fn to_text(state: *mut lua::lua_State) -> c_int {
    // SAFETY: called with one argument, protected; a plain frame.
    unsafe {
        lua::luaL_tolstring(state, 1, ptr::null_mut());
    }
    1
}

/// Message handler of [`Stack::call`]: notes the traceback in the context and returns the error
/// value unchanged.
///
/// # Safety
/// Only Lua calls it, as a message handler in a state of one of our VMs.
unsafe extern "C-unwind" fn note_traceback(state: *mut lua::lua_State) -> c_int {
    // SAFETY: a plain frame until the traceback is on the stack; copying it cannot jump, and the
    // borrow cannot be taken twice because nothing runs in between.
    unsafe {
        lua::luaL_traceback(state, state, ptr::null(), 1);
        let mut length = 0;
        let text: *const c_void = lua::lua_tolstring(state, -1, &mut length).cast();
        let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length);
        let mut note = Context::of(state).traceback.borrow_mut();
        note.clear();
        note.push_str(&String::from_utf8_lossy(bytes));
        drop(note);
        lua::lua_settop(state, -2);
    }
    1
}
