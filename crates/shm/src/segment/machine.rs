//! What the header records about the machine: word and page size, pid namespace, which start.

use std::os::unix::fs::MetadataExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Width of a pointer in bytes, and the page size above it.
pub fn width_and_page() -> u64 {
    size_of::<usize>() as u64 | (rustix::param::page_size() as u64) << 32
}

/// Inode of the pid namespace of this process; 0 without `/proc`.
pub fn pid_namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |data| data.ino())
}

/// The kernel's id of this start of the machine; zeros without `/proc`.
pub fn boot() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&digits, 16).unwrap_or(0);
    ((number >> 64) as u64, number as u64)
}

/// Seconds since 1970.
pub fn unix_time_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The time of day minus the monotonic clock, in microseconds.
pub fn clock_offset_us() -> i64 {
    let time_us = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    };
    time_us(rustix::time::ClockId::Realtime) - time_us(rustix::time::ClockId::Monotonic)
}

/// Sixteen random bytes of the system.
pub fn random_key() -> (u64, u64) {
    let mut bytes = [0; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    // Up to 256 bytes come whole from an initialised pool; only a sandbox can refuse the call.
    if got.is_err() {
        return (unix_time_s(), u64::from(std::process::id()));
    }
    let number = u128::from_ne_bytes(bytes);
    ((number >> 64) as u64, number as u64)
}
