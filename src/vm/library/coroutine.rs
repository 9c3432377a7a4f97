//! The part of `coroutine` that knows about blocking natives.
//!
//! A native that blocks yields with the context's `blocking` flag set. `resume` and `wrap` see the
//! flag when the coroutine they resumed comes back, and yield on with a continuation; so the whole
//! chain is suspended up to the host's coroutine. When the host answers, the continuations carry
//! the values down again. For scripts a coroutine that is suspended this way is `normal`: somebody
//! else is about to resume it. Yields of user code behave exactly as in stock Lua.
//!
//! Cost beside stock `resume`: two reads and two writes of the context.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use moonhive_lua_sys::{host, lua};

use super::Replacement;
use crate::vm::context::{Context, is_blocked, set_blocked};
use crate::vm::stack::Stack;

pub(super) const REPLACEMENTS: [Replacement; 4] = [
    Replacement { name: "resume", function: resume },
    Replacement { name: "wrap", function: wrap },
    Replacement { name: "status", function: status },
    Replacement { name: "close", function: close },
];

/// Stock functions that ours fall back to.
struct Stock {
    status: lua::lua_CFunction,
    close: lua::lua_CFunction,
}

/// The same in every VM, since all are linked with one Lua.
static STOCK: OnceLock<Stock> = OnceLock::new();

impl Stack<'_> {
    /// Remembers the stock functions; the globals are on top of the stack.
    pub(super) fn note_stock_coroutines(&mut self) {
        self.raw_get_field(-1, "coroutine");
        STOCK.get_or_init(|| Stock {
            status: self.stock_function("status"),
            close: self.stock_function("close"),
        });
        self.pop(1);
    }

    fn stock_function(&mut self, name: &str) -> lua::lua_CFunction {
        self.raw_get_field(-1, name);
        // SAFETY: the value is on top; the answer is `None` for anything but a C function.
        let function = unsafe { lua::lua_tocfunction(self.state(), -1) };
        self.pop(1);
        function.expect("the coroutine library was opened just now")
    }
}

/// Whether `resume` or a function made by `wrap` waits for the coroutine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Resume,
    Wrap,
}

/// How the resumed coroutine came back.
enum Back {
    /// This many values, moved to the caller.
    Values(c_int),
    /// The error value, moved to the caller.
    Error,
    /// Blocked in the host, with this many values, moved to the caller.
    Blocked(c_int),
}

/// `coroutine.resume`.
unsafe extern "C-unwind" fn resume(state: *mut lua::lua_State) -> c_int {
    // SAFETY: a plain frame in a state of ours; errors may jump.
    unsafe {
        lua::luaL_checktype(state, 1, lua::LUA_TTHREAD);
        let thread = lua::lua_tothread(state, 1);
        if is_blocked(thread) {
            lua::lua_pushboolean(state, 0);
            push_refusal(state);
            return 2;
        }
        proceed(state, thread, Caller::Resume)
    }
}

/// `coroutine.wrap`.
unsafe extern "C-unwind" fn wrap(state: *mut lua::lua_State) -> c_int {
    // SAFETY: as in `resume`; there is room for two more values in every C function.
    unsafe {
        lua::luaL_checktype(state, 1, lua::LUA_TFUNCTION);
        let thread = lua::lua_newthread(state);
        lua::lua_pushvalue(state, 1);
        lua::lua_xmove(state, thread, 1);
        lua::lua_pushcclosure(state, call_wrapped, 1);
    }
    1
}

/// A function made by `coroutine.wrap`; its upvalue is the coroutine.
unsafe extern "C-unwind" fn call_wrapped(state: *mut lua::lua_State) -> c_int {
    // SAFETY: as in `resume`; the upvalue is a coroutine, unless a script tampers with it through
    // the debug library, which `proceed` notices.
    unsafe {
        let thread = lua::lua_tothread(state, lua::lua_upvalueindex(1));
        if !thread.is_null() && is_blocked(thread) {
            push_refusal(state);
            return raise_located(state);
        }
        proceed(state, thread, Caller::Wrap)
    }
}

/// Resumes `thread` with the arguments of the running `resume` or wrapped function.
///
/// # Safety
/// A plain frame: `state` runs a function of this file, `thread` is null or a state of its VM.
unsafe fn proceed(
    state: *mut lua::lua_State,
    thread: *mut lua::lua_State,
    caller: Caller,
) -> c_int {
    // The coroutine itself is the first argument of `resume`.
    let below = c_int::from(caller == Caller::Resume);
    // SAFETY: by contract; whatever jumps finds nothing to drop.
    unsafe {
        if thread.is_null() {
            // Only the debug library, or a host that emptied our frame, can have removed it.
            return lua::luaL_error(state, c"the coroutine to resume is gone".as_ptr());
        }
        match transfer(state, thread, lua::lua_gettop(state) - below) {
            Back::Values(count) if caller == Caller::Wrap => count,
            Back::Values(count) => {
                lua::lua_pushboolean(state, 1);
                lua::lua_rotate(state, -(count + 1), 1);
                count + 1
            }
            Back::Error if caller == Caller::Wrap => raise_for_wrap(state, thread),
            Back::Error => {
                lua::lua_pushboolean(state, 0);
                lua::lua_rotate(state, -2, 1);
                2
            }
            Back::Blocked(count) => {
                set_blocked(state, true);
                let then = if caller == Caller::Wrap { go_on_wrapped } else { go_on_resumed };
                host::lua_leavek(state, count, 0, Some(then))
            }
        }
    }
}

/// The host answered: hands its values down to the coroutine that `resume` waits for.
unsafe extern "C-unwind" fn go_on_resumed(
    state: *mut lua::lua_State,
    _status: c_int,
    _context: lua::lua_KContext,
) -> c_int {
    // SAFETY: as in `resume`; its first argument was a coroutine.
    unsafe { proceed(state, lua::lua_tothread(state, 1), Caller::Resume) }
}

/// The same for a wrapped function.
unsafe extern "C-unwind" fn go_on_wrapped(
    state: *mut lua::lua_State,
    _status: c_int,
    _context: lua::lua_KContext,
) -> c_int {
    // SAFETY: as in `call_wrapped`; its upvalue was a coroutine.
    unsafe { proceed(state, lua::lua_tothread(state, lua::lua_upvalueindex(1)), Caller::Wrap) }
}

/// Moves the `arguments` topmost values over, resumes, and moves back what comes.
///
/// # Safety
/// As [`proceed`].
unsafe fn transfer(
    state: *mut lua::lua_State,
    thread: *mut lua::lua_State,
    arguments: c_int,
) -> Back {
    // SAFETY: by contract; each move is preceded by a check for room.
    unsafe {
        let context = Context::of(state);
        if lua::lua_checkstack(thread, arguments) == 0 {
            push_literal(state, c"too many arguments to resume".as_ptr());
            return Back::Error;
        }
        lua::lua_xmove(state, thread, arguments);
        if !ptr::eq(thread, state) {
            set_blocked(thread, false);
        }
        let outer = context.blockable.get();
        context.blockable.set(outer && lua::lua_isyieldable(state) != 0);
        let mut count = 0;
        let status = lua::lua_resume(thread, state, arguments, &mut count);
        context.blockable.set(outer);
        if status != lua::LUA_OK && status != lua::LUA_YIELD {
            lua::lua_xmove(thread, state, 1);
            return Back::Error;
        }
        if lua::lua_checkstack(state, count + 1) == 0 {
            lua::lua_settop(thread, -count - 1);
            push_literal(state, c"too many results to resume".as_ptr());
            return Back::Error;
        }
        lua::lua_xmove(thread, state, count);
        if status == lua::LUA_YIELD && context.blocking.get() {
            return Back::Blocked(count);
        }
        Back::Values(count)
    }
}

/// The error of a wrapped coroutine is raised in its caller; a coroutine that died of it is closed.
///
/// # Safety
/// As [`proceed`], with the error value on top.
unsafe fn raise_for_wrap(state: *mut lua::lua_State, thread: *mut lua::lua_State) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let mut status = lua::lua_status(thread);
        if status != lua::LUA_OK && status != lua::LUA_YIELD {
            // Closing methods may fail in turn; what closing reports is the error to raise.
            status = lua::lua_closethread(thread, state);
            lua::lua_xmove(thread, state, 1);
        }
        if status == lua::LUA_ERRMEM || lua::lua_type(state, -1) != lua::LUA_TSTRING {
            lua::lua_error(state);
        }
        raise_located(state)
    }
}

/// Raises the string on top with the caller's position in front.
///
/// # Safety
/// As [`proceed`].
unsafe fn raise_located(state: *mut lua::lua_State) -> c_int {
    // SAFETY: by contract.
    unsafe {
        lua::luaL_where(state, 1);
        lua::lua_rotate(state, -2, 1);
        lua::lua_concat(state, 2);
        lua::lua_error(state)
    }
}

/// `coroutine.status`: a coroutine blocked in the host is `normal`.
unsafe extern "C-unwind" fn status(state: *mut lua::lua_State) -> c_int {
    // SAFETY: a plain frame in a state of ours; the stock function gets the same arguments.
    unsafe {
        if argument_is_blocked(state) {
            push_literal(state, c"normal".as_ptr());
            return 1;
        }
        STOCK.get().map_or(0, |stock| (stock.status)(state))
    }
}

/// `coroutine.close`: not for a coroutine blocked in the host.
unsafe extern "C-unwind" fn close(state: *mut lua::lua_State) -> c_int {
    // SAFETY: as in `status`.
    unsafe {
        if argument_is_blocked(state) {
            return lua::luaL_error(state, c"cannot close a normal coroutine".as_ptr());
        }
        STOCK.get().map_or(0, |stock| (stock.close)(state))
    }
}

/// The coroutine that the innermost frame of `thread`, if it is one of ours, waits for.
///
/// # Safety
/// `thread` is a suspended coroutine of one of our VMs; memory is not refused.
unsafe fn awaited(thread: *mut lua::lua_State) -> *mut lua::lua_State {
    let mut frame = MaybeUninit::<lua::lua_Debug>::zeroed();
    // SAFETY: by contract; one slot is made sure of, used for the function and freed again.
    unsafe {
        if lua::lua_checkstack(thread, 1) == 0
            || lua::lua_getstack(thread, 0, frame.as_mut_ptr()) == 0
        {
            return ptr::null_mut();
        }
        lua::lua_getinfo(thread, c"f".as_ptr(), frame.as_mut_ptr());
        let function = lua::lua_tocfunction(thread, -1).map(|function| function as usize);
        lua::lua_settop(thread, -2);
        if function == Some(resume as *const () as usize) {
            lua::lua_tothread(thread, 1)
        } else if function == Some(call_wrapped as *const () as usize) {
            lua::lua_tothread(thread, lua::lua_upvalueindex(1))
        } else {
            ptr::null_mut()
        }
    }
}

/// Takes the mark of being blocked off a coroutine and off those it waits for: the host gives up
/// on answering them, so they are ordinary suspended coroutines from here on.
///
/// # Safety
/// `thread` is a coroutine of one of our VMs that does not run; memory is not refused.
pub(in crate::vm) unsafe fn unblock_chain(mut thread: *mut lua::lua_State) {
    // SAFETY: by contract; a coroutine that a suspended frame waits for is suspended itself.
    unsafe {
        while !thread.is_null() && is_blocked(thread) {
            set_blocked(thread, false);
            thread = awaited(thread);
        }
    }
}

/// # Safety
/// `state` runs a function of this file.
unsafe fn argument_is_blocked(state: *mut lua::lua_State) -> bool {
    // SAFETY: by contract; a coroutine of the same VM has our extra space.
    unsafe {
        let thread = lua::lua_tothread(state, 1);
        !thread.is_null() && is_blocked(thread)
    }
}

/// # Safety
/// As [`proceed`].
unsafe fn push_refusal(state: *mut lua::lua_State) {
    // SAFETY: by contract.
    unsafe { push_literal(state, c"cannot resume non-suspended coroutine".as_ptr()) }
}

/// # Safety
/// `text` is a C string and the stack has room.
unsafe fn push_literal(state: *mut lua::lua_State, text: *const c_char) {
    // SAFETY: by contract.
    unsafe { lua::lua_pushstring(state, text) };
}
