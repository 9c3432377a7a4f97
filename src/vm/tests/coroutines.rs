//! Coroutines of the host: results, blocking natives, failures, the pool.

use moonhive_lua_sys::lua;

use super::{run, vm_with};
use crate::vm::{
    Continuation, Coroutine, LoadMode, Native, NativeResult, Outcome, Raise, Resumed, Stack,
};

/// Blocks with its arguments and returns what the host answers.
fn block(stack: &mut Stack<'_>) -> NativeResult {
    Ok(Outcome::Block(stack.top()))
}

pub(super) const BLOCK: (&str, Native) = ("block", Native::new(block));

/// A coroutine that will run `code`.
pub(super) fn task(stack: &mut Stack<'_>, code: &str) -> Coroutine {
    let coroutine = stack.coroutine();
    stack.load(code.as_bytes(), "=task", LoadMode::Text).expect("it compiles");
    stack.move_to(&coroutine, 1);
    coroutine
}

/// Resumes with one string and gives the outcome as text.
pub(super) fn go_on(stack: &mut Stack<'_>, coroutine: &Coroutine, argument: &str) -> String {
    stack.in_coroutine(coroutine).push_str(argument);
    let resumed = stack.resume(coroutine, 1);
    outcome(stack, coroutine, resumed)
}

fn outcome(stack: &mut Stack<'_>, coroutine: &Coroutine, resumed: Resumed) -> String {
    let (word, count) = match resumed {
        Resumed::Finished(count) => ("finished", count),
        Resumed::Blocked(count) => ("blocked", count),
        Resumed::Yielded(count) => ("yielded", count),
        Resumed::Failed(error) => return format!("failed: {error}"),
    };
    stack.move_from(coroutine, count);
    let mut texts = vec![word.to_owned()];
    texts.extend((-count..0).map(|index| stack.text(index)));
    stack.pop(count);
    texts.join(" ")
}

#[test]
fn a_native_blocks_and_the_host_answers() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let task = task(&mut stack, "local a = ... local b = block('want', a) return a .. b");
    assert_eq!(go_on(&mut stack, &task, "one"), "blocked want one");
    assert_eq!(go_on(&mut stack, &task, "two"), "finished onetwo");
    stack.recycle(task);
}

#[test]
fn a_coroutine_from_the_pool_has_an_empty_stack_with_room() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let task = task(&mut stack, "local t = {...} return table.unpack(t, 1, 200)");
    assert!(go_on(&mut stack, &task, "one").starts_with("finished one"));
    stack.recycle(task);
    let again = stack.coroutine();
    let mut empty = stack.in_empty_coroutine(&again);
    (1..=i64::from(lua::LUA_MINSTACK)).for_each(|number| empty.push_integer(number));
    assert_eq!(empty.top(), lua::LUA_MINSTACK);
    let used = std::panic::AssertUnwindSafe(|| _ = stack.in_empty_coroutine(&again));
    assert!(std::panic::catch_unwind(used).is_err(), "there is something on it");
}

#[test]
fn yields_of_user_code_are_told_apart() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let task = task(&mut stack, "coroutine.yield(1, 2) block(3)");
    assert_eq!(go_on(&mut stack, &task, ""), "yielded 1 2");
    assert_eq!(go_on(&mut stack, &task, ""), "blocked 3");
    assert_eq!(go_on(&mut stack, &task, ""), "finished");
    stack.recycle(task);
}

#[test]
fn a_continuation_gets_the_stack_and_its_context() {
    fn ask(stack: &mut Stack<'_>) -> NativeResult {
        stack.check_any(1)?;
        stack.push_str("question");
        Ok(Outcome::BlockThen(1, Continuation::new(answered, 7)))
    }
    fn answered(stack: &mut Stack<'_>, context: isize) -> NativeResult {
        let answer = stack.check_str(-1)?.to_owned();
        if answer == "bad" {
            return Err(Raise::message(format!("{} {answer} {context}", stack.text(1))));
        }
        stack.push_integer(context as i64);
        Ok(Outcome::Return(2))
    }
    let mut vm = vm_with(&[("ask", Native::new(ask))]);
    let mut stack = vm.stack();
    let task =
        task(&mut stack, "print = nil local s, n = ask('me') return s, n, pcall(ask, 'you')");
    assert_eq!(go_on(&mut stack, &task, ""), "blocked question");
    assert_eq!(go_on(&mut stack, &task, "fine"), "blocked question");
    assert_eq!(go_on(&mut stack, &task, "bad"), "finished fine 7 false you bad 7");
    stack.recycle(task);
}

#[test]
fn a_failed_coroutine_tells_where_and_can_be_used_again() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let coroutine = task(&mut stack, "local function f() error('oops') end\nf()");
    let Resumed::Failed(error) = stack.resume(&coroutine, 0) else { panic!("it must fail") };
    assert_eq!(error.message, "task:1: oops");
    assert!(error.traceback.contains("task:1: in local 'f'"), "{}", error.traceback);
    assert!(error.traceback.contains("task:2: in main chunk"), "{}", error.traceback);
    stack.recycle(coroutine);
    let again = task(&mut stack, "return 'fine'");
    assert_eq!(go_on(&mut stack, &again, ""), "finished fine");
    stack.recycle(again);
}

#[test]
fn a_coroutine_that_ran_out_of_memory_tells_where() {
    let mut vm = vm_with(&[]);
    vm.set_memory_limit(Some(1 << 20));
    let mut stack = vm.stack();
    let greedy = task(&mut stack, "local t = {}\nwhile true do t[#t + 1] = {} end");
    let Resumed::Failed(error) = stack.resume(&greedy, 0) else { panic!("it must fail") };
    assert_eq!((error.kind, &*error.code), (crate::vm::ErrorKind::Memory, "memory"));
    assert!(error.traceback.contains("task:2: in main chunk"), "{}", error.traceback);
    stack.recycle(greedy);
}

#[test]
fn blocking_outside_a_coroutine_of_the_host_is_an_error() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let error = run(&mut stack, "block()").expect_err("nobody to block");
    assert_eq!(error.message, "test:1: attempt to yield from outside a coroutine");
    let sorting = task(&mut stack, "table.sort({1, 2, 3}, block)");
    assert!(go_on(&mut stack, &sorting, "").contains("attempt to yield across a C-call boundary"));
    stack.recycle(sorting);
}

#[test]
fn closing_a_suspended_coroutine_runs_its_close_methods() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let code =
        "local x <close> = setmetatable({}, {__close = function() closed = true end}) block()";
    let task = task(&mut stack, code);
    assert_eq!(go_on(&mut stack, &task, ""), "blocked");
    stack.close(&task).expect("no error in __close");
    assert_eq!(run(&mut stack, "return closed").as_deref(), Ok("true"));
    stack.recycle(task);
}

#[test]
fn coroutines_come_back_from_the_pool() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let first = task(&mut stack, "block()");
    stack.push_coroutine(&first);
    let thread = stack.identity(-1);
    go_on(&mut stack, &first, "");
    stack.recycle(first);
    let second = task(&mut stack, "return 1");
    stack.push_coroutine(&second);
    assert_eq!(stack.identity(-1), thread);
    assert_eq!(go_on(&mut stack, &second, ""), "finished 1");
    stack.recycle(second);
}

#[test]
fn a_dead_coroutine_refuses_to_go_on() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    let task = task(&mut stack, "return");
    assert_eq!(go_on(&mut stack, &task, ""), "finished");
    assert_eq!(go_on(&mut stack, &task, ""), "failed: cannot resume dead coroutine");
    stack.recycle(task);
}

#[test]
fn a_running_coroutine_cannot_be_worked_on() {
    /// Tries to empty the coroutine that resumed the one this runs in.
    fn meddle(stack: &mut Stack<'_>) -> NativeResult {
        let own = stack.data::<OwnCoroutine>().expect("given to the builder");
        let own = own.0.borrow();
        stack.in_coroutine(own.as_ref().expect("noted before the start")).set_top(0);
        Ok(Outcome::Return(0))
    }
    #[derive(Default)]
    struct OwnCoroutine(std::cell::RefCell<Option<Coroutine>>);
    let mut vm = crate::vm::Vm::builder().data(OwnCoroutine::default()).build().expect("a VM");
    let mut stack = vm.stack();
    stack.push_globals();
    stack.set_natives(&[("meddle", Native::new(meddle))]);
    let task = task(&mut stack, "return pcall(coroutine.wrap(function() meddle() end))");
    stack.push_coroutine(&task);
    let own = stack.data::<OwnCoroutine>().expect("given to the builder");
    own.0.replace(Some(task));
    let own = own.0.borrow();
    let task = own.as_ref().expect("just put there");
    let told = go_on(&mut stack, task, "");
    assert!(told.contains("a running coroutine cannot be worked on"), "{told}");
}

#[test]
fn a_host_that_empties_a_frame_harms_nobody() {
    let mut vm = vm_with(&[BLOCK]);
    let mut stack = vm.stack();
    let task = task(&mut stack, "return coroutine.resume(coroutine.create(block), 1)");
    assert_eq!(go_on(&mut stack, &task, ""), "blocked 1");
    stack.in_coroutine(&task).set_top(0);
    let resumed = stack.resume(&task, 0);
    assert_eq!(
        outcome(&mut stack, &task, resumed),
        "failed: task:1: the coroutine to resume is gone"
    );
    stack.recycle(task);
}
