//! Chunks written for Lua 5.4 may assign to loop variables, when a VM asks for that.

use crate::state::{State, alone};
use moonhive_lua_sys::share::{OPTION_COMPAT_54, OPTION_SHARE_ALL};

fn compatible() -> State {
    let state = State::new();
    state.option(OPTION_COMPAT_54, true);
    state
}

#[test]
fn without_the_option_a_loop_variable_is_constant() {
    let _alone = alone();
    let message = State::new().run("for i = 1, 2 do\n  i = 3\nend").unwrap_err();
    assert_eq!(message, "test:2: attempt to assign to const variable 'i'");
}

#[test]
fn an_assignment_changes_a_copy_and_not_the_iteration() {
    let _alone = alone();
    let state = compatible();
    for (code, result) in [
        ("local r = '' for i = 1, 3 do i = i * 10 r = r .. i .. ' ' end return r", "10 20 30 "),
        ("local r = '' for i = 3, 1, -1 do r = r .. i i = 100 end return r", "321"),
        (
            "local r = '' for x = 1.0, 2.0, 0.5 do x = x + 1 r = r .. x .. ' ' end return r",
            "2.0 2.5 3.0 ",
        ),
        (
            "local r = '' for k, v in pairs{ a = 1 } do k = k .. 'x' v = v + 1 r = k .. v end return r",
            "ax2",
        ),
        ("local r for _, _ in ipairs{ 7 } do r = _ _ = nil end return r", "7"),
        (
            "local f = {} for i = 1, 2 do i = i + 10 f[i - 10] = function() i = i + 1 return i end end \
          return f[1]() .. f[1]() .. f[2]()",
            "121313",
        ),
        (
            "local n = 0 for i = 1, 3 do i = 9 for j = 1, 2 do j = j + i n = n + j end end return n",
            "63",
        ),
        ("for i = 1, 3 do i = i if i == 2 then goto out end end ::out:: return 'out'", "out"),
    ] {
        assert_eq!(state.eval(code), result, "{code}");
    }
}

#[test]
fn a_variable_declared_constant_stays_constant() {
    let _alone = alone();
    let message = compatible().run("local c <const> = 1; for i = 1, 2 do i = 2 end c = 3");
    assert_eq!(message.unwrap_err(), "test:1: attempt to assign to const variable 'c'");
}

#[test]
fn chunks_that_need_no_copies_get_none() {
    let _alone = alone();
    let code = "return string.dump(load('for i = 1, 3 do print(i) end', '=x', 't'), true)";
    assert_eq!(State::new().eval(code), compatible().eval(code));
}

#[test]
fn readers_are_read_once_also_when_the_chunk_is_compiled_twice() {
    let _alone = alone();
    let state = compatible();
    let code = "local parts, n = { 'for i = 1, 2 do ', 'i = i + 1 ', 'end ', 'return 5' }, 0
        local f = assert(load(function() n = n + 1 return parts[n] end))
        return f() .. ':' .. n";
    assert_eq!(state.eval(code), "5:5");
    state.option(OPTION_SHARE_ALL, true);
    assert_eq!(state.eval(code), "5:5");
}

#[test]
fn a_reader_may_collect_garbage_in_both_attempts() {
    let _alone = alone();
    // Each piece is one on the stack of `load`, in place of the one before. After the first attempt
    // there is none, and what lies there instead keeps the second attempt's chunk alive.
    let code = "
        local text = 'local s = 0 for i = 1, 3 do i = i * 2 s = s + i end return function() return s .. [[ done]] end'
        for size = 1, 60 do
          local at = 1
          local f = assert(load(function()
            collectgarbage()
            local piece = text:sub(at, at + size - 1)
            at = at + size
            for n = 1, 20 do local _ = { n, ('x'):rep(n * 10) } end
            return piece
          end))
          collectgarbage()
          assert(f()() == '12 done', size)
        end
        return 'done'";
    assert_eq!(compatible().eval(code), "done");
}

#[test]
fn a_chunk_inside_a_reader_is_compiled_by_its_own_rules() {
    let _alone = alone();
    let code = "local done
        local f = assert(load(function()
          if done then return nil end
          done = true
          assert(load('for i = 1, 2 do i = 3 end'))
          return 'return select(2, load(\"local c <const> = 1; c = 2\"))'
        end))
        return f()";
    let answer = compatible().eval(code);
    assert!(answer.ends_with("attempt to assign to const variable 'c'"), "{answer}");
}
