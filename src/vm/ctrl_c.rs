//! Ctrl-C for a stand-alone interpreter, in three steps.
//!
//! | SIGINT | effect |
//! |---|---|
//! | first | the running Lua code gets an error at its next instruction, which it may catch |
//! | second | the same inside loops of the standard library (pattern matching, sorting) |
//! | third | the process ends, as it would without us |
//!
//! The first step is what users of the stock interpreter know: a hook that the handler sets. It
//! does not reach coroutines and C code; the second does. Invariant: the handlers are in place only
//! while a [`Guard`] lives, and its state outlives it.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use moonhive_lua_sys::{lua, share};

/// The state that a signal interrupts.
static STATE: AtomicPtr<lua::lua_State> = AtomicPtr::new(ptr::null_mut());

/// While it lives, SIGINT interrupts a VM. Calls nest: the innermost one is interrupted.
pub(super) struct Guard {
    state: *mut lua::lua_State,
    outer: *mut lua::lua_State,
    previous: libc::sigaction,
}

impl Guard {
    /// Begins to listen on behalf of `state`.
    ///
    /// # Safety
    /// The state must be live for as long as the guard, and run on the thread that gets the
    /// process's signals (there is no other one).
    pub unsafe fn new(state: *mut lua::lua_State) -> Guard {
        let outer = STATE.swap(state, Ordering::SeqCst);
        // SAFETY: the handler keeps to what a handler may do.
        let previous = unsafe { set_handler(first as *const () as libc::sighandler_t) };
        Guard { state, outer, previous }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: the action is the one that was there before. The state is live by the contract of
        // `new`; a signal that came after the last instruction was not meant for the next call.
        unsafe {
            libc::sigaction(libc::SIGINT, &self.previous, ptr::null_mut());
            STATE.store(self.outer, Ordering::SeqCst);
            if lua::lua_gethook(self.state).is_some_and(|hook| ptr::fn_addr_eq(hook, STOP)) {
                lua::lua_sethook(self.state, None, 0, 0);
            }
            if share::lua_interrupted(self.state) == share::INTERRUPT_ONCE {
                share::lua_clearinterrupt(self.state);
            }
        }
    }
}

/// Installs a handler for SIGINT and returns the action it replaces. System calls are interrupted,
/// not restarted, so that a read from the terminal ends.
///
/// # Safety
/// `handler` must be a handler that may run at any time.
unsafe fn set_handler(handler: libc::sighandler_t) -> libc::sigaction {
    // SAFETY: both actions are complete; the call is allowed in signal handlers.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let mut previous: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGINT, &action, &mut previous);
        previous
    }
}

extern "C" fn first(_signal: c_int) {
    let mask = lua::LUA_MASKCALL | lua::LUA_MASKRET | lua::LUA_MASKLINE | lua::LUA_MASKCOUNT;
    // SAFETY: while the handler is installed the state is live and this thread runs it;
    // `lua_sethook` is made to be called from signal handlers.
    unsafe {
        set_handler(second as *const () as libc::sighandler_t);
        lua::lua_sethook(STATE.load(Ordering::SeqCst), Some(STOP), mask, 1);
    }
}

extern "C" fn second(_signal: c_int) {
    // SAFETY: as in `first`; `lua_interrupt` is made to be called from signal handlers.
    unsafe {
        set_handler(libc::SIG_DFL);
        share::lua_interrupt(STATE.load(Ordering::SeqCst), share::INTERRUPT_ONCE);
    }
}

const STOP: lua::lua_Hook = stop;

/// The hook: takes itself away and raises the error.
///
/// # Safety
/// Only Lua calls it, as a hook.
unsafe extern "C-unwind" fn stop(state: *mut lua::lua_State, _frame: *mut lua::lua_Debug) {
    // SAFETY: a plain frame.
    unsafe {
        lua::lua_sethook(state, None, 0, 0);
        lua::luaL_error(state, c"interrupted!".as_ptr());
    }
}
