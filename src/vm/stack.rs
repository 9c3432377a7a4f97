//! A safe view of one Lua stack: its room, its indices, and moving values about. Pushing is in
//! `push.rs`, reading in `read.rs`, tables in `table.rs`.
//!
//! Indices are Lua's: 1 is the first argument, -1 the top, [`upvalue`] the captured values. Values
//! are accessed raw, so no metamethod (no Lua code) runs. An index outside the stack, or an
//! operation on a value of the wrong kind, is a bug in the caller and panics; inside a native the
//! trampoline turns that panic into a Lua error.
//!
//! Invariants: while a `Stack` exists its VM is entered (memory is not refused); `room` never
//! exceeds the number of slots that are free above the top.

use std::any::Any;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::panic::resume_unwind;

use moonhive_lua_sys::{host, lua, quick};

use super::context::Context;
use super::raise::Raise;
use super::read::Kind;

/// Slots to ask for at once, so that most pushes need no call.
const ROOM_AT_ONCE: c_int = lua::LUA_MINSTACK;

/// The index of a native's `number`-th upvalue, counted from 1.
pub const fn upvalue(number: u8) -> c_int {
    lua::lua_upvalueindex(number as c_int)
}

/// What [`Stack::cut_to_minimum`] leaves free: an error with its position takes three.
const SPARE_SLOTS: c_int = 4;

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
    /// `state` is a live state of the VM of `context`, nothing else uses it while the `Stack`
    /// lives, and the context is entered.
    #[inline]
    pub(super) unsafe fn new(state: *mut lua::lua_State, context: &'vm Context) -> Stack<'vm> {
        // SAFETY: the caller's promises; no room is no promise.
        unsafe { Stack::with_room(state, context, 0) }
    }

    /// The same where so many values fit for sure.
    ///
    /// # Safety
    /// As [`Stack::new`], and as it says.
    #[inline(always)]
    pub(super) unsafe fn with_room(
        state: *mut lua::lua_State,
        context: &'vm Context,
        room: c_int,
    ) -> Stack<'vm> {
        Stack { state, context, room, marker: PhantomData }
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
        self.context.data()
    }

    /// The number of values on the stack; the index of the top.
    #[inline]
    pub fn top(&self) -> c_int {
        // SAFETY: the state is live.
        unsafe { quick::gettop(self.state) }
    }

    /// Cuts the stack to `top` values, or fills it up with nils.
    #[inline]
    pub fn set_top(&mut self, top: c_int) {
        assert!(top >= 0, "the top of a stack is not negative, got {top}");
        if top > self.top() {
            return self.fill_up(top);
        }
        // SAFETY: the index is not above the top. Slots above are plain values: nothing here marks
        // a slot as to be closed.
        unsafe { quick::cut(self.state, top) };
    }

    #[inline(never)]
    fn fill_up(&mut self, top: c_int) {
        let missing = top - self.top();
        self.reserve_or_unwind(missing);
        self.room -= missing;
        // SAFETY: there is room for what is missing.
        unsafe { lua::lua_settop(self.state, top) };
    }

    /// Removes the `count` topmost values.
    #[inline]
    pub fn pop(&mut self, count: c_int) {
        let top = self.top();
        assert!((0..=top).contains(&count), "cannot pop {count} of {top} values");
        // SAFETY: checked above.
        unsafe { quick::cut(self.state, top - count) };
    }

    /// Makes room for `count` more values.
    ///
    /// # Errors
    /// A `stack overflow` error when Lua's limit (a million values) is reached.
    pub fn reserve(&mut self, count: c_int) -> Result<(), Raise> {
        if self.has_room(count) { Ok(()) } else { Err(Raise::message("stack overflow")) }
    }

    #[inline]
    fn has_room(&mut self, count: c_int) -> bool {
        self.room >= count || self.gets_room(count)
    }

    #[inline(never)]
    fn gets_room(&mut self, count: c_int) -> bool {
        // Close to Lua's limit there may be room for these and no more.
        for wanted in [count.max(ROOM_AT_ONCE), count] {
            // SAFETY: the state is live; `lua_checkstack` reports failure instead of raising.
            if unsafe { quick::checkstack(self.state, wanted) } {
                self.room = wanted;
                return true;
            }
        }
        false
    }

    /// Cuts the stack of a running native so far that there is room for a few values without
    /// asking: the slots that every C function has from its first one on.
    pub(super) fn cut_to_minimum(&mut self) {
        self.set_top(self.top().min(lua::LUA_MINSTACK - SPARE_SLOTS));
        self.room = lua::LUA_MINSTACK - self.top();
    }

    /// Makes room for `count` values, or unwinds to the trampoline when Lua's limit is reached.
    #[inline]
    pub(super) fn reserve_or_unwind(&mut self, count: c_int) {
        if !self.has_room(count) {
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

    /// Moves the top value to `index`, shifting up what is there and above.
    pub fn insert(&mut self, index: c_int) {
        let index = self.occupied(index);
        // SAFETY: the index holds a value of this stack.
        unsafe { lua::lua_rotate(self.state, index, 1) };
    }

    /// Removes the value at `index`, shifting down what is above.
    pub fn remove(&mut self, index: c_int) {
        let (index, top) = (self.occupied(index), self.top());
        // SAFETY: the index holds a value of this stack.
        unsafe {
            lua::lua_rotate(self.state, index, -1);
            quick::cut(self.state, top - 1);
        }
    }

    /// Pops the top value and puts it in the place of the one at `index`.
    pub fn replace(&mut self, index: c_int) {
        let (index, top) = (self.occupied(index), self.top());
        // SAFETY: both indices hold values of this stack.
        unsafe {
            lua::lua_copy(self.state, top, index);
            quick::cut(self.state, top - 1);
        }
    }

    /// Puts the running native's `number`-th upvalue into the place of the value at `to`.
    #[inline]
    pub fn copy_upvalue(&mut self, number: u8, to: c_int) {
        let (from, to) = (upvalue(number), self.occupied(to));
        debug_assert!(self.kind(from) != Kind::None, "no upvalue {number}");
        // SAFETY: there is a value to replace, and an upvalue that is not there reads as nil.
        unsafe { lua::lua_copy(self.state, from, to) };
    }

    /// Puts a bare address into the place of the value at `to`.
    pub fn put_light(&mut self, address: usize, to: c_int) {
        let to = self.occupied(to);
        // SAFETY: there is a value to replace.
        unsafe { quick::putpointer(self.state, address as u64, to) };
    }

    /// Copies the value at `from` into the place of the one at `to`.
    pub fn copy(&mut self, from: c_int, to: c_int) {
        let (from, to) = (self.occupied(from), self.occupied(to));
        // SAFETY: both indices hold values of this stack.
        unsafe { quick::copy(self.state, from, to) };
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

    /// True if the coroutine that the host resumed ends as soon as the running native returns: no
    /// code of the program follows, no collection is due, nothing is to be closed.
    #[inline]
    pub fn ends_next(&self) -> bool {
        self.state == self.context.resumed.get()
            && !self.context.is_collection_due()
            // SAFETY: the state runs a native.
            && unsafe { host::lua_endsnext(self.state) != 0 }
    }
}

impl std::fmt::Debug for Stack<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = (1..=self.top()).map(|index| self.kind(index).name());
        formatter.debug_list().entries(kinds).finish()
    }
}
