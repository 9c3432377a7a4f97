//! Locks of keys between processes of three kinds: a program in C, a host, and this one. One of
//! them is killed while it holds a lock that another one waits for.

mod common;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use moonhive_shm::{Error, SetOptions, Side};

use common::{Named, compiled, host, root};

/// Longest wait for another process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that does not outlive the test, and what it says.
struct Party {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Party {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    #[track_caller]
    fn expect(&mut self, word: &str) {
        assert_eq!(self.lines.next().expect("it says more").unwrap(), word);
    }

    /// Ends its input, upon which it gives the lock back and ends.
    fn finish(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program in C, compiled.
struct Program {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = compiled(&folder, &root().join("crates/shm-c/tests/beyond/locks.c"))?;
        Some(Self { _folder: folder, path })
    }

    fn start(&self, named: &Named) -> Party {
        let mut command = Command::new(&self.path);
        command.args([&named.name, "job", "60000"]);
        Party::start(command)
    }
}

#[test]
fn a_lock_that_a_program_in_c_holds_is_ours_once_it_gives_it_back() {
    let Some(program) = Program::new() else { return };
    let named = Named::new("locks-given", 64 << 10);
    let mut holder = program.start(&named);
    holder.expect("holds");
    let dictionary = &named.dictionary;
    assert_eq!(dictionary.lock_owner("job"), Ok(Some(holder.child.id())));
    assert_eq!(dictionary.lock("job", Duration::ZERO, 0).err(), Some(Error::Timeout));
    holder.finish();
    dictionary.lock("job", Duration::ZERO, 0).unwrap().unlock().unwrap();
}

#[test]
fn a_lock_that_a_killed_program_in_c_held_is_ours() {
    let Some(program) = Program::new() else { return };
    let named = Named::new("locks-killed", 64 << 10);
    let mut holder = program.start(&named);
    holder.expect("holds");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| named.dictionary.lock("job", PATIENCE, 0).map(drop));
        holder.kill();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_program_in_c_waits_for_our_lock_and_gets_it() {
    let Some(program) = Program::new() else { return };
    let named = Named::new("locks-ours", 64 << 10);
    let lock = named.dictionary.lock("job", PATIENCE, 0).unwrap();
    let mut waiter = program.start(&named);
    waiter.expect("waits");
    lock.unlock().unwrap();
    waiter.expect("holds");
    waiter.finish();
}

/// A service that takes the lock, says so, and keeps it until it is killed.
const SERVICE: &str = r#"
local dict = require("shared").open(os.getenv("LOCKS_NAME"))
local lock <close> = assert(dict:lock("job"))
dict:rpush("held", "host")
dict:blpop("never")
"#;

#[test]
fn the_lock_of_a_host_that_is_killed_goes_to_the_program_in_c_that_waits_for_it() {
    let (Some(program), Some(host)) = (Program::new(), host()) else { return };
    let named = Named::new("locks-host", 64 << 10);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("hold.lua");
    std::fs::write(&script, SERVICE).unwrap();
    let mut command = Command::new(host);
    command.arg("run").arg(&script).env("LOCKS_NAME", &named.name);
    let mut owner = Party::start(command);
    named.dictionary.pop_wait("held", Side::Left, PATIENCE).unwrap();
    assert_eq!(named.dictionary.lock_owner("job"), Ok(Some(owner.child.id())));
    let mut waiter = program.start(&named);
    waiter.expect("waits");
    owner.kill();
    waiter.expect("holds");
    assert_eq!(named.dictionary.lock_owner("job"), Ok(Some(waiter.child.id())));
    waiter.finish();
}

/// A service that wants the lock which another process has.
const WAITER: &str = r#"
local dict = require("shared").open(os.getenv("LOCKS_NAME"))
local missed, why = dict:lock("job", { timeout = 0 })
dict:rpush("waits", tostring(missed) .. " " .. why)
local lock <close> = assert(dict:lock("job", { timeout = 60 }))
dict:set("done", true)
require("hive").exit(0)
"#;

#[test]
fn the_lock_of_a_program_in_c_that_is_killed_goes_to_the_service_that_waits_for_it() {
    let (Some(program), Some(host)) = (Program::new(), host()) else { return };
    let named = Named::new("locks-service", 64 << 10);
    let mut owner = program.start(&named);
    owner.expect("holds");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("wait.lua");
    std::fs::write(&script, WAITER).unwrap();
    let mut command = Command::new(host);
    command.arg("run").arg(&script).env("LOCKS_NAME", &named.name);
    let waiter = Party::start(command);
    let said = named.dictionary.pop_wait("waits", Side::Left, PATIENCE).unwrap();
    assert_eq!(said.as_value(), "nil timeout".into());
    owner.kill();
    waiter.finish();
    let options = SetOptions::default();
    assert!(named.dictionary.replace("done", 1.into(), options).is_ok(), "it got the lock");
}
