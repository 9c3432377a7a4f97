//! Which global variables compiled code uses, and where it assigns to loop variables: for tools
//! that look at code without running it.

use std::ffi::{c_char, c_int, c_void};

use moonhive_lua_sys::globals::{self, lua_visitglobals, lua_visitloopvariables};
use moonhive_lua_sys::{lua, share};

use super::read::Kind;
use super::stack::Stack;

/// How code uses a global variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// `x`
    Read,
    /// `x = ...` or `function x() ... end`
    Write,
    /// `_G.x = ...`
    WriteField,
}

/// One place that uses a global variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalUse {
    /// The variable.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
    /// How it is used.
    pub access: Access,
    /// Inside a function of the chunk, not at its top level.
    pub is_nested: bool,
}

impl Stack<'_> {
    /// The global variables that the main function of a chunk at `index`, and the functions inside
    /// it, use by name. `None` if the value is no such function, or if the code assigns to `_ENV`
    /// and may mean something else by its globals.
    pub fn global_uses(&mut self, index: c_int) -> Option<Vec<GlobalUse>> {
        let index = self.lua_function(index)?;
        let mut uses: Vec<GlobalUse> = Vec::new();
        // SAFETY: a Lua function is at the index, which is positive; the visitor only writes to the
        // vector, which nobody else uses meanwhile, and nothing here raises.
        let is_plain = unsafe {
            lua_visitglobals(self.state(), index, note, (&raw mut uses).cast::<c_void>()) != 0
        };
        is_plain.then_some(uses)
    }

    /// The assignments to loop variables in a chunk at `index` that was compiled with the meaning
    /// of Lua 5.4: name and line, in no order, and some more than once.
    pub fn loop_assignments(&mut self, index: c_int) -> Vec<(String, u32)> {
        let mut found: Vec<(String, u32)> = Vec::new();
        if let Some(index) = self.lua_function(index) {
            let found = (&raw mut found).cast::<c_void>();
            // SAFETY: a Lua function is at the index, which is positive; the visitor only writes to
            // the vector, which nobody else uses meanwhile, and nothing here raises.
            unsafe { lua_visitloopvariables(self.state(), index, note_assignment, found) };
        }
        found
    }

    /// The absolute index of a value that is a closure of Lua. (What a shared table holds is none.)
    fn lua_function(&mut self, index: c_int) -> Option<c_int> {
        let index = self.occupied(index);
        // SAFETY: the index holds a value.
        let is_other = unsafe {
            lua::lua_iscfunction(self.state(), index) != 0
                || share::lua_issharedfunction(self.state(), index) != 0
        };
        (self.kind(index) == Kind::Function && !is_other).then_some(index)
    }
}

/// # Safety
/// Only `loop_assignments` has it called, with its vector and a name that stays for the call.
unsafe extern "C" fn note_assignment(
    found: *mut c_void,
    name: *const c_char,
    length: usize,
    line: c_int,
) {
    // SAFETY: by contract.
    let (found, name) = unsafe {
        let found = &mut *found.cast::<Vec<(String, u32)>>();
        (found, std::slice::from_raw_parts(name.cast::<u8>(), length))
    };
    let name = String::from_utf8_lossy(name).into_owned();
    found.push((name, u32::try_from(line).unwrap_or(0)));
}

/// # Safety
/// Only `global_uses` has it called, with its vector and a name that stays for the call.
unsafe extern "C" fn note(
    uses: *mut c_void,
    name: *const c_char,
    length: usize,
    line: c_int,
    access: c_int,
    nested: c_int,
) {
    // SAFETY: by contract.
    let (uses, name) = unsafe {
        let uses = &mut *uses.cast::<Vec<GlobalUse>>();
        (uses, std::slice::from_raw_parts(name.cast::<u8>(), length))
    };
    uses.push(GlobalUse {
        name: String::from_utf8_lossy(name).into_owned(),
        line: u32::try_from(line).unwrap_or(0),
        access: match access {
            globals::READ => Access::Read,
            globals::WRITE => Access::Write,
            _ => Access::WriteField,
        },
        is_nested: nested != 0,
    });
}
