//! How far long work has come, on a terminal only: programs that read our output see none of it.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::cli::stats::grouped;

/// Least time between two lines.
const PAUSE: Duration = Duration::from_millis(200);

/// A line that is written over and over.
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    next: Option<Instant>,
    has_line: bool,
}

impl Progress {
    /// Begins; `total` of 0 is unknown.
    pub fn new(what: &'static str, total: u64) -> Self {
        let next = io::stderr().is_terminal().then(|| Instant::now() + PAUSE);
        Self { what, total, done: 0, next, has_line: false }
    }

    /// So many more are done.
    pub fn step(&mut self, count: u64) {
        self.done += count;
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now >= next {
            self.next = Some(now + PAUSE);
            self.has_line = true;
            // A terminal that is gone needs no progress.
            let _ = write!(io::stderr(), "\r{}: {}\x1b[K", self.what, self.text());
        }
    }

    fn text(&self) -> String {
        match (self.done * 100).checked_div(self.total) {
            Some(percent) => {
                format!("{} of {} ({percent} %)", grouped(self.done), grouped(self.total))
            }
            None => grouped(self.done),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_line {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_total_gives_a_part_in_percent() {
        let text = |total, done| {
            let mut progress = Progress::new("checked", total);
            progress.done = done;
            progress.text()
        };
        assert_eq!(text(2000, 1500), "1,500 of 2,000 (75 %)");
        assert_eq!(text(0, 1500), "1,500");
    }

    #[test]
    fn where_no_terminal_is_nothing_is_written() {
        let mut progress = Progress::new("checked", 1);
        progress.next = None;
        progress.step(1);
        assert!(!progress.has_line);
    }
}
