//! Globals are found where the compiled code shows them.

use crate::vm::{Access, GlobalUse, LoadMode, Vm};

/// The uses in a chunk, as `name:line`, with `=` for writes, `.` for fields and `^` when nested.
fn uses(chunk: &str) -> Option<Vec<String>> {
    let mut vm = Vm::builder().build().expect("memory");
    let mut stack = vm.stack();
    stack.load(chunk.as_bytes(), "=chunk", LoadMode::Text).expect(chunk);
    let spell = |GlobalUse { name, line, access, is_nested }: &GlobalUse| {
        let mark = match access {
            Access::Read => "",
            Access::Write => "=",
            Access::WriteField => ".",
        };
        format!("{}{mark}{name}:{line}", if *is_nested { "^" } else { "" })
    };
    Some(stack.global_uses(-1)?.iter().map(spell).collect())
}

#[track_caller]
fn check(chunk: &str, expect: &[&str]) {
    assert_eq!(uses(chunk).expect("no new environment"), expect, "{chunk}");
}

#[test]
fn reads_and_writes_have_their_line() {
    check("a = 1\n\nprint(b)", &["=a:1", "print:3", "b:3"]);
    check("function f()\n  x = y\nend", &["=f:1", "^y:2", "^=x:2"]);
    check("local function f() return function()\n return z end end", &["^z:2"]);
}

#[test]
fn locals_and_fields_are_no_globals() {
    check("local a = 1; a = a.b; a.c = 2", &[]);
    check("local a = 1; local function f() a = nil or a end", &[]);
}

#[test]
fn writes_to_fields_of_the_table_of_globals_are_seen() {
    check("_G.x = 1", &["_G:1", ".x:1"]);
    check("local v = _G.x", &["_G:1"]);
    check(
        "function f()\n _G.y = a and b or c end",
        &["=f:1", "^_G:2", "^.y:2", "^a:2", "^b:2", "^c:2"],
    );
}

#[test]
fn another_environment_hides_the_globals() {
    check("local function f() local _ENV = {}; x = 1; return function() return y end end", &[]);
    check("local function f(_ENV) x = 1 end; y = 2", &["=y:1"]);
    assert_eq!(uses("local e = {}; function f() _ENV = e; x = 1 end"), None);
}

#[test]
fn names_beyond_the_reach_of_an_instruction_are_found() {
    let many: String = (0..300).map(|i| format!("'k{i}', ")).collect();
    let chunk = format!("local t = {{ {many} }}\nfar = t\nlocal v = near");
    assert_eq!(uses(&chunk).expect("no new environment"), ["=far:2", "near:3"]);
}

#[test]
fn what_is_no_lua_function_has_no_globals() {
    let mut vm = Vm::builder().build().expect("memory");
    let mut stack = vm.stack();
    stack.push_integer(1);
    assert_eq!(stack.global_uses(-1), None);
    stack.push_globals();
    stack.raw_get_field(-1, "type");
    assert_eq!(stack.global_uses(-1), None);
}

#[test]
fn functions_of_shared_tables_are_not_looked_into() {
    let mut vm = Vm::builder().build().expect("memory");
    let mut stack = vm.stack();
    stack.load(b"return { f = function() return x end }", "=test", LoadMode::Text).expect("code");
    stack.call(0, 1).expect("a table");
    let image = stack.share_table(-1, "functions").expect("it can be shared");
    stack.push_shared(&image).expect("memory");
    stack.raw_get_field(-1, "f");
    assert_eq!(stack.global_uses(-1), None);
    assert_eq!(stack.loop_assignments(-1), []);
}

/// The assignments to loop variables in a chunk, as `name:line`, each once and in order.
fn loop_assignments(chunk: &str) -> Vec<String> {
    let mut vm = Vm::builder().compat_54(true).build().expect("memory");
    let mut stack = vm.stack();
    stack.load(chunk.as_bytes(), "=chunk", LoadMode::Text).expect(chunk);
    let mut found = stack.loop_assignments(-1);
    found.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    found.dedup();
    found.iter().map(|(name, line)| format!("{name}:{line}")).collect()
}

#[test]
fn every_assignment_to_a_loop_variable_is_found() {
    let cases: [(&str, &[&str]); 9] = [
        ("for i = 1, 2 do\n i = i + 1\n i = nil\n print(i)\n i = f() end", &["i:2", "i:3", "i:5"]),
        ("for k, v in pairs {} do\n v = k\n k = v\n local j = k end", &["k:3"]),
        ("for i = 1, 2 do for j = 1, 2 do\n i, j = j, i end end", &["i:2", "j:2"]),
        ("for i = 1, 2 do\n local function f()\n i = 3 end end", &["i:3"]),
        ("for i = 1, 2 do\n g(function() return function()\n i = 3 end end) end", &["i:3"]),
        ("for i = 1, 2 do\n i = function() return i end end", &["i:2"]),
        ("for i = 1, 2 do\n i = i and 1 or\n 2\n local i = 1\n i = 2 end", &["i:2", "i:3"]),
        ("function f(a)\n for i = 1, a do\n i = g() or a end\n a = 2 end", &["i:3"]),
        ("for i = 1, 2 do local t = {}\n t.i = i end local i = 1\n i = 2", &[]),
    ];
    for (chunk, expect) in cases {
        assert_eq!(loop_assignments(chunk), expect, "{chunk}");
    }
}
