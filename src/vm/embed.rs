//! The door for Rust modules written with `mlua`.
//!
//! `mlua` keeps tables of its own in a state (some KiB); it gets them when somebody first asks, so
//! VMs that use no such module do not pay. It replaces none of the library functions.

use super::state::Vm;

impl Vm {
    /// Hands the VM to code that uses `mlua`, for instance to register a Rust module.
    ///
    /// Handles of `mlua` (`Lua`, `Table`, `Function`...) belong to the VM: they may stay inside
    /// functions and values that the VM owns, nowhere else. In particular they must not be put into
    /// a thread-local variable, since the VM may go on running on another thread; the bounds keep
    /// them from every other way out.
    ///
    /// ```
    /// use moonhive::vm::Vm;
    /// let mut vm = Vm::builder().build()?;
    /// vm.with_mlua(|lua| lua.globals().set("answer", 42))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of `work`.
    pub fn with_mlua<R: Send>(
        &mut self,
        work: impl FnOnce(&mlua::Lua) -> mlua::Result<R> + Send,
    ) -> mlua::Result<R> {
        let state = self.state();
        let lua = {
            let _entered = self.stack();
            // SAFETY: the state is live and this thread has it. `mlua` panics if it gets no memory
            // for its tables; while the VM is entered, memory is not refused.
            unsafe { mlua::Lua::get_or_init_from_ptr(state) }
        };
        work(lua)
    }
}
