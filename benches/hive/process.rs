//! What a whole process does: nothing while it is idle, and ending soon when it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use moonhive::actor::{Host, Spawn};
use rustix::time::{ClockId, clock_gettime};

/// How long the idle host is looked at.
const IDLE: Duration = Duration::from_secs(3);
/// Processes that are ended.
const ENDS: usize = 11;

/// Times that threads of this process have gone to sleep so far.
fn sleeps() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let status = threads.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    let count = |text: String| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    status.filter_map(count).sum()
}

/// Processor time of this process so far.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// A host with a hundred services that wait for something.
pub fn idle() {
    println!("# idle");
    let host = Host::builder().build().expect("the workers can be started");
    for _ in 0..100 {
        let text = "local hive = require 'hive'; hive.after(3600, print); return {}";
        host.spawn(Spawn::text("waits", text), ()).expect("it starts");
    }
    // The warden looks once more after the workers have come to rest.
    thread::sleep(Duration::from_secs(3));
    let (cpu, woken) = (cpu_time(), sleeps());
    thread::sleep(IDLE);
    // This thread slept once itself.
    let woken = sleeps() - woken - 1;
    let cpu = (cpu_time() - cpu).as_secs_f64() / IDLE.as_secs_f64();
    println!("idle_cpu={:.4} percent of a core", cpu * 100.0);
    println!("idle_wake_ups={woken} in {} s", IDLE.as_secs());
}

/// From SIGTERM to the end of a process whose services wait.
pub fn end() {
    println!("# end");
    let mut spans: Vec<Duration> = (0..ENDS).map(|_| end_one()).collect();
    spans.sort();
    println!("end_wall={:.2} ms", spans[ENDS / 2].as_secs_f64() * 1e3);
}

fn end_one() -> Duration {
    let services = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lua");
    let mut child = Command::new(env!("CARGO_BIN_EXE_moonhive"))
        .args(["run", "--path", services, "waits"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary was built for this");
    let output = child.stdout.take().expect("the output is a pipe");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("it says that it is ready");
    let started = Instant::now();
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
    child.wait().expect("it ends");
    started.elapsed()
}
