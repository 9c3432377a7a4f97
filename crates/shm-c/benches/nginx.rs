//! Dictionaries of ours beside those of nginx, in the workers of one real nginx.
//!
//! `cargo bench -p moonhive-shm-c --bench nginx [-- ROUNDS]`. Each round runs every loop on both kinds, one
//! after the other, so that a machine that is busy elsewhere slows both; the table shows medians. Nanoseconds
//! are CPU time of a worker for an operation; millions of operations per second are by the wall clock,
//! of both workers together where there are two.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/nginx/server.rs"]
mod server;

use std::thread;

use common::Named;
use server::Nginx;

const TIMES: u64 = 200_000;
const ROUNDS: usize = 9;
/// Attempts to find two workers that take one request each.
const TRIES: u32 = 20;

const LOOPS: [(&str, &str); 5] = [
    ("get", "get 16 B, 10k keys"),
    ("hot", "get, one hot key"),
    ("set", "set 16 B, same size"),
    ("incr", "incr, one key"),
    ("push_pop", "push and pop"),
];

/// What a worker says about a loop.
#[derive(Clone, Copy, Debug)]
struct Run {
    cpu_ns: f64,
    began_ns: u64,
    ended_ns: u64,
    worker: u32,
}

/// A loop on one kind of dictionary: CPU time of an operation, millions in a second.
#[derive(Clone, Copy, Debug)]
struct Figure {
    cpu_ns: f64,
    million_per_s: f64,
}

fn run(nginx: &Nginx, which: &str, what: &str) -> Run {
    let answer = nginx.ask(&format!("/measure?which={which}&what={what}&times={TIMES}"));
    let answer = answer.expect("the loop runs");
    let fields: Vec<&str> = answer.split(' ').collect();
    Run {
        cpu_ns: fields[0].parse::<f64>().expect("seconds") * 1e9 / TIMES as f64,
        began_ns: fields[1].parse().expect("nanoseconds"),
        ended_ns: fields[2].parse().expect("nanoseconds"),
        worker: fields[3].parse().expect("a process"),
    }
}

/// Runs a loop in so many different workers at once.
fn figure(nginx: &Nginx, workers: usize, which: &str, what: &str) -> Figure {
    for _ in 0..TRIES {
        let runs: Vec<Run> = thread::scope(|scope| {
            let start = |_| scope.spawn(|| run(nginx, which, what));
            let threads: Vec<_> = (0..workers).map(start).collect();
            threads.into_iter().map(|thread| thread.join().expect("it runs")).collect()
        });
        if workers == 1 || runs[0].worker != runs[1].worker {
            return figure_of(&runs);
        }
    }
    panic!("one worker took all requests")
}

fn figure_of(runs: &[Run]) -> Figure {
    let began = runs.iter().map(|run| run.began_ns).min().unwrap_or(0);
    let ended = runs.iter().map(|run| run.ended_ns).max().unwrap_or(1);
    let operations = TIMES * runs.len() as u64;
    Figure {
        cpu_ns: runs.iter().map(|run| run.cpu_ns).sum::<f64>() / runs.len() as f64,
        million_per_s: operations as f64 * 1e3 / (ended - began) as f64,
    }
}

fn median(figures: &[Figure], of: impl Fn(&Figure) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(nginx: &Nginx, workers: usize, rounds: usize) {
    for (what, title) in LOOPS {
        let (mut own, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            own.push(figure(nginx, workers, "own", what));
            ours.push(figure(nginx, workers, "ours", what));
        }
        let cpu = |figures: &[Figure]| median(figures, |it| it.cpu_ns);
        let rate = |figures: &[Figure]| median(figures, |it| it.million_per_s);
        println!(
            "| {title} | {workers} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
            cpu(&own),
            cpu(&ours),
            rate(&own),
            rate(&ours),
            rate(&ours) / rate(&own),
        );
    }
}

fn main() {
    let rounds = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(ROUNDS);
    println!("| | workers | nginx, ns | ours, ns | nginx, M op/s | ours, M op/s | ours / nginx |");
    println!("|---|---|---|---|---|---|---|");
    for workers in [1, 2] {
        let named = Named::new("nginx-bench", 64 << 20);
        let Some(nginx) = Nginx::start(&named.name, workers, "64m") else { return };
        for which in ["own", "ours"] {
            run(&nginx, which, "fill");
        }
        compare(&nginx, workers as usize, rounds);
    }
}
