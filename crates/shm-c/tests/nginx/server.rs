//! A real nginx in a scratch folder, reached through a socket in that folder: no port that others
//! use.

#![allow(dead_code, reason = "tests and the comparison each use a part of it")]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{found, library, root, skip};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

const MODULES: &str = "/usr/lib/nginx/modules";
const HINT: &str = "apt-get install nginx libnginx-mod-http-lua";

/// A running nginx, stopped when dropped.
pub struct Nginx {
    folder: tempfile::TempDir,
    master: Child,
}

impl Nginx {
    /// Starts one whose workers have the dictionary open; `None`, said loudly, where nginx is
    /// missing.
    pub fn start(name: &str, workers: u32, size: &str) -> Option<Self> {
        let program = found("nginx", HINT)?;
        if !Path::new(MODULES).join("ngx_http_lua_module.so").exists() {
            skip(&format!("nginx has no module for Lua in {MODULES} (hint: {HINT})"));
            return None;
        }
        let folder = tempfile::tempdir().expect("a scratch folder");
        let settings = folder.path().join("nginx.conf");
        fs::write(&settings, settings_text(folder.path(), name, workers, size)).unwrap();
        let master = Command::new(program)
            .arg("-c")
            .arg(&settings)
            .arg("-p")
            .arg(folder.path())
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .spawn()
            .expect("nginx can be started");
        let nginx = Self { folder, master };
        nginx.wait_until("nginx answers", || nginx.ask("/pid").is_ok());
        Some(nginx)
    }

    /// The body of the answer to a request.
    pub fn ask(&self, path: &str) -> io::Result<String> {
        self.answer(self.send(path)?)
    }

    /// The body of the answer to a request that was sent.
    pub fn answer(&self, mut stream: UnixStream) -> io::Result<String> {
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
            _ => Err(io::Error::other(format!("{answer}\n{}", self.log()))),
        }
    }

    /// Sends a request without waiting for the answer.
    pub fn send(&self, path: &str) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(self.folder.path().join("socket"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        Ok(stream)
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Its workers, as they are now.
    pub fn workers(&self) -> Vec<u32> {
        let master = self.master.id();
        let path = PathBuf::from(format!("/proc/{master}/task/{master}/children"));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Tells the master to load its settings anew; returns when the old workers are gone.
    pub fn reload(&self) {
        let before = self.workers();
        signal(self.master.id(), Signal::HUP);
        self.wait_until("all workers are new", || {
            let now = self.workers();
            now.len() >= before.len() && now.iter().all(|pid| !before.contains(pid))
        });
    }

    /// Waits for something, with patience.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A worker in an endless loop would not listen to anything else.
        for worker in self.workers() {
            if self.is_busy(worker) {
                signal(worker, Signal::KILL);
            }
        }
        signal(self.master.id(), Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.master.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > deadline {
                self.workers().iter().for_each(|worker| signal(*worker, Signal::KILL));
                let _ = self.master.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Nginx {
    /// True if a worker computes at this moment.
    fn is_busy(&self, worker: u32) -> bool {
        let text = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('R'))
    }
}

/// Sends a signal to a process of ours, if it is still there.
pub fn signal(process: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process as i32) {
        let _ = kill_process(pid, signal);
    }
}

/// The folder with libraries for nginx that are no package of Debian, if there is one.
pub fn libraries() -> Option<PathBuf> {
    std::env::var_os("MOONHIVE_RESTY").map(PathBuf::from)
}

fn settings_text(folder: &Path, name: &str, workers: u32, size: &str) -> String {
    let scripts = root().join("crates/shm-c/tests/nginx");
    let template =
        fs::read_to_string(scripts.join("nginx.conf")).expect("it lies beside this file");
    let lua = root().join("lua/ffi");
    let calls = root().join("tests/lua");
    let fill = |text: String, name: &str, value: &dyn std::fmt::Display| {
        text.replace(&format!("@{name}@"), &value.to_string())
    };
    let libraries = libraries().unwrap_or_else(|| scripts.clone());
    let values: [(&str, &dyn std::fmt::Display); 10] = [
        ("FOLDER", &folder.display()),
        ("LIBRARY", &library().display()),
        ("LUA", &lua.display()),
        ("SCRIPTS", &scripts.display()),
        ("CALLS", &calls.display()),
        ("LIBRARIES", &libraries.display()),
        ("MODULES", &MODULES),
        ("NAME", &name),
        ("WORKERS", &workers),
        ("SIZE", &size),
    ];
    values.iter().fold(template, |text, (name, value)| fill(text, name, value))
}
