//! Every loop of a script ends when its VM is interrupted, also loops inside the libraries.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use crate::state::{State, alone};
use moonhive_lua_sys::lua as ffi;
use moonhive_lua_sys::share::{self, INTERRUPT_KILL, INTERRUPT_NONE, INTERRUPT_ONCE};

static VICTIM: AtomicPtr<ffi::lua_State> = AtomicPtr::new(std::ptr::null_mut());
static KIND: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(INTERRUPT_ONCE);

extern "C" fn on_signal(_signal: libc::c_int) {
    let state = VICTIM.load(Ordering::SeqCst);
    if !state.is_null() {
        // SAFETY: the handler runs on the thread that runs the state, which is open while VICTIM
        // names it.
        unsafe { share::lua_interrupt(state, KIND.load(Ordering::SeqCst)) };
    }
}

/// The line that the teller was told last.
static LINE: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
static TOLD: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

extern "C" fn on_question(_signal: libc::c_int) {
    let state = VICTIM.load(Ordering::SeqCst);
    if !state.is_null() {
        // SAFETY: as in `on_signal`.
        unsafe { share::lua_asktotell(state) };
    }
}

unsafe extern "C-unwind" fn teller(state: *mut ffi::lua_State) {
    // SAFETY: the state runs, and nothing is pushed. A call without a line is a C function; what
    // called it has one.
    unsafe {
        let mut call = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
        let mut level = 0;
        while ffi::lua_getstack(state, level, call.as_mut_ptr()) != 0 {
            ffi::lua_getinfo(state, c"l".as_ptr(), call.as_mut_ptr());
            if call.assume_init_ref().currentline > 0 {
                LINE.store(call.assume_init_ref().currentline, Ordering::SeqCst);
                break;
            }
            level += 1;
        }
    }
    TOLD.fetch_add(1, Ordering::SeqCst);
}

/// Runs a chunk while another thread keeps asking where it is, which ends when it was told `times`.
fn asked(code: &str, times: u32) -> Result<String, String> {
    let state = State::new();
    // SAFETY: as in `interrupted`.
    let thread = unsafe {
        libc::signal(libc::SIGURG, on_question as *const () as libc::sighandler_t);
        share::lua_setteller(state.0, Some(teller));
        ffi::lua_register(state.0, c"told".as_ptr(), told);
        libc::pthread_self()
    };
    TOLD.store(0, Ordering::SeqCst);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        VICTIM.store(state.0, Ordering::SeqCst);
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) && TOLD.load(Ordering::SeqCst) < times {
                std::thread::sleep(Duration::from_millis(2));
                // SAFETY: as in `interrupted`.
                unsafe { libc::pthread_kill(thread, libc::SIGURG) };
            }
        });
        let result = state.run(code);
        VICTIM.store(std::ptr::null_mut(), Ordering::SeqCst);
        done.store(true, Ordering::SeqCst);
        result
    })
}

/// How often the teller was called.
unsafe extern "C-unwind" fn told(state: *mut ffi::lua_State) -> libc::c_int {
    // SAFETY: a function of the C API may push a result.
    unsafe { ffi::lua_pushinteger(state, TOLD.load(Ordering::SeqCst).into()) };
    1
}

/// Runs a chunk while another thread keeps interrupting it; gives the error message.
fn interrupted(kind: i32, code: &str) -> Result<String, String> {
    let state = State::new();
    // SAFETY: the handler is async-signal-safe; the thread is this one, alive until the scope ends.
    let thread = unsafe {
        libc::signal(libc::SIGURG, on_signal as *const () as libc::sighandler_t);
        libc::pthread_self()
    };
    KIND.store(kind, Ordering::SeqCst);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        VICTIM.store(state.0, Ordering::SeqCst);
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
                // SAFETY: the interrupted thread waits for this one before it ends.
                unsafe { libc::pthread_kill(thread, libc::SIGURG) };
            }
        });
        let result = state.run(code);
        VICTIM.store(std::ptr::null_mut(), Ordering::SeqCst);
        done.store(true, Ordering::SeqCst);
        result
    })
}

#[test]
fn endless_loops_of_instructions_end() {
    let _alone = alone();
    for code in [
        "while true do end",
        "for i = 1, math.huge do end",
        "local function f() return f() end f()",
        "local function f() f2 = f end while true do f() end",
        "::again:: goto again",
        "local co = coroutine.wrap(function() while true do end end) co()",
        "local a = coroutine.wrap(function() while true do coroutine.yield() end end) while true do a() end",
        "setmetatable({}, { __gc = function() while true do end end }) collectgarbage() while true do end",
        "do local c <close> = setmetatable({}, { __close = function() while true do end end }) end",
        "local co = coroutine.create(function()
           local c <close> = setmetatable({}, { __close = function() while true do end end })
           coroutine.yield()
         end)
         coroutine.resume(co)
         assert(coroutine.close(co))",
        "for k in next, setmetatable({}, {}) do end local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do pcall(function() return t[1] end) end",
    ] {
        let message = interrupted(INTERRUPT_KILL, code).unwrap_err();
        assert!(message.contains("interrupted"), "{code}: {message}");
    }
}

#[test]
fn endless_loops_inside_the_libraries_end() {
    let _alone = alone();
    for code in [
        "string.find(('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40))",
        "string.match(('a'):rep(200000), '.-b')  while true do string.find(('a'):rep(5000), '.-.-.-b') end",
        "string.gsub(('x'):rep(1e9), '.', pcall)",
        "string.gsub(('x'):rep(1e8), '.', function() pcall(error) end)",
        "table.sort(table.pack(('x'):rep(200000):byte(1, 200000)), pcall) \
         while true do local t = {} for i = 1, 1e5 do t[i] = i % 7 end table.sort(t) end",
        "table.move({}, 1, math.maxinteger - 1, 2)",
        "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, math.maxinteger)",
        "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)",
        "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
        "load(collectgarbage)",
        "while true do ('x'):rep(1e6) end",
        "string.find(('a'):rep(3e6), ('a'):rep(1.5e6) .. 'b', 1, true)  while true do end",
    ] {
        let message = interrupted(INTERRUPT_KILL, code).unwrap_err();
        assert!(message.contains("interrupted"), "{code}: {message}");
    }
}

#[test]
fn a_kill_cannot_be_caught_but_a_single_interruption_can() {
    let _alone = alone();
    let forever = "while true do pcall(function() while true do end end) end";
    assert!(interrupted(INTERRUPT_KILL, forever).is_err());
    let once = "local ok, message = pcall(function() while true do end end) return message";
    let message = interrupted(INTERRUPT_ONCE, once).unwrap();
    assert_eq!(message, "test:1: interrupted");
}

#[test]
fn code_that_is_asked_where_it_is_tells_the_line_and_goes_on() {
    let _alone = alone();
    for code in [
        "local sum = 0\nwhile told() < 3 do sum = sum + 1 end\nreturn 'done'",
        "local told = told\nrepeat local n = told() until n >= 3\nreturn 'done'",
        "local co = coroutine.wrap(function()\nwhile told() < 3 do coroutine.yield(1) end\nend)\nwhile co() do end return 'done'",
        "local text = ('a'):rep(200)\nwhile told() < 3 do text:find '.-.-.-b' end return 'done'",
    ] {
        assert_eq!(asked(code, 3).as_deref(), Ok("done"), "{code}");
        let line = LINE.load(Ordering::SeqCst);
        assert!((2..=4).contains(&line), "line {line} of {code}");
    }
}

#[test]
fn a_question_ends_nothing_and_an_interruption_comes_through_it() {
    let _alone = alone();
    let state = State::new();
    // SAFETY: the state is open and runs nothing.
    unsafe {
        share::lua_asktotell(state.0);
        assert_eq!(share::lua_interrupted(state.0), INTERRUPT_NONE);
        share::lua_interrupt(state.0, INTERRUPT_ONCE);
        assert_eq!(share::lua_interrupted(state.0), INTERRUPT_ONCE);
    }
    assert_eq!(state.run("local x = 1").unwrap_err(), "test:1: interrupted");
    assert_eq!(state.eval("return tostring(debug.gethook())"), "nil");
}

#[test]
fn after_an_interruption_the_vm_runs_on() {
    let _alone = alone();
    let state = State::new();
    // SAFETY: the state is open and runs nothing.
    unsafe {
        share::lua_interruptmessage(state.0, c"turn limit of 1 s reached".as_ptr());
        share::lua_interrupt(state.0, INTERRUPT_KILL);
    }
    assert_eq!(state.run("local x = 1").unwrap_err(), "test:1: turn limit of 1 s reached");
    // SAFETY: as above.
    unsafe {
        assert_eq!(share::lua_interrupted(state.0), INTERRUPT_KILL);
        share::lua_clearinterrupt(state.0);
        assert_eq!(share::lua_interrupted(state.0), INTERRUPT_NONE);
    }
    assert_eq!(state.eval("local s = 0 for i = 1, 10 do s = s + i end return s"), "55");
    assert_eq!(state.eval("return tostring(debug.gethook())"), "nil");
}
