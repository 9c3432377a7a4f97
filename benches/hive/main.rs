//! What services cost: calls, messages, wake-ups, spawns, timers, reloads, shared tables, and what
//! a host costs that idles or ends. The work is in `benches/lua`, written for the module `hive`;
//! each file prints lines `name=value unit`.
//!
//! ```console
//! $ cargo bench --bench hive                   # all of them, with one worker and with two
//! $ cargo bench --bench hive -- call           # one of them
//! $ cargo bench --bench hive -- call --threads 1 --count 1000000
//! $ cargo bench --bench hive -- reload --check # fails when resident memory grows beyond its bound
//! ```
//!
//! Figures that end in `_cpu` are processor time of the whole process per operation: they survive a
//! busy machine. Each run opens with how fast the machine is just then. `docs/benchmarks.md` keeps
//! the results.

mod modules;
mod process;
mod reference;

use moonhive::actor::Host;

#[global_allocator]
static ALLOCATOR: moonhive::vm::mimalloc::Mimalloc = moonhive::vm::mimalloc::Mimalloc;

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lua");
/// Those that run as services.
const BENCHES: [&str; 13] = [
    "call", "large", "send", "wake", "spawn", "modules", "many", "timer", "alarms", "reload",
    "share", "shared", "gaps",
];
/// Those of whole processes.
const PROCESSES: [(&str, fn()); 2] = [("idle", process::idle), ("end", process::end)];

/// What `--help` prints, before the names.
const HELP: &str = "\
Usage: cargo bench --bench hive -- [NAME]... [--threads N] [--count N] [--check]

Runs the benchmarks with these names, or all of them, with N workers, or with one and with two.
`--count` sets how much each does, `--check` makes growth in `reload` a failure.

Names:";

/// The value of an option of ours; cargo adds some of its own.
fn option(arguments: &[String], name: &str) -> Option<usize> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

/// What stands neither for an option nor for its value.
fn names_in(arguments: &[String]) -> impl Iterator<Item = &str> {
    let takes_value = |at: usize| matches!(arguments[at].as_str(), "--threads" | "--count");
    let is_name = move |at: usize| {
        !arguments[at].starts_with('-') && !at.checked_sub(1).is_some_and(takes_value)
    };
    (0..arguments.len()).filter(move |&at| is_name(at)).map(|at| arguments[at].as_str())
}

fn run(bench: &str, threads: usize, count: Option<usize>, checks: bool) {
    println!("# {bench}, {threads} worker(s)");
    reference::print_slowdown();
    reference::print_lua_floor();
    let scratch = tempfile::tempdir().expect("a folder can be made");
    modules::write(scratch.path()).expect("the folder can be written to");
    let mut host = Host::builder()
        .trim(moonhive::vm::mimalloc::trim)
        .threads(threads)
        .path(SERVICES)
        .path(scratch.path());
    if let Some(count) = count {
        host = host.env("bench_n", count.to_string());
    }
    if checks {
        host = host.env("bench_check", "yes");
    }
    let host = host.build().expect("the workers can be started");
    let finish = host.run(bench, ()).expect("the benchmark is there");
    if let Some(failure) = finish.failure {
        eprintln!("{}", failure.report());
        std::process::exit(1);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        let processes = PROCESSES.iter().map(|(name, _)| name);
        let names: Vec<&str> = BENCHES.iter().chain(processes).copied().collect();
        return println!("{HELP} {}", names.join(" "));
    }
    let is_name = |name: &str| {
        BENCHES.contains(&name) || PROCESSES.iter().any(|(process, _)| *process == name)
    };
    if let Some(unknown) = names_in(&arguments).find(|name| !is_name(name)) {
        eprintln!("error: there is no benchmark `{unknown}`\nhint: `--help` lists them");
        std::process::exit(2);
    }
    let is_wanted = |bench: &&str| {
        let mut names = arguments.iter().filter(|name| is_name(name)).peekable();
        names.peek().is_none() || names.any(|name| name == bench)
    };
    let threads = option(&arguments, "--threads").map_or(vec![1, 2], |threads| vec![threads]);
    for bench in BENCHES.iter().filter(|bench| is_wanted(bench)) {
        for &threads in &threads {
            let checks = arguments.iter().any(|argument| argument == "--check");
            run(bench, threads, option(&arguments, "--count"), checks);
        }
    }
    for (_, run) in PROCESSES.iter().filter(|(name, _)| is_wanted(name)) {
        run();
    }
}
