//! Where code is: code that runs, for whoever [asks](super::Interruption::Tell) from another
//! thread, and coroutines that wait.
//!
//! The text is made from what Lua tells about its calls without touching the stack or the memory of
//! the VM: the question may come before any instruction.

use std::ffi::{CStr, c_int};
use std::fmt::Write;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use moonhive_lua_sys::lua::{self, lua_Debug, lua_State};

use super::context::Context;
use super::coroutine::Coroutine;
use super::stack::Stack;

/// Functions that are named; a recursion may be deep.
const LEVELS_MAX: c_int = 20;

/// Lua calls this where code was asked.
///
/// # Safety
/// `state` is a live state of a VM made by `VmBuilder`, and this thread runs it.
pub(super) unsafe extern "C-unwind" fn tell(state: *mut lua_State) {
    let answer = || {
        // SAFETY: by contract; what the host has resumed, or else the main state, lives meanwhile
        // and waits for `state`, if it is not that itself.
        unsafe {
            let context = Context::of(state);
            let mut place = place_of(state);
            let resumed = context.resumed.get();
            let outermost = if resumed.is_null() { context.main.get() } else { resumed };
            // A finalizer may run in the main state before the coroutine does that was resumed.
            if outermost != state && state != context.main.get() {
                let outer = place_of(outermost);
                if !outer.is_empty() {
                    place.push_str("\n\tin a coroutine of:");
                    place.push_str(&outer);
                }
            }
            context.hooks.told(&place);
        }
    };
    // A panic was printed where it happened, and must not meet frames of C.
    let _ = catch_unwind(AssertUnwindSafe(answer));
}

impl Stack<'_> {
    /// The innermost function of a file of the program in which a coroutine waits that does not
    /// run, as a line of a traceback; of the host's own code if there is no other.
    pub fn place_of(&self, coroutine: &Coroutine) -> Option<String> {
        let thread = self.idle_thread(coroutine);
        let mut own = None;
        for level in 0..LEVELS_MAX {
            // SAFETY: the thread is one of this VM, which this thread runs, and the texts are read
            // before anything else runs.
            unsafe {
                let Some(call) = call_at(thread, level) else { break };
                let is_file = CStr::from_ptr(call.source).to_bytes().starts_with(b"@");
                if call.currentline > 0 && (is_file || own.is_none()) {
                    let mut place = String::new();
                    describe(&mut place, &call);
                    if is_file {
                        return Some(place);
                    }
                    own = Some(place);
                }
            }
        }
        own
    }
}

/// The functions that run, the innermost first, each in a line of its own.
///
/// # Safety
/// `state` is a live state of a VM that this thread runs.
unsafe fn place_of(state: *mut lua_State) -> String {
    let mut place = String::new();
    for level in 0.. {
        // SAFETY: by contract.
        let Some(call) = (unsafe { call_at(state, level) }) else { break };
        place.push_str("\n\t");
        if level == LEVELS_MAX {
            place.push_str("...");
            break;
        }
        // SAFETY: the texts are valid as long as the function is on the stack.
        unsafe { describe(&mut place, &call) };
    }
    place
}

/// What Lua tells about the function at a level.
///
/// # Safety
/// As [`place_of`]; the texts in it are valid as long as the function is on the stack.
unsafe fn call_at(state: *mut lua_State, level: c_int) -> Option<lua_Debug> {
    let mut call = MaybeUninit::<lua_Debug>::zeroed();
    // SAFETY: by contract; what is asked for is not pushed, and all of it is filled in.
    unsafe {
        if lua::lua_getstack(state, level, call.as_mut_ptr()) == 0 {
            return None;
        }
        lua::lua_getinfo(state, c"Sln".as_ptr(), call.as_mut_ptr());
        Some(call.assume_init())
    }
}

/// Adds what a traceback says of one call.
///
/// # Safety
/// `lua_getinfo` has filled the call for `Sln`, and its function is still there.
unsafe fn describe(place: &mut String, call: &lua_Debug) {
    // SAFETY: by contract; `name` may be null, the others are not.
    let (source, what, kind, name) = unsafe {
        let name = (!call.name.is_null()).then(|| CStr::from_ptr(call.name).to_string_lossy());
        let source = CStr::from_ptr(call.short_src.as_ptr()).to_string_lossy();
        (source, CStr::from_ptr(call.what), CStr::from_ptr(call.namewhat), name)
    };
    let _ = write!(place, "{source}:");
    if call.currentline > 0 {
        let _ = write!(place, "{}:", call.currentline);
    }
    let _ = match name {
        Some(name) => write!(place, " in {} '{name}'", kind.to_string_lossy()),
        None if what == c"main" => write!(place, " in main chunk"),
        None if what == c"C" => write!(place, " in ?"),
        None => write!(place, " in function <{source}:{}>", call.linedefined),
    };
}
