//! Where log lines go, so that nobody who logs ever waits for whoever reads them.
//!
//! Who logs writes his line himself, at once, as long as the reader keeps up: nothing is lost when
//! the process dies a moment later. When standard error takes no more, lines wait in a backlog of
//! at most [`BACKLOG_LIMIT_BYTES`], and a thread of its own writes them as they are taken. Lines
//! beyond that are counted and dropped; the log says how many once it goes on.
//!
//! One writes at a time, whoever found nobody writing or the thread; lines keep their order.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Most bytes of lines that wait for a reader.
pub const BACKLOG_LIMIT_BYTES: usize = 4 << 20;

/// A pipe that can be written to takes so many bytes without waiting (POSIX's `PIPE_BUF` on Linux).
const AT_ONCE_BYTES: usize = 4096;

/// Lines of others that one who logs writes behind his own, before the thread takes over.
const LINES_OF_OTHERS: usize = 16;

/// Where the bytes end up.
pub(super) trait Sink: Send + Sync {
    /// True if so many bytes can be written without waiting.
    fn takes(&self, length: usize) -> bool;

    /// Writes a whole line. Standard error that cannot be written to has nowhere to say so.
    fn write(&self, line: &[u8]);
}

/// Standard error: a terminal, a pipe, a file.
pub(super) struct Stderr;

impl Sink for Stderr {
    fn takes(&self, length: usize) -> bool {
        length <= AT_ONCE_BYTES && is_writable(io::stderr())
    }

    fn write(&self, line: &[u8]) {
        let mut rest = line;
        while !rest.is_empty() {
            match io::stderr().lock().write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                // Others that share the pipe may have asked for this.
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => wait_until_writable(),
                _ => return,
            }
        }
    }
}

/// True if a write would not wait. What cannot be asked is written to, and says what is wrong then.
fn is_writable(descriptor: impl std::os::fd::AsFd) -> bool {
    let mut asked = [PollFd::new(&descriptor, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}

/// Waits until standard error takes something again.
fn wait_until_writable() {
    let stderr = io::stderr();
    let _ = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None);
}

/// What all who log share.
#[derive(Default)]
struct State {
    /// Somebody writes: one who logs, or the thread.
    busy: bool,
    /// It is the thread's turn to write.
    handed_over: bool,
    has_thread: bool,
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines that the thread has written.
    written: u64,
    /// Lines dropped since the log last told of them.
    lost: u64,
}

impl State {
    fn push(&mut self, line: String) {
        if self.bytes + line.len() > BACKLOG_LIMIT_BYTES {
            self.lost += 1;
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    fn pop(&mut self) -> Option<String> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }
}

/// The way of all lines to their sink.
pub(super) struct Outlet {
    sink: Box<dyn Sink>,
    state: Mutex<State>,
    /// Told when the thread has something to do, and when everything is written.
    changed: Condvar,
    /// Makes the line that tells of lost ones.
    tell_lost: fn(u64) -> String,
}

impl Outlet {
    pub(super) fn new(sink: Box<dyn Sink>, tell_lost: fn(u64) -> String) -> Arc<Outlet> {
        Arc::new(Outlet { sink, state: Mutex::default(), changed: Condvar::new(), tell_lost })
    }

    /// Writes a line, or lets it wait for the reader. Returns at once.
    pub(super) fn put(self: &Arc<Self>, line: String) {
        let mut state = self.state.lock();
        let mut next = Some(line);
        if state.busy || !state.lines.is_empty() {
            next.take().into_iter().for_each(|line| state.push(line));
        }
        if state.busy {
            return;
        }
        // Lines that wait although nobody writes are from when no thread could be started.
        let Some(next) = next.or_else(|| state.pop()) else { return };
        state.busy = true;
        drop(state);
        self.write_while_taken(next);
    }

    /// Writes this line and those that come meanwhile, until the reader falls behind.
    fn write_while_taken(self: &Arc<Self>, line: String) {
        let mut next = line;
        for _ in 0..=LINES_OF_OTHERS {
            if !self.sink.takes(next.len()) {
                break;
            }
            self.sink.write(next.as_bytes());
            let mut state = self.state.lock();
            match state.pop() {
                Some(line) => next = line,
                None => {
                    state.busy = false;
                    self.changed.notify_all();
                    return;
                }
            }
        }
        self.hand_over(next);
    }

    /// Leaves the rest, this line first, to the thread.
    fn hand_over(self: &Arc<Self>, line: String) {
        let mut state = self.state.lock();
        state.bytes += line.len();
        state.lines.push_front(line);
        state.handed_over = true;
        let is_first = !std::mem::replace(&mut state.has_thread, true);
        self.changed.notify_all();
        drop(state);
        if is_first {
            let outlet = Arc::clone(self);
            let thread = thread::Builder::new().name("log".to_owned());
            thread.spawn(move || outlet.serve()).map_or_else(|_| self.take_back(), drop);
        }
    }

    /// There is no thread. The next line tries again.
    fn take_back(&self) {
        let mut state = self.state.lock();
        (state.has_thread, state.handed_over, state.busy) = (false, false, false);
        self.changed.notify_all();
    }

    /// What the thread does, for ever.
    fn serve(&self) {
        loop {
            let mut state = self.state.lock();
            while !state.handed_over {
                self.changed.wait(&mut state);
            }
            let next = match state.pop() {
                Some(line) => line,
                None if state.lost > 0 => (self.tell_lost)(std::mem::take(&mut state.lost)),
                None => {
                    (state.handed_over, state.busy) = (false, false);
                    self.changed.notify_all();
                    continue;
                }
            };
            drop(state);
            self.sink.write(next.as_bytes());
            self.state.lock().written += 1;
        }
    }

    /// Waits until every line is written, as long as the reader takes one in each such time. True
    /// if they are.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut state = self.state.lock();
        while state.busy {
            let written = state.written;
            let deadline = Instant::now() + patience;
            let timed_out = self.changed.wait_until(&mut state, deadline).timed_out();
            if timed_out && state.busy && state.written == written {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Writes to a reader that can stall: each write then waits for a word through the gate.
    struct ToReader {
        open: Arc<AtomicBool>,
        passes: Mutex<mpsc::Receiver<()>>,
        lines: mpsc::Sender<String>,
    }

    impl Sink for ToReader {
        fn takes(&self, _length: usize) -> bool {
            self.open.load(Ordering::SeqCst)
        }

        fn write(&self, line: &[u8]) {
            if !self.takes(line.len()) {
                self.passes.lock().recv().expect("the test lets it through");
            }
            self.lines.send(String::from_utf8(line.to_vec()).unwrap()).unwrap();
        }
    }

    /// The other end.
    struct Reader {
        outlet: Arc<Outlet>,
        open: Arc<AtomicBool>,
        gate: mpsc::Sender<()>,
        lines: mpsc::Receiver<String>,
    }

    fn reader() -> Reader {
        let (gate, passes) = mpsc::channel();
        let (send, lines) = mpsc::channel();
        let open = Arc::new(AtomicBool::new(true));
        let sink = ToReader { open: Arc::clone(&open), passes: Mutex::new(passes), lines: send };
        let outlet = Outlet::new(Box::new(sink), |lost| format!("lost {lost}"));
        Reader { outlet, open, gate, lines }
    }

    #[test]
    fn a_line_is_written_when_put_returns() {
        let Reader { outlet, lines, .. } = reader();
        for number in 0..100 {
            outlet.put(number.to_string());
            assert_eq!(lines.try_recv(), Ok(number.to_string()));
        }
        assert!(outlet.flush(Duration::ZERO));
    }

    #[test]
    fn who_logs_does_not_wait_for_a_reader_that_stalls_and_nothing_is_lost_or_mixed_up() {
        let Reader { outlet, open, gate, lines } = reader();
        open.store(false, Ordering::SeqCst);
        (0..100).for_each(|number| outlet.put(number.to_string()));
        assert!(lines.try_recv().is_err());
        assert!(!outlet.flush(Duration::from_millis(1)));
        (0..100).for_each(|_| gate.send(()).unwrap());
        assert!(outlet.flush(Duration::from_secs(60)));
        let read: Vec<String> = lines.try_iter().collect();
        assert_eq!(read, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        open.store(true, Ordering::SeqCst);
        outlet.put("at once again".to_owned());
        assert_eq!(lines.try_recv(), Ok("at once again".to_owned()));
    }

    #[test]
    fn the_end_waits_for_a_reader_as_long_as_he_reads() {
        let Reader { outlet, open, gate, lines } = reader();
        open.store(false, Ordering::SeqCst);
        (0..20).for_each(|number| outlet.put(number.to_string()));
        let slow = thread::spawn(move || {
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(5));
                gate.send(()).unwrap();
            }
        });
        // All of it takes longer than one time of patience in which nothing is read may.
        assert!(outlet.flush(Duration::from_secs(60)));
        slow.join().unwrap();
        assert_eq!(lines.try_iter().count(), 20);
    }

    #[test]
    fn beyond_its_limit_the_backlog_drops_lines_and_the_log_says_how_many() {
        let Reader { outlet, open, gate, lines } = reader();
        open.store(false, Ordering::SeqCst);
        let line = "x".repeat(BACKLOG_LIMIT_BYTES / 8);
        // The first one is in the thread's hands, or still waits.
        (0..12).for_each(|_| outlet.put(line.clone()));
        let waits = outlet.state.lock().bytes;
        assert!(waits <= BACKLOG_LIMIT_BYTES);
        (0..13).for_each(|_| gate.send(()).unwrap());
        assert!(outlet.flush(Duration::from_secs(60)));
        let read: Vec<String> = lines.try_iter().collect();
        let (told, whole) = read.split_last().unwrap();
        assert!(whole.iter().all(|it| *it == line) && (8..=9).contains(&whole.len()));
        assert_eq!(*told, format!("lost {}", 12 - whole.len()));
    }

    #[test]
    fn lines_of_many_threads_are_whole_and_all_there() {
        let Reader { outlet, lines, .. } = reader();
        thread::scope(|scope| {
            for name in 0..4 {
                let outlet = &outlet;
                scope.spawn(move || (0..500).for_each(|n| outlet.put(format!("{name} {n}"))));
            }
        });
        assert!(outlet.flush(Duration::from_secs(60)));
        let read: Vec<String> = lines.try_iter().collect();
        for name in 0..4 {
            let of_one = read.iter().filter_map(|line| line.strip_prefix(&format!("{name} ")));
            assert!(of_one.map(|n| n.parse::<i32>().unwrap()).eq(0..500));
        }
    }
}
