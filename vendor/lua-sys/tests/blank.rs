//! The libraries of a new state are copies of those of the first one. Whatever memory is refused on
//! the way, the state gets all of them or none, and can be closed.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use moonhive_lua_sys::host::lua_openblank;
use moonhive_lua_sys::lua::{
    LUA_OK, lua_State, lua_close, lua_newstate, lua_pcall, lua_pushcclosure, lua_toboolean,
    luaL_loadstring,
};

/// Allocations that succeed before one is refused, once.
struct Refusal(Cell<usize>);

unsafe extern "C" fn allocate(
    refusal: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the states of this test are made with a `Refusal` that outlives them, and `realloc`
    // and `free` get what they gave.
    unsafe {
        if new == 0 {
            libc::free(block);
            return ptr::null_mut();
        }
        let refusal = &*refusal.cast::<Refusal>();
        if block.is_null() || new > old {
            refusal.0.set(refusal.0.get().wrapping_sub(1));
            if refusal.0.get() == usize::MAX {
                return ptr::null_mut();
            }
        }
        libc::realloc(block, new)
    }
}

unsafe extern "C-unwind" fn open(state: *mut lua_State) -> c_int {
    // SAFETY: a plain frame, called protected, in a new state.
    unsafe { lua_openblank(state) };
    0
}

/// Opens the libraries in a new state that is refused its allocation of that number; `None` if it
/// did not ask for so many, else whether they were opened.
fn opened(number: usize) -> Option<bool> {
    let refusal = Refusal(Cell::new(usize::MAX));
    // SAFETY: the state is this test's own, and everything in it is called protected.
    unsafe {
        let state = lua_newstate(allocate, ptr::from_ref(&refusal).cast_mut().cast(), 0);
        assert!(!state.is_null());
        refusal.0.set(number);
        lua_pushcclosure(state, open, 0);
        let is_open = lua_pcall(state, 0, 0, 0) == LUA_OK;
        let was_refused = refusal.0.replace(usize::MAX) > number;
        if is_open {
            let chunk = c"local count = 0
                for name, library in pairs(package.loaded) do
                  for _, value in pairs(library) do count = count + (value ~= nil and 1 or 0) end
                end
                collectgarbage()
                return count > 140 and math.pi > 3 and ('x'):rep(2) == 'xx'
                  and pcall(string.dump, print) == false and io.type(io.stdout) == 'file'";
            assert_eq!(luaL_loadstring(state, chunk.as_ptr()), LUA_OK);
            assert_eq!(lua_pcall(state, 0, 1, 0), LUA_OK);
            assert_eq!(lua_toboolean(state, -1), 1, "refused number {number}");
        }
        lua_close(state);
        was_refused.then_some(is_open)
    }
}

#[test]
fn libraries_are_whole_or_absent_whichever_allocation_is_refused() {
    assert_eq!(opened(usize::MAX), None, "the first state");
    let outcomes: Vec<bool> = (0..).map_while(opened).collect();
    assert!(outcomes.len() > 25, "{}", outcomes.len());
    assert!(outcomes.contains(&false));
}
