//! A call in place is a call: the interpreter gets of a function what `pcall` gets of it, whatever
//! kind of function it is, however many arguments it takes and results are wanted, and whatever it
//! does to the stack and to hooks meanwhile.

use std::ffi::{CStr, CString, c_int};

use moonhive_lua_sys::lua::{
    LUA_OK, lua_CFunction, lua_State, lua_checkstack, lua_close, lua_gettop, lua_insert, lua_pcall,
    lua_pushcclosure, lua_pushinteger, lua_pushvalue, lua_setglobal, lua_settop, lua_toclose,
    lua_tostring, luaL_loadstring, luaL_newstate, luaL_openlibs,
};

/// Returns its arguments behind their number.
unsafe extern "C-unwind" fn count(state: *mut lua_State) -> c_int {
    // SAFETY: a plain frame with room for a value.
    unsafe {
        let top = lua_gettop(state);
        lua_pushinteger(state, top.into());
        lua_insert(state, 1);
        top + 1
    }
}

/// Returns nothing, however many arguments it gets.
unsafe extern "C-unwind" fn nothing(_state: *mut lua_State) -> c_int {
    0
}

/// Returns its arguments from a stack that has moved.
unsafe extern "C-unwind" fn moving(state: *mut lua_State) -> c_int {
    // SAFETY: as in `count`.
    unsafe {
        assert_eq!(lua_checkstack(state, 20_000), 1);
        lua_gettop(state)
    }
}

/// Returns its arguments but for the first one, which is closed at its end.
unsafe extern "C-unwind" fn closing(state: *mut lua_State) -> c_int {
    // SAFETY: as in `count`.
    unsafe {
        lua_toclose(state, 1);
        lua_gettop(state) - 1
    }
}

/// Leaves values below its two results.
unsafe extern "C-unwind" fn untidy(state: *mut lua_State) -> c_int {
    // SAFETY: as in `count`.
    unsafe {
        lua_settop(state, 5);
        lua_pushvalue(state, 1);
        lua_pushvalue(state, 2);
        2
    }
}

/// Runs a program that returns a text.
fn run(program: &str) -> String {
    let functions: [(&CStr, lua_CFunction); 5] = [
        (c"count", count),
        (c"nothing", nothing),
        (c"moving", moving),
        (c"closing", closing),
        (c"untidy", untidy),
    ];
    let program = CString::new(program).unwrap();
    // SAFETY: a state of its own, closed at the end; its text is copied before.
    unsafe {
        let state = luaL_newstate();
        luaL_openlibs(state);
        for (name, function) in functions {
            lua_pushcclosure(state, function, 0);
            lua_setglobal(state, name.as_ptr());
        }
        lua_pushinteger(state, 7);
        lua_pushcclosure(state, count, 1);
        lua_setglobal(state, c"count_up".as_ptr());
        let is_fine = luaL_loadstring(state, program.as_ptr()) == LUA_OK
            && lua_pcall(state, 0, 1, 0) == LUA_OK;
        let text = CStr::from_ptr(lua_tostring(state, -1)).to_str().unwrap().to_owned();
        lua_close(state);
        assert!(is_fine, "{text}");
        text
    }
}

/// Every function with every number of arguments and results, once called by the interpreter and
/// once by `pcall`, in a coroutine whose stack is small and in one whose stack is large.
const PAIRS: &str = r##"
local closed = 0
local guard = setmetatable({}, { __close = function() closed = closed + 1 end })
local functions = {
  count = count, count_up = count_up, nothing = nothing, moving = moving, untidy = untidy,
  closing = function(...)
    closing(guard, ...)
    local first = closing(guard, ...)
    local a, b, c = closing(guard, ...)
    return first, a, b, c
  end,
  none = function() return 1, 2 end,
  two = function(a, b) return b, a end,
  five = function(a, b, c, d, e) return e, d, c, b, a end,
  rest = function(a, ...) return a, select("#", ...), ... end,
  object = setmetatable({}, { __call = function(self, ...) return ... end }),
}
local function show(...)
  local words = { select("#", ...) }
  for at = 1, select("#", ...) do words[#words + 1] = tostring((select(at, ...))) end
  return table.concat(words, " ")
end
local calls = {}
for arguments = 0, 6 do
  local list = table.concat({ "1", "2", "3", "4", "5", "6" }, ", ", 1, arguments)
  local separator = arguments > 0 and ", " or ""
  local direct, through = ("f(%s)"):format(list), ("pcall(f%s%s)"):format(separator, list)
  for _, form in ipairs {
    "%s return show()", "local a = %s return show(a)", "local a, b = %s return show(a, b)",
    "local a, b, c, d = %s return show(a, b, c, d)", "return show(%s)", "return show((%s))",
    "local t = { %s } return show(#t)",
  } do
    local cut = "local function cut(_, ...) return ... end "
    local one = load(("local f, show = ... %s"):format(form:format(direct)))
    local other = load(("local f, show = ... %s%s"):format(cut, form:format("cut(" .. through .. ")")))
    calls[#calls + 1] = { one, other, form:format(direct) }
  end
end
local count = 0
local function compare()
  for name, f in pairs(functions) do
    for _, call in ipairs(calls) do
      local one, other = call[1](f, show), call[2](f, show)
      assert(one == other, ("%s: %s: %s, %s"):format(name, call[3], one, other))
      count = count + 1
    end
  end
end
compare()
coroutine.wrap(compare)()
local function deep(levels) if levels > 0 then deep(levels - 1) else compare() end end
coroutine.wrap(deep)(150)
assert(closed == 3 * 3 * 2 * #calls, closed)
return tostring(count)
"##;

#[test]
fn functions_of_every_kind_answer_the_interpreter_as_they_answer_pcall() {
    assert_eq!(run(PAIRS), (3 * 11 * 7 * 7).to_string());
}

#[test]
fn hooks_see_calls_and_returns_in_place_even_those_set_by_the_called_function() {
    let events = run(r##"
        local events = {}
        local function note(event)
          local info = debug.getinfo(2, "nS")
          events[#events + 1] = event .. " " .. tostring(info.name)
        end
        local function inner(a) return a end
        -- Leaves a frame, so that what follows is done in place.
        nothing()
        debug.sethook(note, "cr")
        local x = inner(1)
        nothing()
        debug.sethook()
        return table.concat(events, ", ")
    "##);
    let expected = "return sethook, call inner, return inner, call nothing, return nothing, \
                    call sethook";
    assert_eq!(events, expected);
}

#[test]
fn a_call_in_place_makes_sure_of_room_and_finds_its_place_on_a_stack_that_moved() {
    let text = run(r##"
        -- In a coroutine with a small stack, which has a frame of an earlier call.
        local function afresh(f, ...)
          return coroutine.wrap(function(...) nothing() return f(...) end)(...)
        end
        local many = {}
        for at = 1, 190 do many[at] = ("local v%d = %d "):format(at, at) end
        local large = load("return function(a) " .. table.concat(many) .. "return a + v190 end")()
        local words = {}
        afresh(function()
          local before = 1
          local a = moving(7, 8)
          local b = large(2)
          words = { before, a, b }
        end)
        afresh(function()
          local before = 3
          local b = large(4)
          words[#words + 1] = before + b
        end)
        return table.concat(words, " ")
    "##);
    assert_eq!(text, "1 7 192 197");
}

#[test]
fn an_endless_recursion_ends_with_an_error_and_leaves_the_state_usable() {
    let text = run(r##"
        local function in_lua(n) return 1 + in_lua(n + 1) end
        local function through_c(n)
          local fine, depth = pcall(through_c, n + 1)
          return fine and depth or n
        end
        local fine, message = pcall(in_lua, 1)
        local words = { tostring(fine), message:match "stack overflow", select("#", count(1, 2, 3)) }
        return table.concat(words, " ") .. " " .. tostring(through_c(1) > 100)
    "##);
    assert_eq!(text, "false stack overflow 4 true");
}
