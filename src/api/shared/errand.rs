//! What takes long, because a disk is slow or because all of a dictionary is looked at: done by
//! threads of their own, while the coroutine that wants it is suspended and the worker goes on.
//!
//! A thread is begun for an errand unless [`THREADS_MOST`] run; then the errand waits. It ends when
//! none waits. An errand whose coroutine has gone (a deadline, a kill) is not begun, or stops at
//! its next step: so no errand may wait for the outside world, such as the other end of a pipe,
//! without asking whether it is wanted.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use moonhive_shm::{Error, Finding};
use parking_lot::Mutex;

use super::dict::Dict;
use super::failure;
use super::registry::Opened;
use super::wish::{Stub, Ticket};
use crate::actor::{Code, Fault, State};
use crate::api::{blocking, hive};
use crate::vm::{Continuation, NativeResult, Outcome, Raise, Stack, Userdata};

/// Errands of a process that are done at the same time.
const THREADS_MOST: usize = 4;

/// Errands of a process that wait for a thread.
const WAITING_MOST: usize = 65_536;

/// What an errand brings back.
pub enum Report {
    /// True.
    Done,
    /// A number of entries.
    Count(u64),
    /// Numbers by name.
    Figures(Vec<(&'static str, u64)>),
    /// What does not hold in a dictionary.
    Findings(Vec<Finding>),
    /// A dictionary, and whether it was made.
    Opened(Arc<Opened>, bool),
}

impl Report {
    /// Pushes the results of the method; how many.
    pub fn push(self, stack: &mut Stack<'_>) -> i32 {
        match self {
            Report::Done => {
                stack.push_bool(true);
                1
            }
            Report::Count(count) => {
                stack.push_integer(count as i64);
                1
            }
            Report::Figures(figures) => {
                push_figures(stack, &figures);
                1
            }
            Report::Findings(findings) => {
                push_findings(stack, &findings);
                1
            }
            Report::Opened(opened, is_new) => {
                stack.push_userdata(Dict(opened));
                stack.push_bool(is_new);
                2
            }
        }
    }
}

/// Pushes a table of numbers by name.
pub(super) fn push_figures(stack: &mut Stack<'_>, figures: &[(&str, u64)]) {
    stack.push_table(0, figures.len());
    for (name, figure) in figures {
        stack.push_integer(i64::try_from(*figure).unwrap_or(i64::MAX));
        stack.raw_set_field(-2, name);
    }
}

/// Each finding as a sentence.
fn push_findings(stack: &mut Stack<'_>, findings: &[Finding]) {
    stack.push_table(findings.len(), 0);
    for (position, finding) in (1..).zip(findings) {
        let cell = finding.cell.map(|cell| format!(", cell {cell}")).unwrap_or_default();
        stack.push_str(&format!("shard {}{cell}: {}", finding.shard, finding.what));
        stack.raw_set_item(-2, position);
    }
}

/// Why an errand failed, as the program is told.
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    pub errno: i32,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let message = match error.hint() {
            Some(hint) => format!("{error}\nhint: {hint}"),
            None => error.to_string(),
        };
        Problem { code: error.code(), message, errno: error.errno() }
    }
}

/// What came of the work, or its panic, which goes on where the coroutine does.
type Attempt = thread::Result<Result<Report, Problem>>;
type Found = Arc<Mutex<Option<Attempt>>>;

/// The work of an errand, which is told if there is no thread for it.
type Work = Box<dyn FnOnce(Result<(), Problem>) + Send>;

/// An errand as its coroutine holds it.
struct Errand {
    _stub: Stub,
    found: Found,
}

impl Userdata for Errand {
    const NAME: &'static str = "errand";
}

struct Queue {
    waiting: VecDeque<Work>,
    /// Those that run or are being started.
    threads: usize,
}

/// The errands of a process, and how a thread for them is started.
struct Errands {
    queue: Mutex<Queue>,
    start_thread: fn(&'static Errands) -> io::Result<()>,
}

static ERRANDS: Errands = Errands::new(start_thread);

fn start_thread(errands: &'static Errands) -> io::Result<()> {
    let thread = thread::Builder::new().name("shared-errand".to_owned());
    thread.spawn(|| errands.run()).map(drop)
}

/// Does the work as [`send`] does where the coroutine can wait, and on the spot where it cannot.
/// What the work gets tells whether it is still wanted.
pub fn perform(
    stack: &mut Stack<'_>,
    work: impl FnOnce(&dyn Fn() -> bool) -> Result<Report, Problem> + Send + 'static,
) -> NativeResult {
    if stack.can_block() {
        return send(stack, move |ticket| work(&|| ticket.is_wanted()));
    }
    match work(&|| true) {
        Ok(report) => Ok(Outcome::Return(report.push(stack))),
        Err(problem) => Err(raise(stack, problem)),
    }
}

fn raise(stack: &mut Stack<'_>, problem: Problem) -> Raise {
    failure::raise_as(stack, problem.code, problem.message, problem.errno)
}

/// Lets a thread do the work, which may ask its ticket whether it is still wanted, and suspends the
/// coroutine until it is done.
pub fn send(
    stack: &mut Stack<'_>,
    work: impl FnOnce(&Ticket) -> Result<Report, Problem> + Send + 'static,
) -> NativeResult {
    let state = State::of(stack)?;
    blocking::check_dictionary(stack)?;
    let sleeper = state.wait_outside(None);
    let sleeper = sleeper.map_err(|fault| hive::raise_fault(stack, state, fault))?;
    let (ticket, stub) = Ticket::new(sleeper);
    let found = Found::default();
    stack.set_top(0);
    stack.push_userdata(Errand { _stub: stub, found: found.clone() });
    let queued = ERRANDS.add(Box::new(move |begun| {
        if ticket.is_wanted() {
            let act = || begun.and_then(|()| work(&ticket));
            let attempt = catch_unwind(AssertUnwindSafe(act));
            *found.lock() = Some(attempt);
            ticket.wake();
        }
    }));
    if !queued {
        state.cancel_wait();
        let text = format!(
            "{WAITING_MOST} calls for shared dictionaries wait for a thread already\n\
             hint: save, load and check less often, or one after the other"
        );
        return Err(hive::raise_fault(stack, state, Fault::new(Code::Overload, text)));
    }
    Ok(Outcome::BlockThen(0, const { Continuation::new(done, 0) }))
}

/// The errand is done, or the wait for it has failed.
fn done(stack: &mut Stack<'_>, _: isize) -> NativeResult {
    let state = State::of(stack)?;
    let errand = stack.take_userdata::<Errand>(1);
    if let Some(fault) = state.take_failure() {
        return Err(hive::raise_fault(stack, state, *fault));
    }
    match errand.and_then(|errand| errand.found.lock().take()) {
        Some(Ok(Ok(report))) => Ok(Outcome::Return(report.push(stack))),
        Some(Ok(Err(problem))) => Err(raise(stack, problem)),
        // The trampoline makes an error of it, and has it logged, as for natives that work on the
        // spot.
        Some(Err(panic)) => resume_unwind(panic),
        // Nobody but the thread wakes the coroutine, after it has left the result.
        None => Ok(Outcome::Return(0)),
    }
}

impl Errands {
    const fn new(start_thread: fn(&'static Errands) -> io::Result<()>) -> Errands {
        let queue = Queue { waiting: VecDeque::new(), threads: 0 };
        Errands { queue: Mutex::new(queue), start_thread }
    }

    /// Lets a thread do the work, by and by. False if too much waits already.
    fn add(&'static self, work: Work) -> bool {
        let mut queue = self.queue.lock();
        if queue.waiting.len() >= WAITING_MOST {
            return false;
        }
        queue.waiting.push_back(work);
        if queue.threads < THREADS_MOST {
            queue.threads += 1;
            drop(queue);
            let started = (self.start_thread)(self);
            started.unwrap_or_else(|error| self.miss_thread(&error));
        }
        true
    }

    /// A thread could not be started. One of the others does what waits; if there is none, all are
    /// told.
    fn miss_thread(&self, error: &io::Error) {
        let mut queue = self.queue.lock();
        queue.threads -= 1;
        if queue.threads > 0 {
            return;
        }
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        for work in left {
            work(Err(Problem {
                code: "overload",
                message: format!("cannot start a thread for the errand: {error}"),
                errno: error.raw_os_error().unwrap_or_default(),
            }));
        }
    }

    /// A thread: does errands until none is left.
    fn run(&self) {
        loop {
            let mut queue = self.queue.lock();
            let Some(work) = queue.waiting.pop_front() else {
                queue.threads -= 1;
                return;
            };
            drop(queue);
            work(Ok(()));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::actor::{Host, Spawn};
    use crate::vm::Native;

    /// `shared.mistake()`, in tests only: an errand that panics.
    pub const NATIVES: [(&str, Native); 1] = [("mistake", Native::new(mistake))];

    fn mistake(stack: &mut Stack<'_>) -> NativeResult {
        send(stack, |_| panic!("a mistake"))
    }

    #[test]
    fn a_panic_of_the_work_is_an_error_of_the_coroutine_and_costs_no_thread() {
        let host = Host::builder().threads(1).build().unwrap();
        let text = "local hive, shared = require 'hive', require 'shared'
            for _ = 1, 10 do
              local ok, err = pcall(hive.timeout, 30, shared.mistake)
              assert(not ok and err.code == 'panic' and err.message:find 'a mistake', err.message)
            end
            return {}";
        host.spawn(Spawn::text("mistaken", text), ()).unwrap();
    }

    #[test]
    fn errands_wait_for_a_thread_up_to_a_limit() {
        static BUSY: Errands = Errands::new(start_thread);
        let (begun, begins) = mpsc::channel();
        let gates = [(); THREADS_MOST].map(|()| {
            let (gate, opened) = mpsc::channel::<()>();
            let begun = begun.clone();
            assert!(BUSY.add(Box::new(move |_| {
                begun.send(()).unwrap();
                let _ = opened.recv();
            })));
            begins.recv().unwrap();
            gate
        });
        let (done, count) = mpsc::channel();
        for _ in 0..WAITING_MOST {
            let done = done.clone();
            assert!(BUSY.add(Box::new(move |begun| done.send(begun.is_ok()).unwrap())));
        }
        assert!(!BUSY.add(Box::new(|_| unreachable!())));
        drop((gates, done));
        assert_eq!(count.iter().filter(|is_ok| *is_ok).count(), WAITING_MOST);
    }

    #[test]
    fn an_errand_is_told_that_there_is_no_thread_for_it() {
        static ALONE: Errands = Errands::new(|_| Err(io::ErrorKind::WouldBlock.into()));
        for _ in 0..2 {
            let (told, tells) = mpsc::channel();
            assert!(ALONE.add(Box::new(move |begun| told.send(begun.unwrap_err().code).unwrap())));
            assert_eq!(tells.try_recv(), Ok("overload"));
        }
    }
}
