//! The figures that `moonhive run --stats` prints when the host has ended.
//!
//! ```text
//! services         1,001 started
//! messages         4,937 handled
//! time             12.4 s: worker 11.0 s (1,000 services), main 1.4 s
//! handlers         worker.compute 10.8 s (4,000 calls), main.(tasks) 1.4 s
//! memory           97.4 KiB a service on average, 15.1 MiB the largest; 190.2 MiB resident at most
//! shared code      412.0 KiB in 44 chunks
//! code cache       43,956 hits, 44 compiled, 0 private, 0 failed
//! shared tables    1.2 MiB in 3 tables
//! ```

use std::cmp::Reverse;
use std::fmt::{self, Write};
use std::fs;
use std::time::Duration;

use moonhive::actor::{HandlerProfile, HostStats, ServiceProfile};

/// Figures of a host as lines for people.
pub struct Report<'a> {
    pub stats: &'a HostStats,
    /// The most memory the process had resident; `None` where the system does not tell.
    pub resident_bytes: Option<u64>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stats, resident_bytes } = self;
        let code = &stats.code.totals;
        let chunks = stats.code.chunks.len() as u64;
        let mut memory = format!(
            "{} a service on average, {} the largest",
            bytes(stats.memory_per_service_bytes as u64),
            bytes(stats.memory_of_largest_bytes as u64),
        );
        if let Some(resident) = resident_bytes {
            write!(memory, "; {} resident at most", bytes(*resident))?;
        }
        let mut shared = format!("{} in {} chunks", bytes(code.size_bytes as u64), grouped(chunks));
        if code.retired_bytes > 0 {
            write!(shared, "; {} of retired versions", bytes(code.retired_bytes as u64))?;
        }
        let cache = format!(
            "{} hits, {} compiled, {} private, {} failed",
            grouped(code.hits),
            grouped(code.compiled),
            grouped(code.private),
            grouped(code.failed),
        );
        let mut tables = Vec::new();
        if stats.shared.count() > 0 {
            let size = bytes(stats.shared.size_bytes() as u64);
            let count = grouped(stats.shared.count() as u64);
            tables.push(("shared tables", format!("{size} in {count} tables")));
        }
        for (name, text) in [
            ("services", format!("{} started", grouped(stats.spawned))),
            ("messages", format!("{} handled", grouped(stats.messages))),
            ("time", times(stats)),
            ("handlers", handlers(stats)),
            ("memory", memory),
            ("shared code", shared),
            ("code cache", cache),
        ]
        .into_iter()
        .chain(tables)
        {
            writeln!(f, "{name:<16} {text}")?;
        }
        Ok(())
    }
}

/// Services and handlers that a report names.
const NAMED_MAX: usize = 5;

/// The time of all services, and of those files that used most of it.
fn times(stats: &HostStats) -> String {
    let name = |service: &ServiceProfile| {
        let time = seconds(service.time);
        match service.services {
            1 => format!("{} {time}", service.name),
            count => format!("{} {time} ({} services)", service.name, grouped(count)),
        }
    };
    let named: Vec<String> = stats.profile.iter().take(NAMED_MAX).map(name).collect();
    format!("{}: {}", seconds(stats.time), named.join(", "))
}

/// The handlers that used most of the time.
fn handlers(stats: &HostStats) -> String {
    let of_service = |service: &'_ ServiceProfile| {
        let name = service.name.clone();
        service.handlers.clone().into_iter().map(move |handler| (name.clone(), handler))
    };
    let mut all: Vec<_> = stats.profile.iter().flat_map(of_service).collect();
    all.sort_by_key(|(_, handler)| Reverse(handler.time));
    let name = |(service, handler): &(String, HandlerProfile)| {
        let (name, time) = (&handler.name, seconds(handler.time));
        match handler.calls {
            0 => format!("{service}.{name} {time}"),
            calls => format!("{service}.{name} {time} ({} calls)", grouped(calls)),
        }
    };
    all.iter().take(NAMED_MAX).map(name).collect::<Vec<_>>().join(", ")
}

/// A time in the unit that suits it.
fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.1} us", seconds * 1e6),
    }
}

/// The most memory this process has had resident, where `/proc` tells.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// A size with one digit after the point, in the largest unit that leaves a whole part.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = count as f64 / 1024.0;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

/// A number with a comma before every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use moonhive::share::TableStats;

    use super::*;

    #[test]
    fn numbers_are_grouped_and_sizes_scaled() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(bytes(512), "0.5 KiB");
        assert_eq!(bytes(1536 << 10), "1.5 MiB");
        assert_eq!(bytes(3 << 40), "3.0 TiB");
    }

    #[test]
    fn a_report_names_services_messages_memory_code_and_hits() {
        let mut stats = HostStats::default();
        stats.spawned = 1001;
        stats.memory_per_service_bytes = 100 << 10;
        stats.code.totals.hits = 42_000;
        stats.shared.tables.push(TableStats { size_bytes: 3 << 20, ..TableStats::default() });
        let report = Report { stats: &stats, resident_bytes: Some(1 << 30) }.to_string();
        for expected in [
            "1,001 started",
            "100.0 KiB a service",
            "1.0 GiB resident",
            "42,000 hits",
            "3.0 MiB in 1 tables",
        ] {
            assert!(report.contains(expected), "no {expected:?} in\n{report}");
        }
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let times = [1_500, 2_500_000, 12_340_000_000].map(|ns| seconds(Duration::from_nanos(ns)));
        assert_eq!(times, ["1.5 us", "2.5 ms", "12.3 s"]);
    }

    #[test]
    fn the_resident_memory_of_this_process_is_known_on_linux() {
        assert!(resident_bytes().is_some_and(|size| size > 100 << 10));
    }
}
