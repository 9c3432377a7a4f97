//! Tests of the VM as a whole: natives, errors, memory, coroutines. Each uses a fresh VM.

mod coroutines;
mod counted;
mod globals;
mod interrupted_library;
mod interrupts;
mod large;
mod library;
mod memory;
mod model;
mod natives;
mod values;

use super::{LoadMode, LuaError, Native, Stack, Vm};

/// A VM with the given natives as globals.
fn vm_with(natives: &[(&str, Native)]) -> Vm {
    let mut vm = Vm::builder().build().expect("a VM without limits");
    let mut stack = vm.stack();
    stack.push_globals();
    stack.set_natives(natives);
    drop(stack);
    vm
}

/// Runs a chunk and gives its results as text, joined by spaces.
fn run(stack: &mut Stack<'_>, code: &str) -> Result<String, LuaError> {
    let base = stack.top();
    stack.load(code.as_bytes(), "=test", LoadMode::Text)?;
    stack.call(0, Stack::ALL)?;
    let texts: Vec<_> = (base + 1..=stack.top()).map(|index| stack.text(index)).collect();
    stack.set_top(base);
    Ok(texts.join(" "))
}

/// Runs a chunk that must succeed.
fn check(vm: &mut Vm, code: &str, expected: &str) {
    assert_eq!(run(&mut vm.stack(), code).as_deref(), Ok(expected), "{code}");
}

/// Runs a chunk that must fail, and gives the error.
fn check_error(vm: &mut Vm, code: &str) -> LuaError {
    run(&mut vm.stack(), code).expect_err(code)
}
