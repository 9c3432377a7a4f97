//! Functions in shared tables: that they are values as in any table, run with the globals of
//! whoever calls them, and are given back.

use moonhive_lua_sys::share::OPTION_SHARE_ALL;

use crate::state::{SharedImage, State, alone, stats};

/// A state in which every chunk is an image first, as with the code cache, or none is.
fn publisher(shares_all: bool) -> State {
    let state = State::new();
    state.option(OPTION_SHARE_ALL, shares_all);
    state
}

/// Shares what an expression gives, with code of either kind.
fn both(expression: &str, check: impl Fn(&SharedImage)) {
    for shares_all in [false, true] {
        let state = publisher(shares_all);
        check(&SharedImage::of_table(&state, expression, "functions").unwrap());
    }
}

fn reader(image: &SharedImage) -> State {
    let state = State::new();
    state.take_as("t", image);
    state
}

#[test]
fn a_function_runs_with_the_globals_of_whoever_calls_it() {
    let _alone = alone();
    let table = "{ get = function() return who end, set = function(value) who = value end }";
    both(table, |image| {
        let (one, other) = (reader(image), reader(image));
        one.eval("who = 'one'");
        other.eval("t.set 'other'");
        assert_eq!(one.eval("return t.get()"), "one");
        assert_eq!(other.eval("return t.get() .. who"), "otherother");
    });
}

#[test]
fn a_function_can_be_called_in_every_way() {
    let _alone = alone();
    let table = "{
        plain = function(a, b) return a + b end,
        tail = function(t, ...) return t.plain(...) end,
        method = function(self, n) return self.base + n end, base = 40,
        many = function(...) return select('#', ...), ... end,
        iterate = function(n, i) if i < n then return i + 1 end end,
        less = function(a, b) return a > b end,
        upper = function(word) return word:upper() end,
        wait = function(a) local b = coroutine.yield(a) return a + b end,
        counter = function() local n = 0 return function() n = n + 1 return n end end,
        fail = function() error('on purpose', 0) end,
        __index = function(_, key) return key .. '?' end,
        __call = function(_, a) return 'called ' .. a end,
        __add = function(a, b) return 'sum' end,
        __close = function() closed = true end,
        __gc = function() collected = true end,
        __eq = function() return true end,
      }";
    both(table, |image| {
        let state = reader(image);
        for (code, expected) in [
            ("return t.plain(40, 2)", "42"),
            ("local n = 0 for _ = 1, 100 do n = n + t.plain(1, 1) end return n", "200"),
            ("return t.tail(t, 40, 2)", "42"),
            ("return (function(...) return t.plain(...) end)(1, 2)", "3"),
            ("return t:method(2)", "42"),
            ("return t.many(nil, nil, nil)", "3"),
            ("local n = 0 for i in t.iterate, 10, 0 do n = n + i end return n", "55"),
            ("local l = { 1, 3, 2 } table.sort(l, t.less) return table.concat(l)", "321"),
            ("return (('a b'):gsub('%a', t.upper))", "A B"),
            (
                "local c = coroutine.create(t.wait) coroutine.resume(c, 1)
              return select(2, coroutine.resume(c, 2))",
                "3",
            ),
            ("local next = t.counter() next() return next() + t.counter()()", "3"),
            ("return select(2, pcall(t.fail))", "on purpose"),
            ("return select(2, xpcall(error, t.upper, 'oh'))", "OH"),
            ("return setmetatable({}, t).what", "what?"),
            ("return setmetatable({}, t)(7)", "called 7"),
            ("return setmetatable({}, t) + 1", "sum"),
            ("do local x <close> = setmetatable({}, t) end return closed", "true"),
            ("setmetatable({}, t) collectgarbage() return collected", "true"),
            ("return setmetatable({}, t) == setmetatable({}, t)", "true"),
            ("return load(string.dump(t.plain))(40, 2)", "42"),
            ("return debug.getinfo(t.plain, 'u').nparams", "2"),
            ("return debug.getinfo(t.plain, 'S').what", "Lua"),
            ("return debug.getupvalue(t.wait, 1)", "nil"),
            ("return debug.upvalueid(t.wait, 1)", "nil"),
            ("return debug.setupvalue(t.wait, 1, {})", "nil"),
            ("return pcall(debug.upvaluejoin, t.wait, 1, function() return t end, 1)", "false"),
            ("return pcall(debug.upvaluejoin, function() return t end, 1, t.wait, 1)", "false"),
            ("return debug.getlocal(t.plain, 1)", "a"),
            ("return debug.getlocal(t.plain, 3)", "nil"),
            ("local n = 0 debug.sethook(t.many, '', 1) debug.sethook() return n", "0"),
        ] {
            assert_eq!(state.eval(code), expected, "{code}");
        }
    });
}

#[test]
fn a_function_is_one_value_wherever_it_is_read() {
    let _alone = alone();
    let table = "(function()
        local f = function() return 1 end
        return { f = f, list = { f, function() return 2 end }, keys = { f = 1 } }
      end)()";
    both(table, |image| {
        let state = reader(image);
        state.eval(
            "local f = t.f
             assert(f == t.f and rawequal(f, t.list[1]) and f ~= t.list[2])
             assert(type(f) == 'function' and tostring(f) == tostring(t.f))
             f() assert(f == t.f)
             local set = { [f] = 'f', [t.list[2]] = 'other' }
             collectgarbage()
             assert(set[t.f] == 'f' and set[t.list[2]] == 'other')
             local weak = setmetatable({ [f] = f }, { __mode = 'kv' })
             collectgarbage()
             assert(weak[t.f] == t.f)",
        );
        // And it can be shared again.
        let again = SharedImage::of_table(&state, "{ t.f, t = t }", "again").unwrap();
        let other = reader(&again);
        assert_eq!(other.eval("assert(t[1] == t.t.f) return t[1]() + t.t.list[2]()"), "3");
    });
}

#[test]
fn what_refers_to_more_than_globals_is_refused_with_its_path() {
    let _alone = alone();
    for shares_all in [false, true] {
        let state = publisher(shares_all);
        for (table, message) in [
            ("{ a = { print } }", "'a[1]' is a function of C"),
            ("{ a = { b = coroutine.wrap(print) } }", "'a.b' is a function of C"),
            (
                "(function() local n = 0 return { f = function() n = n + 1 end } end)()",
                "'f' is a function with the upvalue 'n'",
            ),
            (
                "(function() local g = _G return { f = function() return g end } end)()",
                "'f' is a function with the upvalue 'g'",
            ),
            (
                "{ f = load('return x', '=x', 't', {}) }",
                "'f' is a function with globals of its own",
            ),
            (
                "(function() local n = 0 return { f = function() return print(n) end } end)()",
                "'f' is a function with the upvalue",
            ),
            (
                "{ f = function(env) _ENV = env end }",
                "'f' is a function that changes its globals for others",
            ),
            (
                "{ f = function() return function(env) _ENV = env end end }",
                "'f' is a function that changes its globals for others",
            ),
            ("{ [print] = 1 }", "'[a function]' is a key that is no string, number or boolean"),
        ] {
            let refused = SharedImage::of_table(&state, table, "refused").err().expect(table);
            assert!(refused.starts_with(message), "{table}: {refused}");
        }
    }
    assert_eq!(stats().shares, 0);
}

#[test]
fn names_that_a_vm_made_itself_are_the_same_in_shared_code() {
    let _alone = alone();
    for shares_all in [false, true] {
        let state = publisher(shares_all);
        // The publisher has copies of its own, too: its code runs with private constants.
        state.eval("keep = { [('shared') .. 'name' .. 1] = 'old' }");
        let table = "{ get = function(t) return t.sharedname1, t.sharedname2 end }";
        let image = SharedImage::of_table(&state, table, "names").unwrap();
        let older = State::new();
        older.eval("mine = { [('shared') .. 'name' .. 1] = 'one', ['sharedname' .. 2] = 'two' }");
        older.take_as("t", &image);
        assert_eq!(older.eval("return table.concat({ t.get(mine) }, ' ')"), "one two");
        state.take_as("t", &image);
        assert_eq!(state.eval("return t.get(keep)"), "old");
    }
}

#[test]
fn code_of_a_function_is_freed_when_nobody_uses_it() {
    let _alone = alone();
    for shares_all in [false, true] {
        let table = "{ f = function() return function() return 'inner' end end }";
        let image = SharedImage::of_table(&publisher(shares_all), table, "functions").unwrap();
        let state = reader(&image);
        assert_eq!(state.eval("f = t.f inner = f() return inner()"), "inner");
        image.retire();
        let collected = |code| {
            state.eval(code);
            state.collect();
            state.collect();
            (image.users(), stats().images)
        };
        assert_eq!(collected("t = nil"), (1, 1), "the function keeps its table");
        assert_eq!(state.eval("return f()()"), "inner");
        assert_eq!(collected("f = nil"), (0, 1), "a closure that it made keeps the code only");
        drop(image);
        assert_eq!((stats().shares, stats().images), (0, 1));
        assert_eq!(state.eval("return inner()"), "inner");
        state.eval("inner = nil");
        state.collect();
        assert_eq!(stats().images, 0);
    }
}

#[test]
fn a_function_that_runs_outlives_the_table_it_came_from() {
    let _alone = alone();
    let table = "{ f = function() coroutine.yield() return ('still') .. ' here' end }";
    let image = SharedImage::of_table(&publisher(false), table, "functions").unwrap();
    let state = reader(&image);
    state.eval("co = coroutine.wrap(t.f) co() t = nil");
    image.retire();
    state.collect();
    state.collect();
    assert_eq!(image.users(), 0);
    drop(image);
    state.collect();
    assert_eq!(state.eval("return co()"), "still here");
}

#[test]
fn collections_of_either_kind_may_come_at_any_time() {
    let _alone = alone();
    let table = "(function()
        local list = {}
        for i = 1, 50 do list[i] = load('local a, b = ... return a .. b .. x .. ' .. i) end
        return list
      end)()";
    both(table, |image| {
        for mode in ["incremental", "generational"] {
            let state = reader(image);
            let code = format!(
                "collectgarbage('{mode}') x = 'x'
                 for round = 1, 200 do
                   for i, f in ipairs(t) do
                     assert(f(round, 'b') == round .. 'bx' .. i)
                     if i % 7 == 0 then collectgarbage('step', round % 3) end
                   end
                   if round % 50 == 0 then collectgarbage() end
                 end"
            );
            state.eval(&code);
        }
    });
}

#[test]
fn data_alone_can_be_asked_for() {
    let _alone = alone();
    let state = State::new();
    let refused = SharedImage::of_data(&state, "{ f = function() end }", "data").err();
    assert_eq!(refused.as_deref(), Some("'f' is a function"));
    assert!(SharedImage::of_data(&state, "{ 1 }", "data").is_ok());
}
