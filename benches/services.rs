//! What services cost, as Criterion sees it: a call, a message, a start and an end, a round of
//! reloading.
//!
//! A service, `benches/lua/measured.lua`, does each of them as often as Criterion asks. Times are
//! CPU time of the whole process: the work is spread over workers, and other programs must not
//! falsify it. The program `hive` beside this one measures what Criterion cannot: rates, memory,
//! ages of messages.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use moonhive::actor::{Host, ServiceId};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

#[path = "hive/modules.rs"]
mod modules;

#[global_allocator]
static ALLOCATOR: moonhive::vm::mimalloc::Mimalloc = moonhive::vm::mimalloc::Mimalloc;

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lua");
/// Samples of what takes a millisecond and more.
const FEW_SAMPLES: usize = 10;

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// A host with a number of workers, and the service that does the work.
struct Bench {
    host: Host,
    measured: ServiceId,
}

impl Bench {
    fn new(threads: usize, modules: &std::path::Path) -> Bench {
        let host = Host::builder()
            .trim(moonhive::vm::mimalloc::trim)
            .threads(threads)
            .path(SERVICES)
            .path(modules)
            .build()
            .expect("the workers can be started");
        let measured = host.spawn("measured", ()).expect("the service is there");
        Bench { host, measured }
    }

    /// CPU time of what a method of the service does.
    fn time(&self, method: &str, arguments: impl Serialize) -> Duration {
        let begin = cpu_time();
        self.host.call::<()>(self.measured, method, arguments).expect("the service answers");
        cpu_time() - begin
    }

    fn finish(self) {
        self.time("clean", ());
        self.host.shutdown();
    }
}

fn bench_messages(criterion: &mut Criterion, bench: &Bench, threads: usize) {
    for (name, in_flight) in [("sequential", 1), ("64_in_flight", 64)] {
        criterion.bench_function(&format!("call/{name}/workers_{threads}"), |bencher| {
            bencher.iter_custom(|count| bench.time("calls", (count, in_flight)));
        });
    }
    criterion.bench_function(&format!("send/1_to_1/workers_{threads}"), |bencher| {
        bencher.iter_custom(|count| bench.time("sends", (count,)));
    });
}

fn bench_lives(criterion: &mut Criterion, bench: &Bench, threads: usize) {
    let mut group = criterion.benchmark_group("spawn_and_kill");
    group.sample_size(FEW_SAMPLES).sampling_mode(SamplingMode::Flat);
    for (name, service) in [("empty", "empty"), ("10_modules", "worker")] {
        group.bench_function(format!("{name}/workers_{threads}"), |bencher| {
            bencher.iter_custom(|count| bench.time("spawns", (count, service)));
        });
    }
    group.finish();
}

fn bench_reload(criterion: &mut Criterion, bench: &Bench, threads: usize) {
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(FEW_SAMPLES).sampling_mode(SamplingMode::Flat);
    group.bench_function(format!("edit_clear_respawn/workers_{threads}"), |bencher| {
        bencher.iter_custom(|count| bench.time("reloads", (count,)));
    });
    group.finish();
}

fn bench_services(criterion: &mut Criterion) {
    let scratch = tempfile::tempdir().expect("a folder can be made");
    modules::write(scratch.path()).expect("the folder can be written to");
    for threads in [1, 2] {
        let bench = Bench::new(threads, scratch.path());
        bench_messages(criterion, &bench, threads);
        bench_lives(criterion, &bench, threads);
        bench_reload(criterion, &bench, threads);
        bench.finish();
    }
}

criterion_group!(benches, bench_services);
criterion_main!(benches);
