//! The VM's side of the code cache: which one it uses, and loading through it.
//!
//! Files go through the cache by themselves: the client installed here answers `luaL_loadfilex`.

use std::ffi::c_int;
use std::path::Path;
use std::sync::Arc;

use moonhive_lua_sys::{lua, share};

use super::builder::VmBuilder;
use super::call::LoadMode;
use super::context::Context;
use super::error::LuaError;
use super::native::Native;
use super::stack::Stack;
use crate::code::{self, CodeCache, CodeClient, LoadError, Mode};

impl VmBuilder {
    /// Takes code from this cache, and publishes what it compiles there as `mode` says. Without
    /// this the VM compiles everything for itself.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// use moonhive::{code::{CodeCache, Mode}, vm::VmBuilder};
    /// let cache = Arc::new(CodeCache::new());
    /// let vm = VmBuilder::new().code(cache, Mode::On).build()?;
    /// # Ok::<(), moonhive::vm::VmError>(())
    /// ```
    pub fn code(mut self, cache: Arc<CodeCache>, mode: Mode) -> VmBuilder {
        self.code = Some(CodeClient::new(cache, mode));
        self
    }
}

impl Native {
    /// The standard `loadfile`, whatever scripts have done to the global of that name.
    pub const LOAD_FILE: Native = Native(code::loadfile);
}

impl Context {
    /// Makes the VM load files through its client of the cache, if it has one.
    ///
    /// # Safety
    /// `state` is the main state of this context's VM; the context stays where it is until that is
    /// closed.
    pub(super) unsafe fn install_code(&self, state: *mut lua::lua_State) {
        if let Some(client) = &self.code {
            // SAFETY: by contract.
            unsafe { client.install(state) };
        }
    }
}

/// What [`Stack::load_embedded`] passes to the plain frame it loads in.
struct Embedded<'a> {
    client: &'a CodeClient,
    name: &'a str,
    text: &'static str,
}

impl<'vm> Stack<'vm> {
    /// The VM's access to the code cache, if it has one.
    pub fn code(&self) -> Option<&'vm CodeClient> {
        self.context().code.as_ref()
    }

    /// How many images of retired versions the VM still holds. A full collection lets go of those
    /// that no function of its own comes from any more.
    pub fn retired_code_count(&self) -> usize {
        // SAFETY: the state is live and this thread has it.
        usize::try_from(unsafe { share::lua_usesretired(self.state()) }).unwrap_or(0)
    }

    /// Pushes the main function of a text that is part of the program. It is cached under `name`,
    /// which messages show and which stands for one text in the whole program.
    ///
    /// # Errors
    /// What does not compile, or that there is no memory for it.
    pub fn load_embedded(&mut self, name: &str, text: &'static str) -> Result<(), LuaError> {
        let Some(client) = self.code() else {
            return self.load(text.as_bytes(), &format!("={name}"), LoadMode::Text);
        };
        let embedded = Embedded { client, name, text };
        self.push_pointer((&raw const embedded).cast_mut().cast());
        let status = self.call_loader(load_embedded, 1);
        self.loaded(status)
    }

    /// The number of the version of a file that this VM would now load from the cache, if any.
    pub fn code_version(&self, path: &Path) -> Option<u64> {
        // SAFETY: the client is this VM's, and the state this thread's.
        unsafe { self.code()?.version_of(self.state(), path) }
    }

    /// Compiles a file afresh and publishes it in place of the version that is cached; returns the
    /// number of the new version. What VMs have loaded stays as it is. `None` if the VM has no
    /// cache.
    ///
    /// # Errors
    /// When the file cannot be read or its code is refused; the cached version then stays.
    pub fn reload_code(&mut self, path: &Path) -> Option<Result<u64, LoadError>> {
        let client = self.code()?;
        // SAFETY: the client is this VM's; compiling catches all its errors.
        Some(unsafe { self.outside(|state| client.reload(state, path)) })
    }
}

/// Loads the text whose description is the argument; returns the status and the result.
///
/// # Safety
/// Only `load_embedded` above calls it, protected.
unsafe extern "C-unwind" fn load_embedded(state: *mut lua::lua_State) -> c_int {
    // SAFETY: the argument is the address of an `Embedded` that outlives the call, of this VM's
    // client; a plain frame.
    unsafe {
        let embedded = &*lua::lua_touserdata(state, 1).cast::<Embedded<'_>>();
        let status = embedded.client.load_named(state, embedded.name, embedded.text);
        lua::lua_pushinteger(state, status.into());
        lua::lua_rotate(state, -2, 1);
        2
    }
}
