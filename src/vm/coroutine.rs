//! Coroutines of the host: started, resumed and closed from Rust, and pooled.
//!
//! A native that blocks (`Outcome::Block`) suspends the whole chain of coroutines up to the one the
//! host resumed. The context's `blocking` flag tells such a yield from one of user code; each
//! coroutine of the chain is marked in its extra space, so that scripts cannot resume or close it
//! meanwhile.
//!
//! A pooled coroutine keeps its Lua thread: a script that still holds the thread of a finished task
//! may meet another task in it later.
//!
//! Napkin: a new thread costs 0.3 us and 1 KiB, one from the pool 20 ns and nothing.

use std::ffi::c_int;
use std::ptr::NonNull;

use moonhive_lua_sys::{lua, quick};

use super::context::{Context, set_blocked};
use super::error::LuaError;
use super::library::unblock_chain;
use super::reference::Reference;
use super::stack::Stack;

/// Idle coroutines that a VM keeps; one more is left to the collector.
const MAX_IDLE: usize = 64;

/// Functions of C that may lie between some code and the yield it leads to, for messages.
const POSITION_LEVELS: c_int = 8;

/// A coroutine that the host owns. It belongs to one VM; give it back with [`Stack::recycle`] or it
/// lives as long as the VM.
#[derive(Debug)]
#[must_use = "a coroutine that is not recycled lives as long as its VM"]
pub struct Coroutine {
    state: NonNull<lua::lua_State>,
    anchor: Reference,
    vm: u64,
}

// SAFETY: the handle is only a name. Every use goes through a `Stack` of its own VM, which exists
// on one thread at a time.
unsafe impl Send for Coroutine {}

/// How a resumed coroutine came back. The values are on top of its own stack.
#[derive(Debug)]
#[non_exhaustive]
pub enum Resumed {
    /// Its function returned this many values.
    Finished(c_int),
    /// A native blocked and hands this many values to the host.
    Blocked(c_int),
    /// User code called `coroutine.yield` outside any coroutine of its own.
    Yielded(c_int),
    /// It failed. The coroutine is closed (its pending `__close` methods have run) and can be used
    /// again.
    Failed(LuaError),
}

impl Stack<'_> {
    /// A coroutine with an empty stack: push a function and its arguments with
    /// [`Stack::in_coroutine`], then resume it.
    #[inline(always)]
    pub fn coroutine(&mut self) -> Coroutine {
        let idle = self.context().pool.borrow_mut().pop();
        idle.unwrap_or_else(|| self.new_coroutine())
    }

    #[inline(never)]
    fn new_coroutine(&mut self) -> Coroutine {
        self.take_slot();
        // SAFETY: there is room and memory is not refused; the thread is anchored right after.
        let state = unsafe { lua::lua_newthread(self.state()) };
        let anchor = self.keep();
        let state = NonNull::new(state).expect("lua_newthread returns a state or raises");
        Coroutine { state, anchor, vm: self.context().id }
    }

    /// The stack of a coroutine that does not run.
    ///
    /// # Panics
    /// If the coroutine runs, or waits for one that runs: its frames are in use.
    #[inline(always)]
    pub fn in_coroutine(&mut self, coroutine: &Coroutine) -> Stack<'_> {
        let thread = self.idle_thread(coroutine);
        // SAFETY: the coroutine is one of this VM, anchored and idle; this stack is borrowed
        // meanwhile.
        unsafe { Stack::new(thread, self.context()) }
    }

    /// The stack of a coroutine that does not run and has an empty one, as those have that
    /// [`coroutine`](Stack::coroutine) gives.
    ///
    /// # Panics
    /// As [`in_coroutine`](Stack::in_coroutine), and if there is something on it.
    #[inline(always)]
    pub fn in_empty_coroutine(&mut self, coroutine: &Coroutine) -> Stack<'_> {
        let thread = self.idle_thread(coroutine);
        // SAFETY: as in `in_coroutine`; no function runs or waits in the coroutine, and then Lua
        // has room for so many values above the bottom of its stack.
        unsafe {
            assert!(quick::gettop(thread) == 0 && !quick::has_frames(thread), "it is in use");
            Stack::with_room(thread, self.context(), lua::LUA_MINSTACK)
        }
    }

    /// The thread of a coroutine of this VM that does not run.
    #[inline(always)]
    pub(super) fn idle_thread(&self, coroutine: &Coroutine) -> *mut lua::lua_State {
        self.assert_own(coroutine.vm);
        let thread = coroutine.state.as_ptr();
        // SAFETY: the coroutine is one of this VM and anchored.
        assert!(unsafe { is_idle(thread) }, "a running coroutine cannot be worked on");
        thread
    }

    /// Moves the `count` topmost values to the top of the coroutine's stack.
    pub fn move_to(&mut self, coroutine: &Coroutine, count: c_int) {
        assert!((0..=self.top()).contains(&count), "cannot move {count} values");
        self.in_coroutine(coroutine).reserve_or_unwind(count);
        // SAFETY: both states are of one VM, the values are there and there is room for them.
        unsafe { lua::lua_xmove(self.state(), coroutine.state.as_ptr(), count) };
    }

    /// Moves the `count` topmost values of the coroutine's stack to this one.
    pub fn move_from(&mut self, coroutine: &Coroutine, count: c_int) {
        let available = self.in_coroutine(coroutine).top();
        assert!((0..=available).contains(&count), "cannot move {count} of {available} values");
        self.reserve_or_unwind(count);
        // SAFETY: as in `move_to`.
        unsafe { lua::lua_xmove(coroutine.state.as_ptr(), self.state(), count) };
        self.forget_room();
    }

    /// Starts the function below the `arguments` topmost values of the coroutine's stack, or goes
    /// on with a suspended coroutine and hands it those values.
    #[inline(always)]
    pub fn resume(&mut self, coroutine: &Coroutine, arguments: c_int) -> Resumed {
        let available = self.in_coroutine(coroutine).top();
        assert!((0..=available).contains(&arguments), "no {arguments} arguments to resume with");
        let thread = coroutine.state.as_ptr();
        let context = self.context();
        let (outer, below) = (context.blockable.replace(true), context.resumed.replace(thread));
        let mut results = 0;
        // SAFETY: the coroutine is one of this VM and `lua_resume` catches every error; a wrong
        // state of the coroutine is such an error, too.
        let status = unsafe {
            set_blocked(thread, false);
            self.outside(|from| {
                context.poll_collector(from);
                lua::lua_resume(thread, from, arguments, &mut results)
            })
        };
        context.blockable.set(outer);
        context.resumed.set(below);
        match status {
            lua::LUA_OK => Resumed::Finished(results),
            lua::LUA_YIELD if context.blocking.replace(false) => Resumed::Blocked(results),
            lua::LUA_YIELD => Resumed::Yielded(results),
            status => Resumed::Failed(self.autopsy(coroutine, status)),
        }
    }

    /// A text with the position in front of the Lua code that led to the suspension of a coroutine,
    /// and the coroutine's traceback.
    pub fn locate(&mut self, coroutine: &Coroutine, text: &str) -> (String, String) {
        self.push_traceback_of(coroutine.state.as_ptr(), 0);
        let traceback = self.text(-1);
        self.pop(1);
        let mut stack = self.in_coroutine(coroutine);
        // Functions of C in between, such as `pcall`, have no position.
        let position = (1..=POSITION_LEVELS).find_map(|level| stack.position(level));
        (position.unwrap_or_default() + text, traceback)
    }

    /// Reads why a coroutine died, and closes it.
    #[cold]
    fn autopsy(&mut self, coroutine: &Coroutine, status: c_int) -> LuaError {
        self.push_traceback_of(coroutine.state.as_ptr(), 0);
        let traceback = self.text(-1);
        self.pop(1);
        self.move_from(coroutine, 1);
        let error = self.read_error(status, traceback);
        self.pop(1);
        let _ = self.close(coroutine);
        error
    }

    /// Ends a coroutine wherever it is suspended: its pending `__close` methods run, its stack is
    /// emptied, and it can be used again.
    ///
    /// # Errors
    /// The error of a `__close` method.
    pub fn close(&mut self, coroutine: &Coroutine) -> Result<(), LuaError> {
        let thread = self.idle_thread(coroutine);
        let status = self.close_thread(thread);
        let result =
            if status == lua::LUA_OK { Ok(()) } else { Err(self.closing_error(coroutine)) };
        self.in_coroutine(coroutine).set_top(0);
        result
    }

    /// Closes a thread of this VM that does not run; its error, if any, is on its own stack.
    fn close_thread(&mut self, thread: *mut lua::lua_State) -> c_int {
        let context = self.context();
        // Closing methods cannot wait for the host.
        let outer = context.blockable.replace(false);
        // SAFETY: the thread is one of this VM and not running; closing catches every error. No
        // hook of a script survives into the next use.
        let status = unsafe {
            unblock_chain(thread);
            let status = self.outside(|from| lua::lua_closethread(thread, from));
            lua::lua_sethook(thread, None, 0, 0);
            status
        };
        context.blockable.set(outer);
        status
    }

    /// Closes every suspended coroutine that the registry anchors, because the VM is about to end.
    pub(super) fn close_suspended(&mut self) {
        let (top, registry) = (self.top(), lua::LUA_REGISTRYINDEX);
        for slot in 1..=self.raw_len(registry) as i64 {
            self.raw_get_item(registry, slot);
            // SAFETY: the index may be read; a thread of this VM is live while it is on the stack.
            let thread = unsafe { lua::lua_tothread(self.state(), -1) };
            // SAFETY: as above.
            if !thread.is_null() && unsafe { lua::lua_status(thread) } == lua::LUA_YIELD {
                self.close_thread(thread);
            }
            self.set_top(top);
        }
    }

    fn closing_error(&mut self, coroutine: &Coroutine) -> LuaError {
        self.move_from(coroutine, 1);
        let error = self.read_error(lua::LUA_ERRRUN, String::new());
        self.pop(1);
        error
    }

    /// Gives a finished, failed or closed coroutine back to the pool. One that is still suspended
    /// is closed first, and an error of that goes to the host's warnings.
    #[inline(always)]
    pub fn recycle(&mut self, coroutine: Coroutine) {
        self.assert_own(coroutine.vm);
        if !self.is_at_rest(&coroutine) {
            self.close_or_warn(&coroutine);
        }
        self.in_coroutine(&coroutine).set_top(0);
        let mut pool = self.context().pool.borrow_mut();
        if pool.len() < MAX_IDLE {
            pool.push(coroutine);
        } else {
            drop(pool);
            self.release(coroutine.anchor);
        }
    }

    #[cold]
    fn close_or_warn(&mut self, coroutine: &Coroutine) {
        if let Err(error) = self.close(coroutine) {
            self.context().hooks.warn(&format!("error while closing a coroutine: {error}"));
        }
    }

    #[inline(always)]
    fn is_at_rest(&self, coroutine: &Coroutine) -> bool {
        // SAFETY: the coroutine is one of this VM.
        unsafe {
            let thread = coroutine.state.as_ptr();
            quick::status(thread) == lua::LUA_OK && lua::lua_gethookmask(thread) == 0
        }
    }

    /// Pushes the coroutine itself, as scripts see it.
    pub fn push_coroutine(&mut self, coroutine: &Coroutine) {
        self.assert_own(coroutine.vm);
        self.push_kept(&coroutine.anchor);
    }
}

/// True unless the coroutine runs or waits for one that runs.
///
/// # Safety
/// `thread` is a live state.
#[inline]
unsafe fn is_idle(thread: *mut lua::lua_State) -> bool {
    // SAFETY: by contract. A coroutine with frames that did not yield is running.
    unsafe { quick::status(thread) != lua::LUA_OK || !quick::has_frames(thread) }
}

impl Context {
    /// Forgets the idle coroutines; the VM is about to close.
    pub(super) fn drop_pool(&self) {
        self.pool.take();
    }
}
