//! Processes that die or stop in the middle of what they do, and what the others see of it.
//!
//! A child is this test binary again, told by its environment what to be; it runs the one test
//! [`child_entry`]. The parent kills it with SIGKILL, as the kernel does when memory runs out.
//!
//! `SHM_KILLS=10000 SHM_SEED=1 cargo test -p moonhive-shm --release --test crash storm` is the long form;
//! `--features fault-injection` adds a death at each step of each operation, and of the repair.

#[cfg(feature = "fault-injection")]
mod deaths;
#[cfg(feature = "fault-injection")]
mod scenarios;
mod stopped;
mod storm;

use std::io::{BufRead as _, BufReader};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};

use moonhive_shm::{Dictionary, Options};

/// What a child is to be; the following variables are its arguments.
const ROLE: &str = "SHM_TEST_ROLE";
const NAME: &str = "SHM_TEST_NAME";
const ARGUMENTS: &str = "SHM_TEST_ARGUMENTS";

/// A named dictionary that is removed at the end, whatever happens.
struct Named {
    name: String,
    dictionary: Dictionary,
}

impl Named {
    fn new(what: &str, size_bytes: u64) -> Self {
        let name = format!("crash-{what}-{}", std::process::id());
        let _ = Dictionary::unlink(&name);
        let dictionary = Dictionary::create(&name, &Options::new(size_bytes)).expect("memory");
        Self { name, dictionary }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Dictionary::unlink(&self.name);
    }
}

/// A child that does not outlive the test, whatever happens.
struct Kept(Child);

impl Deref for Kept {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a child and waits until it says that it is ready.
fn start(role: &str, name: &str, arguments: &str) -> Kept {
    let program = std::env::current_exe().expect("the path of this program");
    let mut child = Command::new(program)
        .args(["child_entry", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(NAME, name)
        .env(ARGUMENTS, arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let output = child.stdout.take().expect("it is a pipe");
    let is_ready =
        BufReader::new(output).lines().any(|line| line.is_ok_and(|it| it.contains("ready")));
    let child = Kept(child);
    assert!(is_ready, "{role} did not get ready");
    child
}

/// A child has opened the dictionary and begins.
fn say_ready() {
    println!("ready");
}

/// What a child runs; nothing in the parent.
#[test]
fn child_entry() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let variable = |name| std::env::var(name).unwrap_or_default();
    let dictionary = Dictionary::open(&variable(NAME), &Options::default()).expect("it exists");
    let arguments = variable(ARGUMENTS);
    match role.as_str() {
        "writer" => storm::write_for_ever(&dictionary, &arguments),
        "reader" => storm::read_for_ever(&dictionary),
        "holder" => stopped::write_for_ever(&dictionary),
        #[cfg(feature = "fault-injection")]
        "victim" => deaths::act(&dictionary, &arguments),
        _ => panic!("no role {role}"),
    }
    // Not the way of the test runner: nobody reads what it would print.
    #[cfg(feature = "fault-injection")]
    std::process::exit(0);
}

/// A generator with a visible seed: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % bound
    }
}
