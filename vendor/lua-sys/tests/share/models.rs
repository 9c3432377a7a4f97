//! Models of constant tables: a VM cannot tell a copy from a table made field by field.

use moonhive_lua_sys::lua as ffi;

use crate::state::{Limited, SharedImage, State, alone};

/// Lua functions that compare: `same(a, b)` for values, `ordered(a, b)` for the order of `next` as
/// well, and `both(source, how)` for what the chunk gives shared and privately.
const COMPARE: &str = r"
    function same(a, b, path, inner)
      path = path or 'result'
      if type(a) ~= 'table' or type(b) ~= 'table' then
        assert(math.type(a) == math.type(b) and a == b, path)
        return
      end
      assert(a ~= b and #a == #b, path .. ': length')
      inner = inner or same
      for k, v in pairs(a) do
        assert(b[k] ~= nil, path .. ': key')
        inner(v, b[k], path .. '.' .. tostring(k))
      end
      for k in pairs(b) do assert(a[k] ~= nil, path .. ': key') end
    end
    function ordered(a, b, path)
      same(a, b, path, ordered)
      if type(a) ~= 'table' then return end
      local ka, kb
      repeat
        ka, kb = next(a, ka), next(b, kb)
        assert(ka == kb and math.type(ka) == math.type(kb), path .. ': order')
      until ka == nil
    end
    function both(source, how)
      local private = assert(load(source, '@image.lua'))
      for _ = 1, 2 do
        -- Who assigns nil and then a value may see another order after a collection in between.
        if how == ordered then collectgarbage('stop') end
        local a, b = table.pack(shared()), table.pack(private())
        collectgarbage('restart')
        how(a, b, 'result')
      end
    end";

/// A state with the functions above.
fn comparing() -> State {
    let state = State::new();
    state.eval(COMPARE);
    state
}

/// Checks that a chunk gives the same shared and privately; returns how many tables have models.
fn check(state: &State, source: &str) -> usize {
    // Tables of a main function may get more room, and so another order.
    check_as(state, &format!("return (function(...) {source} end)(...)"), "ordered");
    check_as(state, source, "same")
}

fn check_as(state: &State, source: &str, how: &str) -> usize {
    let image = SharedImage::compile(source);
    state.clone_as("shared", &image);
    state.clone_as("renamed", &image.renamed("@other.lua"));
    state.eval(&format!(
        "local source = [=====[{source}]=====]
         local ok, message = pcall(both, source, {how})
         if not ok then error(message .. ' in ' .. source, 0) end
         shared = renamed
         both(source, {how})
         local private = load(source, '@image.lua')
         assert(string.dump(private, true) == string.dump(shared, true), 'dump')
         shared = load(string.dump(shared), 'dump', 'b')
         both(source, {how})"
    ));
    image.tables()
}

#[test]
fn copies_are_what_the_code_would_make() {
    let _alone = alone();
    let state = comparing();
    let long = "a string that is longer than forty characters, and so is compared by its contents";
    for (source, tables) in [
        ("return {}", 0),
        ("return { 1, 2.5, 'three', false, true }", 1),
        ("return { a = 1, b = 2.5, c = 'three', d = false, e = true }", 1),
        ("return { a = { b = { c = { 'd' } }, e = {} }, {}, { {} } }", 8),
        ("return { 1, a = 2, 3, [4] = 5, [-1] = 6, [1] = 7, [2.0] = 8 }", 1),
        ("return { a = 1, a = 2, a = { 1 }, a = { 2 }, b = nil, a = nil }", 0),
        ("return { a = 1, a = 2 }, { a = 1, a = nil, b = 2 }, { a = nil, nil, 1, nil }", 3),
        ("return { [1] = 'a', [2] = 'b', [1000000] = 'c', [math.maxinteger] = 'd' }", 1),
        ("return { 1, 2, ... }, { 1, 2, select(2, 3, 4, 5) }, { a = 1, b = ..., c = 3 }", 1),
        ("local x = 1 return { x, 2 }, { a = x, b = 2 }, { b = 2, a = x }", 1),
        ("return { [1.5] = 1, a = 2 }, { a = 2, [true] = 1 }, { 0.0, 1e300, -7 }", 2),
        (&format!("return {{ '{long}', a = '{long}' }}, {{ ['{long}'] = 1 }}"), 1),
        ("local t = {} local u = { 5 } t.u = u u.x = 1 t.y = 2 return t, u, t.u", 2),
        ("local t = {} local u = {} t.a = u t.b = u return t, u, t.a == t.b", 1),
        ("local t = { 0 } local a, b, c = 1, nil, 'x' t.a = a return t, a, b, c", 1),
        ("local t = {} t.self = t t.x = 1 return t.self == t, t.x", 1),
        ("local r = {} for i = 1, 3 do r[i] = { i = 1, { 'x' } } end return r", 2),
        (
            "local n = 0 ::top:: local t = { n = 1 } n = n + 1 if n < 3 then goto top end return t",
            1,
        ),
        ("return (function(a, b) return { a, b } end)({ 1, { 2 } }, 'x', { c = 1 })", 3),
        ("local function f(...) local t = { k = 'v' } return t, ... end return f(1, 2)", 1),
    ] {
        assert_eq!(check(&state, source), tables, "{source}");
    }
}

#[test]
fn long_lists_many_constants_and_big_tables_are_copied() {
    let _alone = alone();
    let state = comparing();
    let list: String =
        (0..700).map(|i| format!("{{ id = {i}, n = 'n_{i}', {{ {i}.5 }} }},")).collect();
    assert_eq!(check(&state, &format!("return {{ {list} }}")), 1401);
    let map: String = (0..300).map(|i| format!("[{}] = 'v_{i}', k_{i} = {i},", i * 7919)).collect();
    assert_eq!(check(&state, &format!("return {{ {map} }}")), 1);
    let huge: String = (0..3000).map(|i| format!("{{ {i} }},")).collect();
    assert_eq!(check(&state, &format!("return {{ {huge} }}")), 3000);
    let deep = format!("return {}1{}", "{".repeat(40), "}".repeat(40));
    assert_eq!(check(&state, &deep), 0, "tables inside so many others are made one by one");
}

/// Random text of constant constructors, mostly.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn value(&mut self, depth: u64) -> String {
        match self.below(12) {
            0 => self.below(100_000).to_string(),
            1 => format!("{}.5", self.below(1000)),
            2 => "true".into(),
            3 => "false".into(),
            4 if self.below(3) == 0 => "nil".into(),
            5 if self.below(12) == 0 => "(... or 3)".into(),
            6 | 7 if depth < 5 => self.table(depth + 1),
            8 => format!("'{}'", "long ".repeat(9 + self.below(3) as usize)),
            _ => format!("'word_{}'", self.below(60)),
        }
    }

    fn table(&mut self, depth: u64) -> String {
        let mut text = String::from("{ ");
        let (fields, kind) = (self.below(if depth < 2 { 40 } else { 9 }), self.below(5));
        for _ in 0..fields {
            let value = self.value(depth);
            let name = self.below(70);
            text += &match if kind < 4 { kind } else { self.below(4) } {
                0 => format!("key_{name} = {value}, "),
                1 | 2 => format!("{value}, "),
                _ => format!("[{}] = {value}, ", name as i64 - 9),
            };
        }
        text + "}"
    }
}

#[test]
fn random_constructors_give_the_same_shared_and_private() {
    let _alone = alone();
    for mode in ["incremental", "generational"] {
        let state = comparing();
        state.eval(&format!("collectgarbage('{mode}'); collectgarbage('param', 'stepsize', 100)"));
        let mut random = Random(20_261_128);
        let (rounds, mut tables) = (60, 0);
        for _ in 0..rounds {
            let (first, second) = (random.table(0), random.table(1));
            let after = random.value(2);
            tables += check(
                &state,
                &format!("local t = {first} t.later = {after} local u = {second} return t, u"),
            );
        }
        assert!(tables > 600, "only {tables} tables have models");
    }
}

#[test]
fn every_evaluation_and_every_vm_has_tables_of_its_own() {
    let _alone = alone();
    let image = SharedImage::compile("return function() return { list = { 1, 2 }, n = 1 } end");
    let (red, blue) = (State::new(), State::new());
    for state in [&red, &blue] {
        state.clone_as("chunk", &image);
        state.eval("make = chunk() a, b = make(), make()");
    }
    red.eval("a.n = 'mine' a.list[1] = 'mine' a.list[3] = 3 a.extra = 1 a.n = nil");
    for state in [&red, &blue] {
        let seen = state.eval("return b.n .. b.list[1] .. #b.list .. tostring(b.extra)");
        assert_eq!(seen, "112nil");
        assert_eq!(state.eval("return make().n .. #make().list"), "12");
    }
    assert_eq!(blue.eval("return a.n .. a.list[1] .. #a.list"), "112");
}

#[test]
fn a_copy_serves_as_a_metatable() {
    let _alone = alone();
    let state = State::new();
    let image = SharedImage::compile(
        "local Class = { __index = { x = 'found' }, __name = 'Class' }
         local Own = { kind = 'own' }
         Own.__index = Own
         local Late = {}
         local late = setmetatable({}, Late)
         local before = late.missing
         Late.__index = function() return 'late' end
         return setmetatable({}, Class).x .. setmetatable({ 1 }, Own).kind .. tostring(before) .. late.y",
    );
    state.clone_as("chunk", &image);
    assert_eq!(state.eval("return chunk()"), "foundownnillate");
}

#[test]
fn hooks_see_every_line_and_count_of_a_constructor() {
    let _alone = alone();
    let state = State::new();
    let source = "local t = {\n1,\n2,\na = {\n'x',\n'y'\n},\nb = 'z'\n}\nreturn t";
    let image = SharedImage::compile(source);
    state.clone_as("shared", &image);
    state.eval(&format!("private = load([[{source}]], '@image.lua')"));
    state.eval(
        "function traced(f, mask, count)
           local seen = {}
           debug.sethook(function(event, line)
             if debug.getinfo(2, 'f').func == f then
               seen[#seen + 1] = event .. tostring(line)
             end
           end, mask, count)
           f()
           debug.sethook()
           return table.concat(seen, ' ')
         end",
    );
    let lines = state.eval("return traced(shared, 'l')");
    assert_eq!(lines, state.eval("return traced(private, 'l')"));
    assert!(lines.split(' ').count() >= 8, "{lines}");
    let counts = state.eval("return traced(shared, '', 1)");
    assert_eq!(counts, state.eval("return traced(private, '', 1)"));
}

#[test]
fn a_vm_with_copies_of_the_keys_makes_tables_with_its_own() {
    let _alone = alone();
    let state = State::new();
    state.eval("word = table.concat{ 'bronze', '_model' }");
    let image = SharedImage::compile("return { bronze_model = { 'bronze_model' } }");
    assert_eq!(image.tables(), 2);
    state.clone_as("chunk", &image);
    assert_eq!(state.eval("return chunk()[word][1] == word"), "true");
}

#[test]
fn finalizers_run_between_the_tables_of_a_copy() {
    let _alone = alone();
    let rows: String = (0..900).map(|i| format!("{{ id = {i}, {{ 'x', {i} }} }},")).collect();
    let image = SharedImage::compile(&format!("return {{ {rows} }}"));
    for mode in ["incremental", "generational"] {
        let state = comparing();
        state.clone_as("chunk", &image);
        state.eval(&format!(
            "collectgarbage('{mode}')
             collectgarbage('param', 'stepsize', 64); collectgarbage('param', 'pause', 10)
             local ran, keep = 0, {{}}
             local function deep(n) return n > 0 and 1 + deep(n - 1) or 0 end
             local meta = {{ __gc = function() ran = ran + 1 deep(1000) keep[ran] = {{}} end }}
             local first = chunk()
             for i = 1, 20 do
               for _ = 1, 50 do setmetatable({{}}, meta) end
               coroutine.wrap(function() same(chunk(), first) end)()
             end
             collectgarbage()
             assert(ran > 500, ran)"
        ));
    }
}

#[test]
fn memory_may_end_at_any_allocation_of_a_copy() {
    let _alone = alone();
    let image = SharedImage::compile(
        "return (function()
           local t = { { 1, 2, a = { 'x' } }, b = { c = 1, d = 2, e = 3, f = 4, g = {} } } return t
         end)()",
    );
    assert_eq!(image.tables(), 5);
    for mode in ["incremental", "generational"] {
        let limited = Limited::new();
        let state = limited.state();
        state.clone_as("chunk", &image);
        state.eval(&format!("collectgarbage('{mode}') ok, t = pcall(chunk) t = nil"));
        state.eval("function attempt() ok, t = pcall(chunk) end attempt()");
        let mut failures = 0;
        for room in (0..2000).step_by(8) {
            state.eval("t = nil");
            state.collect();
            state.collect();
            let base = limited.used();
            // SAFETY: the function and its stack are there; what it needs otherwise is the test.
            unsafe {
                ffi::lua_getglobal(state.0, c"attempt".as_ptr());
                limited.set_limit(base + room);
                let status = ffi::lua_pcall(state.0, 0, 0, 0);
                limited.set_limit(usize::MAX);
                if status != ffi::LUA_OK {
                    ffi::lua_pop(state.0, 1);
                    state.eval("ok, t = false, 'not enough memory'");
                }
            }
            if state.eval("return ok") == "true" {
                assert_eq!(state.eval("return t[1].a[1] .. #t[1] .. t.b.f .. #t.b.g"), "x240");
            } else {
                failures += 1;
                assert_eq!(state.eval("return t"), "not enough memory");
            }
            state.eval("t = nil");
            state.collect();
            assert!(limited.used() <= base + 64, "a block is lost at {room}");
        }
        assert!((50..200).contains(&failures), "{failures} failures");
    }
}
