//! A host whose services run the loops too. It is told what to run through the dictionary.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, OwnedValue, SetOptions, Value};

use crate::common::{host, root};

/// Longest wait for a loop.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at an answer.
const PAUSE: Duration = Duration::from_millis(10);

/// A running host, killed when dropped.
pub struct Host<'a> {
    dictionary: &'a Dictionary,
    process: Child,
}

impl<'a> Host<'a> {
    /// Starts one with so many workers; `None`, said loudly, where `moonhive` is not built.
    pub fn start(name: &str, dictionary: &'a Dictionary, workers: usize) -> Option<Self> {
        let package = root().join("crates/shm-c");
        let process = Command::new(host()?)
            .args(["run", "--threads", &workers.to_string(), "--path"])
            .arg(package.join("tests/nginx"))
            .arg(package.join("benches/nginx/contestant.lua"))
            .args([name, &workers.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .expect("moonhive can be started");
        Some(Self { dictionary, process })
    }

    /// What the service of that number says about a loop.
    pub fn ask(&self, number: usize, what: &str, times: u64) -> String {
        let (order, answer) = (format!("order:{number}"), format!("answer:{number}"));
        let before = self.dictionary.version(&answer).expect("it is readable");
        let text = format!("{what} {times}");
        let options = SetOptions::default();
        self.dictionary.set(order, Value::Bytes(text.as_bytes()), options).expect("there is room");
        // Who sleeps until the answer changes is woken by everything that the loop writes near it.
        let deadline = Instant::now() + PATIENCE;
        while self.dictionary.version(&answer).expect("it is readable") == before {
            assert!(Instant::now() < deadline, "no answer in time");
            thread::sleep(PAUSE);
        }
        let entry = self.dictionary.get(&answer).expect("it is readable").expect("an answer");
        let OwnedValue::Bytes(bytes) = entry.value else { panic!("an answer is a text") };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
