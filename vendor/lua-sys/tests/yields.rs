//! A yield that returns is a yield: programs see the same of `lua_leavek` as of `lua_yieldk`,
//! wherever they yield, and as often as they like.

use std::ffi::{CStr, CString, c_int};

use moonhive_lua_sys::host::lua_leavek;
use moonhive_lua_sys::lua::{
    LUA_OK, lua_CFunction, lua_KContext, lua_KFunction, lua_State, lua_close, lua_gettop,
    lua_pcall, lua_pushcclosure, lua_pushinteger, lua_setglobal, lua_tostring, lua_yieldk,
    luaL_loadstring, luaL_newstate, luaL_openlibs,
};

type Yield = unsafe extern "C-unwind" fn(
    *mut lua_State,
    c_int,
    lua_KContext,
    Option<lua_KFunction>,
) -> c_int;

/// The function that jumps, with the same signature.
unsafe extern "C-unwind" fn jump(
    state: *mut lua_State,
    results: c_int,
    context: lua_KContext,
    function: Option<lua_KFunction>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { lua_yieldk(state, results, context, function) }
}

/// The ways to yield: once, with what is resumed as results; or twice, and then with the number of
/// values of the last resume in front.
trait Way {
    const YIELD: Yield;
}
struct Jumping;
struct Returning;
impl Way for Jumping {
    const YIELD: Yield = jump;
}
impl Way for Returning {
    const YIELD: Yield = lua_leavek;
}

unsafe extern "C-unwind" fn once<W: Way>(state: *mut lua_State) -> c_int {
    // SAFETY: a plain frame that does nothing more.
    unsafe { (W::YIELD)(state, lua_gettop(state), 0, None) }
}

unsafe extern "C-unwind" fn twice<W: Way>(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe { (W::YIELD)(state, lua_gettop(state), 1, Some(again::<W>)) }
}

unsafe extern "C-unwind" fn again<W: Way>(
    state: *mut lua_State,
    _status: c_int,
    context: lua_KContext,
) -> c_int {
    // SAFETY: as above; there is room for a value.
    unsafe {
        if context > 0 {
            return (W::YIELD)(state, lua_gettop(state), context - 1, Some(again::<W>));
        }
        lua_pushinteger(state, lua_gettop(state).into());
        lua_gettop(state)
    }
}

/// Runs a program that returns a text; `once` and `twice` yield.
fn told<W: Way>(program: &str) -> String {
    // SAFETY: the state is this test's own, and everything in it is called protected.
    unsafe {
        let state = luaL_newstate();
        assert!(!state.is_null());
        luaL_openlibs(state);
        let functions: [(&CStr, lua_CFunction); 2] = [(c"once", once::<W>), (c"twice", twice::<W>)];
        for (name, function) in functions {
            lua_pushcclosure(state, function, 0);
            lua_setglobal(state, name.as_ptr());
        }
        let text = CString::new([PRELUDE, program].concat()).unwrap();
        let status = match luaL_loadstring(state, text.as_ptr()) {
            LUA_OK => lua_pcall(state, 0, 1, 0),
            status => status,
        };
        let told = CStr::from_ptr(lua_tostring(state, -1)).to_string_lossy().into_owned();
        lua_close(state);
        assert_eq!(status, LUA_OK, "{told}");
        told
    }
}

/// `drive(f)` runs `f` in a coroutine, hands it the numbers from 1 on, and notes what comes back.
const PRELUDE: &str = r#"
    local lines = {}
    local function note(...)
      local texts = table.pack(...)
      for i = 1, texts.n do texts[i] = tostring(texts[i]):gsub("0x%x+", "?") end
      lines[#lines + 1] = table.concat(texts, " ")
    end
    local function drive(f, ...)
      local co = coroutine.create(f)
      local values = table.pack(coroutine.resume(co, ...))
      for i = 1, 40 do
        note(coroutine.status(co), table.unpack(values, 1, values.n))
        if coroutine.status(co) == "dead" then break end
        values = table.pack(coroutine.resume(co, i, -i))
      end
      return table.concat(lines, "\n")
    end
"#;

#[track_caller]
fn assert_same(program: &str) {
    let (jumped, returned) = (told::<Jumping>(program), told::<Returning>(program));
    assert_eq!(jumped, returned, "in\n{program}");
    assert!(returned.lines().count() > 1, "nothing was yielded: {returned}");
}

#[test]
fn calls_of_every_kind_go_on_with_what_they_are_resumed_with() {
    for body in [
        "local a, b = once(7) return a, b",
        "return once(7)",
        "once() return (twice(7, 8))",
        "return twice(7, 8)",
        "local t = {once(1), twice(2)} return table.unpack(t)",
        "for i = 1, 5 do once(i) end",
        "local function deep(n) if n == 0 then return once('deep') end return 1 + deep(n - 1) end
         return deep(30)",
        "local function tail(n) if n == 0 then return once('tail') end return tail(n - 1) end
         return tail(30)",
        "return (function(...) return once(...) end)(1, 2, 3)",
        "local o = setmetatable({}, {__call = once}) return o(5)",
        "local s <close> = setmetatable({}, {__close = function() once('closing') end})
         return once('open')",
    ] {
        assert_same(&format!("return drive(function(...) {body} end, 'x', 'y')"));
    }
    assert_same("return drive(once, 1, 2)");
    assert_same("return drive(twice, 1, 2)");
}

#[test]
fn calls_through_c_and_metamethods_yield_as_before() {
    for body in [
        "return pcall(once, 1)",
        "return pcall(function() once(1) twice(2) error('late') end)",
        "return xpcall(function() return once(1) + nil end, function(m) return 'handled ' .. m end)",
        "return (setmetatable({}, {__index = function(_, k) return (once(k)) end})).field",
        "return setmetatable({}, {__add = function(a, b) return (once(b)) end}) + 3",
        "return setmetatable({}, {__concat = once}) .. 'x'",
        "for v in once, 1, 2 do if v > 3 then break end once(v) end",
        "for v in coroutine.wrap(function() once(1) once(2) end) do once(v) end",
        "once() return pcall(table.sort, {3, 1, 2}, function(a, b) once() return a < b end)",
        "once() return select('#', pcall(string.gsub, 'abc', '.', function() once() end))",
        "local ok, m = pcall(function() local c <close> = setmetatable({}, {__close = once}) error('x') end)
         return ok, m",
        "local inner = coroutine.wrap(function(a) return once(twice(a)) end)
         local got = inner(1) once(got) return inner(2), inner(3)",
        "once() return pcall(load, function() once() end)",
    ] {
        assert_same(&format!("return drive(function(...) {body} end, 'x', 'y')"));
    }
}

#[test]
fn a_yield_under_a_hook_and_one_that_ends_in_an_error_are_as_before() {
    assert_same(
        "local co = coroutine.running()
         return drive(function()
           local count = 0
           debug.sethook(function() count = count + 1 end, 'crl', 1)
           once(1)
           local x = twice(2)
           debug.sethook()
           once(count > 0)
           local y = once(3)
           error({} == y and 1 or 'the end')
         end)",
    );
    assert_same("return drive(function() once(1) local x = nil + 1 end)");
    assert_same("return drive(function() for _ = 1, 200 do once() end end)");
}

#[test]
fn the_main_state_refuses_to_yield_as_before() {
    let program = "note(pcall(once)) note(pcall(twice)) return table.concat(lines, '\\n')";
    assert_same(program);
}
