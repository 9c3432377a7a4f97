//! How fast the machine is at this moment: things whose cost depends on nothing of ours. A bar in
//! nanoseconds holds for the machine where it was set, and virtual machines change their speed by
//! the hour; the same were measured there (`docs/benchmarks.md`), so their ratio says what a bar
//! means here. A clock and a lock say little about an interpreter, so Debian's Lua is asked as
//! well, if it is there.

use std::collections::VecDeque;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use parking_lot::Mutex;

use crate::process::cpu_time;

const OPERATIONS: u32 = 500_000;
/// The fastest of these counts: something else may have the processor for a while.
const ROUNDS: usize = 7;
/// What they cost on the machine where the bars were set, in nanoseconds.
const CLOCK_READ_NS: f64 = 22.0;
const LOCKED_DEQUE_NS: f64 = 21.0;

/// What the least call between two coroutines cost there in Lua, in nanoseconds.
const LUA_FLOOR_NS: f64 = 190.0;
const LUA_FLOOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lua/floor.lua");

/// Processor time of one operation, in nanoseconds.
fn cost_ns(mut operation: impl FnMut(u32)) -> f64 {
    let round = |_| {
        let begin = cpu_time();
        (0..OPERATIONS).for_each(&mut operation);
        (cpu_time() - begin).as_secs_f64() * 1e9 / f64::from(OPERATIONS)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

/// Prints how much slower the machine is than the one of the bars: by the smaller of the two
/// ratios.
pub fn print_slowdown() {
    let clock_read = cost_ns(|_| {
        black_box(Instant::now());
    });
    let deque = Mutex::new(VecDeque::new());
    let locked_deque = cost_ns(|n| {
        deque.lock().push_back(black_box(n));
        black_box(deque.lock().pop_front());
    });
    let slowdown = (clock_read / CLOCK_READ_NS).min(locked_deque / LOCKED_DEQUE_NS);
    println!(
        "reference_slowdown={slowdown:.2} times (clock read {clock_read:.1} ns, locked deque {locked_deque:.1} ns)"
    );
}

/// Prints what a call between two coroutines costs at least in Lua, by an interpreter that is not
/// ours.
pub fn print_lua_floor() {
    let floor_ns = Command::new("lua5.4")
        .arg(LUA_FLOOR)
        .output()
        .ok()
        .and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().ok());
    match floor_ns {
        Some(floor_ns) => {
            let times = floor_ns / LUA_FLOOR_NS;
            println!("reference_lua_floor={floor_ns:.1} ns ({times:.2} times that of the bars)");
        }
        None => println!("reference_lua_floor: skipped, there is no lua5.4 (package lua5.4)"),
    }
}
