//! What the kernel costs: `cargo bench -p moonhive-kernel`. Figures in `docs/benchmarks.md`.
//!
//! Unless a name says `wall`, a figure is processor time of the whole process per operation: what
//! a busy machine does not falsify. Compare wall figures of one run only, by ratio.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use moonhive_kernel::address::{Address, AddressTable};
use moonhive_kernel::clock::Clock;
use moonhive_kernel::mailbox::{Batch, Limits, Mailbox, Measured};
use moonhive_kernel::scheduler::{
    Handle, Options, Scheduled, Scheduler, TokenState, Turn, WorkerContext, Workload,
};
use moonhive_kernel::timer::{TimerKey, Timers};
use parking_lot::Mutex;

/// Measures processor time of all threads of the process.
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

/// A message as the actor layer has them: 32 bytes.
struct Letter {
    hops: u64,
    peer: Arc<Player>,
    done: Option<mpsc::Sender<()>>,
}

impl Measured for Letter {
    fn size_bytes(&self) -> usize {
        0
    }
}

struct Player {
    token: TokenState,
    mailbox: Mailbox<Letter>,
    batch: Mutex<Batch<Letter>>,
}

impl Player {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            token: TokenState::default(),
            mailbox: Mailbox::new(Limits::default()),
            batch: Mutex::default(),
        })
    }
}

impl Scheduled for Player {
    type Own = ();

    fn token(&self) -> &TokenState {
        &self.token
    }
}

/// Plays each letter back to its sender until its hops are used up.
struct Game;

impl Workload for Game {
    type Task = Player;
    type Timer = ();
    type Parcel = Infallible;

    fn run(
        &self,
        task: &Arc<Player>,
        (): &mut (),
        _parcel: Option<Infallible>,
        worker: &WorkerContext<'_, Self>,
    ) -> Turn {
        let mut batch = task.batch.lock();
        task.mailbox.take(&mut batch);
        while let Some(letter) = batch.pop(&task.mailbox) {
            let Some(hops) = letter.hops.checked_sub(1) else {
                let told = letter.done.map(|done| done.send(()));
                assert_eq!(told, Some(Ok(())));
                continue;
            };
            let back = Letter { hops, peer: Arc::clone(task), done: letter.done };
            if letter.peer.mailbox.push(back).expect("there is room").wake {
                worker.wake(&letter.peer);
            }
        }
        if batch.is_finished() { Turn::Idle } else { Turn::Again }
    }

    fn deposit(_task: &Arc<Player>, parcel: Infallible) {
        match parcel {}
    }

    fn expire(&self, (): (), _worker: &WorkerContext<'_, Self>) {}
}

/// Time for `round_trips` in each of `pairs` pairs.
fn play(handle: &Handle<Game>, pairs: u64, round_trips: u64) -> Duration {
    let (done, all_done) = mpsc::channel();
    let players: Vec<_> = (0..pairs).map(|_| (Player::new(), Player::new())).collect();
    let start = Instant::now();
    for (one, other) in &players {
        let hops = round_trips * 2;
        let letter = Letter { hops, peer: Arc::clone(other), done: Some(done.clone()) };
        if one.mailbox.push(letter).expect("there is room").wake {
            handle.wake(one);
        }
    }
    for _ in 0..pairs {
        all_done.recv().expect("every pair reports");
    }
    start.elapsed()
}

fn start(workers: usize) -> Scheduler<Game> {
    let options = Options { workers, ..Options::default() };
    Scheduler::start(&options, |_| Arc::new(Game)).expect("threads")
}

/// A message there and back, between two tasks.
fn round_trips(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("round_trip");
    for (workers, pairs) in [(1, 1), (2, 1), (1, 100), (2, 100)] {
        let scheduler = start(workers);
        group.throughput(Throughput::Elements(pairs));
        group.bench_function(format!("{workers}_workers/{pairs}_pairs"), |b| {
            b.iter_custom(|iterations| {
                let before = cpu_time();
                play(scheduler.handle(), pairs, iterations);
                cpu_time() - before
            });
        });
    }
    group.finish();
}

fn round_trips_wall(c: &mut Criterion) {
    let mut group = c.benchmark_group("round_trip_wall");
    for (workers, pairs) in [(1, 1), (2, 1), (1, 100), (2, 100)] {
        let scheduler = start(workers);
        group.throughput(Throughput::Elements(pairs));
        group.bench_function(format!("{workers}_workers/{pairs}_pairs"), |b| {
            b.iter_custom(|iterations| play(scheduler.handle(), pairs, iterations));
        });
    }
    let scheduler = start(2);
    group.throughput(Throughput::Elements(1));
    group.bench_function("from_an_outside_thread", |b| {
        b.iter_custom(|iterations| (0..iterations).map(|_| play(scheduler.handle(), 1, 0)).sum());
    });
    group.finish();
}

/// A task that notes when it runs; before that, it may wake another one and wait for its note.
struct Probe {
    token: TokenState,
    ran_at_ns: AtomicU64,
    wakes: Option<Arc<Probe>>,
}

impl Probe {
    fn new(wakes: Option<Arc<Probe>>) -> Arc<Self> {
        Arc::new(Self { token: TokenState::default(), ran_at_ns: AtomicU64::new(0), wakes })
    }

    /// When it ran, once it has.
    fn wait(&self, pause: impl Fn()) -> u64 {
        loop {
            match self.ran_at_ns.load(Ordering::Acquire) {
                0 => pause(),
                ran_at_ns => return ran_at_ns,
            }
        }
    }
}

impl Scheduled for Probe {
    type Own = ();

    fn token(&self) -> &TokenState {
        &self.token
    }
}

struct Probes(Clock);

impl Workload for Probes {
    type Task = Probe;
    type Timer = Arc<Probe>;
    type Parcel = Infallible;

    fn run(
        &self,
        task: &Arc<Probe>,
        (): &mut (),
        _parcel: Option<Infallible>,
        worker: &WorkerContext<'_, Self>,
    ) -> Turn {
        let begun_ns = self.0.now_ns();
        let mut note_ns = begun_ns;
        if let Some(other) = &task.wakes {
            worker.wake(other);
            note_ns = other.wait(std::hint::spin_loop).saturating_sub(begun_ns).max(1);
        }
        task.ran_at_ns.store(note_ns, Ordering::Release);
        Turn::Ended
    }

    fn deposit(_task: &Arc<Probe>, parcel: Infallible) {
        match parcel {}
    }

    fn expire(&self, timer: Arc<Probe>, worker: &WorkerContext<'_, Self>) {
        worker.wake(&timer);
    }
}

/// How late an idle scheduler is: for a message of a task that goes on with its turn, and for a
/// timer of 5 ms.
fn latencies_wall(c: &mut Criterion) {
    let mut group = c.benchmark_group("latency_wall");
    let clock = Clock::start();
    let options = Options { workers: 2, ..Options::default() };
    let scheduler = Scheduler::start(&options, |_| Arc::new(Probes(clock))).expect("threads");
    let handle = scheduler.handle();
    let nap = || std::thread::sleep(Duration::from_micros(200));
    group.bench_function("message_of_a_busy_sender", |b| {
        b.iter_custom(|iterations| {
            let once = || {
                let sender = Probe::new(Some(Probe::new(None)));
                handle.wake(&sender);
                Duration::from_nanos(sender.wait(nap))
            };
            (0..iterations).map(|_| once()).sum()
        });
    });
    group.bench_function("timer_of_5_ms", |b| {
        b.iter_custom(|iterations| {
            let once = || {
                let probe = Probe::new(None);
                let armed_ns = clock.now_ns();
                handle.arm(Duration::from_millis(5), Arc::clone(&probe)).expect("there is room");
                Duration::from_nanos(probe.wait(nap) - armed_ns)
            };
            (0..iterations).map(|_| once()).sum()
        });
    });
    group.finish();
}

struct Small(#[allow(dead_code, reason = "gives the message its size")] [u64; 4]);

impl Measured for Small {
    fn size_bytes(&self) -> usize {
        32
    }
}

fn mailbox(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("mailbox");
    for count in [1_u64, 64] {
        let mailbox = Mailbox::new(Limits::default());
        let mut batch = Batch::default();
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("push_and_pop/{count}_per_batch"), |b| {
            b.iter(|| {
                for number in 0..count {
                    let pushed = mailbox.push(Small([number; 4])).expect("there is room");
                    black_box(pushed.wake);
                }
                mailbox.take(&mut batch);
                while let Some(message) = batch.pop(&mailbox) {
                    black_box(message);
                }
            });
        });
    }
    group.finish();
}

fn timer(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("timer");
    let armed = |count: u64| {
        let timers = Timers::new(2, usize::MAX);
        let keys: Vec<TimerKey> = (0..count)
            .map(|number| {
                let deadline_ms = 1 + number * 7919 % 60_000;
                timers.arm(0, 0, deadline_ms, [number; 2]).expect("there is room")
            })
            .collect();
        (timers, keys)
    };
    const COUNT: u64 = 100_000;
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("arm", |b| b.iter_with_large_drop(|| armed(COUNT)));
    group.bench_function("cancel", |b| {
        b.iter_batched(
            || armed(COUNT),
            |(timers, keys)| {
                for key in keys {
                    black_box(timers.cancel(key));
                }
                timers
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("fire", |b| {
        b.iter_batched(
            || armed(COUNT).0,
            |timers| {
                let mut expired = Vec::new();
                for now_ms in 0..=60_000 {
                    while timers.earliest_ms() <= now_ms {
                        timers.expire(now_ms, |payload| expired.push(payload));
                        black_box(&mut expired).clear();
                    }
                }
                assert!(timers.is_empty());
                timers
            },
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(1));
    let (timers, _keys) = armed(COUNT);
    group.bench_function("arm_and_cancel", |b| {
        b.iter(|| {
            let key = timers.arm(0, 0, 5_000, [0; 2]).expect("there is room");
            black_box(timers.cancel(key));
        });
    });
    group.finish();
}

fn address(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("address");
    let table = AddressTable::new();
    let addresses: Vec<Address> =
        (0..10_000).map(|number| table.insert_with(|_| number).expect("there is room").0).collect();
    let mut next = 0;
    group.bench_function("get", |b| {
        b.iter(|| {
            next = (next + 7919) % addresses.len();
            black_box(table.get(addresses[next]));
        });
    });
    group.bench_function("insert_and_remove", |b| {
        b.iter(|| {
            let (address, _service) = table.insert_with(|_| 0).expect("there is room");
            black_box(table.remove(address));
        });
    });
    group.finish();
    let clock = Clock::start();
    c.bench_function("clock", |b| b.iter(|| black_box(clock.now_ns())));
}

fn config<M: Measurement>(measurement: M) -> Criterion<M> {
    Criterion::default()
        .with_measurement(measurement)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500))
        .sample_size(20)
}

criterion_group! {
    name = cpu;
    config = config(CpuTime);
    targets = mailbox, round_trips, timer, address
}
criterion_group! {
    name = wall;
    config = config(WallTime);
    targets = round_trips_wall, latencies_wall
}
criterion_main!(cpu, wall);
