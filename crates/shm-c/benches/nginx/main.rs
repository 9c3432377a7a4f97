//! Dictionaries of ours beside those of nginx, in the workers of one real nginx.
//!
//! `cargo bench -p moonhive-shm-c --bench nginx [-- ROUNDS]`. Three take turns in each round, so
//! that a machine that is busy elsewhere slows all: LuaJIT in nginx on nginx's own dictionary, the
//! same on one of ours, and services of a host (if `cargo build --release` has made one) on the
//! same one of ours. The table shows medians. Nanoseconds are CPU time of a worker for an
//! operation; millions of operations per second are by the wall clock, of both workers together
//! where there are two.

#[path = "../../tests/common/mod.rs"]
mod common;
mod host;
#[path = "../../tests/nginx/server.rs"]
mod server;

use std::thread;

use common::Named;
use host::Host;
use server::Nginx;

const TIMES: u64 = 400_000;
const ROUNDS: usize = 9;
/// Attempts to find two workers that take one request each.
const TRIES: u32 = 20;

const LOOPS: [(&str, &str); 10] = [
    ("get", "get 16 B, 10k keys"),
    ("hot", "get, one hot key"),
    ("set", "set 16 B, same size"),
    ("set_own", "set, keys for each worker"),
    ("incr_many", "incr, 10k keys"),
    ("incr", "incr, one key"),
    ("incr_own", "incr, a key for each worker"),
    ("push_pop_many", "push and pop, 10k lists"),
    ("push_pop", "push and pop, one list"),
    ("push_pop_own", "push and pop, a list for each worker"),
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

/// Who runs the loops.
#[derive(Clone, Copy)]
enum Contestant<'a> {
    /// A worker of nginx, on a dictionary of this sort.
    Nginx(&'a Nginx, &'static str),
    /// A service.
    Host(&'a Host<'a>),
}

/// Runs a loop in whichever worker of nginx takes the request, or in the service of that number.
fn run(contestant: Contestant<'_>, number: usize, workers: usize, what: &str) -> Run {
    let (answer, sharers) = match contestant {
        Contestant::Nginx(nginx, which) => {
            let path = format!("/measure?which={which}&what={what}&times={TIMES}");
            (nginx.ask(&path).expect("the loop runs"), 1)
        }
        // The clock of a host is that of all its workers.
        Contestant::Host(host) => (host.ask(number, what, TIMES), workers),
    };
    let fields: Vec<&str> = answer.split(' ').collect();
    let cpu_seconds = fields[0].parse::<f64>().expect("seconds") / sharers as f64;
    Run {
        cpu_ns: cpu_seconds * 1e9 / TIMES as f64,
        began_ns: fields[1].parse().expect("nanoseconds"),
        ended_ns: fields[2].parse().expect("nanoseconds"),
        worker: fields[3].parse().expect("a process"),
    }
}

/// Runs a loop in so many different workers at once.
fn figure(contestant: Contestant<'_>, workers: usize, what: &str) -> Figure {
    for _ in 0..TRIES {
        let runs: Vec<Run> = thread::scope(|scope| {
            let start = |number| scope.spawn(move || run(contestant, number, workers, what));
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

/// One row for each loop. A host with two workers runs each loop in one service, too: the machine
/// changes its speed between the parts with one worker and with two.
fn compare(contestants: &[Contestant<'_>], workers: usize, rounds: usize) {
    for (what, title) in LOOPS {
        let mut figures = vec![Vec::new(); contestants.len()];
        let mut alone = Vec::new();
        for _ in 0..rounds {
            for (contestant, figures) in contestants.iter().zip(&mut figures) {
                figures.push(figure(*contestant, workers, what));
                if workers > 1 && matches!(contestant, Contestant::Host(_)) {
                    alone.push(figure(*contestant, 1, what));
                }
            }
        }
        let rate = |figures: &Vec<Figure>| median(figures, |it| it.million_per_s);
        let own = rate(&figures[0]);
        print!("| {title} | {workers} |");
        figures.iter().for_each(|them| print!(" {:.0} |", median(them, |it| it.cpu_ns)));
        figures.iter().for_each(|them| print!(" {:.2} |", rate(them)));
        figures[1..].iter().for_each(|them| print!(" {:.2} |", rate(them) / own));
        if let (false, Some(host)) = (alone.is_empty(), figures.get(2)) {
            print!(" {:.2} |", rate(host) / rate(&alone));
        }
        println!();
    }
}

fn print_head(contestants: usize) {
    let names = &["nginx", "ours", "host"][..contestants];
    let column = |unit: &str| names.iter().map(|name| format!(" {name}, {unit} |")).collect();
    let (cpu, rate): (String, String) = (column("ns"), column("M op/s"));
    let shares: String = names[1..].iter().map(|name| format!(" {name} / nginx |")).collect();
    println!("| | workers |{cpu}{rate}{shares} host, by two / by one |");
    println!("|---|---|{}", "---|".repeat(3 * contestants));
}

fn main() {
    let rounds = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(ROUNDS);
    for workers in [1, 2] {
        let named = Named::new("nginx-bench", 64 << 20);
        let Some(nginx) = Nginx::start(&named.name, workers, "64m") else { return };
        let host = Host::start(&named.name, &named.dictionary, workers as usize);
        let mut contestants =
            vec![Contestant::Nginx(&nginx, "own"), Contestant::Nginx(&nginx, "ours")];
        contestants.extend(host.as_ref().map(Contestant::Host));
        for contestant in &contestants[..2] {
            run(*contestant, 0, 1, "fill");
        }
        if workers == 1 {
            print_head(contestants.len());
        }
        compare(&contestants, workers as usize, rounds);
    }
}
