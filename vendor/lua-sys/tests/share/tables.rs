//! Shared tables: that they read like tables, cannot be written, keep the rule of one address per
//! content, and are given back.

use moonhive_lua_sys::lua as ffi;
use moonhive_lua_sys::share;

use crate::state::{SharedImage, State, alone, stats};

/// Makes the tree of a seed in any VM, and compares two trees.
const TREES: &str = r#"
  local function random(seed)
    local state = seed * 2862933555777941757 + 3037000493
    return function(n)
      state = state * 6364136223846793005 + 1442695040888963407
      return (state >> 33) % n
    end
  end

  local function word(next)
    local n = next(60)
    if n < 50 then return "w" .. n end
    return ("long"):rep(20) .. n
  end

  local function tree(next, depth, all)
    local t = {}
    all[#all + 1] = t
    local function value()
      local kind = next(9)
      if kind == 0 then return next(2) == 0 end
      if kind == 1 then return next(1000) - 500 end
      if kind == 2 then return next(1000) / 7 end
      if kind < 6 then return word(next) end
      if kind == 6 then return all[next(#all) + 1] end
      if depth > 0 then return tree(next, depth - 1, all) end
      return word(next)
    end
    for i = 1, next(12) do t[i] = value() end
    for _ = 1, next(12) do
      local kind = next(6)
      local key = kind == 0 and next(40) or kind == 1 and next(40) / 3 or kind == 2 and next(2) == 0
        or word(next)
      t[key] = value()
    end
    for _ = 1, next(4) do t[next(14)] = nil end
    return t
  end

  function make(seed)
    return tree(random(seed), 4, {})
  end

  function same(a, b, seen)
    seen = seen or {}
    if type(a) ~= "table" then
      return rawequal(a, b) and math.type(a) == math.type(b)
    end
    if seen[a] then return seen[a] == b end
    seen[a] = b
    local keys = 0
    for k, v in pairs(a) do
      assert(same(v, rawget(b, k), seen), k)
      assert(same(v, b[k], seen), k)
      keys = keys + 1
    end
    for k, v in next, b do
      assert(a[k] ~= nil and same(a[k], v, seen), k)
      keys = keys - 1
    end
    local n = #b
    assert(n == rawlen(b) and (n == 0 or b[n] ~= nil) and b[n + 1] == nil)
    for i, v in ipairs(b) do assert(rawequal(v, b[i])) end
    assert(keys == 0 and b.absent == nil and b[-1] == nil and b[0.5] == a[0.5])
    return true
  end
"#;

fn with_trees() -> State {
    let state = State::new();
    state.eval(TREES);
    state
}

/// Lets Lua code take the table of an image by `take()`. The image must outlive the state's use.
fn with_take(state: &State, image: &SharedImage) {
    unsafe extern "C-unwind" fn take(state: *mut ffi::lua_State) -> i32 {
        // SAFETY: the upvalue is the address of an image that outlives the call; a plain frame.
        unsafe {
            let image = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast();
            share::lua_pushshared(state, image);
        }
        1
    }
    // SAFETY: the state is open; the function goes straight to a global.
    unsafe {
        ffi::lua_pushlightuserdata(state.0, image.0.cast());
        ffi::lua_pushcclosure(state.0, take, 1);
        ffi::lua_setglobal(state.0, c"take".as_ptr());
    }
}

#[test]
fn any_tree_reads_back_equal_in_another_vm() {
    let _alone = alone();
    let publisher = with_trees();
    for seed in 1..=150 {
        let image = SharedImage::of_table(&publisher, &format!("make({seed})"), "tree").unwrap();
        // One VM with copies of its own of nearly all strings, one born after the publication.
        let older = with_trees();
        older.eval(&format!("mine = make({seed})"));
        older.take_as("shared", &image);
        assert_eq!(older.eval("return same(mine, shared)"), "true", "seed {seed}");
        let younger = with_trees();
        younger.take_as("shared", &image);
        let code = format!("return same(make({seed}), shared)");
        assert_eq!(younger.eval(&code), "true", "seed {seed}");
        older.collect();
        older.census();
        assert_eq!(older.eval("return same(mine, shared)"), "true", "seed {seed}");
        // And back again: shared tables are tables to share.
        let again = SharedImage::of_table(&older, "shared", "again").unwrap();
        older.take_as("again", &again);
        assert_eq!(older.eval("return same(mine, again)"), "true", "seed {seed}");
    }
}

#[test]
fn a_vm_gives_up_its_own_copies_of_strings_wherever_they_are() {
    let _alone = alone();
    let (state, other) = (State::new(), State::new());
    state.eval(
        r#"
        local n = 0
        function word() return "fresh" .. "word" .. n end
        local up = word()
        keys, list, meta = { [word()] = 1 }, { word() }, setmetatable({}, { [word()] = 2 })
        uservalue, weak = io.tmpfile(), setmetatable({ [word()] = word() }, { __mode = "k" })
        co = coroutine.wrap(function(w) local x = coroutine.yield(w) return x == w, w end)
        co(word())
        upvalue = function() return up end
        compiled = load("return ... == '" .. word() .. "', ({ " .. word() .. " = 3 })[...]")
        find = string.gsub
        "#,
    );
    let code = "{ [('freshword') .. 0] = 'value', list = { ('fresh') .. 'word0' } }";
    let image = SharedImage::of_table(&other, code, "words").unwrap();
    let before = stats().replacements;
    // The subject of `gsub` is a copy that C looks at while it is replaced.
    with_take(&state, &image);
    state.eval(
        r#"
        local seen = {}
        local res = find(word(), "%a+", function(s)
          shared = take()
          collectgarbage() collectgarbage()
          seen[#seen + 1] = s
          return s
        end)
        assert(res == word() and seen[1] == "freshword")
        "#,
    );
    assert_eq!(stats().replacements, before + 1);
    let checks = r#"
        local w = word()
        assert(shared[w] == "value" and shared.list[1] == w)
        assert(keys[w] == 1 and list[1] == w and getmetatable(meta)[w] == 2)
        assert(keys[shared.list[1]] == 1 and next(keys) == w and weak[w] == w)
        assert(upvalue() == w)
        local same, field = compiled(w)
        assert(same and field == 3)
    "#;
    state.eval(checks);
    state.collect();
    state.census();
    state.collect();
    state.eval(checks);
    assert_eq!(state.eval("return co(word())"), "true");
    assert_eq!(stats().replacements, before + 1);
}

#[test]
fn a_traversal_goes_on_after_the_keys_were_replaced() {
    let _alone = alone();
    let (state, other) = (State::new(), State::new());
    state.eval("t = {} for i = 1, 50 do t['k' .. i] = i end key = next(t) for _ = 1, 20 do key = next(t, key) end");
    state.eval("t[key] = nil");
    state.collect();
    let image = SharedImage::of_table(
        &other,
        "(function() local t = {} for i = 1, 50 do t['k' .. i] = i end return t end)()",
        "k",
    )
    .unwrap();
    state.take_as("shared", &image);
    let left =
        "local n = 0 for k, v in next, t, key do assert(shared[k] == v) n = n + 1 end return n";
    assert_eq!(state.eval(left), "29");
}

#[test]
fn writes_are_refused_with_the_name_and_the_path() {
    let _alone = alone();
    let state = State::new();
    let image = SharedImage::of_table(
        &state,
        "{ rows = { { id = 1 } }, ['a b'] = {}, [1.5] = {} }",
        "data",
    )
    .unwrap();
    state.take_as("t", &image);
    for (code, message) in [
        (
            "t.rows[1].id = 2",
            "=test:1: shared table 'data' is read-only: cannot change 'rows[1].id'",
        ),
        ("t.rows[1].id = nil", "cannot change 'rows[1].id'"),
        ("t['a b'].x = 1", "cannot change '[\"a b\"].x'"),
        ("t[1.5][true] = 1", "cannot change '[1.5][true]'"),
        (
            "rawset(t.rows, 1, 1)",
            "=test:1: shared table 'data' is read-only: cannot change 'rows[1]'",
        ),
        ("setmetatable(t, nil)", "=test:1: shared table 'data' is read-only"),
        ("debug.setmetatable(t.rows, {})", "cannot change the metatable of 'rows'"),
        ("table.insert(t.rows, 1)", "cannot change 'rows[2]'"),
        ("table.move({ 1 }, 1, 1, 5, t.rows)", "cannot change 'rows[5]'"),
        ("local _ENV = t; rows = 1", "cannot change 'rows'"),
    ] {
        let error = state.run(code).expect_err(code);
        assert!(error.contains(message.trim_start_matches("=")), "{code}: {error}");
    }
    assert_eq!(state.eval("return t.rows[1].id .. #t.rows"), "11");
}

#[test]
fn the_raw_c_api_refuses_as_well() {
    let _alone = alone();
    unsafe extern "C-unwind" fn write(state: *mut ffi::lua_State) -> i32 {
        // SAFETY: called with a table and the number of a way to write; a plain frame.
        unsafe {
            ffi::lua_settop(state, 2);
            ffi::lua_pushboolean(state, 1);
            match ffi::lua_tointeger(state, 2) {
                0 => ffi::lua_rawseti(state, 1, 1),
                1 => ffi::lua_rawset(state, 1),
                2 => ffi::lua_rawsetp(state, 1, std::ptr::null()),
                _ => {
                    ffi::lua_createtable(state, 0, 0);
                    ffi::lua_setmetatable(state, 1);
                }
            }
        }
        0
    }
    let state = State::new();
    let image = SharedImage::of_table(&state, "{ 7 }", "raw").unwrap();
    state.take_as("t", &image);
    // SAFETY: the state is open; the function goes straight to a global.
    unsafe {
        ffi::lua_pushcclosure(state.0, write, 0);
        ffi::lua_setglobal(state.0, c"write".as_ptr());
    }
    for number in 0..4 {
        let error = state.run(&format!("write(t, {number})")).expect_err("a write");
        assert!(error.contains("shared table 'raw' is read-only"), "{error}");
    }
    assert_eq!(state.eval("return t[1] == 7 and next(t, 1) == nil"), "true");
}

#[test]
fn what_cannot_be_shared_is_named_with_its_path() {
    let _alone = alone();
    let state = State::new();
    let before = stats();
    for (code, message) in [
        ("{ a = { 1, { b = print } } }", "'a[2].b' is a function of C"),
        ("{ setmetatable({}, {}) }", "'[1]' is a table with a metatable"),
        ("setmetatable({}, {})", "the table has a metatable"),
        ("{ [{}] = 1 }", "'[a table]' is a key that is no string, number or boolean"),
        ("{ x = coroutine.create(print) }", "'x' is a coroutine"),
        ("7", "number is not a table"),
    ] {
        let refusal = SharedImage::of_table(&state, code, "bad").err();
        assert_eq!(refusal.as_deref(), Some(message), "{code}");
    }
    assert_eq!(stats().shares, before.shares);
    assert_eq!(stats().strings - stats().limbo, before.strings - before.limbo);
}

#[test]
fn a_retired_image_goes_when_a_full_collection_finds_no_table_of_it() {
    let _alone = alone();
    for mode in ["incremental", "generational"] {
        let before = stats();
        let state = State::new();
        state.eval(&format!("collectgarbage('{mode}')"));
        let image = SharedImage::of_table(&state, "{ inner = { { 1 } } }", "old").unwrap();
        state.take_as("t", &image);
        state.eval("inner = t.inner[1]; t = nil");
        state.collect();
        assert_eq!(image.users(), 1, "{mode}: published tables stay");
        image.retire();
        state.collect();
        assert_eq!(image.users(), 1, "{mode}: an inner table is in use");
        state.eval("co = coroutine.wrap(function(t) coroutine.yield() return t[1] end)");
        state.eval("co(inner); inner = setmetatable({}, inner)");
        state.collect();
        assert_eq!(image.users(), 1, "{mode}: a coroutine has it");
        assert_eq!(state.eval("return co()"), "1");
        state.eval("co = nil");
        state.collect();
        assert_eq!(image.users(), 1, "{mode}: it is a metatable");
        state.eval("inner = nil");
        state.collect();
        state.collect();
        assert_eq!(image.users(), 0, "{mode}");
        drop(image);
        assert_eq!(stats().shares, before.shares);
    }
}

#[test]
fn weak_tables_let_go_of_retired_tables() {
    let _alone = alone();
    let state = State::new();
    let image = SharedImage::of_table(&state, "{ { 1 }, { 2 } }", "weak").unwrap();
    state.take_as("t", &image);
    state.eval("values = setmetatable({ t, t[1], x = t[2] }, { __mode = 'v' })");
    state.eval("keys = setmetatable({ [t] = {}, [t[1]] = 2, y = 3 }, { __mode = 'k' })");
    state.eval("t = nil");
    state.collect();
    assert_eq!(state.eval("return values[1][1] == values[2] and keys[values[2]]"), "2");
    image.retire();
    state.collect();
    state.collect();
    assert_eq!(image.users(), 0);
    assert_eq!(state.eval("return next(values) == nil and next(keys)"), "y");
}

#[test]
fn a_compiler_at_work_is_not_disturbed() {
    let _alone = alone();
    let (state, other) = (State::new(), State::new());
    state.eval("own = 'mid' .. 'way'");
    let image = SharedImage::of_table(&other, "{ ['mid' .. 'way'] = 1 }", "midway").unwrap();
    with_take(&state, &image);
    let error = state.eval(
        "local n = 0
         local f, message = load(function()
           n = n + 1
           if n == 1 then return 'return midway' end
           if n == 2 then take() end
         end)
         return message",
    );
    assert!(
        error.contains("cannot take a shared table while a chunk is being compiled"),
        "{error}"
    );
    assert_eq!(state.eval("return take()[own]"), "1");
}

#[test]
fn an_image_is_as_large_as_what_it_holds() {
    let _alone = alone();
    let state = State::new();
    let code = "(function() local t = {} for i = 1, 1000 do t[i] = i end return t end)()";
    let image = SharedImage::of_table(&state, code, "list").unwrap();
    // A table, an empty node, and 1,000 values with a byte for the tag.
    assert!(image.size() <= 56 + 24 + 9 * 1000 + 8, "{} bytes", image.size());
}
