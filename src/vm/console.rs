//! What a stand-alone interpreter needs of a VM beyond what services use: messages built where an
//! error is raised, the process's standard input, and Ctrl-C.
//!
//! All of it is for one VM on the main thread of a process that does nothing else.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use moonhive_lua_sys::lua;

use super::call::LoadMode;
use super::ctrl_c;
use super::error::LuaError;
use super::stack::Stack;

unsafe extern "C" {
    #[cfg_attr(target_os = "macos", link_name = "__stdinp")]
    static stdin: *mut libc::FILE;
}

impl Stack<'_> {
    /// Calls the function below the `arguments` topmost values like the stand-alone interpreter:
    /// Ctrl-C interrupts it, and an error becomes the text that is shown for it, made before the
    /// stack unwinds (so that `__tostring` may look at it).
    ///
    /// The first Ctrl-C raises `interrupted!` at the next instruction; the second does so also
    /// inside loops of the standard library; the third ends the process.
    ///
    /// # Errors
    /// The message with its traceback, in the bytes that the script gave it.
    pub fn call_at_console(&mut self, arguments: c_int, results: c_int) -> Result<(), Vec<u8>> {
        let function = self.top() - arguments;
        assert!(arguments >= 0 && function > 0, "no function below {arguments} arguments");
        self.reserve_or_unwind(results.max(0) + 1);
        // SAFETY: there is room for the handler; function and arguments are on the stack above it.
        // The guard ends before the state can: it is dropped right after the call.
        let status = unsafe {
            lua::lua_pushcclosure(self.state(), tell, 0);
            lua::lua_rotate(self.state(), function, 1);
            let guard = ctrl_c::Guard::new(self.state());
            let status =
                self.outside(|state| lua::lua_pcallk(state, arguments, results, function, 0, None));
            drop(guard);
            status
        };
        self.remove(function);
        if status == lua::LUA_OK {
            return Ok(());
        }
        let message = self.bytes(-1).unwrap_or(b"(error message not a string)").to_vec();
        self.pop(1);
        Err(message)
    }

    /// Compiles standard input and pushes its main function.
    ///
    /// # Errors
    /// What does not compile, cannot be read, or that there is no memory for it.
    pub fn load_stdin(&mut self, mode: LoadMode) -> Result<(), LuaError> {
        self.load_c_path(None, mode)
    }

    /// Turns the output of `warn` on or off, as `warn "@on"` and `warn "@off"` do.
    pub fn show_warnings(&mut self, shown: bool) {
        self.context().warnings_on.set(shown);
    }

    /// Gives a complete warning to whoever shows warnings.
    pub fn warn(&mut self, message: &str) {
        if self.context().warnings_on.get() {
            self.context().hooks.warn(message);
        }
    }
}

/// Reads a line from C's standard input, which scripts read with `io.read`; without its newline.
/// `None` at the end, or when a signal interrupts the wait.
pub fn read_line() -> Option<Vec<u8>> {
    let (mut buffer, mut capacity): (*mut c_char, usize) = (ptr::null_mut(), 0);
    // SAFETY: C allocates the buffer, which is copied and freed; the stream is open or reports an
    // error.
    unsafe {
        let length = libc::getline(&mut buffer, &mut capacity, stdin);
        let line = usize::try_from(length)
            .ok()
            .map(|length| std::slice::from_raw_parts(buffer.cast::<u8>(), length).to_vec());
        libc::free(buffer.cast::<c_void>());
        line.map(|mut line| {
            line.pop_if(|last| *last == b'\n');
            line
        })
    }
}

/// Message handler: leaves the text that is shown for the error value.
///
/// # Safety
/// Only Lua calls it, as a message handler in a state of one of our VMs.
unsafe extern "C-unwind" fn tell(state: *mut lua::lua_State) -> c_int {
    const TO_STRING: &CStr = c"__tostring";
    // SAFETY: a plain frame; `__tostring` may raise.
    unsafe {
        let mut message = lua::lua_tostring(state, 1);
        if message.is_null() {
            if lua::luaL_callmeta(state, 1, TO_STRING.as_ptr()) != 0
                && lua::lua_type(state, -1) == lua::LUA_TSTRING
            {
                return 1;
            }
            let kind = lua::luaL_typename(state, 1);
            message = lua::lua_pushfstring(state, c"(error object is a %s value)".as_ptr(), kind);
        }
        lua::luaL_traceback(state, state, message, 1);
    }
    1
}
