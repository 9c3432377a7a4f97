//! How a dictionary scales with processes: `cargo bench -p moonhive-shm --bench scaling`.
//!
//! One process alone, then two at once, each with 10,000 keys for a second: operations per second
//! in all, and the ratio. Meaningful only on two idle cores.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, Options, SetOptions, Value};

const KEYS: u64 = 10_000;
const SPAN: Duration = Duration::from_secs(1);

/// What a process does in a round, by name; the number keeps the keys of two processes apart.
const LOADS: [&str; 6] =
    ["get", "get of one key", "set", "set of own keys", "incr of one key each", "incr of one key"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, name, load, number] = &arguments[..]
        && word == "child"
    {
        println!("{}", run(name, load, number));
        return;
    }
    let name = format!("scaling-{}", std::process::id());
    let dictionary = Dictionary::create(&name, &Options::new(64 << 20)).expect("there is memory");
    for number in 0..KEYS {
        let value = Value::Bytes(b"0123456789abcdef");
        dictionary.set(key(number), value, SetOptions::default()).expect("there is room");
    }
    for load in LOADS {
        let one = together(&name, load, 1);
        let two = together(&name, load, 2);
        let ratio = two / one;
        println!("{load:>22}: {one:6.2} M/s alone, {two:6.2} M/s by two, {ratio:4.2} times");
    }
    Dictionary::unlink(&name).expect("it is there");
}

fn key(number: u64) -> String {
    format!("key:{number:012}")
}

/// Runs so many processes at once; millions of operations per second in all.
fn together(name: &str, load: &str, count: usize) -> f64 {
    let program = std::env::current_exe().expect("the path of this program");
    let children: Vec<_> = (0..count)
        .map(|number| {
            let mut command = Command::new(&program);
            command.args(["child", name, load, &number.to_string()]).stdout(Stdio::piped());
            command.spawn().expect("it can be started")
        })
        .collect();
    let results = children.into_iter().map(|child| {
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().expect("a number")
    });
    results.sum()
}

/// One load for a while; millions of operations per second.
fn run(name: &str, load: &str, number: &str) -> f64 {
    let dictionary = Dictionary::open(name, &Options::default()).expect("it exists");
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let own = format!("own{number}");
    let own_keys: Vec<String> = (0..KEYS).map(|key| format!("own{number}:{key:011}")).collect();
    let options = SetOptions::default();
    let mut buffer = Vec::new();
    let mut at = number.parse::<usize>().unwrap_or(0) * 5000;
    let mut operations = 0_u32;
    let start = Instant::now();
    while start.elapsed() < SPAN {
        for _ in 0..1000 {
            at = (at + 7919) % keys.len();
            match load {
                "get" => drop(dictionary.get_into(&keys[at], &mut buffer)),
                "get of one key" => drop(dictionary.get_into(&keys[0], &mut buffer)),
                "set" => drop(dictionary.set(&keys[at], "0123456789abcdef".into(), options)),
                "set of own keys" => {
                    drop(dictionary.set(&own_keys[at], "0123456789abcdef".into(), options))
                }
                "incr of one key" => {
                    drop(dictionary.incr("all", 1.into(), Some(0.into()), options))
                }
                _ => drop(dictionary.incr(&own, 1.into(), Some(0.into()), options)),
            }
        }
        operations += 1000;
    }
    f64::from(operations) / start.elapsed().as_secs_f64() / 1e6
}
