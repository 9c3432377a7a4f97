//! One compilation: text in, image out.
//!
//! The chunk is compiled in a scratch state that is closed at once, with the requester's allocator:
//! its memory limit bounds what a compilation may take, and nothing of it stays on its account. The
//! image itself is accounted to the cache.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Instant;

use moonhive_lua_sys::{lua, share};

use super::error::{LoadError, Rejection};
use super::image::Image;
use super::source::Kind;
use super::version::Compiled;

/// A state that only ever compiles one chunk.
struct Scratch(NonNull<lua::lua_State>);

impl Scratch {
    /// # Safety
    /// `requester` is a live state that no other thread uses; the scratch must be gone before it.
    unsafe fn new(requester: *mut lua::lua_State) -> Option<Scratch> {
        let mut user_data = ptr::null_mut();
        // SAFETY: the requester is alive, and its allocator serves any state on this thread. A
        // failure in `lua_newstate` is a null. The seed is the process's own, whatever is passed.
        unsafe {
            let allocate = lua::lua_getallocf(requester, &raw mut user_data);
            let state = NonNull::new(lua::lua_newstate(allocate, user_data, 0))?;
            // It lives for one chunk; whatever is garbage goes with it.
            lua::lua_gc(state.as_ptr(), lua::LUA_GCSTOP);
            Some(Scratch(state))
        }
    }

    fn as_ptr(&self) -> *mut lua::lua_State {
        self.0.as_ptr()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the state is ours, has no finalizers, and is used by nobody from here on.
        unsafe { lua::lua_close(self.as_ptr()) };
    }
}

/// True if chunks of this VM compile with the meaning of Lua 5.4 where 5.5 would refuse them.
///
/// # Safety
/// `state` is a live state that no other thread uses.
pub(super) unsafe fn is_compat_54(state: *mut lua::lua_State) -> bool {
    // SAFETY: by contract. Setting is the only way to read; both calls only touch a field.
    unsafe {
        let value = share::lua_shareoption(state, share::OPTION_COMPAT_54, 0);
        share::lua_shareoption(state, share::OPTION_COMPAT_54, value);
        value != 0
    }
}

/// Compiles `code`, which is of this kind, under `chunk_name`.
///
/// # Errors
/// `Rejected` with stock Lua's own message; `Interrupted` when the requester is; `OutOfMemory` when
/// the requester's limit is reached or the system has no memory for the image.
///
/// # Safety
/// `requester` is a live state that no other thread uses.
pub(super) unsafe fn compile(
    requester: *mut lua::lua_State,
    code: &[u8],
    kind: Kind,
    chunk_name: &CStr,
    compat_54: bool,
) -> Result<Compiled<Image>, LoadError> {
    let start = Instant::now();
    // SAFETY: by contract, and the scratch ends with this function.
    let scratch = unsafe { Scratch::new(requester) }.ok_or(LoadError::OutOfMemory)?;
    let state = scratch.as_ptr();
    // SAFETY: the buffer and the name outlive the call; `lua_load` runs protected, so nothing jumps
    // over this frame. `lua_sharefunction` raises nothing and gives its reference away.
    let image = unsafe {
        share::lua_shareoption(state, share::OPTION_COMPAT_54, c_int::from(compat_54));
        share::lua_interruptwith(state, requester);
        let status = lua::luaL_loadbufferx(
            state,
            code.as_ptr().cast(),
            code.len(),
            chunk_name.as_ptr(),
            ptr::null(),
        );
        if status != lua::LUA_OK {
            return Err(rejection(requester, state, status, chunk_name));
        }
        Image::from_raw(share::lua_sharefunction(state, -1))
    };
    drop(scratch);
    Ok(Compiled {
        code: image.ok_or(LoadError::OutOfMemory)?,
        kind,
        compile_time: start.elapsed(),
        chunk_name: chunk_name.to_owned(),
    })
}

/// The error that a failed load left on top of the stack.
///
/// # Safety
/// `state` is a live state with that error on its stack, and so is the requester.
unsafe fn rejection(
    requester: *mut lua::lua_State,
    state: *mut lua::lua_State,
    status: c_int,
    chunk_name: &CStr,
) -> LoadError {
    // Too deep a nesting has the same status, but leaves nothing pending.
    // SAFETY: by contract.
    let is_interrupted = unsafe { share::lua_interrupted(requester) } != share::INTERRUPT_NONE;
    match status {
        lua::LUA_ERRMEM => return LoadError::OutOfMemory,
        lua::LUA_ERRRUN if is_interrupted => return LoadError::Interrupted,
        _ => {}
    }
    let mut length = 0;
    // SAFETY: the compiler's errors are strings, so this converts nothing and cannot raise; the
    // bytes are valid until the string is popped, and copied before.
    let message = unsafe {
        let start = lua::lua_tolstring(state, -1, &raw mut length);
        if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast::<u8>(), length) }
    };
    LoadError::Rejected(Arc::new(Rejection {
        status,
        message: message.into(),
        chunk_name: chunk_name.to_owned(),
    }))
}
