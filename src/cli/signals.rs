//! SIGTERM and SIGINT while a host runs: the first one asks, the second one insists.
//!
//! The second signal ends the process in the signal handler itself, so it works however busy every
//! thread is. The exit code is then 128 plus the number of the signal, as shells have it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Calls `shut_down` at the first signal, on a thread of its own.
///
/// # Errors
/// When the system refuses a handler or the thread.
pub fn on_first(shut_down: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first signal finds the flag down and raises it, the second finds it up.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        if signals.forever().next().is_some() {
            tracing::info!("signal received: shutting down; a second one ends at once");
            shut_down();
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(())
}
