//! Access to tables. Raw access runs no metamethod and cannot raise; `get_field` and `set_field`
//! run them, protected.
//!
//! The two errors that raw access knows (a nil or NaN key, an unknown key in a traversal) are
//! excluded before Lua is asked.

use std::ffi::{c_int, c_void};
use std::ptr;

use moonhive_lua_sys::{host, lua};

use super::raise::Raise;
use super::read::Kind;
use super::reference::Reference;
use super::stack::Stack;

impl Stack<'_> {
    /// Pushes a new table with room for `array` list items and `fields` other keys.
    pub fn push_table(&mut self, array: usize, fields: usize) {
        let hint = |count: usize| c_int::try_from(count).unwrap_or(c_int::MAX);
        self.take_slot();
        // SAFETY: there is room, and memory is not refused.
        unsafe { lua::lua_createtable(self.state(), hint(array), hint(fields)) };
    }

    /// Replaces the key on top of the stack by its value in the table at `index`.
    pub fn raw_get(&mut self, index: c_int) -> Kind {
        let index = self.table(index);
        assert!(self.top() > 0, "no key on the stack");
        // SAFETY: `index` is a table and there is a key; a raw read does not raise.
        unsafe { lua::lua_rawget(self.state(), index) };
        self.kind(-1)
    }

    /// Replaces the value at `to` by the function that serves the method named at `name`: the one
    /// that the kept table holds under that string, or a table behind it by `__index`, through at
    /// most `chain` tables. False, and nothing is changed, if there is none.
    ///
    /// # Panics
    /// If there is no string, or no value to replace.
    pub fn find_method(
        &mut self,
        methods: &Reference,
        name: c_int,
        to: c_int,
        chain: c_int,
    ) -> bool {
        self.assert_keeps(methods);
        let (name, to) = (self.occupied(name), self.occupied(to));
        assert!(self.kind(name) == Kind::String, "a method has a name");
        // SAFETY: both indices hold values of this stack, and one is a string; a raw read does not
        // raise.
        unsafe { host::lua_findmethod(self.state(), methods.slot(), name, to, chain) != 0 }
    }

    /// The same for a name that is kept: pushes it and the function. False, and nothing is pushed,
    /// if there is no function.
    #[inline(always)]
    pub fn push_method(&mut self, methods: &Reference, name: &Reference, chain: c_int) -> bool {
        self.assert_keeps(methods);
        self.assert_keeps(name);
        self.reserve_or_unwind(2);
        // SAFETY: there is room; what the slots hold is checked, and a raw read does not raise.
        let found =
            unsafe { host::lua_pushmethod(self.state(), methods.slot(), name.slot(), chain) != 0 };
        self.forget_room();
        found
    }

    /// Pushes the value of a field.
    pub fn raw_get_field(&mut self, index: c_int, name: &str) -> Kind {
        let index = self.table(index);
        self.push_str(name);
        // SAFETY: `index` is a table and the key is on top.
        unsafe { lua::lua_rawget(self.state(), index) };
        self.kind(-1)
    }

    /// Pushes the list item at `position`, counted from 1.
    pub fn raw_get_item(&mut self, index: c_int, position: i64) -> Kind {
        let index = self.table(index);
        self.take_slot();
        // SAFETY: `index` is a table and there is room.
        unsafe { lua::lua_rawgeti(self.state(), index, position) };
        self.kind(-1)
    }

    /// Pops a value and, below it, its key, and stores them in the table at `index`.
    ///
    /// # Panics
    /// If the key is nil or NaN, which no table can hold.
    pub fn raw_set(&mut self, index: c_int) {
        let index = self.own_table(index);
        assert!(self.top() > 1, "no key and value on the stack");
        assert!(self.is_key(-2), "a table key is neither nil nor NaN");
        // SAFETY: `index` is a table, the key is valid, and memory is not refused.
        unsafe { lua::lua_rawset(self.state(), index) };
    }

    /// Pops a value and stores it in a field.
    pub fn raw_set_field(&mut self, index: c_int, name: &str) {
        let index = self.own_table(index);
        let value = self.occupied(-1);
        self.push_str(name);
        // SAFETY: the key (a string) goes below the value, `index` is a table, memory is not
        // refused.
        unsafe {
            lua::lua_rotate(self.state(), value, 1);
            lua::lua_rawset(self.state(), index);
        }
    }

    /// Pops a value and stores it as the list item at `position`.
    pub fn raw_set_item(&mut self, index: c_int, position: i64) {
        let index = self.own_table(index);
        self.occupied(-1);
        // SAFETY: `index` is a table, there is a value, memory is not refused.
        unsafe { lua::lua_rawseti(self.state(), index, position) };
    }

    /// Pushes the value of a field as scripts see it: metamethods run.
    ///
    /// # Errors
    /// What a metamethod raises, or that the value cannot be indexed.
    pub fn get_field(&mut self, index: c_int, name: &str) -> Result<Kind, Raise> {
        let index = self.absolute(index);
        if self.kind(index) == Kind::Table {
            if self.raw_get_field(index, name) != Kind::Nil || !self.has_metatable(index) {
                return Ok(self.kind(-1));
            }
            self.pop(1);
        }
        self.push_value(index);
        self.push_str(name);
        self.get_protected()
    }

    /// Pushes the list item at `position` as scripts see it: metamethods run.
    ///
    /// # Errors
    /// What a metamethod raises, or that the value cannot be indexed.
    pub fn get_item(&mut self, index: c_int, position: i64) -> Result<Kind, Raise> {
        let index = self.absolute(index);
        if self.kind(index) == Kind::Table {
            if self.raw_get_item(index, position) != Kind::Nil || !self.has_metatable(index) {
                return Ok(self.kind(-1));
            }
            self.pop(1);
        }
        self.push_value(index);
        self.push_integer(position);
        self.get_protected()
    }

    /// Replaces the key on top by what the value at `index` holds for it, as scripts see it:
    /// metamethods run.
    ///
    /// # Errors
    /// What a metamethod raises, or that the value cannot be indexed.
    pub fn get(&mut self, index: c_int) -> Result<Kind, Raise> {
        self.push_value(index);
        self.insert(-2);
        self.get_protected()
    }

    /// Replaces a value and the key above it by what the value holds for the key.
    fn get_protected(&mut self) -> Result<Kind, Raise> {
        unsafe extern "C-unwind" fn get(state: *mut lua::lua_State) -> c_int {
            // SAFETY: called with a value and a key; a plain frame, it may raise.
            unsafe { lua::lua_gettable(state, 1) };
            1
        }
        self.call_plain(get, 2, 1)?;
        Ok(self.kind(-1))
    }

    /// Pops a value and stores it in a field as scripts do: metamethods run.
    ///
    /// # Errors
    /// What a metamethod raises, or that the value cannot be indexed.
    pub fn set_field(&mut self, index: c_int, name: &str) -> Result<(), Raise> {
        unsafe extern "C-unwind" fn set(state: *mut lua::lua_State) -> c_int {
            // SAFETY: called with a value to store, the value to store it in, and a key; a plain
            // frame, it may raise.
            unsafe {
                lua::lua_rotate(state, 1, -1);
                lua::lua_settable(state, 1);
            }
            0
        }
        let index = self.absolute(index);
        if self.kind(index) == Kind::Table && !self.has_metatable(index) && !self.is_shared(index) {
            self.raw_set_field(index, name);
            return Ok(());
        }
        self.push_value(index);
        self.push_str(name);
        self.call_plain(set, 3, 0)
    }

    fn has_metatable(&mut self, index: c_int) -> bool {
        let found = self.push_metatable(index);
        if found {
            self.pop(1);
        }
        found
    }

    /// Calls `visit` for each pair of the table at `index`, with the key below the value on top of
    /// the stack. `visit` may use the stack above them; it may change or remove fields, not add
    /// any.
    ///
    /// # Errors
    /// The first error of `visit`.
    pub fn for_each<F>(&mut self, index: c_int, mut visit: F) -> Result<(), Raise>
    where
        F: FnMut(&mut Self) -> Result<(), Raise>,
    {
        let table = self.table(index);
        let base = self.top();
        self.push_nil();
        while self.next(table)? {
            // A copy below keeps the key for the next step whatever `visit` does with its own.
            self.push_value(base + 1);
            self.insert(base + 2);
            visit(self)?;
            self.set_top(base + 1);
        }
        Ok(())
    }

    /// The same for the pairs that scripts see: those of the value's `__pairs`, if it has one.
    /// `visit` may do anything to the value then.
    ///
    /// # Errors
    /// What `__pairs` and its iterator raise, the first error of `visit`, and that a value that is
    /// no table has no `__pairs`.
    pub fn for_each_as_scripts_see<F>(&mut self, index: c_int, mut visit: F) -> Result<(), Raise>
    where
        F: FnMut(&mut Self) -> Result<(), Raise>,
    {
        let index = self.absolute(index);
        if !self.push_metamethod(index, "__pairs") {
            return match self.kind(index) {
                Kind::Table => self.for_each(index, visit),
                kind => {
                    Err(Raise::message(format!("a {} without __pairs has no pairs", kind.name())))
                }
            };
        }
        let iterator = self.top();
        self.push_value(index);
        self.call_or_raise(1, 3)?;
        // The state and the control value lie above the iterator.
        loop {
            for place in iterator..iterator + 3 {
                self.push_value(place);
            }
            self.call_or_raise(2, 2)?;
            if self.kind(-2) == Kind::Nil {
                self.set_top(iterator - 1);
                return Ok(());
            }
            self.push_value(-2);
            self.replace(iterator + 2);
            visit(self)?;
            self.set_top(iterator + 2);
        }
    }

    /// Replaces the key on top by the next pair; false (and no key) at the end.
    fn next(&mut self, table: c_int) -> Result<bool, Raise> {
        self.reserve_or_unwind(2);
        if self.kind(-1) != Kind::Nil && !self.has_key(table) {
            // The visitor removed the field: Lua may have forgotten where it was.
            return self.next_protected(table);
        }
        self.take_slot();
        // SAFETY: `table` is a table, there is room, and the key is nil or one of the table's.
        Ok(unsafe { lua::lua_next(self.state(), table) } != 0)
    }

    fn has_key(&mut self, table: c_int) -> bool {
        self.push_value(-1);
        let found = self.raw_get(table) != Kind::Nil;
        self.pop(1);
        found
    }

    fn next_protected(&mut self, table: c_int) -> Result<bool, Raise> {
        unsafe extern "C-unwind" fn next(state: *mut lua::lua_State) -> c_int {
            // SAFETY: called with a table and a key; a plain frame, it may raise.
            unsafe { if lua::lua_next(state, 1) == 0 { 0 } else { 2 } }
        }
        let base = self.top() - 1;
        self.push_value(table);
        self.insert(base + 1);
        self.call_plain(next, 2, lua::LUA_MULTRET)?;
        Ok(self.top() > base)
    }

    /// Pops a table (or nil) and makes it the metatable of the value at `index`.
    pub fn set_metatable(&mut self, index: c_int) {
        let index = self.occupied(index);
        assert!(matches!(self.kind(-1), Kind::Table | Kind::Nil), "a metatable is a table");
        assert!(!self.is_shared(index), "a shared table has no metatable of its own");
        // SAFETY: checked above; memory is not refused.
        unsafe { lua::lua_setmetatable(self.state(), index) };
    }

    /// Pushes the metatable of the value at `index`; pushes nothing and is false without one.
    pub fn push_metatable(&mut self, index: c_int) -> bool {
        let Some(index) = self.readable(index) else { return false };
        self.take_slot();
        // SAFETY: the index may be read and there is room.
        unsafe { lua::lua_getmetatable(self.state(), index) != 0 }
    }

    /// Pushes a metamethod of the value at `index`; pushes nothing and is false without one.
    pub fn push_metamethod(&mut self, index: c_int, name: &str) -> bool {
        let top = self.top();
        if self.push_metatable(index) && self.raw_get_field(-1, name) != Kind::Nil {
            self.remove(-2);
            return true;
        }
        self.set_top(top);
        false
    }

    /// Whether the value can be called: a function, or what has a `__call`.
    pub fn is_callable(&mut self, index: c_int) -> bool {
        if self.kind(index) == Kind::Function {
            return true;
        }
        let has_call = self.push_metamethod(index, "__call");
        if has_call {
            self.pop(1);
        }
        has_call
    }

    /// Pushes the registry's value under the address of `key`; pushes nothing and is false if there
    /// is none.
    pub(super) fn push_registry_slot(&mut self, key: &'static u8) -> bool {
        self.take_slot();
        // SAFETY: the registry is a table and there is room.
        unsafe {
            let key: *const c_void = ptr::from_ref(key).cast();
            if lua::lua_rawgetp(self.state(), lua::LUA_REGISTRYINDEX, key) != lua::LUA_TNIL {
                return true;
            }
            lua::lua_settop(self.state(), -2);
        }
        false
    }

    /// Pops a value and keeps it in the registry under the address of `key`.
    pub(super) fn set_registry_slot(&mut self, key: &'static u8) {
        self.occupied(-1);
        // SAFETY: the registry is a table, there is a value, memory is not refused.
        unsafe {
            lua::lua_rawsetp(self.state(), lua::LUA_REGISTRYINDEX, ptr::from_ref(key).cast());
        }
    }

    fn is_key(&self, index: c_int) -> bool {
        match self.kind(index) {
            Kind::Nil | Kind::None => false,
            Kind::Number => !self.number(index).is_some_and(f64::is_nan),
            _ => true,
        }
    }

    /// A table that may be written to. Raw writes to a shared one raise, which must not happen
    /// where Rust frames stand between; natives that write to tables of scripts use `set_field`.
    #[inline]
    fn own_table(&self, index: c_int) -> c_int {
        let index = self.table(index);
        assert!(!self.is_shared(index), "a shared table at stack index {index} is read-only");
        index
    }

    #[inline]
    fn table(&self, index: c_int) -> c_int {
        let index = self.absolute(index);
        assert!(self.kind(index) == Kind::Table, "no table at stack index {index}");
        index
    }
}
