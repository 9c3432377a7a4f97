//! The clock that expiry is reckoned by: microseconds of `CLOCK_MONOTONIC`.
//!
//! All processes of a machine read the same one, and nobody can set it back; wall time would make
//! every entry expire when it is corrected. About 25 ns; read only for entries that can expire.

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since some moment before the machine's first dictionary.
pub fn now_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}
