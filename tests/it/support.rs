//! A scratch folder with the files of one test, and the processes that run in it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// A process that takes longer hangs; nothing here should need a tenth of it.
pub const WATCHDOG: Duration = Duration::from_secs(120);

/// How long the rest of what an ended process said may take to arrive.
const REST: Duration = Duration::from_secs(5);

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(2);

/// A folder of one test, emptied when the test begins and left for inspection when it ends.
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes the folder; `name` is unique among all tests.
    pub fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).expect("an old scratch folder can be removed");
        }
        fs::create_dir_all(&dir).expect("a scratch folder can be made");
        Self { dir }
    }

    /// Writes a file, with the folders on its way.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A `moonhive` that will run in this folder, without settings from the environment.
    pub fn moonhive<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moonhive"));
        command.current_dir(&self.dir).args(arguments).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MOONHIVE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `moonhive` to its end.
    #[track_caller]
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ended {
        Running::start(self.moonhive(arguments)).wait()
    }
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    pub stdout: String,
    pub stderr: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
}

impl Ended {
    /// Fails the test with everything the process said unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A process under a watchdog.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stdout: String,
    stderr: Receiver<String>,
}

impl Running {
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("moonhive can be started");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let (sender, all_of_stderr) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before a broken pipe is still worth showing.
            let _ = stderr.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
        Self { child, lines, stdout: String::new(), stderr: all_of_stderr }
    }

    /// Waits until the process prints this line.
    #[track_caller]
    pub fn wait_for_line(&mut self, wanted: &str) {
        loop {
            let line = self.lines.recv_timeout(WATCHDOG);
            let line = line.unwrap_or_else(|_| panic!("no line {wanted:?} in {:?}", self.stdout));
            self.stdout += &format!("{line}\n");
            if line == wanted {
                return;
            }
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, like `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.expect("kill can be started").success(), "kill -{name} failed");
    }

    /// Waits for the end; kills the process and fails the test when the watchdog bites.
    #[track_caller]
    pub fn wait(self) -> Ended {
        self.wait_at_most(WATCHDOG)
    }

    /// The same with a watchdog of another length.
    #[track_caller]
    pub fn wait_at_most(mut self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break Some(status);
            }
            if Instant::now() > deadline {
                break None;
            }
            thread::sleep(POLL);
        };
        if status.is_none() {
            self.child.kill().expect("a child that runs can be killed");
        }
        // A process that it started may hold the pipes open for longer.
        while let Ok(line) = self.lines.recv_timeout(REST) {
            self.stdout += &format!("{line}\n");
        }
        let stdout = self.stdout;
        let stderr = self.stderr.recv_timeout(REST).unwrap_or_else(|_| "(still open)".to_owned());
        match status {
            Some(status) => Ended { stdout, stderr, code: status.code() },
            None => panic!("still running after {limit:?}\n{stdout}\nstderr:\n{stderr}"),
        }
    }
}

/// Says on the real standard error, past the capture of the test runner, that a test did nothing,
/// and fails it where everything is required (`MOONHIVE_REQUIRE_ALL=1`).
#[track_caller]
pub fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    let required = std::env::var("MOONHIVE_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "{test} must not be skipped here: {why}");
}
