//! Reading values: what Lua hands to Rust.
//!
//! Nothing here runs a metamethod or changes a value. An index above the top reads as no value.

use std::ffi::{c_int, c_void};
use std::{ptr, slice};

use moonhive_lua_sys::lua;
use moonhive_lua_sys::quick::{self, Plain};

use super::stack::Stack;

/// The kind of a Lua value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// No value: the index is above the top.
    None,
    /// `nil`
    Nil,
    /// A boolean.
    Boolean,
    /// A light userdata: a bare address.
    LightUserdata,
    /// An integer or a float.
    Number,
    /// A string.
    String,
    /// A table.
    Table,
    /// A function.
    Function,
    /// A full userdata.
    Userdata,
    /// A coroutine.
    Thread,
}

impl Kind {
    fn of(tag: c_int) -> Kind {
        match tag {
            lua::LUA_TNIL => Kind::Nil,
            lua::LUA_TBOOLEAN => Kind::Boolean,
            lua::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            lua::LUA_TNUMBER => Kind::Number,
            lua::LUA_TSTRING => Kind::String,
            lua::LUA_TTABLE => Kind::Table,
            lua::LUA_TFUNCTION => Kind::Function,
            lua::LUA_TUSERDATA => Kind::Userdata,
            lua::LUA_TTHREAD => Kind::Thread,
            _ => Kind::None,
        }
    }

    /// Lua's name of the kind, as `type` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::LightUserdata | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }
}

impl Stack<'_> {
    /// The kind of the value at `index`.
    #[inline]
    pub fn kind(&self, index: c_int) -> Kind {
        Kind::of(self.tag(index))
    }

    #[inline]
    fn tag(&self, index: c_int) -> c_int {
        let Some(index) = self.readable(index) else { return lua::LUA_TNONE };
        // SAFETY: the index may be read.
        unsafe {
            if index > 0 {
                quick::tag_at(self.state(), index)
            } else {
                lua::lua_type(self.state(), index)
            }
        }
    }

    /// True for nil and for no value.
    #[inline]
    pub fn is_none_or_nil(&self, index: c_int) -> bool {
        self.tag(index) <= lua::LUA_TNIL
    }

    /// The value at `index`, counted from the bottom, if it is a plain one on this stack.
    #[inline]
    pub(crate) fn plain(&self, index: c_int) -> Option<Plain<'_>> {
        if !(1..=self.top()).contains(&index) {
            return None;
        }
        // SAFETY: the index holds a value. A string stays in place while it is on the stack; the
        // borrow ends before anything can remove it, and no Lua code runs.
        unsafe { quick::plain_at(self.state(), index) }
    }

    /// What a condition makes of the value: false for nil, false and no value.
    #[inline]
    pub fn truth(&self, index: c_int) -> bool {
        match self.plain(index) {
            Some(plain) => !matches!(plain, Plain::Nil | Plain::Boolean(false)),
            None => self.truth_elsewhere(index),
        }
    }

    #[inline(never)]
    fn truth_elsewhere(&self, index: c_int) -> bool {
        // SAFETY: the index may be read.
        self.readable(index)
            .is_some_and(|index| unsafe { lua::lua_toboolean(self.state(), index) != 0 })
    }

    /// The value as an integer, if it is one or converts to one exactly (also from a string).
    #[inline]
    pub fn integer(&self, index: c_int) -> Option<i64> {
        match self.plain(index) {
            Some(Plain::Integer(integer)) => Some(integer),
            _ => self.converted_integer(index),
        }
    }

    #[inline(never)]
    fn converted_integer(&self, index: c_int) -> Option<i64> {
        let (index, mut converts) = (self.readable(index)?, 0);
        // SAFETY: the index may be read.
        let value = unsafe { lua::lua_tointegerx(self.state(), index, &mut converts) };
        (converts != 0).then_some(value)
    }

    /// The value as a float, if it is a number or converts to one.
    #[inline]
    pub fn number(&self, index: c_int) -> Option<f64> {
        match self.plain(index) {
            Some(Plain::Float(float)) => Some(float),
            _ => self.converted_number(index),
        }
    }

    #[inline(never)]
    fn converted_number(&self, index: c_int) -> Option<f64> {
        let (index, mut converts) = (self.readable(index)?, 0);
        // SAFETY: the index may be read.
        let value = unsafe { lua::lua_tonumberx(self.state(), index, &mut converts) };
        (converts != 0).then_some(value)
    }

    /// True for a number that Lua stores as an integer.
    #[inline]
    pub fn is_integer(&self, index: c_int) -> bool {
        if let Some(plain) = self.plain(index) {
            return matches!(plain, Plain::Integer(_));
        }
        // SAFETY: the index may be read.
        self.readable(index)
            .is_some_and(|index| unsafe { lua::lua_isinteger(self.state(), index) != 0 })
    }

    /// The bytes of a string; `None` for everything else, numbers included.
    #[inline]
    pub fn bytes(&self, index: c_int) -> Option<&[u8]> {
        if (1..=self.top()).contains(&index) {
            // SAFETY: as in `plain`.
            return unsafe { quick::string_at(self.state(), index) };
        }
        self.bytes_elsewhere(index)
    }

    /// The same for an index from the top or an upvalue.
    #[inline(never)]
    fn bytes_elsewhere(&self, index: c_int) -> Option<&[u8]> {
        let (index, mut length) = (self.readable(index)?, 0);
        // SAFETY: the index may be read. Only a string is asked for its bytes, so nothing is
        // converted. They stay in place as above.
        unsafe {
            if self.tag(index) != lua::LUA_TSTRING {
                return None;
            }
            let bytes = lua::lua_tolstring(self.state(), index, &mut length);
            Some(slice::from_raw_parts(bytes.cast(), length))
        }
    }

    /// The text of a string that is valid UTF-8.
    pub fn str(&self, index: c_int) -> Option<&str> {
        self.bytes(index).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The address in a light userdata.
    #[inline]
    pub fn light(&self, index: c_int) -> Option<usize> {
        match self.plain(index) {
            Some(Plain::Pointer(address)) => Some(address as usize),
            Some(_) => None,
            None => self.light_elsewhere(index),
        }
    }

    #[inline(never)]
    fn light_elsewhere(&self, index: c_int) -> Option<usize> {
        let index = self.readable(index).filter(|_| self.kind(index) == Kind::LightUserdata)?;
        // SAFETY: the index may be read.
        Some(unsafe { lua::lua_touserdata(self.state(), index) }.addr())
    }

    /// The address that tells apart tables, functions, coroutines and userdata; null for others.
    pub fn identity(&self, index: c_int) -> *const c_void {
        // SAFETY: the index may be read.
        self.readable(index)
            .map_or(ptr::null(), |index| unsafe { lua::lua_topointer(self.state(), index) })
    }

    /// The length of a string, table or userdata, without metamethods; 0 for others.
    pub fn raw_len(&self, index: c_int) -> usize {
        // SAFETY: the index may be read.
        self.readable(index).map_or(0, |index| unsafe { lua::lua_rawlen(self.state(), index) })
    }

    /// True if both values are the same without metamethods.
    pub fn raw_equal(&self, left: c_int, right: c_int) -> bool {
        let (Some(left), Some(right)) = (self.readable(left), self.readable(right)) else {
            return false;
        };
        // SAFETY: both indices may be read.
        unsafe { lua::lua_rawequal(self.state(), left, right) != 0 }
    }
}
