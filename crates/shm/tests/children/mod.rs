//! Children of a test: its own program again, told by its environment what to be.
//!
//! A program that has children has a test `child_entry`, which does what [`Task::of_this_process`]
//! says.

use std::io::{BufRead as _, BufReader};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};

/// What a child is to be; the following variables are its arguments.
const ROLE: &str = "SHM_TEST_ROLE";
const NAME: &str = "SHM_TEST_NAME";
const ARGUMENTS: &str = "SHM_TEST_ARGUMENTS";

/// What a child was told.
pub struct Task {
    pub role: String,
    /// The name of a dictionary.
    pub name: String,
    pub arguments: String,
}

impl Task {
    /// Nothing in the parent.
    pub fn of_this_process() -> Option<Self> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let role = std::env::var(ROLE).ok()?;
        Some(Self { role, name: variable(NAME), arguments: variable(ARGUMENTS) })
    }
}

/// A child that does not outlive the test, whatever happens.
pub struct Kept(Child);

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

/// Starts a child and waits until it says that it is ready. Its standard input is open as long as
/// the parent keeps it so.
pub fn start(role: &str, name: &str, arguments: &str) -> Kept {
    let program = std::env::current_exe().expect("the path of this program");
    let mut child = Command::new(program)
        .args(["child_entry", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(NAME, name)
        .env(ARGUMENTS, arguments)
        .stdin(Stdio::piped())
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

/// A child has what it needs and begins.
pub fn say_ready() {
    println!("ready");
}
