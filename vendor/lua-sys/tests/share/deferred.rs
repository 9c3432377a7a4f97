//! Deferred tables: a VM cannot tell one that is filled when something looks into it from one that
//! was made at once.

use moonhive_lua_sys::lua as ffi;

use crate::state::{Limited, SharedImage, State, alone};

/// A table of a main function that is large enough to be deferred, with tables that are, too.
const DATA: &str = "
    local data = {
      'first', 'second', 'third',
      { id = 1, name = 'one', price = 1.5, tags = { 'a', 'b' }, rate = 4 },
      { id = 2, name = 'two', price = 2.5, tags = {}, rate = 5 },
      key = 'value', absent = nil, [0] = 'zero', [-1.5 * 2] = 'minus three',
      __index = { inherited = 'yes', other = 'no', third = 3, fourth = 4, fifth = 5 },
    }
    return data";

/// Calls `fresh` for a table that nothing has looked into yet.
fn state_with(source: &str) -> (State, SharedImage) {
    let image = SharedImage::compile(source);
    let state = State::new();
    state.clone_as("fresh", &image);
    (state, image)
}

/// What a table takes beyond itself, when nothing but `look` is done with it.
fn kilobytes(state: &State, look: &str) -> f64 {
    let text = state.eval(&format!(
        "collectgarbage() local before = collectgarbage('count')
         local t = fresh() {look} collectgarbage() return collectgarbage('count') - before"
    ));
    text.parse().unwrap()
}

#[test]
fn a_table_takes_memory_for_what_was_looked_into() {
    let _alone = alone();
    let rows: String =
        (0..500).map(|i| format!("{{ id = {i}, name = 'n_{i}', list = {{ {i}, 2 }} }},")).collect();
    let (state, _image) = state_with(&format!("return {{ {rows} }}"));
    let untouched = kilobytes(&state, "");
    let rows_only = kilobytes(&state, "local n = #t");
    // Both look for the names of functions in all modules.
    let errors = kilobytes(
        &state,
        "package.loaded.data = t debug.traceback('x') pcall(string.rep) package.loaded.data = nil",
    );
    assert!(errors < 0.6, "{errors}");
    let one_row = kilobytes(&state, "local id = t[7].id");
    let all = kilobytes(&state, "for _, row in ipairs(t) do local x = row.id + #row.list end");
    assert!(untouched < 0.4, "{untouched}");
    assert!((20.0..35.0).contains(&rows_only), "{rows_only}");
    assert!((one_row - rows_only).abs() < 0.5, "{one_row}, {rows_only}");
    assert!(all > rows_only * 3.0, "{all}");
}

#[test]
fn every_way_to_look_into_a_table_finds_what_is_in_it() {
    let _alone = alone();
    let (state, _image) = state_with(DATA);
    for (look, found) in [
        ("return t[1]", "first"),
        ("return t.key", "value"),
        ("return t[0] .. t[-3]", "zerominus three"),
        ("local k = 'key' return t[k]", "value"),
        ("return #t", "5"),
        ("return rawlen(t)", "5"),
        ("return rawget(t, 'key')", "value"),
        ("return select(2, next(t))", "first"),
        ("return select(2, next(t, 1))", "second"),
        ("return (next(t, 'nowhere'))", "test:1: invalid key to 'next'"),
        ("local n = 0 for _ in pairs(t) do n = n + 1 end return n", "9"),
        ("local n = 0 for _ in ipairs(t) do n = n + 1 end return n", "5"),
        ("return table.concat(t, ',', 1, 3)", "first,second,third"),
        ("return (select(3, table.unpack(t)))", "third"),
        ("return table.remove(t, 1) .. #t", "first4"),
        ("table.insert(t, 1, 'new') return t[1] .. t[2] .. #t", "newfirst6"),
        ("return table.move(t, 1, 5, 3, {})[7].name", "two"),
        ("return table.move({ 'x' }, 1, 1, 2, t)[2] .. t[3]", "xthird"),
        ("return ((('key'):gsub('.*', t)))", "value"),
        ("t.key = nil return tostring(t.key)", "nil"),
        ("t.key = 'new' return t.key .. t[1]", "newfirst"),
        ("t.added = 'new' return t.added .. t.key", "newvalue"),
        ("t[1] = nil return tostring(t[1]) .. t[2]", "nilsecond"),
        ("t[0] = nil return tostring(t[0]) .. t[2]", "nilsecond"),
        ("t[6] = 'sixth' return t[6] .. #t", "sixth6"),
        ("rawset(t, 'key', nil) return tostring(t.key) .. t[1]", "nilfirst"),
        ("t[nil] = 1", "test:1: table index is nil"),
        ("t[0/0] = 1", "test:1: table index is NaN"),
        ("return t[nil] == nil and t[0/0] == nil", "true"),
        ("return setmetatable(t, { __index = t[4] }).price", "1.5"),
        ("setmetatable(t, nil) return t[1]", "first"),
        ("return setmetatable({}, t).inherited", "yes"),
        ("return setmetatable({}, { __index = t }).key", "value"),
        ("return setmetatable({}, { __index = t.__index }).inherited", "yes"),
        (
            "setmetatable({}, { __newindex = t }).key = nil return tostring(t.key) .. t[1]",
            "nilfirst",
        ),
        ("setmetatable({}, { __newindex = t }).key = 'n' return t.key .. t[1]", "nfirst"),
        ("return (load('return key', '', 't', t))()", "value"),
        ("load('key = nil', '', 't', t)() return tostring(t.key) .. t[1]", "nilfirst"),
        ("return t[4].name .. t[5].name .. #t[4].tags .. #t[5].tags", "onetwo20"),
        ("local row = t[4] t[4] = nil return row.tags[2]", "b"),
        ("return t[4] == t[4] and t[4] ~= t[5] and t == t", "true"),
        ("local u = {} u[t] = 1 local _ = t[1] return u[t]", "1"),
        ("local text = tostring(t) local _ = t[1] return tostring(t) == text", "true"),
        ("table.sort(t, function(a, b) return tostring(a) < tostring(b) end) return t[1]", "first"),
        ("return #table.pack(table.unpack(t, 1, 5))", "5"),
        ("debug.traceback('x') return t.key", "value"),
        ("return t.key.x", "nil"),
        ("return t.absent.x", "test:1: attempt to index a nil value (field 'absent')"),
    ] {
        for first in ["", "collectgarbage('generational') collectgarbage() collectgarbage() "] {
            let code = format!("local t = fresh() {first}{look}");
            let result = state.run(&code).unwrap_or_else(|message| message);
            assert!(
                result == found || result.ends_with(found.trim_start_matches("test:1: ")),
                "{code}: {result}"
            );
            state.eval("collectgarbage('incremental')");
        }
    }
}

#[test]
fn each_evaluation_has_tables_of_its_own() {
    let _alone = alone();
    let (state, _image) = state_with(DATA);
    state.eval(
        "local a, b = fresh(), fresh()
         assert(a ~= b and a[4] ~= b[4] and a[4].tags ~= b[4].tags)
         a[4].name = 'changed' a.key = 'changed'
         assert(b[4].name == 'one' and b.key == 'value' and fresh()[4].name == 'one')",
    );
}

#[test]
fn a_table_that_nothing_has_looked_into_keeps_its_image() {
    let _alone = alone();
    let image = SharedImage::compile(DATA);
    let state = State::new();
    for mode in ["incremental", "generational"] {
        state.clone_as("fresh", &image);
        state.eval(&format!("collectgarbage('{mode}') t = fresh() fresh = nil"));
        (0..3).for_each(|_| state.collect());
        assert_eq!(image.users(), 1, "{mode}");
        state.eval("row = t[4] t = nil");
        (0..3).for_each(|_| state.collect());
        assert_eq!(image.users(), 1, "the tags of the row are not read yet");
        assert_eq!(state.eval("return row.tags[1]"), "a");
        (0..3).for_each(|_| state.collect());
        assert_eq!(image.users(), 0, "{mode}");
        assert_eq!(state.eval("return row.name .. row.tags[2]"), "oneb");
        state.eval("row = nil");
    }
}

#[test]
fn collections_at_any_time_lose_nothing() {
    let _alone = alone();
    let rows: String =
        (0..60).map(|i| format!("{{ {i}, {{ 'x{i}', {{ {i} }} }}, k = {i} }},")).collect();
    let (state, _image) = state_with(&format!("return {{ {rows} }}"));
    for mode in ["incremental", "generational"] {
        state.eval(&format!(
            "collectgarbage('{mode}')
             for round = 1, 40 do
               local t = fresh()
               for i = 1, 60 do
                 local garbage = {{ {{}}, {{}} }}
                 local place = (i * 37 + round) % 60 + 1
                 local row = t[place]
                 if (i + round) % 3 == 0 then collectgarbage('step', 0) end
                 assert(row[1] == place - 1 and row.k == row[1])
                 assert(row[2][1] == 'x' .. row.k and row[2][2][1] == row.k)
                 row[2][2][1] = {{ row }}
               end
               collectgarbage('step', 10)
               for i, row in ipairs(t) do assert(row[2][2][1][1] == row, i) end
             end"
        ));
    }
}

#[test]
fn without_memory_a_table_stays_as_it_was() {
    let _alone = alone();
    let image = SharedImage::compile(DATA);
    for mode in ["incremental", "generational"] {
        let limited = Limited::new();
        let state = limited.state();
        state.clone_as("fresh", &image);
        state.eval(&format!("collectgarbage('{mode}') fresh()"));
        state.eval("function look() return t[4].tags[1] .. #t end t = fresh() look()");
        let mut failures = 0;
        for room in (0..1500).step_by(8) {
            state.eval("t = fresh()");
            state.collect();
            let base = limited.used();
            // SAFETY: the function and its stack are there; the error is a value of the state.
            let status = unsafe {
                ffi::lua_getglobal(state.0, c"look".as_ptr());
                limited.set_limit(base + room);
                let status = ffi::lua_pcall(state.0, 0, 0, 0);
                limited.set_limit(usize::MAX);
                if status != ffi::LUA_OK {
                    ffi::lua_pop(state.0, 1);
                }
                status
            };
            failures += i32::from(status == ffi::LUA_ERRMEM);
            assert!(status == ffi::LUA_OK || status == ffi::LUA_ERRMEM);
            assert_eq!(state.eval("return look()"), "a5");
            state.eval("t = nil");
            state.collect();
            assert!(limited.used() < base, "a block is lost at {room}");
        }
        assert!((20..150).contains(&failures), "{failures} failures");
    }
}

#[test]
fn what_the_function_writes_next_is_made_at_once() {
    let _alone = alone();
    let list: String = (0..60).map(|i| format!("'item {i}',")).collect();
    let (state, _image) = state_with(&format!("local t = {{ {list} }} return t"));
    assert!(kilobytes(&state, "") < 0.4);
    let (state, _image) = state_with(&format!("local t = {{ {list} }} t.x = 1 return t"));
    assert!(kilobytes(&state, "") > 0.6);
    let (state, _image) = state_with(&format!("return {{ {list} (...) or 'last' }}"));
    assert_eq!(
        state.eval("local t = fresh() return #t .. t[1] .. t[60] .. t[61]"),
        "61item 0item 59last"
    );
}

#[test]
fn a_table_that_is_a_variable_as_well_is_made_at_once() {
    let _alone = alone();
    let list: String = (0..20).map(|i| format!("{i},")).collect();
    for store in
        ["t[1] = inner", "t.a = inner t.b = inner", "t.a = { inner }", "do t[1] = inner end"]
    {
        let (state, _image) = state_with(&format!(
            "local t = {{ {list} }} local inner = {{ {list} {{ {list} }} }} {store}
             local again = inner return again, t, inner"
        ));
        state.eval(
            "local again, t, inner = fresh()
             assert(again == inner and #inner == 21 and #inner[21] == 20)
             local found = t[1] == inner or t.a == inner or t.a[1] == inner
             assert(found and #t == 20)",
        );
    }
}

#[test]
fn a_metatable_may_go_while_a_table_behind_it_is_filled() {
    let _alone = alone();
    let image = SharedImage::compile(DATA);
    let limited = Limited::new();
    let state = limited.state();
    state.clone_as("fresh", &image);
    state.eval(
        "function object()
           local weak = setmetatable({}, { __mode = 'v' })
           weak.__index = setmetatable({}, { __index = fresh() })
           weak.__mode = 'v'
           return setmetatable({}, setmetatable(weak, weak))
         end
         function look() return o.key end",
    );
    for room in (0..1500).step_by(16) {
        state.eval("o = object()");
        // SAFETY: the function and its stack are there; the error is a value of the state.
        unsafe {
            ffi::lua_getglobal(state.0, c"look".as_ptr());
            limited.set_limit(limited.used() + room);
            let status = ffi::lua_pcall(state.0, 0, 1, 0);
            limited.set_limit(usize::MAX);
            assert!(status == ffi::LUA_OK || status == ffi::LUA_ERRMEM);
            ffi::lua_pop(state.0, 1);
        }
    }
}

/// Reads the table on top of the stack.
///
/// # Safety
/// There is one, and room for two values.
unsafe fn reads_length(state: *mut ffi::lua_State) -> bool {
    // SAFETY: by contract.
    unsafe { ffi::lua_rawlen(state, -1) == 5 }
}

/// # Safety
/// As [`reads_length`].
unsafe fn reads_item(state: *mut ffi::lua_State) -> bool {
    // SAFETY: by contract.
    unsafe { ffi::lua_rawgeti(state, -1, 1) == ffi::LUA_TSTRING }
}

/// # Safety
/// As [`reads_length`].
unsafe fn reads_next(state: *mut ffi::lua_State) -> bool {
    // SAFETY: by contract.
    unsafe {
        ffi::lua_pushnil(state);
        ffi::lua_next(state, -2) == 1
    }
}

/// # Safety
/// As [`reads_length`].
unsafe fn takes_metatable(state: *mut ffi::lua_State) -> bool {
    // SAFETY: by contract.
    unsafe {
        ffi::lua_pushnil(state);
        ffi::lua_setmetatable(state, -2) == 1
    }
}

#[test]
fn raw_access_from_c_is_refused_no_memory() {
    let _alone = alone();
    let image = SharedImage::compile(DATA);
    let limited = Limited::new();
    let state = limited.state();
    state.clone_as("fresh", &image);
    let reads: [unsafe fn(*mut ffi::lua_State) -> bool; 4] =
        [reads_length, reads_item, reads_next, takes_metatable];
    for read in reads {
        state.eval("t = fresh()");
        state.collect();
        // SAFETY: the table is there, and the stack has room for what is read.
        unsafe {
            ffi::lua_getglobal(state.0, c"t".as_ptr());
            let base = limited.used();
            limited.set_limit(base);
            assert!(read(state.0), "outside any protected call");
            limited.set_limit(usize::MAX);
            assert!(limited.used() > base, "it was filled");
            ffi::lua_settop(state.0, 0);
        }
    }
    for code in ["next(t)", "rawlen(t)", "rawget(t, 1)", "rawset(t, 1, 2)", "setmetatable(t, nil)"]
    {
        state.eval(&format!("function look() {code} end t = fresh()"));
        (0..3).for_each(|_| state.collect());
        // SAFETY: as above.
        unsafe {
            ffi::lua_getglobal(state.0, c"look".as_ptr());
            limited.set_limit(limited.used());
            let status = ffi::lua_pcall(state.0, 0, 0, 0);
            limited.set_limit(usize::MAX);
            assert_eq!(status, ffi::LUA_ERRMEM, "{code}: code of Lua is refused memory");
            ffi::lua_settop(state.0, 0);
        }
    }
}
