//! The smallest functions of the C API, inline: a call across languages costs several times what
//! they do, and natives make dozens of them for each message.
//!
//! They read the insides of a state at the places that `c/lquick.c` checks against Lua's own
//! headers. With debug assertions they call Lua's functions, which check every call.
//!
//! Invariant: each does what the function of the C API of that name does, for the arguments that
//! its contract allows.

use std::ffi::{c_int, c_void};
use std::slice;

use mlua_sys::{LUA_TNONE, lua_State};

use crate::inside::Table;

/// A slot of a stack: a value and its tag.
#[repr(C)]
struct Slot {
    value: u64,
    tag: u8,
}

/// The head of a string; a short one's bytes follow where `long` stands.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Text {
    header: [u8; 11],
    /// Negative for a long string.
    short_length: i8,
    hash: u32,
    long_length: usize,
    long: *const u8,
}

/// The head of a full userdata; its bytes follow, if it has no user values.
#[repr(C)]
struct Block {
    header: [u8; 10],
    user_values: u16,
    padding: u32,
    size_bytes: usize,
    metatable: *const c_void,
}

/// What these functions need of a state.
#[repr(C)]
struct State {
    header: [u8; 11],
    status: u8,
    padding: u32,
    top: *mut Slot,
    global: *const Global,
    call: *mut Call,
    stack_last: *mut Slot,
    stack: *mut Slot,
    open_upvalues: *mut c_void,
    to_be_closed: *mut Slot,
    lists: [*mut c_void; 3],
    base_call: Call,
}

/// What they need of that which all states of a VM share.
#[repr(C)]
struct Global {
    header: [u64; 8],
    /// The registry: always a table.
    registry: Slot,
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
    assert!(offset_of!(State, global) == 24 && offset_of!(Global, registry) == 64);
    assert!(offset_of!(State, call) == 32 && offset_of!(State, stack_last) == 40);
    assert!(offset_of!(State, to_be_closed) == 64 && offset_of!(State, base_call) == 96);
    assert!(offset_of!(Call, function) == 0 && offset_of!(Call, top) == 8);
    assert!(offset_of!(Text, short_length) == 11 && offset_of!(Text, long_length) == 16);
    assert!(offset_of!(Text, long) == 24);
    assert!(offset_of!(Block, user_values) == 10 && offset_of!(Block, size_bytes) == 16);
    assert!(offset_of!(Block, metatable) == 24 && size_of::<Block>() == BYTES_AT);
};

/// Where the bytes of a full userdata without user values begin.
const BYTES_AT: usize = 32;

/// Bits of a tag that name the type.
const TYPE_BITS: u8 = 0x0f;

/// Tags of values that hold no others.
pub(crate) mod tag {
    pub const NIL: u8 = 0x00;
    pub const FALSE: u8 = 0x01;
    pub const TRUE: u8 = 0x11;
    pub const POINTER: u8 = 0x02;
    pub const INTEGER: u8 = 0x03;
    pub const FLOAT: u8 = 0x13;
    pub const SHORT_STRING: u8 = 0x44;
    pub const LONG_STRING: u8 = 0x54;
    pub const USERDATA: u8 = 0x47;
}

/// A value that holds no others.
#[derive(Debug, Clone, Copy)]
pub enum Plain<'a> {
    /// `nil`
    Nil,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string.
    String(&'a [u8]),
    /// The address that a light userdata carries.
    Pointer(u64),
}

/// `lua_gettop`.
///
/// # Safety
/// `state` is a live state that this thread may use.
#[inline]
pub unsafe fn gettop(state: *mut lua_State) -> c_int {
    let state: *const State = state.cast();
    // SAFETY: the state is live, and so is the record of its running function, whose slot lies
    // below the top of the same stack.
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

/// A full userdata.
#[derive(Debug, Clone, Copy)]
pub struct Userdata {
    /// Its bytes: `lua_touserdata`.
    pub bytes: *mut c_void,
    /// How many they are: `lua_rawlen`.
    pub size_bytes: usize,
    /// What `lua_topointer` gives for its metatable; null without one.
    pub metatable: *const c_void,
}

/// The full userdata at an index, if there is one that has no user values.
///
/// # Safety
/// As [`gettop`]; the index is positive and holds a value.
#[inline]
pub unsafe fn userdata_at(state: *mut lua_State, index: c_int) -> Option<Userdata> {
    // SAFETY: by contract; a value with this tag is the address of a live block.
    unsafe {
        let (tag, value) = slot_at(state, index);
        if tag != tag::USERDATA {
            return None;
        }
        let block: *mut Block = std::ptr::with_exposed_provenance_mut(value as usize);
        let Block { user_values: 0, size_bytes, metatable, .. } = *block else { return None };
        let bytes = block.cast::<u8>().add(BYTES_AT).cast();
        Some(Userdata { bytes, size_bytes, metatable })
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

/// The value at a positive index below the top, if it is a plain one.
///
/// # Safety
/// As [`gettop`]; the index holds a value, which stays where it is for `'a`.
#[inline]
pub unsafe fn plain_at<'a>(state: *mut lua_State, index: c_int) -> Option<Plain<'a>> {
    // SAFETY: by contract; the slot holds a value and its tag.
    unsafe {
        let (tag, value) = slot_at(state, index);
        plain(tag, value)
    }
}

/// Tag and value at a positive index below the top.
///
/// # Safety
/// As [`gettop`]; the index holds a value.
#[inline]
pub(crate) unsafe fn slot_at(state: *mut lua_State, index: c_int) -> (u8, u64) {
    let state: *const State = state.cast();
    // SAFETY: by contract.
    unsafe {
        let slot = (*(*state).call).function.add(index as usize);
        debug_assert!(slot.cast_const() < (*state).top.cast_const());
        ((*slot).tag, (*slot).value)
    }
}

/// The value of a tag, if it is a plain one.
///
/// # Safety
/// They belong together, and a string lives on for `'a`.
#[inline]
pub(crate) unsafe fn plain<'a>(tag: u8, value: u64) -> Option<Plain<'a>> {
    // The two usual ones by comparison: all of them at once become a table of jumps.
    if tag == tag::INTEGER {
        return Some(Plain::Integer(value as i64));
    }
    if is_string(tag) {
        // SAFETY: by contract; the address is that of a string.
        return Some(Plain::String(unsafe {
            text(std::ptr::with_exposed_provenance(value as usize))
        }));
    }
    Some(match tag {
        tag::FLOAT => Plain::Float(f64::from_bits(value)),
        tag::POINTER => Plain::Pointer(value),
        tag::NIL => Plain::Nil,
        tag::FALSE => Plain::Boolean(false),
        tag::TRUE => Plain::Boolean(true),
        _ => return None,
    })
}

#[inline]
fn is_string(tag: u8) -> bool {
    matches!(tag, tag::SHORT_STRING | tag::LONG_STRING)
}

/// The bytes of the string at a positive index below the top, if it is one.
///
/// # Safety
/// As [`plain_at`].
#[inline]
pub unsafe fn string_at<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    // SAFETY: by contract; the address is that of a string.
    unsafe {
        let (tag, value) = slot_at(state, index);
        is_string(tag).then(|| text(std::ptr::with_exposed_provenance(value as usize)))
    }
}

/// The bytes of a string.
///
/// # Safety
/// It is a live string of Lua, and lives on for `'a`.
#[inline]
pub(crate) unsafe fn text<'a>(text: *const Text) -> &'a [u8] {
    // SAFETY: by contract; a short string's bytes begin where a long one has the address of its
    // own.
    unsafe {
        match usize::try_from((*text).short_length) {
            Ok(length) => slice::from_raw_parts((&raw const (*text).long).cast(), length),
            Err(_) => slice::from_raw_parts((*text).long, (*text).long_length),
        }
    }
}

/// `lua_rawgeti` of the registry.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub unsafe fn push_registered(state: *mut lua_State, slot: u32) {
    // SAFETY: by contract; the registry is a table that lives as long as the state, and nothing
    // changes it here.
    unsafe {
        if !cfg!(debug_assertions) {
            let registry = (*(*state.cast::<State>()).global).registry.value;
            let registry: *const Table = std::ptr::with_exposed_provenance(registry as usize);
            if let Some((tag, value)) = (*registry).bare_slot(slot.wrapping_sub(1)) {
                return push(state, tag, value);
            }
        }
        mlua_sys::lua_rawgeti(state, mlua_sys::LUA_REGISTRYINDEX, slot.into());
    }
}

/// Pushes a value.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub(crate) unsafe fn push(state: *mut lua_State, tag: u8, value: u64) {
    let state: *mut State = state.cast();
    // SAFETY: by contract; the slot at the top is free, and its value is read by its tag alone.
    unsafe {
        let slot = (*state).top;
        debug_assert!(slot.cast_const() < (*(*state).call).top.cast_const());
        (*slot).value = value;
        (*slot).tag = tag;
        (*state).top = slot.add(1);
    }
}

/// `lua_pushnil`.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub unsafe fn pushnil(state: *mut lua_State) {
    // SAFETY: by contract.
    unsafe { push(state, tag::NIL, 0) }
}

/// `lua_pushboolean`.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub unsafe fn pushboolean(state: *mut lua_State, value: bool) {
    // SAFETY: by contract.
    unsafe { push(state, if value { tag::TRUE } else { tag::FALSE }, 0) }
}

/// `lua_pushinteger`.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub unsafe fn pushinteger(state: *mut lua_State, value: i64) {
    // SAFETY: by contract.
    unsafe { push(state, tag::INTEGER, value as u64) }
}

/// `lua_pushnumber`.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub unsafe fn pushnumber(state: *mut lua_State, value: f64) {
    // SAFETY: by contract.
    unsafe { push(state, tag::FLOAT, value.to_bits()) }
}

/// `lua_pushlightuserdata`.
///
/// # Safety
/// As [`gettop`]; there is room for a value.
#[inline]
pub unsafe fn pushpointer(state: *mut lua_State, address: u64) {
    // SAFETY: by contract.
    unsafe { push(state, tag::POINTER, address) }
}

/// `lua_copy` between positive indices.
///
/// # Safety
/// As [`gettop`]; both indices hold values.
#[inline]
pub unsafe fn copy(state: *mut lua_State, from: c_int, to: c_int) {
    let state: *mut State = state.cast();
    // SAFETY: by contract; slots of a stack need no barrier of the collector.
    unsafe {
        let function = (*(*state).call).function;
        let (from, to) = (function.add(from as usize), function.add(to as usize));
        debug_assert!(from.max(to).cast_const() < (*state).top.cast_const());
        (*to).value = (*from).value;
        (*to).tag = (*from).tag;
    }
}

/// Replaces the value at a positive index by a light userdata.
///
/// # Safety
/// As [`gettop`]; the index holds a value.
#[inline]
pub unsafe fn putpointer(state: *mut lua_State, address: u64, to: c_int) {
    let state: *mut State = state.cast();
    // SAFETY: by contract; the value is read by its tag alone.
    unsafe {
        let to = (*(*state).call).function.add(to as usize);
        debug_assert!(to.cast_const() < (*state).top.cast_const());
        (*to).value = address;
        (*to).tag = tag::POINTER;
    }
}

/// `lua_pushvalue` of a positive index.
///
/// # Safety
/// As [`gettop`]; the index holds a value, and there is room for another.
#[inline]
pub unsafe fn pushvalue(state: *mut lua_State, index: c_int) {
    // SAFETY: by contract.
    unsafe {
        let slot = (*(*state.cast::<State>()).call).function.add(index as usize);
        push(state, (*slot).tag, (*slot).value);
    }
}
