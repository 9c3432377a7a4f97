//! Declarations of `c/lhost.h`, `c/lkeep.h`, `c/lblank.h`, `c/lrequire.h` and `c/lyield.h`: what a
//! host needs of a VM that runs its natives.

use std::ffi::c_int;

use mlua_sys::lua_State;

/// The host's bit in the word of [`lua_gcstopword`].
pub const GC_HOLD: u8 = 1 << 6;

/// What an allocator is told for a new block in the place of the kind of object: needed whatever
/// the limit.
pub const BLOCK_MUST: usize = 64;
/// The same for a block that may be refused even where the host has asked that nothing is.
pub const BLOCK_TRY: usize = 65;

/// Upvalues of [`lua_requiremodule`], in the order of `c/lrequire.h`.
pub const REQUIRE_UPVALUES: c_int = 6;

/// Slots that [`lua_warmkept`] looks at in one call.
pub const WARM_MAX: usize = 16;

unsafe extern "C-unwind" {
    /// The collector stands still while any bit of this word is set. It lives as long as the state
    /// and belongs to the thread that runs it.
    pub fn lua_gcstopword(state: *mut lua_State) -> *mut u8;
    /// Zero or negative while the collector has work to do. It lives as long as the state and
    /// belongs to the thread that runs it.
    pub fn lua_gcdebtword(state: *mut lua_State) -> *const isize;
    /// Does that work, finalizers included, unless the collector is held.
    pub fn lua_gcpoll(state: *mut lua_State);
    /// A step of the collector ahead of time, finalizers included; nothing while it is held. 1 if
    /// the collection is to go on, 0 if it has ended.
    pub fn lua_gcahead(state: *mut lua_State) -> c_int;
    /// Puts collections off until that many bytes more are in use, then as many between two of
    /// them.
    pub fn lua_gcgrant(state: *mut lua_State, bytes: usize);
    /// Ends that: what is in use counts as alive, and collections have their usual pace.
    pub fn lua_gcsettle(state: *mut lua_State);
    /// Copies the function that the table at `reference` of the registry, or one behind it by
    /// `__index`, holds under the string at `name` to the slot `to`; 0 where there is none. Raises
    /// nothing.
    pub fn lua_findmethod(
        state: *mut lua_State,
        reference: c_int,
        name: c_int,
        to: c_int,
        chain: c_int,
    ) -> c_int;
    /// The same for a name that lies at `name` of the registry: pushes it and the function, for
    /// which there must be room; or pushes nothing and returns 0.
    pub fn lua_pushmethod(
        state: *mut lua_State,
        reference: c_int,
        name: c_int,
        chain: c_int,
    ) -> c_int;
    /// Puts `false` into `count` slots of the registry from `first` on, which comes behind the
    /// last one. There must be room for a value.
    pub fn lua_addslots(state: *mut lua_State, first: c_int, count: c_int);
    /// Pops a value into a slot of the registry that holds one.
    pub fn lua_keepvalue(state: *mut lua_State, slot: c_int);
    /// Pushes the value in a slot of the registry, for which there must be room, and leaves `false`
    /// in its place.
    pub fn lua_takekept(state: *mut lua_State, slot: c_int);
    /// Asks memory for the functions in slots of the registry, [`WARM_MAX`] at most, and for what
    /// they need to run. Nothing changes.
    pub fn lua_warmkept(state: *mut lua_State, slots: *const c_int, count: c_int);
    /// 1 if the coroutine ends as soon as the running C function returns: nothing but returns
    /// follows, and nothing is to be closed.
    pub fn lua_endsnext(state: *mut lua_State) -> c_int;
    /// As `lua_yieldk`, for functions that do nothing more: may return, and what it returns is then
    /// to be returned to Lua at once.
    pub fn lua_leavek(
        state: *mut lua_State,
        results: c_int,
        context: mlua_sys::lua_KContext,
        function: Option<mlua_sys::lua_KFunction>,
    ) -> c_int;
    /// Opens all standard libraries in a new state, as `luaL_openlibs` does, by copying what they
    /// left in the first one. May raise a memory error.
    pub fn lua_openblank(state: *mut lua_State);
    /// A `require` whose searchers and loaders may yield; a function of Lua with the upvalues
    /// above.
    pub fn lua_requiremodule(state: *mut lua_State) -> c_int;
}
