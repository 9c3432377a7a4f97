//! Packing what a `__pairs` metamethod iterates over, for programs that count on it.
//!
//! Metamethods are Lua code: they may fail, allocate, collect garbage, and change the very tables
//! that are being walked. So with this option the whole walk runs inside one protected call, each
//! metamethod in a protected call of its own (for the path in the error), and no remembered key
//! address outlives a call. The frames between the outer protected call and Lua own nothing.

use std::ffi::{c_int, c_void};

use moonhive_lua_sys::lua::{self, LUA_OK, LUA_TNIL, lua_State};

use super::fault::{Cause, Fault};
use super::pack::Packer;
use super::view::View;

/// Calls the function below its arguments like `lua_pcall` without a message handler: on success
/// (`LUA_OK`) that many results take their place, otherwise the error object.
pub type ProtectedCall =
    unsafe fn(state: *mut lua_State, arguments: c_int, results: c_int) -> c_int;

/// What the protected function needs, on the Rust stack below the protected call.
struct Task<'a, 'b> {
    packer: &'a mut Packer<'b>,
    result: Result<(), Box<Fault>>,
}

/// Packs the values at `first..first + count` inside a protected call.
///
/// # Safety
/// As for [`Packer::values`].
pub(super) unsafe fn protected(
    packer: &mut Packer<'_>,
    first: c_int,
    count: c_int,
) -> Result<(), Box<Fault>> {
    let state = packer.state;
    // SAFETY: room is made before anything is pushed; `task` outlives the call that uses it.
    unsafe {
        if count > c_int::MAX - 8 || lua::lua_checkstack(state, count + 8) == 0 {
            return Err(Fault::new(Cause::Stack));
        }
        let mut task = Task { packer, result: Ok(()) };
        lua::lua_pushcfunction(state, run);
        (first..first + count).for_each(|index| lua::lua_pushvalue(state, index));
        lua::lua_pushlightuserdata(state, (&raw mut task).cast::<c_void>());
        let status = lua::lua_pcall(state, count + 1, 0, 0);
        if status != LUA_OK {
            return Err(Fault::new(Cause::Pairs(take_message(state))));
        }
        task.result
    }
}

/// The protected function: arguments are the values and, last, the task.
///
/// # Safety
/// Only [`protected`] may have it called.
unsafe extern "C-unwind" fn run(state: *mut lua_State) -> c_int {
    // SAFETY: `protected` pushed the task last; it is borrowed by nobody else while this runs. No
    // frame from here to Lua owns anything, except an error that is already on its way out.
    unsafe {
        let count = lua::lua_gettop(state) - 1;
        let task = &mut *lua::lua_touserdata(state, -1).cast::<Task<'_, '_>>();
        let outer = std::mem::replace(&mut task.packer.state, state);
        task.result = task.packer.values(1, count);
        task.packer.state = outer;
    }
    0
}

/// If the table at `index` has `__pairs`: calls it and pushes function, state and control.
///
/// # Safety
/// `index` must be an absolute index of a table, and four stack slots free.
pub(super) unsafe fn begin(
    packer: &mut Packer<'_>,
    call: ProtectedCall,
    index: c_int,
) -> Result<bool, Box<Fault>> {
    let state = packer.state;
    // SAFETY: the caller vouches for the index and the slots.
    unsafe {
        if lua::lua_getmetatable(state, index) == 0 {
            return Ok(false);
        }
        lua::lua_settop(state, -2);
        // Making the name may collect garbage, which may run finalizers.
        packer.keys.forget();
        if lua::luaL_getmetafield(state, index, c"__pairs".as_ptr()) == LUA_TNIL {
            return Ok(false);
        }
        lua::lua_pushvalue(state, index);
        run_protected(packer, call, 1, 3)?;
    }
    Ok(true)
}

/// Calls the iterator whose control value is at `control`; false when it has ended. Otherwise key
/// and value lie above `control`.
///
/// # Safety
/// Function, state and control must be the three values up to `control`, the top of the stack, with
/// three slots free above.
pub(super) unsafe fn next(
    packer: &mut Packer<'_>,
    call: ProtectedCall,
    control: c_int,
) -> Result<bool, Box<Fault>> {
    let state = packer.state;
    // SAFETY: the caller vouches for the stack.
    unsafe {
        (control - 2..=control).for_each(|index| lua::lua_pushvalue(state, index));
        run_protected(packer, call, 2, 2)?;
        Ok(lua::lua_type(state, control + 1) != LUA_TNIL)
    }
}

/// Calls with `call` and forgets key addresses, which the call may have freed.
///
/// # Safety
/// Function and arguments must be on top of the stack, with room for the results.
unsafe fn run_protected(
    packer: &mut Packer<'_>,
    call: ProtectedCall,
    arguments: c_int,
    results: c_int,
) -> Result<(), Box<Fault>> {
    // SAFETY: function and arguments are on the stack, with room for the results.
    let status = unsafe { call(packer.state, arguments, results) };
    packer.keys.forget();
    if status == LUA_OK {
        return Ok(());
    }
    // SAFETY: a failed protected call leaves its error on the stack.
    Err(Fault::new(Cause::Pairs(unsafe { take_message(packer.state) })))
}

/// Pops an error and says what it says.
///
/// # Safety
/// An error must be on top of the stack.
unsafe fn take_message(state: *mut lua_State) -> String {
    // SAFETY: the error is on top of the stack and stays there until it has been copied.
    unsafe {
        let message = match View::at(state, lua::lua_gettop(state)) {
            View::String(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => "error object is no string".to_owned(),
        };
        lua::lua_settop(state, -2);
        message
    }
}
