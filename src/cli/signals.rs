//! SIGTERM and SIGINT while a host runs: the first one asks, the second one insists; and the end itself,
//! which nobody who does not read may hold up. SIGHUP, where a host wants it, begins a new log. And SIGPIPE,
//! which the runtime of Rust ignores: an ignored signal is inherited by every child, a handled one is not,
//! so both functions for it install a handler.
//!
//! The second signal ends the process in the signal handler itself, so it works however busy every
//! thread is. The exit code is then 128 plus the number of the signal, as shells have it. It has to
//! come a moment later: `timeout` and some supervisors signal a process and its group at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Signals that come within this time count as one.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// A signal has asked for the end. Written by the thread of [`on_first`].
static ASKED: AtomicBool = AtomicBool::new(false);

/// True if a signal has asked for the end.
pub fn have_asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Calls `shut_down` at the first signal, on a thread of its own.
///
/// # Errors
/// When the system refuses a handler or the thread.
pub fn on_first(shut_down: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // Raised by the thread below and read by the signal handlers.
    let insisting = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&insisting))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        if signals.forever().next().is_some() {
            ASKED.store(true, Ordering::SeqCst);
            tracing::info!("signal received: shutting down; a second one ends at once");
            shut_down();
            thread::sleep(SAME_SIGNAL);
            insisting.store(true, Ordering::SeqCst);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(())
}

/// Ends the process after a while, whatever keeps it: output that nobody reads is flushed at exit, and a
/// worker may be left behind in the middle of it.
///
/// # Errors
/// When the system refuses the thread.
pub fn end_in(patience: Duration, code: u8) -> io::Result<()> {
    let insist = move || {
        thread::sleep(patience);
        signal_hook::low_level::exit(code.into());
    };
    thread::Builder::new().name("end".to_owned()).spawn(insist).map(drop)
}

/// Lets a broken pipe end the process, as it ends any program that writes for another to read.
///
/// # Errors
/// When the system refuses the handler.
pub fn end_at_broken_pipe() -> io::Result<()> {
    flag::register_conditional_default(SIGPIPE, Arc::new(AtomicBool::new(true))).map(drop)
}

/// Keeps a broken pipe an error of whoever writes to it: a server must not end because of one reader.
/// Programs that it starts find the signal as usual.
///
/// # Errors
/// When the system refuses the handler.
pub fn outlive_broken_pipes() -> io::Result<()> {
    flag::register(SIGPIPE, Arc::default()).map(drop)
}

/// Calls `renew_log` at each SIGHUP, on a thread of its own.
///
/// # Errors
/// As [`on_first`].
pub fn on_hangup(renew_log: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    let wait = move || signals.forever().for_each(|_| renew_log());
    thread::Builder::new().name("hangup".to_owned()).spawn(wait)?;
    Ok(())
}
