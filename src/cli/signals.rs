//! SIGTERM and SIGINT while a host runs: the first one asks, the second one insists; and the end
//! itself, which nobody who does not read may hold up. SIGUSR1 asks for a report. SIGHUP begins a
//! new log, or asks as well where there is none. And SIGPIPE, which the runtime of Rust ignores: an
//! ignored signal is inherited by every child, a handled one is not, so both functions for it
//! install a handler.
//!
//! The second signal ends the process in the signal handler itself, so it works however busy every
//! thread is. The exit code is then 128 plus the number of the signal, as shells have it. It has to
//! come a moment later: `timeout` and some supervisors signal a process and its group at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use moonhive::vm::signal::is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGXFSZ};
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

/// What a signal is to do.
pub struct Acts<Report, Renew, End> {
    /// Says in the log what the host is at.
    pub report: Report,
    /// The log goes where SIGHUP renews it, and never ends the host.
    pub names_log: bool,
    /// Begins the log anew; false if there is none that could be.
    pub renew_log: Renew,
    /// Begins the shutdown.
    pub shut_down: End,
}

/// Calls `shut_down` at the first signal that asks for the end, on a thread of its own, and
/// `renew_log` at each SIGHUP, `report` at each SIGUSR1. SIGHUP asks for the end where there is no
/// log to renew: a terminal was closed.
///
/// # Errors
/// When the system refuses a handler or the thread.
pub fn on_first<Report, Renew, End>(acts: Acts<Report, Renew, End>) -> io::Result<()>
where
    Report: FnMut() + Send + 'static,
    Renew: Fn() -> bool + Send + 'static,
    End: FnOnce() + Send + 'static,
{
    // Raised by the thread below and read by the signal handlers. Two SIGHUP are no insistence: the
    // shell and the system send one each, and whoever renews logs sends many.
    let insisting = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&insisting))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1])?;
    // What `nohup` started is to outlive its terminal, and so are its children.
    if acts.names_log || !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    let wait = move || listen(&mut signals, acts, &insisting);
    thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(())
}

/// What the thread of [`on_first`] does, for ever.
fn listen<Report: FnMut(), Renew: Fn() -> bool, End: FnOnce()>(
    signals: &mut Signals,
    mut acts: Acts<Report, Renew, End>,
    insisting: &AtomicBool,
) {
    let mut shut_down = Some(acts.shut_down);
    for signal in signals.forever() {
        if signal == SIGUSR1 {
            (acts.report)();
            continue;
        }
        let is_for_log = signal == SIGHUP && ((acts.renew_log)() || acts.names_log);
        if let Some(shut_down) = shut_down.take_if(|_| !is_for_log) {
            ASKED.store(true, Ordering::SeqCst);
            tracing::info!(
                "signal received: shutting down; a second SIGTERM or SIGINT ends at once"
            );
            shut_down();
            thread::sleep(SAME_SIGNAL);
            insisting.store(true, Ordering::SeqCst);
        }
    }
}

/// Ends the process after a while, whatever keeps it: output that nobody reads is flushed at exit,
/// and a worker may be left behind in the middle of it.
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

/// Keeps a broken pipe, and a file at its limit of size, an error of whoever writes to it: a server
/// must not end because of one reader or one file. Programs that it starts find the signals as
/// usual.
///
/// # Errors
/// When the system refuses a handler.
pub fn outlive_failed_writes() -> io::Result<()> {
    flag::register(SIGPIPE, Arc::default())?;
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}
