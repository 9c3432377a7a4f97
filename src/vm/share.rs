//! The VM's side of shared tables: making an image of a table, and pushing one.

use std::ffi::{CString, c_int};

use moonhive_lua_sys::{lua, share};

use super::raise::Raise;
use super::read::Kind;
use super::stack::Stack;
use crate::share::{ShareError, TableImage};

impl Stack<'_> {
    /// Makes an image of the table at `index` and of all tables and functions in it. Messages call
    /// it `name`.
    ///
    /// # Errors
    /// [`ShareError::Refused`] with the path to what cannot be shared.
    pub fn share_table(&mut self, index: c_int, name: &str) -> Result<TableImage, ShareError> {
        let image = self.share(index, name, true);
        image.map_err(|reason| ShareError::Refused { name: name.to_owned(), reason })
    }

    /// The same for what the module `name` returns, which is data only: functions are refused.
    ///
    /// # Errors
    /// [`ShareError::RefusedModule`] with the path to what cannot be shared.
    pub fn share_module(&mut self, index: c_int, name: &str) -> Result<TableImage, ShareError> {
        let image = self.share(index, name, false);
        image.map_err(|reason| ShareError::RefusedModule { name: name.to_owned(), reason })
    }

    /// # Errors
    /// The path to what cannot be shared.
    fn share(
        &mut self,
        index: c_int,
        name: &str,
        takes_functions: bool,
    ) -> Result<TableImage, String> {
        let index = self.absolute(index);
        let text = CString::new(name).map_err(|_| "a zero byte in its name")?;
        self.reserve_or_unwind(1);
        // SAFETY: the index may be read, there is room for a message, memory is not refused, and no
        // code runs.
        let image = unsafe {
            let (state, functions) = (self.state(), takes_functions.into());
            TableImage::from_raw(share::lua_sharetable(state, index, text.as_ptr(), functions))
        };
        image.ok_or_else(|| {
            let reason = self.text(-1);
            self.pop(1);
            reason
        })
    }

    /// Pushes the table of an image, which this VM reads in place from now on.
    ///
    /// # Errors
    /// No memory, or that the VM is in the middle of compiling a chunk.
    pub fn push_shared(&mut self, image: &TableImage) -> Result<(), Raise> {
        unsafe extern "C-unwind" fn push(state: *mut lua::lua_State) -> c_int {
            // SAFETY: the argument is the address of an image that outlives the call; a plain
            // frame, it may raise.
            unsafe {
                share::lua_pushshared(state, lua::lua_touserdata(state, 1).cast());
                1
            }
        }
        self.push_pointer(image.as_ptr().cast());
        self.call_plain(push, 1, 1)
    }

    /// Replaces references to shared tables everywhere in the VM: the table at `index` says which,
    /// and by what (a table, or `false` for nothing). Returns how many there were.
    ///
    /// # Errors
    /// No memory for a table whose keys change.
    pub fn replace_shared(&mut self, index: c_int) -> Result<usize, Raise> {
        unsafe extern "C-unwind" fn replace(state: *mut lua::lua_State) -> c_int {
            // SAFETY: called with a table; a plain frame, it may raise.
            unsafe {
                let count = share::lua_replaceshared(state, 1);
                lua::lua_pushinteger(state, count as lua::lua_Integer);
                1
            }
        }
        assert!(self.kind(index) == Kind::Table, "no table at stack index {index}");
        self.push_value(index);
        self.call_plain(replace, 1, 1)?;
        let count = self.integer(-1).unwrap_or(0);
        self.pop(1);
        Ok(count as usize)
    }

    /// True if the value at `index` is a shared table.
    pub fn is_shared(&self, index: c_int) -> bool {
        let Some(index) = self.readable(index) else { return false };
        // SAFETY: the index may be read.
        unsafe { !share::lua_toshared(self.state(), index).is_null() }
    }
}
