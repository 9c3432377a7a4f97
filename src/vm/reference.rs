//! Values kept alive by the host: slots of the registry.
//!
//! A free slot is remembered here and holds `false`, so that the registry has no holes and whoever
//! else takes slots of it (`luaL_ref` in C modules) finds others. Keeping a value is then one write
//! into an array.
//!
//! Invariant: a slot is used only with the VM that made it, which every access checks.

use std::ffi::c_int;
use std::ops::RangeInclusive;

use moonhive_lua_sys::{host, lua, quick};

use super::context::Context;
use super::stack::Stack;

/// Slots that are added at once, so that the end of the registry is looked for once: a quarter of
/// what it has, within these bounds. An empty service keeps two values and should pay for no more.
const SLOTS_AT_ONCE: RangeInclusive<i64> = 1..=256;

/// The last bits of a VM's number. A mistake may get past them once in 16 million times, and then
/// meets a wrong value, no freed memory.
type Mark = [u8; 3];

/// A Lua value that stays alive until [`Stack::release`] or the end of the VM. Dropping the handle
/// alone keeps the value, since a drop has no VM at hand.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a reference that is not released keeps its value alive as long as the VM"]
pub struct Reference {
    slot: u32,
    vm: Mark,
    /// There is no value, hence no slot.
    is_nil: bool,
}

/// A service may have a million of them.
const _: () = assert!(size_of::<Option<Reference>>() == 8);

impl Reference {
    /// The slot of the registry; 0, which holds nil, for none.
    pub(super) fn slot(&self) -> c_int {
        self.slot as c_int
    }
}

impl Context {
    #[inline]
    fn mark(&self) -> Mark {
        let [first, second, third, ..] = self.id.to_le_bytes();
        [first, second, third]
    }
}

impl Stack<'_> {
    /// Pops a value and keeps it.
    #[inline(always)]
    pub fn keep(&mut self) -> Reference {
        let top = self.occupied(-1);
        let vm = self.context().mark();
        if self.is_none_or_nil(top) {
            self.pop(1);
            return Reference { slot: 0, vm, is_nil: true };
        }
        let free = self.context().free_slots.borrow_mut().pop();
        let slot = free.unwrap_or_else(|| self.add_slots());
        // SAFETY: there is a value, the slot holds one, and memory is not refused.
        unsafe { host::lua_keepvalue(self.state(), slot as c_int) };
        Reference { slot, vm, is_nil: false }
    }

    /// Adds slots to the end of the registry and takes one of them.
    #[cold]
    fn add_slots(&mut self) -> u32 {
        self.reserve_or_unwind(1);
        let first = self.raw_len(lua::LUA_REGISTRYINDEX) as i64 + 1;
        let count = (first / 4).clamp(*SLOTS_AT_ONCE.start(), *SLOTS_AT_ONCE.end());
        // SAFETY: there is room, and memory is not refused.
        unsafe { host::lua_addslots(self.state(), first as c_int, count as c_int) };
        let added = first + 1..first + count;
        self.context().free_slots.borrow_mut().extend(added.rev().map(|slot| slot as u32));
        first as u32
    }

    /// Puts into a slot of the registry what a free one holds.
    fn vacate(&mut self, slot: i64) {
        self.reserve_or_unwind(1);
        // SAFETY: there is room, the registry is a table, and memory is not refused.
        unsafe {
            lua::lua_pushboolean(self.state(), 0);
            lua::lua_rawseti(self.state(), lua::LUA_REGISTRYINDEX, slot);
        }
    }

    /// Pushes a kept value.
    #[inline(always)]
    pub fn push_kept(&mut self, reference: &Reference) {
        self.assert_keeps(reference);
        self.take_slot();
        if reference.is_nil {
            // SAFETY: there is room.
            return unsafe { lua::lua_pushnil(self.state()) };
        }
        // SAFETY: there is room.
        unsafe { quick::push_registered(self.state(), reference.slot) };
    }

    /// Pushes a kept value and lets go of it.
    pub fn push_released(&mut self, reference: Reference) {
        self.assert_keeps(&reference);
        self.take_slot();
        if reference.is_nil {
            // SAFETY: there is room.
            return unsafe { lua::lua_pushnil(self.state()) };
        }
        // SAFETY: there is room, and the slot holds a value.
        unsafe { host::lua_takekept(self.state(), reference.slot()) };
        // Given back once, because the handle cannot be copied.
        self.context().free_slots.borrow_mut().push(reference.slot);
    }

    /// Several functions will be called soon that lie wherever they were made: has memory bring
    /// them. A hint that changes nothing, whatever the references keep.
    pub fn warm<'a>(&mut self, references: impl Iterator<Item = &'a Reference>) {
        let mut slots: [c_int; host::WARM_MAX] = [0; host::WARM_MAX];
        let mut count = 0;
        for (slot, reference) in slots.iter_mut().zip(references) {
            self.assert_keeps(reference);
            *slot = reference.slot();
            count += 1;
        }
        // SAFETY: the state is live, and there are as many slots.
        unsafe { host::lua_warmkept(self.state(), slots.as_ptr(), count) };
    }

    /// Lets go of a kept value.
    pub fn release(&mut self, reference: Reference) {
        self.assert_keeps(&reference);
        if !reference.is_nil {
            self.vacate(reference.slot.into());
            // Given back once, because the handle cannot be copied.
            self.context().free_slots.borrow_mut().push(reference.slot);
        }
    }

    /// Stops a reference of one VM from being used with another.
    #[inline]
    pub(super) fn assert_keeps(&self, reference: &Reference) {
        assert!(reference.vm == self.context().mark(), "a handle of another virtual machine");
    }

    /// The same for a handle that carries the whole number of its VM.
    #[inline]
    pub(super) fn assert_own(&self, vm: u64) {
        assert!(vm == self.context().id, "a handle of another virtual machine");
    }
}
