//! What a VM costs: making and closing one, calling a native, blocking and resuming.
//!
//! Times are CPU time of the thread, which other work on the machine does not falsify. With the
//! allocator of the binary (mimalloc); `--no-default-features` measures the system's.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use moonhive::vm::{LoadMode, Native, NativeResult, Outcome, Resumed, Stack, Vm};
use rustix::time::{ClockId, clock_gettime};

#[cfg(feature = "cli")]
#[global_allocator]
static ALLOCATOR: moonhive::vm::mimalloc::Mimalloc = moonhive::vm::mimalloc::Mimalloc;

fn add(stack: &mut Stack<'_>) -> NativeResult {
    let sum = stack.check_integer(1)? + stack.check_integer(2)?;
    stack.push_integer(sum);
    Ok(Outcome::Return(1))
}

fn nothing(_: &mut Stack<'_>) -> NativeResult {
    Ok(Outcome::Return(0))
}

fn block(stack: &mut Stack<'_>) -> NativeResult {
    Ok(Outcome::Block(stack.top()))
}

fn length(stack: &mut Stack<'_>) -> NativeResult {
    let length = stack.check_bytes(1)?.len();
    stack.push_integer(length as i64);
    Ok(Outcome::Return(1))
}

const NATIVES: &[(&str, Native)] = &[
    ("add", Native::new(add)),
    ("nothing", Native::new(nothing)),
    ("block", Native::new(block)),
    ("length", Native::new(length)),
];

fn new_vm() -> Vm {
    let mut vm = Vm::builder().build().expect("a VM without limits");
    let mut stack = vm.stack();
    stack.push_globals();
    stack.set_natives(NATIVES);
    drop(stack);
    vm
}

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// CPU time of `count` calls.
fn time(count: u64, mut work: impl FnMut()) -> Duration {
    let begin = cpu_time();
    for _ in 0..count {
        work();
    }
    cpu_time() - begin
}

/// Time of a loop of `count` rounds around `body`, less that of the empty loop.
fn time_in_lua(vm: &mut Vm, count: u64, body: &str) -> Duration {
    let code = format!(
        "local add, nothing, length, max, len = add, nothing, length, math.max, string.len
         local yielding = coroutine.wrap(function() while true do coroutine.yield() end end)
         local clock, count = os.clock, ...
         local t0 = clock() for i = 1, count do end
         local t1 = clock() for i = 1, count do {body} end
         local t2 = clock() return t2 - t1 - (t1 - t0)"
    );
    let mut stack = vm.stack();
    stack.load(code.as_bytes(), "=bench", LoadMode::Text).expect("it compiles");
    stack.push_integer(count as i64);
    stack.call(1, 1).expect("it runs");
    Duration::from_secs_f64(stack.number(-1).unwrap_or(0.0).max(1e-9))
}

fn bench_life(criterion: &mut Criterion) {
    let vm = Vm::builder().build().expect("a VM without limits");
    println!("an empty VM uses {} bytes of Lua memory", vm.memory().used_bytes);
    drop(vm);
    criterion.bench_function("vm/make_and_close", |bencher| {
        bencher.iter_custom(|count| {
            time(count, || drop(black_box(Vm::builder().build().expect("a VM without limits"))))
        });
    });
    criterion.bench_function("vm/make", |bencher| {
        bencher.iter_custom(|count| {
            let mut vms = Vec::with_capacity(count as usize);
            time(count, || vms.push(Vm::builder().build().expect("a VM without limits")))
        });
    });
}

fn bench_calls(criterion: &mut Criterion) {
    let mut vm = new_vm();
    for (name, body) in [
        ("native/nothing", "nothing()"),
        ("native/add_two_integers", "add(i, 1)"),
        ("native/length_of_string", "length('hello')"),
        ("stock/math.max_of_two", "max(i, 1)"),
        ("stock/string.len", "len('hello')"),
        ("coroutine/wrap_yield_round", "yielding()"),
    ] {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| time_in_lua(&mut vm, count, body));
        });
    }
}

fn bench_host(criterion: &mut Criterion) {
    let mut vm = new_vm();
    let mut stack = vm.stack();
    criterion.bench_function("host/block_and_resume", |bencher| {
        bencher.iter_custom(|count| time_blocking(&mut stack, "while true do block() end", count));
    });
    let nested = "coroutine.wrap(function() while true do block() end end)()";
    criterion.bench_function("host/block_and_resume_through_a_coroutine", |bencher| {
        bencher.iter_custom(|count| time_blocking(&mut stack, nested, count));
    });
    criterion.bench_function("host/run_a_pooled_coroutine", |bencher| {
        stack.load(b"return 1", "=task", LoadMode::Text).expect("it compiles");
        let function = stack.keep();
        let mut run = || {
            let coroutine = stack.coroutine();
            stack.in_coroutine(&coroutine).push_kept(&function);
            assert!(matches!(stack.resume(&coroutine, 0), Resumed::Finished(1)));
            stack.recycle(coroutine);
        };
        bencher.iter_custom(|count| time(count, &mut run));
        stack.release(function);
    });
    criterion.bench_function("host/protected_call", |bencher| {
        stack.load(b"return 1", "=task", LoadMode::Text).expect("it compiles");
        let function = stack.keep();
        let mut run = || {
            stack.push_kept(&function);
            stack.call(0, 0).expect("it runs");
        };
        bencher.iter_custom(|count| time(count, &mut run));
        stack.release(function);
    });
}

/// Time of `count` resumes of a coroutine that blocks again each time.
fn time_blocking(stack: &mut Stack<'_>, code: &str, count: u64) -> Duration {
    let coroutine = stack.coroutine();
    stack.load(code.as_bytes(), "=task", LoadMode::Text).expect("it compiles");
    stack.move_to(&coroutine, 1);
    let elapsed =
        time(count, || assert!(matches!(stack.resume(&coroutine, 0), Resumed::Blocked(0))));
    stack.recycle(coroutine);
    elapsed
}

criterion_group!(benches, bench_life, bench_calls, bench_host);
criterion_main!(benches);
