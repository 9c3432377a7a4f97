//! A safe view of one Lua stack: what natives and the host push, read and move.
//!
//! Indices are Lua's: 1 is the first argument, -1 the top, [`upvalue`] the captured values. Values
//! are accessed raw, so no metamethod (no Lua code) runs. An index outside the stack, or an
//! operation on a value of the wrong kind, is a bug in the caller and panics; inside a native the
//! trampoline turns that panic into a Lua error.
//!
//! Invariants: while a `Stack` exists its VM is entered (memory is not refused); `room` never
//! exceeds the number of slots that are free above the top.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::{ptr, slice};

use moonhive_lua_sys::lua;

use super::context::Context;
use super::native::Native;
use super::raise::Raise;

/// Slots to ask for at once, so that most pushes need no call.
const ROOM_AT_ONCE: c_int = lua::LUA_MINSTACK;

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

/// The index of a native's `number`-th upvalue, counted from 1.
pub const fn upvalue(number: u8) -> c_int {
    lua::lua_upvalueindex(number as c_int)
}

/// Payload of the unwinding that a full Lua stack starts; not a bug, hence no panic message.
pub(super) struct StackOverflow;

/// The stack of a running native or of a coroutine that the host prepares.
pub struct Stack<'vm> {
    state: *mut lua::lua_State,
    context: &'vm Context,
    /// Slots above the top that may be filled without asking; a lower bound.
    room: c_int,
    /// Not `Send`, not `Sync`.
    marker: PhantomData<*mut ()>,
}

impl<'vm> Stack<'vm> {
    /// # Safety
    /// `state` is a live state of the VM of `context`, nothing else uses it while the `Stack` lives,
    /// and the context is entered.
    #[inline]
    pub(super) unsafe fn new(state: *mut lua::lua_State, context: &'vm Context) -> Stack<'vm> {
        Stack { state, context, room: 0, marker: PhantomData }
    }

    pub(super) fn state(&self) -> *mut lua::lua_State {
        self.state
    }

    pub(super) fn context(&self) -> &'vm Context {
        self.context
    }

    /// Other code may have used up the room.
    pub(super) fn forget_room(&mut self) {
        self.room = 0;
    }

    /// The raw state, for the few other modules that work on it directly.
    ///
    /// Whoever pushes through it must make room first (`lua_checkstack`), must leave values only
    /// above the current top, and must not run anything that may raise.
    pub fn raw(&mut self) -> *mut lua::lua_State {
        self.forget_room();
        self.state
    }

    /// The host's data of this VM, if it is of type `T`.
    #[inline]
    pub fn data<T: Any>(&self) -> Option<&'vm T> {
        self.context.data.downcast_ref()
    }

    /// The number of values on the stack; the index of the top.
    #[inline]
    pub fn top(&self) -> c_int {
        // SAFETY: the state is live.
        unsafe { lua::lua_gettop(self.state) }
    }

    /// Cuts the stack to `top` values, or fills it up with nils.
    pub fn set_top(&mut self, top: c_int) {
        assert!(top >= 0, "the top of a stack is not negative, got {top}");
        let missing = top - self.top();
        if missing > 0 {
            self.reserve_or_unwind(missing);
            self.room -= missing;
        }
        // SAFETY: there is room for what is missing. Slots above are plain values: nothing here
        // marks a slot as to be closed.
        unsafe { lua::lua_settop(self.state, top) };
    }

    /// Removes the `count` topmost values.
    #[inline]
    pub fn pop(&mut self, count: c_int) {
        let top = self.top();
        assert!((0..=top).contains(&count), "cannot pop {count} of {top} values");
        // SAFETY: checked above.
        unsafe { lua::lua_settop(self.state, top - count) };
    }

    /// Makes room for `count` more values.
    ///
    /// # Errors
    /// A `stack overflow` error when Lua's limit (a million values) is reached.
    pub fn reserve(&mut self, count: c_int) -> Result<(), Raise> {
        if self.has_room(count) { Ok(()) } else { Err(Raise::message("stack overflow")) }
    }

    fn has_room(&mut self, count: c_int) -> bool {
        if self.room >= count {
            return true;
        }
        let wanted = count.max(ROOM_AT_ONCE);
        // SAFETY: the state is live; `lua_checkstack` reports failure instead of raising.
        if unsafe { lua::lua_checkstack(self.state, wanted) } == 0 {
            return false;
        }
        self.room = wanted;
        true
    }

    /// Makes room for `count` values, or unwinds to the trampoline when Lua's limit is reached.
    #[inline]
    pub(super) fn reserve_or_unwind(&mut self, count: c_int) {
        if self.room < count && !self.has_room(count) {
            resume_unwind(Box::new(StackOverflow));
        }
    }

    /// Makes room for one value and counts it as taken.
    #[inline]
    pub(super) fn take_slot(&mut self) {
        self.reserve_or_unwind(1);
        self.room -= 1;
    }

    /// The same index counted from the bottom, so that pushes do not change its meaning.
    #[inline]
    pub fn absolute(&self, index: c_int) -> c_int {
        if index > 0 || index <= lua::LUA_REGISTRYINDEX {
            return index;
        }
        let absolute = self.top() + index + 1;
        assert!(index < 0 && absolute > 0, "stack index {index} is below the bottom");
        absolute
    }

    /// An index that Lua accepts for reading; `None` if there is certainly no value.
    #[inline]
    pub(super) fn readable(&self, index: c_int) -> Option<c_int> {
        let index = self.absolute(index);
        // Every frame has at least this many slots, filled or not; further up only filled ones are
        // sure to exist.
        let exists = index <= lua::LUA_MINSTACK || index <= self.top();
        exists.then_some(index)
    }

    /// An index that holds a value of this stack.
    #[inline]
    pub(super) fn occupied(&self, index: c_int) -> c_int {
        let absolute = self.absolute(index);
        assert!((1..=self.top()).contains(&absolute), "no value at stack index {index}");
        absolute
    }

    // ---- pushing ----

    /// Pushes `nil`.
    #[inline]
    pub fn push_nil(&mut self) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { lua::lua_pushnil(self.state) };
    }

    /// Pushes a boolean.
    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { lua::lua_pushboolean(self.state, value.into()) };
    }

    /// Pushes an integer.
    #[inline]
    pub fn push_integer(&mut self, value: i64) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { lua::lua_pushinteger(self.state, value) };
    }

    /// Pushes a float.
    #[inline]
    pub fn push_number(&mut self, value: f64) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { lua::lua_pushnumber(self.state, value) };
    }

    /// Pushes a string of any bytes.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        self.take_slot();
        // SAFETY: there is room, Lua copies the bytes, and while memory is not refused no error can
        // be raised.
        unsafe { lua::lua_pushlstring(self.state, value.as_ptr().cast(), value.len()) };
    }

    /// Pushes a string.
    #[inline]
    pub fn push_str(&mut self, value: &str) {
        self.push_bytes(value.as_bytes());
    }

    /// Pushes a bare address.
    pub fn push_light(&mut self, address: usize) {
        self.push_pointer(ptr::without_provenance_mut(address));
    }

    /// Pushes an address that code of this module will look behind.
    pub(super) fn push_pointer(&mut self, pointer: *mut c_void) {
        self.take_slot();
        // SAFETY: there is room; Lua never looks behind the address.
        unsafe { lua::lua_pushlightuserdata(self.state, pointer) };
    }

    /// Pushes a copy of the value at `index` (nil where there is none).
    #[inline]
    pub fn push_value(&mut self, index: c_int) {
        let Some(index) = self.readable(index) else { return self.push_nil() };
        self.take_slot();
        // SAFETY: there is room and the index may be read.
        unsafe { lua::lua_pushvalue(self.state, index) };
    }

    /// Pushes a native function.
    pub fn push_native(&mut self, native: Native) {
        self.push_native_with(native, 0);
    }

    /// Pops `upvalues` values and pushes a native function that captured them.
    pub fn push_native_with(&mut self, native: Native, upvalues: u8) {
        let count = c_int::from(upvalues);
        assert!(count <= self.top(), "not enough values for {count} upvalues");
        self.take_slot();
        // SAFETY: the upvalues are there, there is room, memory is not refused.
        unsafe { lua::lua_pushcclosure(self.state, native.0, count) };
    }

    /// Pushes the table of global variables.
    pub fn push_globals(&mut self) {
        self.take_slot();
        // SAFETY: there is room; the registry always holds the globals at this index.
        unsafe {
            lua::lua_rawgeti(self.state, lua::LUA_REGISTRYINDEX, lua::LUA_RIDX_GLOBALS);
        }
    }

    /// Pushes the coroutine that this stack belongs to; true if it is the main one.
    pub fn push_this_thread(&mut self) -> bool {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { lua::lua_pushthread(self.state) != 0 }
    }

    /// Pushes a traceback of this stack, from `level` (0 is the running function) outwards.
    pub fn push_traceback(&mut self, level: c_int) {
        self.push_traceback_of(self.state, level);
    }

    // ---- moving ----

    /// Moves the top value to `index`, shifting up what is there and above.
    pub fn insert(&mut self, index: c_int) {
        let index = self.occupied(index);
        // SAFETY: the index holds a value of this stack.
        unsafe { lua::lua_rotate(self.state, index, 1) };
    }

    /// Removes the value at `index`, shifting down what is above.
    pub fn remove(&mut self, index: c_int) {
        let index = self.occupied(index);
        // SAFETY: the index holds a value of this stack.
        unsafe {
            lua::lua_rotate(self.state, index, -1);
            lua::lua_settop(self.state, -2);
        }
    }

    /// Pops the top value and puts it in the place of the one at `index`.
    pub fn replace(&mut self, index: c_int) {
        let (index, top) = (self.occupied(index), self.top());
        // SAFETY: both indices hold values of this stack.
        unsafe {
            lua::lua_copy(self.state, top, index);
            lua::lua_settop(self.state, top - 1);
        }
    }

    /// Pops the top value and makes it the running native's `number`-th upvalue.
    pub fn replace_upvalue(&mut self, number: u8) {
        let (slot, top) = (upvalue(number), self.occupied(-1));
        assert!(self.kind(slot) != Kind::None, "no upvalue {number}");
        // SAFETY: the upvalue exists and there is a value to put there.
        unsafe {
            lua::lua_copy(self.state, top, slot);
            lua::lua_settop(self.state, top - 1);
        }
    }

    /// Turns the values from `index` to the top by `count` places towards the top.
    pub fn rotate(&mut self, index: c_int, count: c_int) {
        let index = self.occupied(index);
        let values = self.top() - index + 1;
        assert!(count.unsigned_abs() <= values.unsigned_abs(), "cannot turn by {count} places");
        // SAFETY: the index holds a value and the turn is no longer than the segment.
        unsafe { lua::lua_rotate(self.state, index, count) };
    }

    // ---- reading ----

    /// The kind of the value at `index`.
    #[inline]
    pub fn kind(&self, index: c_int) -> Kind {
        Kind::of(self.tag(index))
    }

    #[inline]
    fn tag(&self, index: c_int) -> c_int {
        // SAFETY: the index may be read.
        self.readable(index)
            .map_or(lua::LUA_TNONE, |index| unsafe { lua::lua_type(self.state, index) })
    }

    /// True for nil and for no value.
    #[inline]
    pub fn is_none_or_nil(&self, index: c_int) -> bool {
        self.tag(index) <= lua::LUA_TNIL
    }

    /// What a condition makes of the value: false for nil, false and no value.
    #[inline]
    pub fn truth(&self, index: c_int) -> bool {
        // SAFETY: the index may be read.
        self.readable(index)
            .is_some_and(|index| unsafe { lua::lua_toboolean(self.state, index) != 0 })
    }

    /// The value as an integer, if it is one or converts to one exactly (also from a string).
    #[inline]
    pub fn integer(&self, index: c_int) -> Option<i64> {
        let (index, mut converts) = (self.readable(index)?, 0);
        // SAFETY: the index may be read.
        let value = unsafe { lua::lua_tointegerx(self.state, index, &mut converts) };
        (converts != 0).then_some(value)
    }

    /// The value as a float, if it is a number or converts to one.
    #[inline]
    pub fn number(&self, index: c_int) -> Option<f64> {
        let (index, mut converts) = (self.readable(index)?, 0);
        // SAFETY: the index may be read.
        let value = unsafe { lua::lua_tonumberx(self.state, index, &mut converts) };
        (converts != 0).then_some(value)
    }

    /// True for a number that Lua stores as an integer.
    pub fn is_integer(&self, index: c_int) -> bool {
        // SAFETY: the index may be read.
        self.readable(index)
            .is_some_and(|index| unsafe { lua::lua_isinteger(self.state, index) != 0 })
    }

    /// The bytes of a string; `None` for everything else, numbers included.
    #[inline]
    pub fn bytes(&self, index: c_int) -> Option<&[u8]> {
        let (index, mut length) = (self.readable(index)?, 0);
        // SAFETY: the index may be read. Only a string is asked for its bytes, so nothing is
        // converted. They stay in place while the value is on the stack; the borrow ends before
        // anything can remove it, and no Lua code runs.
        unsafe {
            if lua::lua_type(self.state, index) != lua::LUA_TSTRING {
                return None;
            }
            let bytes = lua::lua_tolstring(self.state, index, &mut length);
            Some(slice::from_raw_parts(bytes.cast(), length))
        }
    }

    /// The text of a string that is valid UTF-8.
    pub fn str(&self, index: c_int) -> Option<&str> {
        self.bytes(index).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The address in a light userdata.
    pub fn light(&self, index: c_int) -> Option<usize> {
        let index = self.readable(index).filter(|_| self.kind(index) == Kind::LightUserdata)?;
        // SAFETY: the index may be read.
        Some(unsafe { lua::lua_touserdata(self.state, index) }.addr())
    }

    /// The address that tells apart tables, functions, coroutines and userdata; null for others.
    pub fn identity(&self, index: c_int) -> *const c_void {
        // SAFETY: the index may be read.
        self.readable(index)
            .map_or(ptr::null(), |index| unsafe { lua::lua_topointer(self.state, index) })
    }

    /// The length of a string, table or userdata, without metamethods; 0 for others.
    pub fn raw_len(&self, index: c_int) -> usize {
        // SAFETY: the index may be read.
        self.readable(index).map_or(0, |index| unsafe { lua::lua_rawlen(self.state, index) })
    }

    /// True if both values are the same without metamethods.
    pub fn raw_equal(&self, left: c_int, right: c_int) -> bool {
        let (Some(left), Some(right)) = (self.readable(left), self.readable(right)) else {
            return false;
        };
        // SAFETY: both indices may be read.
        unsafe { lua::lua_rawequal(self.state, left, right) != 0 }
    }

    /// True if this is the VM's main state, which cannot yield.
    pub fn is_main(&self) -> bool {
        self.state == self.context.main.get()
    }

    /// True if a native may answer [`Outcome::Block`](super::Outcome::Block) here: a coroutine of
    /// the host runs, and nothing between it and this code forbids yields.
    #[inline]
    pub fn can_block(&self) -> bool {
        // SAFETY: the state is live.
        self.context.blockable.get() && unsafe { lua::lua_isyieldable(self.state) != 0 }
    }
}

impl std::fmt::Debug for Stack<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = (1..=self.top()).map(|index| self.kind(index).name());
        formatter.debug_list().entries(kinds).finish()
    }
}
