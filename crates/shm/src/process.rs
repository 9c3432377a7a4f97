//! Processes as other processes know them: by number and beginning.
//!
//! A number is given out again after a death. Together with the moment at which the process began
//! it names one process for as long as the machine runs, and anybody can find out whether that one
//! still lives.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, test_kill_process};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it began, in ticks of the system since the machine was started; 0 if that is not known.
    pub begun_ticks: u64,
}

/// What the system knows of a number.
enum Seen {
    /// No process has it, or one that has ended and was not collected by its parent yet.
    Nobody,
    /// A process that began then.
    Begun(u64),
    /// A process about which we may not know more.
    Hidden,
}

impl Process {
    /// This process; a child after `fork` is another one.
    pub fn own() -> Self {
        // The number is stored last, so it vouches for the beginning.
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        static PID: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id();
        if PID.load(Ordering::Acquire) != u64::from(pid) {
            let begun_ticks = match look_at(pid) {
                Seen::Begun(ticks) => ticks,
                Seen::Nobody | Seen::Hidden => 0,
            };
            BEGUN.store(begun_ticks, Ordering::Relaxed);
            PID.store(pid.into(), Ordering::Release);
        }
        Self { pid, begun_ticks: BEGUN.load(Ordering::Relaxed) }
    }

    /// True if it has ended. Not known of a process that the system hides from us: then it lives.
    pub fn has_ended(self) -> bool {
        match look_at(self.pid) {
            Seen::Nobody => true,
            Seen::Begun(ticks) => ![0, ticks].contains(&self.begun_ticks),
            Seen::Hidden => false,
        }
    }
}

fn look_at(pid: u32) -> Seen {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return look_without_files(pid);
    };
    seen_in(&status).unwrap_or(Seen::Hidden)
}

/// What a status says; `None` if it is none.
fn seen_in(status: &str) -> Option<Seen> {
    // The second field is a name in brackets that may hold anything; the state follows it.
    let mut fields = status.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let begun_ticks = fields.nth(1)?.parse().ok()?;
    // A process whose first thread has ended looks like that, too, while others run.
    if matches!(state, "Z" | "X") && threads <= 1 {
        return Some(Seen::Nobody);
    }
    Some(Seen::Begun(begun_ticks))
}

/// Where the files of `/proc` are missing, or those of other users are hidden.
fn look_without_files(pid: u32) -> Seen {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match pid.map(test_kill_process) {
        None | Some(Err(rustix::io::Errno::SRCH)) => Seen::Nobody,
        _ => Seen::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun_of(status: &str) -> Option<u64> {
        match seen_in(status) {
            Some(Seen::Begun(ticks)) => Some(ticks),
            _ => None,
        }
    }

    fn status(state: &str, threads: u32) -> String {
        format!("7 (a) b) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 {threads} 0 4711 99")
    }

    #[test]
    fn this_process_lives_and_is_always_the_same() {
        let own = Process::own();
        assert_eq!(own.pid, std::process::id());
        assert!(own.begun_ticks > 0 && !own.has_ended());
        assert_eq!(own, Process::own());
    }

    #[test]
    fn a_process_with_the_number_of_a_dead_one_is_another() {
        let own = Process::own();
        assert!(Process { begun_ticks: own.begun_ticks + 1, ..own }.has_ended());
    }

    #[test]
    fn a_process_that_was_collected_or_not_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let Seen::Begun(begun_ticks) = look_at(child.id()) else { panic!("it lives") };
        let process = Process { pid: child.id(), begun_ticks };
        assert!(!process.has_ended());
        child.kill().unwrap();
        while !process.has_ended() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(process.has_ended());
        assert!(matches!(look_without_files(child.id()), Seen::Nobody));
    }

    #[test]
    fn a_process_that_may_not_be_looked_at_lives() {
        assert!(matches!(look_without_files(std::process::id()), Seen::Hidden));
    }

    #[test]
    fn a_process_lives_while_any_thread_of_it_runs() {
        assert_eq!(begun_of(&status("S", 1)), Some(4711));
        assert_eq!(begun_of(&status("Z", 3)), Some(4711), "its first thread has ended");
        assert_eq!(begun_of(&status("Z", 1)), None);
        assert_eq!(begun_of("7 (cut"), None);
    }
}
