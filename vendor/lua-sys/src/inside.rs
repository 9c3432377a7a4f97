//! Tables from the inside, for a codec that reads and makes whole trees of them: no call for each
//! entry and no copy on the stack.
//!
//! They are read and written at the places that `c/lquick.c` checks against Lua's own headers.
//! Invariants: whoever reads a table sees to it that nothing changes or frees it meanwhile: no Lua
//! code runs, and nothing is allocated in its VM but what deferred tables are filled with. Only
//! values that the collector does not know are written, so it need not hear of it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use mlua_sys::lua_State;

use crate::external::Long;
use crate::quick::{self, Plain, tag};
use crate::walk::lua_walkborder;

/// A table of Lua, its own or shared. What Lua fills while a reference to it lives is in cells.
#[repr(C)]
pub struct Table {
    header: Cell<[u8; 11]>,
    log_nodes: Cell<u8>,
    slots: Cell<u32>,
    /// Values lie below this address, tags above it, with an integer between.
    array: Cell<*const u64>,
    nodes: Cell<*const Node>,
    metatable: *const c_void,
}

/// An entry of the hash part.
#[repr(C)]
struct Node {
    value: u64,
    tag: u8,
    key_tag: u8,
    next: c_int,
    key: u64,
}

const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(offset_of!(Table, log_nodes) == 11 && offset_of!(Table, slots) == 12);
    assert!(offset_of!(Table, array) == 16 && offset_of!(Table, nodes) == 24);
    assert!(offset_of!(Table, metatable) == 32);
    assert!(size_of::<Node>() == 24 && offset_of!(Node, tag) == 8);
    assert!(offset_of!(Node, key_tag) == 9 && offset_of!(Node, key) == 16);
};

/// In a tag: the value is a table.
const TABLE_BIT: u8 = 0x80;
/// Bits of a tag that name the type.
const TYPE_BITS: u8 = 0x0f;
/// Bytes between the values and the tags of an array part.
const TAGS_OFFSET_BYTES: usize = size_of::<u32>();

/// A value of any kind.
#[derive(Clone, Copy)]
pub enum Item<'a> {
    /// One that holds no others, except a long string; nil where there is none.
    Plain(Plain<'a>),
    /// A string of more than 40 bytes.
    Long(Long<'a>),
    /// A table.
    Table(&'a Table),
    /// A function, a full userdata or a thread.
    Other,
}

impl<'a> Item<'a> {
    /// The value at a positive index below the top.
    ///
    /// # Safety
    /// As [`quick::plain_at`], and the value does not change for `'a`.
    #[inline]
    pub unsafe fn at(state: *mut lua_State, index: c_int) -> Item<'a> {
        // SAFETY: by contract.
        unsafe {
            let (tag, value) = quick::slot_at(state, index);
            Item::of(tag, value)
        }
    }

    /// # Safety
    /// `value` belongs to `tag` and lives, unchanged, for `'a`.
    #[inline]
    unsafe fn of(tag: u8, value: u64) -> Item<'a> {
        if tag & TABLE_BIT != 0 {
            // SAFETY: by contract; the address is that of a table.
            return Item::Table(unsafe {
                &*std::ptr::with_exposed_provenance::<Table>(value as usize)
            });
        }
        if tag == quick::tag::LONG_STRING {
            // SAFETY: by contract.
            return Item::Long(unsafe { Long::new(value) });
        }
        // SAFETY: by contract.
        match unsafe { quick::plain(tag, value) } {
            Some(plain) => Item::Plain(plain),
            None if tag & TYPE_BITS == 0 => Item::Plain(Plain::Nil),
            None => Item::Other,
        }
    }
}

impl Table {
    /// The address that tells it from other tables.
    #[inline]
    pub fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether it has a metatable.
    #[inline]
    pub fn has_metatable(&self) -> bool {
        !self.metatable.is_null()
    }

    /// Its border, as `#` finds it without metamethods. This comes first: a table that Lua has put
    /// off filling looks empty before. [`NO_MEMORY`](crate::walk::NO_MEMORY) if there is none to
    /// fill it.
    ///
    /// # Safety
    /// It is one of the VM of `state`, or shared.
    #[inline]
    pub unsafe fn border(&self, state: *mut lua_State) -> usize {
        // SAFETY: by contract.
        unsafe { lua_walkborder(state, std::ptr::from_ref(self).cast()) }
    }

    /// Slots of the array part.
    #[inline]
    pub fn slots(&self) -> usize {
        self.slots.get() as usize
    }

    /// Tag and value in a slot of the array part, from 0; `None` if there is none.
    ///
    /// # Safety
    /// The table is live and has been [filled](crate::walk) if it was deferred.
    #[inline]
    pub(crate) unsafe fn bare_slot(&self, place: u32) -> Option<(u8, u64)> {
        if place >= self.slots.get() {
            return None;
        }
        let (array, place) = (self.array.get(), place as usize);
        // SAFETY: the slot is there.
        let (tag, value) =
            unsafe { (*array.cast::<u8>().add(TAGS_OFFSET_BYTES + place), *array.sub(place + 1)) };
        (tag & TYPE_BITS != 0).then_some((tag, value))
    }

    /// The value in a slot of the array part, from 0.
    ///
    /// # Safety
    /// The slot is there, and the table does not change for as long as the value is used.
    #[inline]
    pub unsafe fn slot(&self, place: usize) -> Item<'_> {
        debug_assert!(place < self.slots());
        // SAFETY: by contract; values lie below the address, in falling order, and tags above it.
        unsafe {
            let tag = *self.array.get().cast::<u8>().add(TAGS_OFFSET_BYTES + place);
            Item::of(tag, *self.array.get().sub(place + 1))
        }
    }

    /// Places of the hash part.
    #[inline]
    pub fn nodes(&self) -> usize {
        1 << self.log_nodes.get()
    }

    /// The key and the value at a place of the hash part, from 0, if there is an entry.
    ///
    /// # Safety
    /// As [`slot`](Self::slot).
    #[inline]
    pub unsafe fn node(&self, place: usize) -> Option<(Item<'_>, Item<'_>)> {
        debug_assert!(place < self.nodes());
        // SAFETY: by contract; an entry with a value has a live key.
        unsafe {
            let node = &*self.nodes.get().add(place);
            if node.tag & TYPE_BITS == 0 {
                return None;
            }
            Some((Item::of(node.key_tag, node.key), Item::of(node.tag, node.value)))
        }
    }
}

/// A value that is no object of the collector.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    tag: u8,
    value: u64,
}

impl Bare {
    /// An integer.
    #[inline]
    pub fn integer(value: i64) -> Bare {
        Bare { tag: tag::INTEGER, value: value as u64 }
    }

    /// A float.
    #[inline]
    pub fn float(value: f64) -> Bare {
        Bare { tag: tag::FLOAT, value: value.to_bits() }
    }

    /// A boolean.
    #[inline]
    pub fn boolean(value: bool) -> Bare {
        Bare { tag: if value { tag::TRUE } else { tag::FALSE }, value: 0 }
    }

    /// Pushes it.
    ///
    /// # Safety
    /// As [`quick::gettop`]; there is room for a value.
    #[inline]
    pub unsafe fn push(self, state: *mut lua_State) {
        // SAFETY: by contract; the tag says what the value is.
        unsafe { quick::push(state, self.tag, self.value) }
    }
}

/// A table of the VM that is being made: on its stack, without metatable, and unknown to all Lua
/// code.
#[derive(Debug, Clone, Copy)]
pub struct Fresh(*mut Table);

impl Fresh {
    /// The table at a positive index below the top.
    ///
    /// # Safety
    /// There is one, fresh in this sense for as long as the result is used.
    #[inline]
    pub unsafe fn at(state: *mut lua_State, index: c_int) -> Fresh {
        // SAFETY: by contract; the value of a table is its address.
        let (tag, address) = unsafe { quick::slot_at(state, index) };
        debug_assert!(tag & TABLE_BIT != 0);
        Fresh(std::ptr::with_exposed_provenance_mut(address as usize))
    }

    /// Gives a value to a slot of the array part, from 0; false if there is no such slot.
    ///
    /// # Safety
    /// As [`at`](Self::at).
    #[inline]
    pub unsafe fn set_slot(self, place: usize, bare: Bare) -> bool {
        // SAFETY: the table lives; values lie below the address, in falling order, and tags above
        // it.
        unsafe {
            if place >= (*self.0).slots.get() as usize {
                return false;
            }
            let array = (*self.0).array.get().cast_mut();
            *array.cast::<u8>().add(TAGS_OFFSET_BYTES + place) = bare.tag;
            *array.sub(place + 1) = bare.value;
        }
        true
    }

    /// Gives a value to the string at a positive index, if that key lies at a place of the hash
    /// part; else changes nothing and says false.
    ///
    /// # Safety
    /// As [`at`](Self::at); the index is one of the running function, below the top, and holds a
    /// string.
    #[inline]
    pub unsafe fn set_node(
        self,
        state: *mut lua_State,
        place: usize,
        key: c_int,
        bare: Bare,
    ) -> bool {
        // SAFETY: by contract; the place is checked, and a table without entries has one that is
        // shared and has no key.
        unsafe {
            if place >= 1 << (*self.0).log_nodes.get() {
                return false;
            }
            let node = (*self.0).nodes.get().cast_mut().add(place);
            let (key_tag, key) = quick::slot_at(state, key);
            if key_tag != tag::SHORT_STRING || (*node).key_tag != key_tag || (*node).key != key {
                return false;
            }
            ((*node).tag, (*node).value) = (bare.tag, bare.value);
        }
        true
    }
}
