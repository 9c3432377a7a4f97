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
