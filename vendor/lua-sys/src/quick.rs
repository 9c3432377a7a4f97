//! The smallest functions of the C API, inline: a call across languages costs several times what
//! they do, and natives make dozens of them for each message.
//!
//! They read the insides of a state at the places that `c/lquick.c` checks against Lua's own headers.
//! With debug assertions they call Lua's functions, which check every call.
//!
//! Invariant: each does what the function of the C API of that name does, for the arguments that its
//! contract allows.

use std::ffi::{c_int, c_void};

use mlua_sys::{LUA_TNONE, lua_State};

/// A slot of a stack: a value and its tag.
#[repr(C)]
struct Slot {
    value: u64,
    tag: u8,
}

/// What these functions need of a state.
#[repr(C)]
struct State {
    header: [u8; 11],
    status: u8,
    padding: u32,
    top: *mut Slot,
    global: *mut c_void,
    call: *mut Call,
    stack_last: *mut Slot,
    stack: *mut Slot,
    open_upvalues: *mut c_void,
    to_be_closed: *mut Slot,
    lists: [*mut c_void; 3],
    base_call: Call,
}

/// What they need of the record of a running function.
#[repr(C)]
struct Call {
    function: *mut Slot,
    top: *mut Slot,
}

const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(size_of::<Slot>() == 16 && offset_of!(Slot, tag) == 8);
    assert!(offset_of!(State, status) == 11 && offset_of!(State, top) == 16);
    assert!(offset_of!(State, call) == 32 && offset_of!(State, stack_last) == 40);
    assert!(offset_of!(State, to_be_closed) == 64 && offset_of!(State, base_call) == 96);
    assert!(offset_of!(Call, function) == 0 && offset_of!(Call, top) == 8);
};

/// Bits of a tag that name the type.
const TYPE_BITS: u8 = 0x0f;

/// `lua_gettop`.
///
/// # Safety
/// `state` is a live state that this thread may use.
#[inline]
pub unsafe fn gettop(state: *mut lua_State) -> c_int {
    let state: *const State = state.cast();
    // SAFETY: the state is live, and so is the record of its running function, whose slot lies below
    // the top of the same stack.
    unsafe { (*state).top.offset_from((*(*state).call).function) as c_int - 1 }
}

/// `lua_settop` to an index that is not above the top.
///
/// # Safety
/// As [`gettop`]; `top` is not negative, and no slot from it on is to be closed.
#[inline]
pub unsafe fn cut(state: *mut lua_State, top: c_int) {
    // SAFETY: by contract; the new top is a slot of the running function or right above it.
    unsafe {
        if cfg!(debug_assertions) {
            return mlua_sys::lua_settop(state, top);
        }
        let state: *mut State = state.cast();
        let new = (*(*state).call).function.add(top as usize + 1);
        debug_assert!(new <= (*state).top && (*state).to_be_closed < new);
        (*state).top = new;
    }
}

/// `lua_checkstack`: whether there is room for `count` more values now.
///
/// # Safety
/// As [`gettop`]; `count` is not negative.
#[inline]
pub unsafe fn checkstack(state: *mut lua_State, count: c_int) -> bool {
    let inner: *mut State = state.cast();
    // SAFETY: by contract; all pointers are into one stack.
    unsafe {
        if (*inner).stack_last.offset_from((*inner).top) <= count as isize {
            return mlua_sys::lua_checkstack(state, count) != 0;
        }
        let (call, wanted) = ((*inner).call, (*inner).top.add(count as usize));
        if (*call).top < wanted {
            (*call).top = wanted;
        }
    }
    true
}

/// `lua_type` of a positive index.
///
/// # Safety
/// As [`gettop`]; `index` is positive and acceptable.
#[inline]
pub unsafe fn tag_at(state: *mut lua_State, index: c_int) -> c_int {
    let state: *const State = state.cast();
    // SAFETY: by contract; a slot below the top holds a value.
    unsafe {
        let slot = (*(*state).call).function.add(index as usize);
        if slot < (*state).top { c_int::from((*slot).tag & TYPE_BITS) } else { LUA_TNONE }
    }
}

/// `lua_status`.
///
/// # Safety
/// As [`gettop`].
#[inline]
pub unsafe fn status(state: *mut lua_State) -> c_int {
    // SAFETY: by contract.
    c_int::from(unsafe { (*state.cast::<State>()).status })
}

/// Whether some function runs in the state or waits in it.
///
/// # Safety
/// As [`gettop`].
#[inline]
pub unsafe fn has_frames(state: *mut lua_State) -> bool {
    let state: *const State = state.cast();
    // SAFETY: by contract; addresses are compared only.
    unsafe { !std::ptr::eq((*state).call, &raw const (*state).base_call) }
}
