//! A C module that was compiled for stock Lua 5.5 loads and runs: our patches changed nothing that
//! a compiler copies out of the headers, and this process exports the functions it needs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use moonhive_lua_source::Layout;
use moonhive_lua_sys::share::OPTION_SHARE_ALL;

use crate::state::State;

/// Compiles the module against pristine headers, once for all tests.
fn module() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stock_module");
        let headers = dir.join("include");
        let pristine = Layout::here().pristine(&dir).unwrap();
        pristine.write(&headers).unwrap();
        let module = dir.join("stock_module.so");
        compile(&headers, &module);
        module
    })
}

fn compile(headers: &Path, module: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/stock_module.c");
    let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-I"]);
    if cfg!(target_os = "macos") {
        command.args(["-undefined", "dynamic_lookup"]);
    }
    let status = command.arg(headers).arg(&source).arg("-o").arg(module).status().unwrap();
    assert!(status.success(), "{} does not compile", source.display());
}

/// Runs a test of the module, with every chunk private and with every chunk shared.
fn check(code: &str) {
    let dir = module().parent().unwrap();
    let head =
        format!("package.cpath = '{}/?.so'\nlocal m = require 'stock_module'\n", dir.display());
    for share_all in [false, true] {
        let state = State::new();
        state.option(OPTION_SHARE_ALL, share_all);
        let answer = state.eval(&format!("{head}{code}"));
        assert_eq!(answer, "ok", "every chunk shared: {share_all}");
        state.collect();
    }
}

#[test]
fn userdata_and_their_user_values_are_where_the_module_put_them() {
    check(
        "local c = m.counter(5, 2)
         local n, user = c:add()
         assert(n == 7 and user == 'first user value')
         assert(not pcall(c.add, io.stdout))
         return 'ok'",
    );
}

#[test]
fn upvalues_and_extra_space_are_where_the_module_expects_them() {
    check(
        "local t = m.ticker()
         assert(t() == 1 and t() == 2 and m.extra())
         assert(coroutine.wrap(m.extra)())
         return 'ok'",
    );
}

#[test]
fn a_buffer_in_the_frame_of_the_module_outgrows_it() {
    check(
        "assert(m.repeat_text('ab', 3) == 'ab,ab,ab')
           assert(#m.repeat_text(('x'):rep(99), 1000) == 100 * 1000 - 1)
           return 'ok'",
    );
}

#[test]
fn every_field_of_the_debug_structure_is_in_its_place() {
    check(
        "local function here(a, b)
           local name, source, line, parameters, ends = m.caller()
           assert(name == 'here' and source == 'test' and parameters == 2 and ends)
           return line
         end
         assert(here() == 4)
         return 'ok'",
    );
}

#[test]
fn the_module_yields_and_goes_on() {
    check(
        "local co = coroutine.wrap(function() return m.ask(40) end)
         assert(co() == 40 and co(2) == 42)
         return 'ok'",
    );
}

#[test]
fn the_registry_is_where_the_module_expects_it() {
    check(
        "local n, is_table = m.remember(function() return 7 end)
           assert(n == 7 and is_table)
           return 'ok'",
    );
}

#[test]
fn the_module_dumps_and_loads_functions_of_shared_code() {
    check(
        "local f = m.copyfunction(function(x) return 'constant', x + 1 end)
         local word, n = f(1)
         assert(word == 'constant' and n == 2)
         return 'ok'",
    );
}

#[test]
fn the_module_may_have_states_of_its_own() {
    check("assert(m.evaluate('return 6 * 7') == 42) return 'ok'");
}
