//! Our replacements in the standard libraries.

use std::sync::{Arc, Mutex};

use super::coroutines::{BLOCK, go_on, task};
use super::{check, check_error, run, vm_with};
use crate::vm::{Hooks, Vm};

#[derive(Default, Clone)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Hooks for Lines {
    fn print(&self, line: &[u8]) {
        self.0.lock().expect("no panic").push(String::from_utf8_lossy(line).into_owned());
    }

    fn exit(&self, code: i32, close: bool) {
        self.0.lock().expect("no panic").push(format!("exit {code} {close}"));
    }
}

fn lines_of(code: &str) -> Vec<String> {
    let lines = Lines::default();
    let mut vm = Vm::builder().hooks(lines.clone()).build().expect("a VM");
    let _ = run(&mut vm.stack(), code);
    drop(vm);
    lines.0.lock().expect("no panic").clone()
}

#[test]
fn print_hands_over_whole_lines() {
    let code = "print(1, nil, 'a\\0b', setmetatable({}, {__tostring = function() return 'T' end})) \
                print() print(('x'):rep(5000):len())";
    assert_eq!(lines_of(code), ["1\tnil\ta\0b\tT\n", "\n", "5000\n"]);
}

#[test]
fn a_line_that_cannot_be_made_is_not_printed() {
    assert!(lines_of("print('a', setmetatable({}, {__tostring = error}))").is_empty());
}

#[test]
fn exit_asks_the_host_and_ends_the_script() {
    for (code, expected) in [
        ("os.exit()", "exit 0 false"),
        ("os.exit(true)", "exit 0 false"),
        ("os.exit(false, true)", "exit 1 true"),
        ("os.exit(7)", "exit 7 false"),
    ] {
        assert_eq!(lines_of(&format!("{code} print('after')")), [expected]);
    }
}

#[test]
fn a_block_passes_through_coroutines_of_user_code() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let code = "
        local inner = coroutine.create(function(a)
            local b = block('deep', a)
            local c = coroutine.yield(b .. '!')
            return block('again', c)
        end)
        local wrapped = coroutine.wrap(function(...)
            local _, x = coroutine.resume(inner, ...)
            coroutine.yield(x)
            local _, y = coroutine.resume(inner, 'c')
            return y
        end)
        local x = wrapped('a')
        local y = wrapped()
        return x, y, coroutine.status(inner)";
    let task = task(&mut stack, code);
    assert_eq!(go_on(&mut stack, &task, ""), "blocked deep a");
    assert_eq!(go_on(&mut stack, &task, "b"), "blocked again c");
    assert_eq!(go_on(&mut stack, &task, "d"), "finished b! d dead");
    stack.recycle(task);
}

#[test]
fn scripts_cannot_touch_a_blocked_coroutine() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let code = "
        co = coroutine.create(function() return block() end)
        own = coroutine.running()
        wrapped = coroutine.wrap(function() return block() end)
        return coroutine.resume(co)";
    let first = task(&mut stack, code);
    assert_eq!(go_on(&mut stack, &first, ""), "blocked");
    for co in ["co", "own"] {
        let code = format!(
            "return coroutine.status({co}), select(2, coroutine.resume({co})), \
             select(2, pcall(coroutine.close, {co}))"
        );
        assert_eq!(
            run(&mut stack, &code).as_deref(),
            Ok("normal cannot resume non-suspended coroutine cannot close a normal coroutine")
        );
    }
    assert_eq!(go_on(&mut stack, &first, "yes"), "finished true yes");
    assert_eq!(run(&mut stack, "return coroutine.status(co)").as_deref(), Ok("dead"));
    stack.recycle(first);
}

#[test]
fn blocking_is_refused_where_an_outer_frame_cannot_yield() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let code = "
        local refused
        table.sort({1, 2}, function()
            refused = coroutine.wrap(function() return select(2, pcall(block)) end)()
        end)
        return refused";
    let task = task(&mut stack, code);
    let refused = go_on(&mut stack, &task, "");
    assert!(refused.ends_with("attempt to yield across a C-call boundary"), "{refused}");
    stack.recycle(task);
}

#[test]
fn blocking_works_in_protected_calls_metamethods_and_iterators() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let code = "
        local t = setmetatable({}, {__index = function(_, k) return block(k) end})
        local a = t.key
        local ok, b = pcall(block, 'pcall')
        local ok2, c = xpcall(block, print, 'xpcall')
        local d
        for v in function(_, v) if not v then return block('iterator') end end do d = v end
        local e <close> = setmetatable({}, {__close = function() block('close') end})
        return a, b, c, d";
    let task = task(&mut stack, code);
    assert_eq!(go_on(&mut stack, &task, ""), "blocked key");
    assert_eq!(go_on(&mut stack, &task, "1"), "blocked pcall");
    assert_eq!(go_on(&mut stack, &task, "2"), "blocked xpcall");
    assert_eq!(go_on(&mut stack, &task, "3"), "blocked iterator");
    assert_eq!(go_on(&mut stack, &task, "4"), "blocked close");
    assert_eq!(go_on(&mut stack, &task, "5"), "finished 1 2 3 4");
    stack.recycle(task);
}

#[test]
fn errors_of_wrapped_coroutines_carry_the_callers_position() {
    let mut vm = vm_with(&[]);
    let error = check_error(&mut vm, "coroutine.wrap(function() error('x', 0) end)()");
    assert_eq!(error.message, "test:1: x");
    check(
        &mut vm,
        "local f = coroutine.wrap(print) f() return pcall(f)",
        "false cannot resume dead coroutine",
    );
}

#[test]
fn closing_the_hosts_coroutine_frees_those_it_waited_for() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let code = "
        inner = coroutine.create(function() return block() end)
        outer = coroutine.wrap(function() return coroutine.resume(inner) end)
        outer()";
    let task = task(&mut stack, code);
    assert_eq!(go_on(&mut stack, &task, ""), "blocked");
    assert_eq!(run(&mut stack, "return coroutine.status(inner)").as_deref(), Ok("normal"));
    stack.close(&task).expect("nothing to close in it");
    assert_eq!(
        run(&mut stack, "return coroutine.status(inner), coroutine.close(inner)").as_deref(),
        Ok("suspended true")
    );
    stack.recycle(task);
}

#[test]
fn closing_a_vm_runs_the_close_methods_of_suspended_tasks() {
    let lines = Lines::default();
    let mut vm = Vm::builder().hooks(lines.clone()).build().expect("a VM");
    let mut stack = vm.stack();
    let code = "local c <close> = setmetatable({}, {__close = function() print('closed') end}) \
                coroutine.yield()";
    let task = task(&mut stack, code);
    assert_eq!(go_on(&mut stack, &task, ""), "yielded");
    drop(stack);
    drop(vm);
    assert_eq!(*lines.0.lock().expect("no panic"), ["closed\n"]);
}

#[test]
fn code_comes_from_the_cache_where_there_is_one() {
    use crate::code::{CodeCache, Mode};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("module.lua");
    std::fs::write(&path, "return {1, 2, 3}").expect("written");
    let cache = Arc::new(CodeCache::new());
    for _ in 0..2 {
        let mut vm = Vm::builder().code(cache.clone(), Mode::On).build().expect("a VM");
        let mut stack = vm.stack();
        stack.load_file(&path, crate::vm::LoadMode::Text).expect("it compiles");
        stack.call(0, 1).expect("it runs");
        assert_eq!(stack.raw_len(-1), 3);
        stack.load_embedded("part", "return 'embedded'").expect("it compiles");
        stack.call(0, 1).expect("it runs");
        assert_eq!(stack.str(-1), Some("embedded"));
        let error = stack.load_embedded("broken", "return +").expect_err("not Lua");
        assert!(error.message.starts_with("broken:1: unexpected symbol"), "{error}");
    }
    assert!(cache.stats().chunks.len() >= 2, "{:?}", cache.stats());
}

#[test]
fn mlua_shares_the_state_and_replaces_nothing() {
    let mut vm = vm_with(&[BLOCK]);
    check(&mut vm, "before = {pcall, xpcall, error, coroutine.resume, coroutine.wrap}", "");
    let empty = vm.memory().used_bytes;
    vm.with_mlua(|lua| {
        let double = lua.create_function(|_, x: i64| Ok(x * 2))?;
        let fails = lua.create_function(|_, ()| -> mlua::Result<()> {
            Err(mlua::Error::runtime("no luck"))
        })?;
        lua.globals().set("double", double)?;
        lua.globals().set("fails", fails)
    })
    .expect("registered");
    assert!(vm.memory().used_bytes > empty, "mlua's tables are made on demand");
    let code = "local after = {pcall, xpcall, error, coroutine.resume, coroutine.wrap}
                for i, f in ipairs(before) do assert(f == after[i]) end return double(21)";
    check(&mut vm, code, "42");
    assert!(check_error(&mut vm, "fails()").message.contains("no luck"));
    vm.set_memory_limit(Some(vm.memory().used_bytes + 10_000));
    let error = check_error(&mut vm, "local s = 'x' while true do s = s .. s end");
    assert_eq!(error.kind, crate::vm::ErrorKind::Memory);
}

/// What hangs on the globals and the metatable of strings: names and kinds, and addresses and
/// values of what is the same in every VM.
const TREE: &str = "
    local lines, seen = {}, {}
    local function walk(name, value)
      if type(value) ~= 'table' then
        local text = type(value) ~= 'userdata' and tostring(value) or 'userdata'
        if text:find('^function: 0x') then text = 'closure' end
        lines[#lines + 1] = name .. ' = ' .. text
      elseif not seen[value] then
        seen[value] = true
        for k, v in pairs(value) do walk(name .. '.' .. tostring(k), v) end
        if getmetatable(value) then walk(name .. '()', getmetatable(value)) end
      else
        lines[#lines + 1] = name .. ' = ' .. 'seen'
      end
    end
    local names = {}
    for k in pairs(_G) do names[#names + 1] = k end
    table.sort(names)
    for _, k in ipairs(names) do walk(k, _G[k]) end
    walk('string()', getmetatable '')
    walk('file()', getmetatable(io.stdout))
    table.sort(lines)
    return table.concat(lines, '\\n')";

#[test]
fn libraries_that_are_copied_are_those_that_are_opened() {
    let tree = |builder: crate::vm::VmBuilder| {
        let mut vm = builder.stock_libraries(true).build().expect("a VM");
        let tree = run(&mut vm.stack(), TREE).expect("it runs");
        let functions = |line: &str| line.split(" = function").next().unwrap_or(line).to_owned();
        tree.lines().map(functions).collect::<Vec<_>>()
    };
    // A VM that must not look at the environment opens its libraries by itself.
    let opened = tree(Vm::builder().ignore_environment(true));
    assert!(opened.len() > 150, "{opened:?}");
    assert_eq!(tree(Vm::builder()), opened);
}

#[test]
fn a_library_takes_memory_when_something_looks_into_it() {
    let mut vm = vm_with(&[]);
    let used_after = |vm: &mut Vm, code: &str| {
        run(&mut vm.stack(), code).expect("it runs");
        vm.collect();
        vm.memory().used_bytes
    };
    let empty = used_after(&mut vm, "");
    assert!(empty < 8500, "{empty}");
    for (library, field, bytes) in [
        ("math", "pi", 1544),
        ("string", "len", 776),
        ("debug", "sethook", 392),
        ("utf8", "len", 192),
    ] {
        let before = used_after(&mut vm, &format!("local library = {library}"));
        assert_eq!(used_after(&mut vm, &format!("return {library}")), before, "{library}");
        let after = used_after(&mut vm, &format!("return {library}.{field}"));
        assert_eq!(after - before, bytes, "{library}");
    }
}

#[test]
fn copied_libraries_work_and_belong_to_their_vm_alone() {
    let code =
        "string.upper = nil; math.pi = 3; getmetatable('').__index = { lower = string.lower }
                table.insert(package.searchers, 1, print); io.lines = nil; collectgarbage()
                return ('A'):lower(), rawequal(string.upper, nil)";
    check(&mut vm_with(&[]), code, "a true");
    let mut vm = vm_with(&[]);
    let code = "collectgarbage() collectgarbage()
                assert(io.type(io.stdout) == 'file' and io.output() == io.stdout)
                assert(#package.searchers == 4 and require 'string' == string)
                return ('a'):upper(), math.pi > 3, io.lines ~= nil, package.loaded._G == _G";
    check(&mut vm, code, "A true true true");
}

#[test]
fn files_that_are_forgotten_are_written_and_closed_by_the_collector() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let name = file.path().to_str().expect("an ordinary name");
    for _ in 0..2 {
        let code = format!(
            "io.output({name:?}) io.write('kept') io.output(io.stdout)
            collectgarbage() collectgarbage() return io.open({name:?}):read 'a'"
        );
        check(&mut vm_with(&[]), &code, "kept");
    }
}

#[test]
fn random_numbers_are_those_of_their_vm_and_follow_from_its_seed() {
    let (mut one, mut other) = (vm_with(&[]), vm_with(&[]));
    for vm in [&mut one, &mut other] {
        run(&mut vm.stack(), "math.randomseed(7, 3)").expect("it runs");
    }
    let draw = |vm: &mut Vm| run(&mut vm.stack(), "return math.random(0)").expect("it runs");
    let (first, second) = (draw(&mut one), draw(&mut one));
    assert_ne!(first, second);
    assert_eq!((draw(&mut other), draw(&mut other)), (first, second));
    // Somebody may ask for a seed before a number was drawn.
    check(&mut vm_with(&[]), "local a, b = math.randomseed() return math.type(a)", "integer");
}

#[test]
fn no_two_vms_draw_the_same_random_numbers() {
    let draw = || {
        let mut vm = vm_with(&[]);
        run(&mut vm.stack(), "return math.random(0)").expect("it runs")
    };
    assert_ne!(draw(), draw());
}

#[test]
fn the_length_of_a_list_with_holes_is_that_of_older_lua() {
    // Any border would do for Lua; programs count on those that 5.4 takes.
    let mut vm = vm_with(&[]);
    for (code, expected) in [
        ("return #{ nil, 'why' }", "2"),
        ("return #{ nil, nil, 3 }", "3"),
        ("return #{ nil, 2, nil }", "2"),
        ("return #{ 1, nil, nil, 4, nil }", "4"),
        ("return #{ 1, nil, 3, nil, nil }", "1"),
        ("return #{ 1, nil, 3, nil, 5, nil, nil }", "5"),
        ("local function f(...) return #{ ... } end return f(1, nil, 3, nil, 5, nil, nil)", "5"),
        ("return #{ pcall(function() return nil, 'why' end) }", "3"),
        ("local t = {} t[2] = 2 return #t", "0"),
        ("local t = {} for _, i in ipairs { 3, 2, 1 } do t[i] = i end return #t", "3"),
        ("local t = {} for _, i in ipairs { 3, 2 } do t[i] = i end return #t", "0"),
        ("local t = { 1, 2, 3, 4 } t[2] = nil return #t", "4"),
        ("local t = { 1, 2, 3, 4 } t[4] = nil return #t", "3"),
        ("return select('#', table.unpack({ (function() return nil, 'why' end)() }))", "2"),
    ] {
        check(&mut vm, code, expected);
    }
}

#[test]
fn the_end_of_a_list_is_found_while_it_grows_and_shrinks() {
    let code = "
        local t = {}
        for i = 1, 200 do t[#t + 1] = i assert(#t == i) end
        for i = 199, 0, -1 do t[#t] = nil assert(#t == i) end
        for i = 1, 70 do t[i] = i end
        t[71] = true
        return #t";
    check(&mut vm_with(&[]), code, "71");
}

#[test]
fn options_of_the_collector_of_older_lua_are_understood() {
    let code = "
        local before = collectgarbage('setpause', 150)
        assert(before > 0 and collectgarbage('param', 'pause') == 150)
        local steps = collectgarbage('setstepmul', 400)
        assert(steps > 0 and collectgarbage('param', 'stepmul') == 400)
        return collectgarbage('setpause', before), (collectgarbage('setstepmul', steps))";
    check(&mut vm_with(&[]), code, "150 400");
}
