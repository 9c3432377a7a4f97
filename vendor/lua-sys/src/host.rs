//! Declarations of `c/lhost.h`: what a host needs of a VM that runs its natives.

use mlua_sys::lua_State;

/// The host's bit in the word of [`lua_gcstopword`].
pub const GC_HOLD: u8 = 1 << 6;

unsafe extern "C-unwind" {
    /// The collector stands still while any bit of this word is set. It lives as long as the state
    /// and belongs to the thread that runs it.
    pub fn lua_gcstopword(state: *mut lua_State) -> *mut u8;
}
