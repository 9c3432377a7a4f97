//! What services cost: calls, messages, spawns, timers, reloads, shared tables. The work is in `benches/lua`, written
//! for the module `hive`; each file prints lines `name=value unit`.
//!
//! ```console
//! $ cargo bench --bench hive                   # all of them, with one worker and with two
//! $ cargo bench --bench hive -- call           # one of them
//! $ cargo bench --bench hive -- call --threads 1 --count 1000000
//! ```
//!
//! Figures that end in `_cpu` are processor time of the whole process per operation: they survive a
//! busy machine. `docs/benchmarks.md` keeps the results.

use moonhive::actor::Host;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lua");
const BENCHES: [&str; 6] = ["call", "send", "spawn", "timer", "reload", "share"];

/// The value of an option of ours; cargo adds some of its own.
fn option(arguments: &[String], name: &str) -> Option<usize> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn run(bench: &str, threads: usize, count: Option<usize>) {
    println!("# {bench}, {threads} worker(s)");
    let mut host = Host::builder().threads(threads).path(SERVICES);
    if let Some(count) = count {
        host = host.env("bench_n", count.to_string());
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
    let is_wanted = |bench: &&str| {
        let mut names = arguments.iter().filter(|name| BENCHES.contains(&name.as_str())).peekable();
        names.peek().is_none() || names.any(|name| name == bench)
    };
    let threads = option(&arguments, "--threads").map_or(vec![1, 2], |threads| vec![threads]);
    for bench in BENCHES.iter().filter(|bench| is_wanted(bench)) {
        for &threads in &threads {
            run(bench, threads, option(&arguments, "--count"));
        }
    }
}
