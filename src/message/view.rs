//! One value of a Lua stack or table as Rust sees it, read in a single call.
//!
//! The only place that touches the C side's union. A [`View`] borrows nothing the compiler knows
//! of: its string lives as long as the stack slot or table that it was read from holds it.

use std::ffi::c_int;
use std::slice;

use moonhive_lua_sys::lua::{self, lua_State};
use moonhive_lua_sys::walk::{self, Seen};

use super::path::Step;

/// A value without any conversion.
#[derive(Debug, Clone, Copy)]
pub(super) enum View<'a> {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(&'a [u8]),
    /// The address that a light userdata carries.
    Pointer(u64),
    /// The address that tells this table from others.
    Table(usize),
    /// A full userdata, a function or a thread: the type.
    Other(c_int),
}

impl<'a> View<'a> {
    /// The value at `index`.
    ///
    /// # Safety
    /// `index` must be positive and below the top of a valid state, and the value must stay where
    /// it is for `'a`.
    #[inline]
    pub unsafe fn at(state: *mut lua_State, index: c_int) -> Self {
        let mut seen = Seen::default();
        // SAFETY: the caller vouches for state, index and lifetime.
        unsafe {
            walk::lua_see(state, index, &mut seen);
            Self::of(&seen)
        }
    }

    /// What the C side saw.
    ///
    /// # Safety
    /// `seen` must come from a function of `walk`, and a string must live for `'a`.
    #[inline]
    pub unsafe fn of(seen: &Seen) -> Self {
        let content = &seen.content;
        // SAFETY: each kind reads the field that belongs to it; Lua's strings have that many bytes.
        unsafe {
            match seen.kind {
                lua::LUA_TSTRING => {
                    Self::String(slice::from_raw_parts(content.bytes.cast(), seen.length))
                }
                walk::INTEGER => Self::Integer(content.integer),
                lua::LUA_TTABLE => Self::Table(content.pointer.addr()),
                lua::LUA_TNUMBER => Self::Float(content.number),
                lua::LUA_TBOOLEAN => Self::Boolean(content.boolean != 0),
                lua::LUA_TNIL => Self::Nil,
                lua::LUA_TLIGHTUSERDATA => {
                    Self::Pointer(content.pointer.expose_provenance() as u64)
                }
                kind => Self::Other(kind),
            }
        }
    }

    /// The name that Lua's `type` has for the type.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) | Self::Float(_) => "number",
            Self::String(_) => "string",
            Self::Table(_) => "table",
            Self::Other(lua::LUA_TFUNCTION) => "function",
            Self::Other(lua::LUA_TTHREAD) => "thread",
            Self::Pointer(_) | Self::Other(_) => "userdata",
        }
    }

    /// How a path spells this, standing in the place of a key.
    pub fn step(self) -> Step {
        match self {
            Self::Integer(key) => Step::Integer(key),
            Self::Float(key) => Step::Float(key),
            Self::Boolean(key) => Step::Boolean(key),
            Self::String(key) => Step::string(key),
            other => Step::Other(other.type_name()),
        }
    }
}

/// Walks over a table: first its elements, up to the border that `#` finds, then all other entries
/// by place. That needs no lookups (except for elements that lie in the hash part), and nothing
/// worse than missed or repeated entries happens when the table changes meanwhile.
pub(super) struct Walk {
    state: *mut lua_State,
    table: c_int,
    border: usize,
    /// Slots of the array part.
    slots: u32,
    /// Where the next entry is looked for: array part first, then hash nodes.
    place: u32,
    /// First of the two stack slots that hold the current key and value.
    slot: c_int,
}

impl Walk {
    /// Begins to walk over the table at `table` with the stack slots `slot` and `slot + 1`.
    ///
    /// # Safety
    /// `table` must be the positive index of a table, and both slots below the top, with room for
    /// one more value, for as long as the result is used.
    #[inline]
    pub unsafe fn new(state: *mut lua_State, table: c_int, slot: c_int) -> Self {
        let mut slots = 0;
        // SAFETY: the caller vouches for the table.
        let border = unsafe { walk::lua_walkshape(state, table, &mut slots) };
        Self { state, table, border, slots, place: 0, slot }
    }

    /// How many elements there are; nil may be among them.
    #[inline]
    pub fn elements(&self) -> usize {
        self.border
    }

    /// The element at `index`, from 1 to [`elements`](Self::elements); to be asked for in order.
    #[inline]
    pub fn element<'a>(&mut self, index: usize) -> View<'a> {
        if self.place == self.slots {
            return self.element_in_hash(index);
        }
        let mut seen = Seen::default();
        // SAFETY: `new` vouched for table and slots; the slot holds the value until the next call.
        unsafe {
            walk::lua_walkarray(self.state, self.table, self.place, self.slot + 1, &mut seen);
            self.place += 1;
            View::of(&seen)
        }
    }

    #[cold]
    fn element_in_hash<'a>(&mut self, index: usize) -> View<'a> {
        // SAFETY: as for `element`, and there is room for one value.
        unsafe {
            lua::lua_rawgeti(self.state, self.table, index as i64);
            lua::lua_copy(self.state, -1, self.slot + 1);
            lua::lua_settop(self.state, -2);
            View::at(self.state, self.slot + 1)
        }
    }

    /// The next entry that is no element.
    #[inline]
    pub fn next_pair<'a>(&mut self) -> Option<(View<'a>, View<'a>)> {
        loop {
            let entry = self.next_entry()?;
            match entry.0 {
                View::Integer(key) if self.is_element_in_hash(key) => {}
                _ => return Some(entry),
            }
        }
    }

    #[inline]
    fn next_entry<'a>(&mut self) -> Option<(View<'a>, View<'a>)> {
        let (mut key, mut value) = (Seen::default(), Seen::default());
        let (slot, place) = (self.slot, &raw mut self.place);
        // SAFETY: as for `element`.
        unsafe {
            match walk::lua_walknext(self.state, self.table, place, slot, &mut key, &mut value) {
                0 => None,
                _ => Some((View::of(&key), View::of(&value))),
            }
        }
    }

    #[inline]
    fn is_element_in_hash(&self, key: i64) -> bool {
        self.border > self.slots as usize && (1..=self.border as i64).contains(&key)
    }
}
