//! What a dictionary costs: `cargo bench -p moonhive-shm --bench dictionary`.
//!
//! A million entries with keys and values of 16 bytes, met in random order, so that the caches of
//! the processor do not help; and one hot key, so that they do. A figure is processor time per
//! operation: what a busy machine falsifies least. Figures in `docs/benchmarks.md`.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, criterion_group, criterion_main};
use moonhive_shm::{Dictionary, Options, SetOptions, Side, Value};

/// Measures processor time of the process.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

const ENTRIES: u64 = 1_000_000;

/// A row of numbers below [`ENTRIES`] without a visible order: the steps of a generator with full
/// period.
struct Shuffled(u64);

impl Shuffled {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % ENTRIES
    }
}

/// A key of 16 bytes with a number of 32 bits in hexadecimal, made in words.
///
/// Bytes that were stored one by one and are then read as a word are not there before everything
/// earlier in the program has ended: made that way, a key would keep each read from beginning
/// while the last one waits for memory.
fn key(number: u64) -> [u8; 16] {
    let mut digits = number & 0xffff_ffff;
    for (shift, mask) in
        [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)]
    {
        digits = (digits | digits << shift) & mask;
    }
    let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let from_zero_to_letter = u64::from(b'a' - 10 - b'0');
    let text = digits + 0x3030_3030_3030_3030 + letters * from_zero_to_letter;
    let mut key = *b"key:0000--------";
    key[8..].copy_from_slice(&text.to_be_bytes());
    key
}

fn filled() -> Dictionary {
    let dictionary = Dictionary::create_unnamed("bench", &Options::new(128 << 20)).expect("memory");
    for number in 0..ENTRIES {
        let stored = dictionary.set(key(number), Value::Bytes(&key(number)), SetOptions::default());
        stored.expect("there is room");
    }
    dictionary
}

fn many_entries(criterion: &mut Criterion<CpuTime>) {
    let dictionary = filled();
    let mut group = criterion.benchmark_group("random of 1 M");
    let mut shuffled = Shuffled(1);
    let mut buffer = Vec::new();
    group.bench_function("key alone", |bencher| bencher.iter(|| key(shuffled.next())));
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let found = dictionary.get_into(key(shuffled.next()), &mut buffer);
            assert!(black_box(found).is_ok_and(|found| found.is_some()));
        });
    });
    group.bench_function("set", |bencher| {
        bencher.iter(|| {
            let key = key(shuffled.next());
            dictionary.set(key, Value::Bytes(&key), SetOptions::default()).expect("there is room")
        });
    });
    group.finish();
}

fn hot_key(criterion: &mut Criterion<CpuTime>) {
    let dictionary = Dictionary::create_unnamed("hot", &Options::new(16 << 20)).expect("memory");
    let options = SetOptions::default();
    let mut group = criterion.benchmark_group("one key");
    dictionary.set("hot", "0123456789abcdef".into(), options).expect("there is room");
    let mut buffer = Vec::new();
    group.bench_function("get", |bencher| {
        bencher.iter(|| assert!(dictionary.get_into("hot", &mut buffer).is_ok()));
    });
    group.bench_function("get a number", |bencher| {
        dictionary.set("number", 1.into(), options).expect("there is room");
        bencher.iter(|| assert!(dictionary.get_into("number", &mut buffer).is_ok()));
    });
    group.bench_function("get with an end", |bencher| {
        dictionary.set("ends", 1.into(), options.ttl_ms(1 << 30)).expect("there is room");
        bencher.iter(|| assert!(dictionary.get_into("ends", &mut buffer).is_ok()));
    });
    group.bench_function("set", |bencher| {
        bencher.iter(|| dictionary.set("hot", "0123456789abcdef".into(), options));
    });
    group.bench_function("incr", |bencher| {
        bencher.iter(|| dictionary.incr("count", 1.into(), Some(0.into()), options));
    });
    group.bench_function("push and pop", |bencher| {
        dictionary.push("list", 1.into(), Side::Left, options).expect("there is room");
        bencher.iter(|| {
            dictionary.push("list", 1.into(), Side::Left, options).expect("there is room");
            dictionary.pop_into("list", Side::Right, &mut buffer).is_ok()
        });
    });
    group.finish();
}

fn full(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("set in a full dictionary");
    for (name, size_bytes) in [("of 1 MiB, exact", 1 << 20), ("of 16 MiB", 16 << 20)] {
        let dictionary =
            Dictionary::create_unnamed("full", &Options::new(size_bytes)).expect("memory");
        let mut number = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                number += 1;
                let key = key(number);
                dictionary.set(key, Value::Bytes(&key), SetOptions::default()).expect("it evicts")
            });
        });
        assert!(dictionary.statistics().evictions > 0);
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = many_entries, hot_key, full
}
criterion_main!(benches);
