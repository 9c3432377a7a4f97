//! Values that stand for something of the host, such as a service, and may travel between VMs.
//!
//! The codec knows such a value only as a kind and a number. In Lua it is a full userdata whose
//! first eight bytes are the number and whose metatable was marked by [`set_handle_kind`]; who
//! unpacks says how to rebuild it. The mark lies under a light userdata that no Lua program can
//! make, so no program can pass some other userdata off as a handle.

use std::ffi::c_void;

use moonhive_lua_sys::lua::{self, LUA_TNIL, lua_Integer, lua_State};

/// A value of the host on its way between VMs.
///
/// In a typed message (`to_payload`, `from_payload`) it is what a handle of Lua arrives as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    /// What it stands for; the host gives out the numbers.
    pub kind: u8,
    /// Which one.
    pub value: u64,
}

/// Pushes the Lua value for a handle, or pushes nothing and returns false when it knows no such
/// kind. It must not raise an error.
pub type RebuildHandle = unsafe fn(state: *mut lua_State, handle: Handle) -> bool;

static MARK: u8 = 0;

fn mark() -> *const c_void {
    (&raw const MARK).cast()
}

/// Declares that userdata with the metatable at `metatable_index` are handles of this kind.
///
/// # Safety
/// `state` must be valid with a free stack slot, `metatable_index` must be a table, and every
/// userdata that gets this metatable must begin with the `u64` of its handle.
pub unsafe fn set_handle_kind(state: *mut lua_State, metatable_index: i32, kind: u8) {
    // SAFETY: the caller vouches for the state, the slot and the table.
    unsafe {
        let metatable = lua::lua_absindex(state, metatable_index);
        lua::lua_pushinteger(state, lua_Integer::from(kind));
        lua::lua_rawsetp(state, metatable, mark());
    }
}

/// The handle at `index`, a full userdata; `None` if it is some other userdata.
///
/// Allocates nothing in the VM, so no finalizer runs.
///
/// # Safety
/// `state` must be valid with two free stack slots and `index` absolute and a full userdata.
pub(super) unsafe fn handle_at(state: *mut lua_State, index: i32) -> Option<Handle> {
    // SAFETY: the caller vouches for the state and the slots. A marked metatable promises that the
    // block begins with a `u64` (`set_handle_kind`); its length is checked all the same.
    unsafe {
        if lua::lua_getmetatable(state, index) == 0 {
            return None;
        }
        let marked = lua::lua_rawgetp(state, -1, mark()) != LUA_TNIL;
        let kind = lua::lua_tointegerx(state, -1, std::ptr::null_mut());
        lua::lua_settop(state, -3);
        if !marked || lua::lua_rawlen(state, index) < size_of::<u64>() {
            return None;
        }
        let value = lua::lua_touserdata(state, index).cast::<u64>().read_unaligned();
        Some(Handle { kind: kind as u8, value })
    }
}
