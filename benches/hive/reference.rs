//! How fast the machine is at this moment: two things whose cost depends on nothing of ours. A bar in
//! nanoseconds holds for the machine where it was set, and virtual machines change their speed by the hour;
//! the same two were measured there (`docs/benchmarks.md`), so their ratio says what a bar means here.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use parking_lot::Mutex;

use crate::process::cpu_time;

const OPERATIONS: u32 = 500_000;
/// The fastest of these counts: something else may have the processor for a while.
const ROUNDS: usize = 7;
/// What they cost on the machine where the bars were set, in nanoseconds.
const CLOCK_READ_NS: f64 = 22.0;
const LOCKED_DEQUE_NS: f64 = 21.0;

/// Processor time of one operation, in nanoseconds.
fn cost_ns(mut operation: impl FnMut(u32)) -> f64 {
    let round = |_| {
        let begin = cpu_time();
        (0..OPERATIONS).for_each(&mut operation);
        (cpu_time() - begin).as_secs_f64() * 1e9 / f64::from(OPERATIONS)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

/// Prints how much slower the machine is than the one of the bars: by the smaller of the two ratios.
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
