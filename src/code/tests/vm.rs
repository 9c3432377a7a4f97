//! The least VM that can load code: a state, an allocator with a limit, and a client of the cache.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use moonhive_lua_sys::lua;

use super::super::{CodeCache, CodeClient, Mode};

/// A VM whose code comes from a cache. What scripts return comes back as text.
pub(super) struct TestVm {
    state: *mut lua::lua_State,
    memory: Box<Memory>,
    pub(super) client: Box<CodeClient>,
}

// SAFETY: the tests use a VM from one thread at a time.
unsafe impl Send for TestVm {}

/// Counts and limits what a VM allocates.
struct Memory {
    used_bytes: Cell<usize>,
    peak_bytes: Cell<usize>,
    limit_bytes: Cell<usize>,
}

impl TestVm {
    pub(super) fn new(cache: &Arc<CodeCache>) -> TestVm {
        TestVm::with_mode(cache, Mode::On)
    }

    pub(super) fn with_mode(cache: &Arc<CodeCache>, mode: Mode) -> TestVm {
        let memory = Box::new(Memory {
            used_bytes: Cell::new(0),
            peak_bytes: Cell::new(0),
            limit_bytes: Cell::new(usize::MAX),
        });
        let client = Box::new(CodeClient::new(cache.clone(), mode));
        let user_data = ptr::from_ref(&*memory).cast_mut().cast();
        // SAFETY: the memory and the client live in boxes until the state is closed.
        let state = unsafe {
            let state = lua::lua_newstate(allocate, user_data, 0);
            assert!(!state.is_null());
            lua::luaL_openlibs(state);
            client.install(state);
            state
        };
        TestVm { state, memory, client }
    }

    /// Runs a script, with the text "it" for its global `path`, and returns its results joined by
    /// spaces; an error is `Err`.
    pub(super) fn run(&self, script: &str) -> Result<String, String> {
        // SAFETY: the state is ours alone; the calls that may raise are protected or have memory.
        unsafe {
            lua::lua_settop(self.state, 0);
            let name = c"=script".as_ptr();
            let (start, length) = (script.as_ptr().cast(), script.len());
            let mut status = lua::luaL_loadbufferx(self.state, start, length, name, ptr::null());
            if status == lua::LUA_OK {
                status = lua::lua_pcallk(self.state, 0, lua::LUA_MULTRET, 0, 0, None);
            }
            let results: Vec<_> =
                (1..=lua::lua_gettop(self.state)).map(|index| self.text(index)).collect();
            lua::lua_settop(self.state, 0);
            let text = results.join(" ");
            if status == lua::LUA_OK { Ok(text) } else { Err(text) }
        }
    }

    /// Runs a script that must succeed.
    #[track_caller]
    pub(super) fn eval(&self, script: &str) -> String {
        self.run(script).unwrap_or_else(|error| panic!("{error}\nin {script}"))
    }

    /// Sets a global to a path.
    pub(super) fn set_path(&self, global: &str, path: &Path) {
        let text = path.to_str().unwrap();
        self.eval(&format!("{global} = {text:?}"));
    }

    /// Loads an embedded text and runs it.
    pub(super) fn run_named(&self, name: &str, text: &'static str) -> Result<String, String> {
        // SAFETY: as in `run`; nothing is owned when a push could raise, and there is memory.
        unsafe {
            lua::lua_settop(self.state, 0);
            let mut status = self.client.load_named(self.state, name, text);
            if status == lua::LUA_OK {
                status = lua::lua_pcallk(self.state, 0, 1, 0, 0, None);
            }
            let text = self.text(-1);
            if status == lua::LUA_OK { Ok(text) } else { Err(text) }
        }
    }

    pub(super) fn reload(&self, path: &Path) -> Result<u64, super::super::LoadError> {
        // SAFETY: the state is this client's and ours alone.
        unsafe { self.client.reload(self.state, path) }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.memory.used_bytes.get()
    }

    /// The most that was in use since the last call.
    pub(super) fn take_peak_bytes(&self) -> usize {
        self.memory.peak_bytes.replace(self.used_bytes())
    }

    /// Lets the VM use this much more than it does now; `None` takes the limit away.
    pub(super) fn limit_to_more(&self, bytes: Option<usize>) {
        let limit = bytes.map_or(usize::MAX, |bytes| self.used_bytes() + bytes);
        self.memory.limit_bytes.set(limit);
    }

    /// A full collection: the VM lets go of code that no function uses.
    pub(super) fn collect(&self) {
        // SAFETY: the state is ours alone.
        unsafe { lua::lua_gc(self.state, lua::LUA_GCCOLLECT) };
    }

    /// # Safety
    /// `index` is valid; converting the value may allocate.
    unsafe fn text(&self, index: c_int) -> String {
        // SAFETY: by contract; the text is copied before it is popped.
        unsafe {
            let text = CStr::from_ptr(lua::luaL_tolstring(self.state, index, ptr::null_mut()));
            let text = text.to_string_lossy().into_owned();
            lua::lua_pop(self.state, 1);
            text
        }
    }
}

impl Drop for TestVm {
    fn drop(&mut self) {
        // SAFETY: the last use of the state; client and memory are dropped after this.
        unsafe { lua::lua_close(self.state) };
        assert_eq!(self.used_bytes(), 0, "a scratch state was not closed");
    }
}

/// # Safety
/// As for every `lua_Alloc`; `user_data` is a [`Memory`].
unsafe extern "C" fn allocate(
    user_data: *mut c_void,
    block: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    let layout = |bytes| Layout::from_size_align(bytes, 16).unwrap();
    // SAFETY: by contract; blocks were allocated here with their sizes.
    unsafe {
        let memory = &*user_data.cast::<Memory>();
        let old_bytes = if block.is_null() { 0 } else { old_bytes };
        let used = memory.used_bytes.get() - old_bytes + new_bytes;
        if new_bytes > old_bytes && used > memory.limit_bytes.get() {
            return ptr::null_mut();
        }
        memory.used_bytes.set(used);
        memory.peak_bytes.set(memory.peak_bytes.get().max(used));
        match (block.is_null(), new_bytes) {
            (true, 0) => ptr::null_mut(),
            (true, _) => alloc(layout(new_bytes)).cast(),
            (false, 0) => {
                dealloc(block.cast(), layout(old_bytes));
                ptr::null_mut()
            }
            (false, _) => realloc(block.cast(), layout(old_bytes), new_bytes).cast(),
        }
    }
}

/// A folder with the files of one test.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// The chunk of `text` as `string.dump` writes it.
pub(super) fn dump(text: &str) -> Vec<u8> {
    let vm = TestVm::new(&Arc::new(CodeCache::new()));
    let files = Files::new();
    vm.set_path("path", &files.path("dumped"));
    let text = CString::new(text).unwrap();
    vm.eval(&format!(
        "local f = assert(io.open(path, 'wb')) f:write(string.dump(assert(load({text:?})))) f:close()"
    ));
    std::fs::read(files.path("dumped")).unwrap()
}
