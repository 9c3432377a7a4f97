//! What a load costs: hits, misses, and a VM that requires ten modules, with the cache and without.
//!
//! Run with `cargo bench --bench cache`. Times are CPU time of the measuring thread, so that other
//! work on the machine disturbs little; the figures that are no times (scaling of two threads,
//! memory) are printed in front. `docs/benchmarks.md` keeps the results.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use moonhive::code::{CodeCache, Mode};
use moonhive::vm::{LoadMode, Vm};
use rustix::time::{ClockId, clock_gettime};

/// Lines of a module.
const LINES: usize = 500;
/// Modules that a VM requires.
const MODULES: usize = 10;
/// Loads per script run, so that what surrounds them does not count.
const LOADS: u64 = 1000;

#[global_allocator]
static ALLOCATOR: moonhive::vm::mimalloc::Mimalloc = moonhive::vm::mimalloc::Mimalloc;

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// CPU time that `work` takes on this thread.
fn measured(work: impl FnOnce()) -> Duration {
    let start = cpu_time();
    work();
    cpu_time() - start
}

/// A module of [`LINES`] lines that are all functions, ten lines each, with names and constants
/// of its own.
fn function_module(number: usize) -> String {
    let function = |at: usize| {
        format!(
            "function M.select_{number}_{at}(list, filter, limit)\n\
             \x20 local result, total = {{}}, 0\n\
             \x20 for key, value in pairs(list) do\n\
             \x20   if filter(key, value) and value.score_{at} < limit * {at} then\n\
             \x20     total = total + value.price_{number}\n\
             \x20     result[#result + 1] = {{key = key, name = value.name or 'item {number} {at}'}}\n\
             \x20   end\n\
             \x20 end\n\
             \x20 return result, total, string.format('%d of %s', total, M.title)\n\
             end\n"
        )
    };
    let functions: String = (0..(LINES - 2) / 10).map(function).collect();
    let text = format!("local M = {{title = 'module {number}'}}\n{functions}return M\n");
    assert!((LINES - 10..=LINES).contains(&text.lines().count()), "{}", text.lines().count());
    text
}

/// The modules `m1.lua` and so on, in a folder that goes away.
fn write_modules() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for number in 1..=MODULES {
        let path = folder.path().join(format!("m{number}.lua"));
        std::fs::write(path, function_module(number)).expect("a module can be written");
    }
    folder
}

fn vm_over(cache: &Arc<CodeCache>, mode: Mode) -> Vm {
    Vm::builder().code(cache.clone(), mode).build().expect("there is memory for a VM")
}

fn run(vm: &mut Vm, script: &str) {
    let mut stack = vm.stack();
    stack.load(script.as_bytes(), "=bench", LoadMode::Text).expect("the script compiles");
    stack.call(0, 0).expect("the script succeeds");
}

/// CPU time of one `loadfile(path)`, in a loop of scripts that load `loads` times in all.
fn time_of_loads(vm: &mut Vm, path: &Path, loads: u64) -> Duration {
    let script = |count: u64| {
        format!("local load, path = loadfile, {path:?} for _ = 1, {count} do load(path) end")
    };
    let (many, few) = (script(LOADS), script(loads % LOADS));
    run(vm, &script(1));
    measured(|| {
        (0..loads / LOADS).for_each(|_| run(vm, &many));
        run(vm, &few);
    })
}

/// Requires all modules.
fn require_all(vm: &mut Vm, folder: &Path) {
    let folder = folder.join("?.lua");
    let script = format!("package.path = {folder:?} for i = 1, {MODULES} do require('m' .. i) end");
    run(vm, &script);
}

fn hits(criterion: &mut Criterion) {
    let folder = write_modules();
    let path = folder.path().join("m1.lua");
    let cache = Arc::new(CodeCache::new());
    let mut group = criterion.benchmark_group("hit");
    group.bench_function("loadfile of an absolute path", |bencher| {
        let mut vm = vm_over(&cache, Mode::On);
        bencher.iter_custom(|loads| time_of_loads(&mut vm, &path, loads));
    });
    std::env::set_current_dir(folder.path()).expect("the folder is there");
    group.bench_function("loadfile of a relative path", |bencher| {
        let mut vm = vm_over(&cache, Mode::On);
        bencher.iter_custom(|loads| time_of_loads(&mut vm, Path::new("./m1.lua"), loads));
    });
    std::env::set_current_dir("/").expect("the root is there");
    group.finish();
}

fn misses(criterion: &mut Criterion) {
    let folder = write_modules();
    let path = folder.path().join("m1.lua");
    let cache = Arc::new(CodeCache::new());
    let mut group = criterion.benchmark_group("miss");
    for mode in [Mode::On, Mode::Off] {
        group.bench_function(format!("500 lines, cache {mode}"), |bencher| {
            let mut vm = vm_over(&cache, mode);
            bencher.iter_custom(|loads| {
                let load = |vm: &mut Vm| vm.stack().load_file(&path, LoadMode::Any);
                (0..loads).fold(Duration::ZERO, |sum, _| {
                    cache.clear();
                    sum + measured(|| load(&mut vm).expect("the module compiles"))
                })
            });
        });
    }
    group.finish();
}

fn modules(criterion: &mut Criterion) {
    let folder = write_modules();
    let cache = Arc::new(CodeCache::new());
    require_all(&mut vm_over(&cache, Mode::On), folder.path());
    let mut group = criterion.benchmark_group("ten modules of 500 lines");
    for mode in [Mode::On, Mode::Off] {
        group.bench_function(format!("require, cache {mode}"), |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds).fold(Duration::ZERO, |sum, _| {
                    let mut vm = vm_over(&cache, mode);
                    sum + measured(|| require_all(&mut vm, folder.path()))
                })
            });
        });
        group.bench_function(format!("build, require and close a VM, cache {mode}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let round = |_| require_all(&mut vm_over(&cache, mode), folder.path());
                measured(|| (0..rounds).for_each(round))
            });
        });
    }
    group.finish();
}

/// CPU time of a hit with this many threads hitting the same file at once.
fn hit_with_threads(threads: usize, path: &Path, cache: &Arc<CodeCache>) -> Duration {
    const ROUND: u64 = 200_000;
    let together = Barrier::new(threads);
    let measure = || {
        let mut vm = vm_over(cache, Mode::On);
        time_of_loads(&mut vm, path, LOADS);
        together.wait();
        time_of_loads(&mut vm, path, ROUND) / ROUND as u32
    };
    let total: Duration = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(measure)).collect();
        handles.into_iter().map(|handle| handle.join().expect("no load panics")).sum()
    });
    total / threads as u32
}

/// Twice the speed would be 2.0; CPU time counts, so other work on the machine does not.
fn print_scaling() {
    let folder = write_modules();
    let path = folder.path().join("m1.lua");
    let cache = Arc::new(CodeCache::new());
    let best = |threads| (0..10).map(|_| hit_with_threads(threads, &path, &cache)).min();
    let (one, two) = (best(1).unwrap_or_default(), best(2).unwrap_or_default());
    let gain = 2.0 * one.as_secs_f64() / two.as_secs_f64();
    println!("two threads at once: {gain:.2} times one thread ({one:?} and {two:?} a hit)");
}

fn print_memory() {
    let folder = write_modules();
    let cache = Arc::new(CodeCache::new());
    let used = |mode, with_modules: bool| {
        let mut vm = vm_over(&cache, mode);
        if with_modules {
            require_all(&mut vm, folder.path());
        }
        vm.collect();
        vm.memory().used_bytes
    };
    used(Mode::On, true);
    let (on, off) = (used(Mode::On, true), used(Mode::Off, true));
    let empty = used(Mode::On, false);
    let ratio = |on: usize, off: usize| off as f64 / on as f64;
    println!(
        "Lua memory with ten modules: ON {on} bytes, OFF {off} bytes, 1/{:.1}; \
         without the {empty} bytes of an empty VM 1/{:.1}; images {} bytes, once",
        ratio(on, off),
        ratio(on - empty, off - empty),
        cache.stats().totals.size_bytes
    );
}

criterion_group!(loads, hits, misses, modules);

fn main() {
    // `cargo test` runs the benches once, without measuring.
    if !std::env::args().any(|argument| argument == "--test") {
        print_scaling();
        print_memory();
    }
    loads();
    Criterion::default().configure_from_args().final_summary();
}
