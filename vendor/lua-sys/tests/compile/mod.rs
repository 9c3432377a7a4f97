//! A state that only compiles, text in pieces, and an allocator that refuses.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::{ptr, slice};

use moonhive_lua_sys::lua as ffi;

/// The code of a program, as `string.dump` writes it, or the message.
pub type Outcome = Result<Vec<u8>, Vec<u8>>;

/// A text cut into pieces of that size.
pub fn pieces_of(text: &[u8], size: usize) -> Vec<&[u8]> {
    text.chunks(size.max(1)).collect()
}

/// What a reader hands out. A piece is overwritten when the next one is asked for: the compiler
/// must not look at it any more.
struct Pieces<'a> {
    rest: slice::Iter<'a, &'a [u8]>,
    current: Vec<u8>,
}

unsafe extern "C-unwind" fn read(
    _: *mut ffi::lua_State,
    pieces: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: `compile` passes its own `Pieces`, and Lua a place for the size.
    unsafe {
        let pieces = &mut *pieces.cast::<Pieces<'_>>();
        pieces.current.fill(b'?');
        // Exactly as long as the piece, so that a sanitizer sees each byte that is read behind it.
        pieces.current = pieces.rest.next().map_or_else(Vec::new, |piece| piece.to_vec());
        *size = pieces.current.len();
        pieces.current.as_ptr().cast()
    }
}

unsafe extern "C-unwind" fn write(
    _: *mut ffi::lua_State,
    bytes: *const c_void,
    size: usize,
    code: *mut c_void,
) -> c_int {
    // Lua 5.5 tells the end by a call without bytes.
    if size > 0 {
        // SAFETY: `compile` passes its own vector; the bytes stay for the call.
        unsafe {
            let bytes = slice::from_raw_parts(bytes.cast::<u8>(), size);
            (*code.cast::<Vec<u8>>()).extend_from_slice(bytes);
        }
    }
    0
}

/// Compiles what the reader gives piece by piece.
pub fn compile(state: &State<'_>, pieces: &[&[u8]]) -> Outcome {
    let mut input = Pieces { rest: pieces.iter(), current: Vec::new() };
    let mut code = Vec::new();
    // SAFETY: the state is this thread's own; loading runs protected, and writing a dump into a
    // vector of ours raises nothing.
    unsafe {
        let name = c"=program";
        let user_data = ptr::from_mut(&mut input).cast();
        let status = ffi::lua_load(state.state, read, user_data, name.as_ptr(), ptr::null());
        state.refusal.stop(); // a dump needs memory too
        let outcome = if status == ffi::LUA_OK {
            ffi::lua_dump(state.state, write, ptr::from_mut(&mut code).cast(), 0);
            Ok(code)
        } else {
            Err(state.text_on_top())
        };
        ffi::lua_settop(state.state, 0);
        outcome
    }
}

/// A state with the libraries, closed when dropped.
pub struct State<'a> {
    state: *mut ffi::lua_State,
    refusal: &'a Refusal,
}

impl<'a> State<'a> {
    /// A state whose allocations can be refused.
    pub fn new(refusal: &'a Refusal) -> State<'a> {
        // SAFETY: a new state belongs to nobody else; `allocate` gets the refusal, which lives
        // longer.
        unsafe {
            let state = ffi::lua_newstate(allocate, ptr::from_ref(refusal).cast_mut().cast(), 0);
            assert!(!state.is_null());
            ffi::luaL_openlibs(state);
            State { state, refusal }
        }
    }

    /// The number that a program returns.
    pub fn evaluate(&self, text: &str) -> f64 {
        // SAFETY: the state is this thread's own, and everything runs protected.
        unsafe {
            let (start, size) = (text.as_ptr().cast(), text.len());
            let name = c"=program".as_ptr();
            let status = match ffi::luaL_loadbufferx(self.state, start, size, name, ptr::null()) {
                ffi::LUA_OK => ffi::lua_pcall(self.state, 0, 1, 0),
                status => status,
            };
            assert_eq!(status, ffi::LUA_OK, "{:?}", String::from_utf8(self.text_on_top()));
            let number = ffi::lua_tonumberx(self.state, -1, ptr::null_mut());
            ffi::lua_settop(self.state, 0);
            number
        }
    }

    /// The number that a numeral is.
    pub fn number(&self, numeral: &str) -> f64 {
        self.evaluate(&format!("return {numeral} "))
    }

    /// # Safety
    /// A string is on top of the stack.
    unsafe fn text_on_top(&self) -> Vec<u8> {
        let mut size = 0;
        // SAFETY: by contract; the bytes are copied while the string lies there.
        unsafe {
            let start = ffi::lua_tolstring(self.state, -1, &raw mut size);
            slice::from_raw_parts(start.cast::<u8>(), size).to_vec()
        }
    }
}

impl Drop for State<'_> {
    fn drop(&mut self) {
        // SAFETY: the state is open, and nobody uses it after this.
        unsafe { ffi::lua_close(self.state) };
    }
}

/// Which allocations are refused: none at first.
#[derive(Default)]
pub struct Refusal {
    /// Allocations still to come before one is refused.
    left: Cell<usize>,
    /// How many are refused then.
    count: Cell<usize>,
}

impl Refusal {
    /// From now on, until the next program is compiled, refuses so many allocations from that
    /// number on.
    pub fn start(&self, number: usize, count: usize) {
        self.left.set(number);
        self.count.set(count);
    }

    /// Refuses nothing more. `left` stays zero if the first one was reached.
    fn stop(&self) {
        self.count.set(0);
    }

    /// True if there were not as many allocations as `start` was told.
    pub fn was_too_late(&self) -> bool {
        self.left.get() > 0
    }

    fn refuses(&self) -> bool {
        if self.count.get() == 0 {
            return false;
        }
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            return false;
        }
        self.count.set(self.count.get() - 1);
        true
    }
}

unsafe extern "C" fn allocate(
    refusal: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: each state has a `Refusal` that outlives it, and `realloc` and `free` get
    // what they gave.
    unsafe {
        if new == 0 {
            libc::free(block);
            return ptr::null_mut();
        }
        let grows = block.is_null() || new > old;
        if grows && (*refusal.cast::<Refusal>()).refuses() {
            return ptr::null_mut();
        }
        libc::realloc(block, new)
    }
}
