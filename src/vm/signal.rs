//! What a process was started with: `nohup` and shells have signals ignored in what they start.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// True if this process ignores a signal. Whoever installs a handler asks before.
pub fn is_ignored(signal: c_int) -> bool {
    // SAFETY: zeroes are a valid action, which the call fills in; with no new action it changes
    // nothing. It refuses numbers that are no signals.
    unsafe {
        let mut present: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let outcome = libc::sigaction(signal, ptr::null(), &mut present);
        outcome == 0 && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_its_default_and_what_is_no_signal_is_not_ignored() {
        assert!(!is_ignored(libc::SIGUSR2));
        assert!(!is_ignored(-1));
    }
}
