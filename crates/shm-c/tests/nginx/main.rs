//! Dictionaries in a real nginx: its workers share one with other processes through the binding for
//! LuaJIT.
//!
//! The other process is this test binary again, told by its environment what to be. Needs Debian's
//! packages nginx and libnginx-mod-http-lua.

#[path = "../common/mod.rs"]
mod common;
mod libraries;
mod server;

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use moonhive_shm::{Dictionary, Options, OwnedValue, SetOptions, Side, Value};
use rustix::process::Signal;

use common::Named;
use server::{Nginx, signal};

/// Increments by each of the two sides.
const EACH: u64 = 100_000;
const TIMES: u64 = 500;
const REQUESTS: u64 = EACH / TIMES;
const CLIENTS: u64 = 4;

/// Workers that are killed in one test.
const KILLS: u64 = 12;

const NAME: &str = "SHM_NGINX_NAME";
const EACH_NAME: &str = "SHM_NGINX_EACH";

/// Not a test: the other process, which adds to the counter.
#[test]
fn child_entry() {
    let Ok(name) = std::env::var(NAME) else { return };
    let dictionary = Dictionary::open(&name, &Options::default()).unwrap();
    for _ in 0..EACH {
        dictionary.incr("counter", 1.into(), Some(0.into()), SetOptions::default()).unwrap();
    }
}

fn start_child(name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_entry", "--exact", "--quiet"])
        .env(NAME, name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the workers add to the counter, by several connections at once.
fn count_in_workers(nginx: &Nginx) {
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..REQUESTS / CLIENTS {
                    assert_eq!(nginx.ask(&format!("/count?times={TIMES}")).unwrap(), "done");
                }
            });
        }
    });
}

fn number(named: &Named, key: &str) -> i64 {
    match named.dictionary.get(key).unwrap().map(|entry| entry.value) {
        Some(OwnedValue::Integer(number)) => number,
        other => panic!("{key} is {other:?}"),
    }
}

fn expect_no_findings(named: &Named) {
    assert_eq!(named.dictionary.check().unwrap(), []);
}

#[test]
fn a_counter_that_nginx_and_another_process_add_to_is_exact() {
    let named = Named::new("nginx-counter", 4 << 20);
    let Some(nginx) = Nginx::start(&named.name, 2, "4m") else { return };
    let mut child = start_child(&named.name);
    count_in_workers(&nginx);
    assert!(child.wait().unwrap().success());
    assert_eq!(number(&named, "counter"), 2 * EACH as i64);
    expect_no_findings(&named);
}

/// What a host runs: one service that adds to the counter, a number at a time.
const SERVICE: &str = r#"
local dict = assert(require("shared").dict(os.getenv("SHM_NGINX_NAME")))
for _ = 1, tonumber(os.getenv("SHM_NGINX_EACH")) do
  assert(dict:incr("counter", 1, 0))
end
require("hive").exit(0)
"#;

#[test]
fn a_counter_that_nginx_and_a_host_add_to_is_exact() {
    let Some(host) = common::host() else { return };
    let named = Named::new("nginx-host", 4 << 20);
    let Some(nginx) = Nginx::start(&named.name, 2, "4m") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("count.lua");
    std::fs::write(&script, SERVICE).unwrap();
    let mut command = Command::new(host);
    command.arg("run").arg(&script).env(NAME, &named.name).env(EACH_NAME, EACH.to_string());
    let mut child = command.spawn().unwrap();
    count_in_workers(&nginx);
    assert!(child.wait().unwrap().success());
    assert_eq!(number(&named, "counter"), 2 * EACH as i64);
    expect_no_findings(&named);
}

#[test]
fn our_methods_answer_as_those_of_nginx() {
    let named = Named::new("nginx-surface", 1 << 20);
    let Some(nginx) = Nginx::start(&named.name, 1, "1m") else { return };
    let ours = nginx.ask("/surface?which=ours").unwrap();
    let theirs = nginx.ask("/surface?which=own").unwrap();
    expect_same(&ours, &theirs, 200);
}

#[test]
fn the_calls_that_hosts_are_compared_by_are_answered_as_by_nginx() {
    let named = Named::new("nginx-calls", 512 << 10);
    let Some(nginx) = Nginx::start(&named.name, 1, "512k") else { return };
    for (calls, least) in [("shared_calls", 1000), ("shared_patterns", 350)] {
        let lines_of = |which| nginx.ask(&format!("/calls?which={which}&calls={calls}")).unwrap();
        expect_same(&lines_of("ours"), &lines_of("own"), least);
    }
}

/// A line of the differences, and what it says in nginx's own dictionaries and in ours.
const DIFFERENCES: [(&str, &str, &str); 7] = [
    ("100 kB into a full dictionary", "false no memory", "true nil"),
    ("forcible when only what had expired went", "true", "false"),
    ("safe_set behind a cold entry", "false no memory", "true nil"),
    ("free_space sees a small entry", "false", "true"),
    ("ttl at -5 ms", "not found", "-0.005"),
    ("a large one throws out in order of use", "true", "false"),
    ("and what was used since", "false", "false"),
];

#[test]
fn what_differs_from_nginx_is_what_the_document_says() {
    let small = Named::new("nginx-differences", 512 << 10);
    let large = Named::exactly(&format!("{}-large", small.name), 4 << 20);
    let Some(nginx) = Nginx::start(&small.name, 1, "512k") else { return };
    let lines_of = |which| nginx.ask(&format!("/differences?which={which}")).unwrap();
    let (theirs, ours) = (lines_of("own"), lines_of("ours"));
    let wanted = |side: fn(&(&str, &'static str, &'static str)) -> &'static str| -> String {
        DIFFERENCES.iter().map(|line| format!("{}: {}\n", line.0, side(line))).collect()
    };
    assert_eq!(theirs, wanted(|line| line.1), "of nginx");
    assert_eq!(ours, wanted(|line| line.2), "of ours");
    assert_eq!(large.dictionary.check().unwrap(), []);
}

/// Lines of cases, of which there are more than so many.
#[track_caller]
fn expect_same(ours: &str, theirs: &str, least: usize) {
    let differing: Vec<String> = ours
        .lines()
        .zip(theirs.lines())
        .enumerate()
        .filter(|(_, (our, their))| our != their)
        .map(|(index, (our, their))| format!("case {index}: ours {our}\n        theirs {their}"))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert_eq!(ours.lines().count(), theirs.lines().count());
    assert!(ours.lines().count() > least, "{} cases only", ours.lines().count());
}

/// Waits until a worker writes, lets it write for a while, and kills it.
fn kill_a_writer(named: &Named, nginx: &Nginx, round: u64) {
    let _request = nginx.send("/write").unwrap();
    let writer = named.dictionary.pop_wait("writers", Side::Left, server::PATIENCE);
    let OwnedValue::Integer(writer) = writer.unwrap() else { panic!("a process has a number") };
    // Not a time to settle: the moment of the kill, another one each round.
    thread::sleep(Duration::from_micros(500 + round * 1733 % 9000));
    signal(writer as u32, Signal::KILL);
    nginx.wait_until("the worker is replaced", || {
        let workers = nginx.workers();
        workers.len() == 2 && !workers.contains(&(writer as u32))
    });
}

/// Each value is one byte, repeated: a torn one would show another.
fn expect_whole_values(named: &Named) {
    for key in (0..50).map(|index| format!("torn:{index}")) {
        let Some(entry) = named.dictionary.get(&key).unwrap() else { continue };
        let OwnedValue::Bytes(bytes) = entry.value else { panic!("{key} is no text") };
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "{key} is torn");
    }
}

#[test]
fn a_worker_that_is_killed_while_it_writes_harms_nobody() {
    let named = Named::new("nginx-kill", 2 << 20);
    for index in 0..1000 {
        named.dictionary.set(format!("kept:{index}"), index.into(), SetOptions::default()).unwrap();
    }
    let Some(nginx) = Nginx::start(&named.name, 2, "2m") else { return };
    for round in 0..KILLS {
        kill_a_writer(&named, &nginx, round);
        expect_whole_values(&named);
        expect_no_findings(&named);
    }
    for index in 0..1000 {
        assert_eq!(number(&named, &format!("kept:{index}")), index);
    }
    assert_eq!(nginx.ask("/count?times=1").unwrap(), "done", "the others serve");
}

#[test]
fn entries_outlive_a_reload_and_the_end_of_nginx() {
    let named = Named::new("nginx-reload", 1 << 20);
    let Some(nginx) = Nginx::start(&named.name, 2, "1m") else { return };
    nginx.ask("/count?times=100").unwrap();
    nginx.reload();
    nginx.ask("/count?times=100").unwrap();
    assert_eq!(number(&named, "counter"), 200);
    drop(nginx);
    assert_eq!(number(&named, "counter"), 200);
    assert!(number(&named, "requests") >= 2);
    expect_no_findings(&named);
}

fn push(named: &Named, key: &str, value: Value<'_>) {
    named.dictionary.push(key, value, Side::Right, SetOptions::default()).unwrap();
}

/// Sends a request that waits, and returns once it does or is just about to.
fn send_waiting(named: &Named, nginx: &Nginx, path: &str) -> UnixStream {
    let request = nginx.send(path).unwrap();
    named.dictionary.pop_wait("waiting", Side::Left, server::PATIENCE).unwrap();
    request
}

#[test]
fn the_only_worker_serves_others_while_light_threads_wait() {
    let named = Named::new("nginx-wait", 1 << 20);
    let Some(nginx) = Nginx::start(&named.name, 1, "1m") else { return };
    named.dictionary.set("news", 1.into(), SetOptions::default()).unwrap();
    let pops = send_waiting(&named, &nginx, "/blpop?key=jobs&timeout=60");
    let waits = send_waiting(&named, &nginx, "/wait?key=news&timeout=60");
    let for_ever = send_waiting(&named, &nginx, "/wait?key=absent");
    for _ in 0..20 {
        assert_eq!(nginx.ask("/count?times=1").unwrap(), "done");
    }
    push(&named, "jobs", "work".into());
    assert_eq!(nginx.answer(pops).unwrap(), "work nil");
    named.dictionary.set("news", 2.into(), SetOptions::default()).unwrap();
    assert_eq!(nginx.answer(waits).unwrap(), "true now");
    named.dictionary.set("absent", 1.into(), SetOptions::default()).unwrap();
    assert_eq!(nginx.answer(for_ever).unwrap(), "true now");
    expect_no_findings(&named);
}

#[test]
fn a_wait_in_nginx_ends_with_its_time_and_where_nobody_can_sleep() {
    let named = Named::new("nginx-timeout", 1 << 20);
    let Some(nginx) = Nginx::start(&named.name, 1, "1m") else { return };
    // What is left of the time comes near to nothing at some of these.
    for timeout in (1..=20).map(|ms| f64::from(ms) / 1000.0) {
        let waited = |what: &str| nginx.ask(&format!("/{what}?key=none&timeout={timeout}"));
        assert_eq!(waited("blpop").unwrap(), "nil timeout");
        assert_eq!(waited("wait").unwrap(), "false timeout");
    }
    let text = nginx.ask("/restless").unwrap();
    assert!(text.starts_with("nil timeout, false "), "{text}");
    assert!(text.contains("API disabled in the context of set_by_lua*"), "{text}");
    named.dictionary.set("scalar", 1.into(), SetOptions::default()).unwrap();
    assert_eq!(nginx.ask("/blpop?key=scalar&timeout=60").unwrap(), "nil value not a list");
}

#[test]
fn ranges_of_lists_are_read_in_nginx() {
    let named = Named::new("nginx-range", 1 << 20);
    let Some(nginx) = Nginx::start(&named.name, 1, "1m") else { return };
    let long = "x".repeat(20_000);
    for value in ["a".into(), 2.into(), 0.5.into(), true.into(), Value::from(&*long)] {
        push(&named, "list", value);
    }
    let range = |query: &str| nginx.ask(&format!("/lrange?{query}")).unwrap();
    assert_eq!(range("key=list&first=2&last=-2"), "number 2, number 0.5, boolean true");
    let all = "string a, number 2, number 0.5, boolean true, string 20000 bytes";
    assert_eq!(range("key=list"), all);
    assert_eq!(range("key=list&first=9"), "");
    assert_eq!(range("key=none"), "");
    named.dictionary.set("scalar", 1.into(), SetOptions::default()).unwrap();
    assert_eq!(range("key=scalar"), "string value not a list");
    push(&named, "tables", Value::Table(b"of a host"));
    assert_eq!(range("key=tables"), "string value is a table");
}
