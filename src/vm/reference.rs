//! Values kept alive by the host: slots of the registry.
//!
//! Invariant: a slot is used only with the VM that made it, which every access checks.

use std::ffi::c_int;

use moonhive_lua_sys::lua;

use super::stack::Stack;

/// A Lua value that stays alive until [`Stack::release`] or the end of the VM. Dropping the handle
/// alone keeps the value, since a drop has no VM at hand.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a reference that is not released keeps its value alive as long as the VM"]
pub struct Reference {
    slot: c_int,
    vm: u64,
}

impl Reference {
    /// The slot of the registry.
    pub(super) fn slot(&self) -> c_int {
        self.slot
    }

    /// The VM that it belongs to.
    pub(super) fn vm(&self) -> u64 {
        self.vm
    }
}

impl Stack<'_> {
    /// Pops a value and keeps it.
    pub fn keep(&mut self) -> Reference {
        self.occupied(-1);
        self.reserve_or_unwind(3);
        // SAFETY: there is a value and room for the list of free slots; memory is not refused.
        let slot = unsafe { lua::luaL_ref(self.state(), lua::LUA_REGISTRYINDEX) };
        Reference { slot, vm: self.context().id }
    }

    /// Pushes a kept value.
    pub fn push_kept(&mut self, reference: &Reference) {
        self.assert_own(reference.vm);
        self.take_slot();
        if reference.slot == lua::LUA_REFNIL {
            // SAFETY: there is room.
            return unsafe { lua::lua_pushnil(self.state()) };
        }
        // SAFETY: the registry is a table and there is room.
        unsafe {
            lua::lua_rawgeti(self.state(), lua::LUA_REGISTRYINDEX, reference.slot.into());
        }
    }

    /// Lets go of a kept value.
    pub fn release(&mut self, reference: Reference) {
        self.assert_own(reference.vm);
        self.reserve_or_unwind(3);
        // SAFETY: the slot was made by `keep` in this VM and is given back once, because the handle
        // cannot be copied.
        unsafe { lua::luaL_unref(self.state(), lua::LUA_REGISTRYINDEX, reference.slot) };
    }

    /// Stops a handle of one VM from being used with another.
    #[inline]
    pub(super) fn assert_own(&self, vm: u64) {
        assert!(vm == self.context().id, "a handle of another virtual machine");
    }
}
