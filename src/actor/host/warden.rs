//! The one thread of a host that does not run services: it interrupts turns that overrun, sees to
//! it that services which must end do, and takes the host through its shutdown.
//!
//! It sleeps while no worker runs anything. The first turn after a quiet time wakes it; then it
//! looks at the workers a few times per turn limit until it finds them all quiet for a whole tick.
//!
//! What it sees of a worker is a number that changes with each message ([`Post::beat`]) and the
//! turn that the VM layer can interrupt. A turn whose beat stands still while its thread uses up
//! the turn limit is interrupted once; the offence is noted at the service, and the last one that
//! it is allowed kills it. What counts is processor time: on a busy machine nobody is interrupted
//! for being slow, and waiting for a file is no offence.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moonhive_kernel::address::Address;
use parking_lot::{Condvar, Mutex};

use super::core::Core;
use super::retired::Rounds;
use super::shutdown::Shutdown;
use crate::actor::limits::{
    LOOP_WARNING, SPARED_TURN, TURN_OFFENCES_MAX, URGENT_TICK, WATCHES_PER_LIMIT,
};
use crate::actor::message::Message;
use crate::actor::service::Service;
use crate::vm::{Interrupter, Interruption, Vm};

/// Longest time between two looks while workers are busy, also without a turn limit.
const TICK_MAX: Duration = Duration::from_secs(1);

/// What workers and the warden share.
pub(crate) struct Warden {
    posts: Box<[Post]>,
    orders: Mutex<Orders>,
    changed: Condvar,
    /// The warden sleeps until somebody wakes it. Written by it, cleared by whoever wakes it.
    asleep: AtomicBool,
    /// The last epoch for which sleeping services were asked. Written by the warden.
    census: AtomicU64,
    shutting_down: AtomicBool,
    /// The shutdown does not wait for requests that are being served.
    aborting: AtomicBool,
}

/// One worker as the warden sees it.
#[derive(Default)]
#[repr(align(128))]
struct Post {
    /// Changes with every message and task that the worker begins. Written by that worker alone.
    beat: AtomicU64,
    /// Address of the service whose turn runs or ran last.
    service: AtomicU64,
    interrupter: Mutex<Option<Interrupter>>,
}

/// What others want of the warden.
#[derive(Default)]
struct Orders {
    /// The exit code, once shutdown was asked for.
    shutdown: Option<i32>,
    /// Some service must end at once.
    urgent: bool,
    /// Set when the shutdown is complete: until when the workers may take to end.
    done: Option<Instant>,
}

impl Warden {
    pub(crate) fn new(workers: usize) -> Warden {
        Warden {
            posts: (0..workers).map(|_| Post::default()).collect(),
            orders: Mutex::default(),
            changed: Condvar::new(),
            asleep: AtomicBool::new(false),
            census: AtomicU64::new(0),
            shutting_down: AtomicBool::new(false),
            aborting: AtomicBool::new(false),
        }
    }

    // ---- what workers tell ----

    pub(crate) fn add_worker(&self, index: usize, interrupter: Interrupter) {
        *self.posts[index].interrupter.lock() = Some(interrupter);
    }

    pub(crate) fn remove_worker(&self, index: usize) {
        *self.posts[index].interrupter.lock() = None;
    }

    /// A turn begins.
    #[inline]
    pub(crate) fn note_turn(&self, worker: usize, service: Address) {
        let post = &self.posts[worker];
        post.service.store(service.number(), Ordering::Relaxed);
        self.note_beat(worker);
        // Read without a fence: a worker that misses the flag is seen at the warden's last look,
        // a whole tick after it has set it.
        if self.asleep.load(Ordering::Relaxed) {
            self.rouse();
        }
    }

    /// The turn goes on to its next message.
    #[inline]
    pub(crate) fn note_beat(&self, worker: usize) {
        let beat = &self.posts[worker].beat;
        beat.store(beat.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    #[cold]
    fn rouse(&self) {
        let _orders = self.orders.lock();
        self.asleep.store(false, Ordering::Relaxed);
        self.changed.notify_all();
    }

    // ---- what everybody asks ----

    /// The host shall end with that exit code; the first to say so decides.
    pub(crate) fn request_shutdown(&self, code: i32) {
        let mut orders = self.orders.lock();
        orders.shutdown.get_or_insert(code);
        self.shutting_down.store(true, Ordering::Release);
        self.asleep.store(false, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// The same, and what is being served is left as it is; `__close` still runs.
    pub(crate) fn request_abort(&self, code: i32) {
        self.aborting.store(true, Ordering::Release);
        self.request_shutdown(code);
    }

    pub(in crate::actor) fn is_aborting(&self) -> bool {
        self.aborting.load(Ordering::Acquire)
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }

    /// A service has been marked as one that must end at once.
    pub(crate) fn hurry(&self) {
        let mut orders = self.orders.lock();
        orders.urgent = true;
        self.asleep.store(false, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// VMs are to tell which unused strings they hold; those that sleep have to be asked.
    #[inline]
    pub(crate) fn hear_of_census(&self, epoch: NonZeroU64) {
        if self.census.load(Ordering::Relaxed) != epoch.get() {
            self.hurry();
        }
    }

    /// The last service has ended: a shutdown may go on.
    pub(crate) fn note_empty(&self) {
        if self.is_shutting_down() {
            self.changed.notify_all();
        }
    }

    /// Waits until the shutdown is complete; returns the exit code, and until when the workers may
    /// take to end.
    pub(crate) fn wait_until_done(&self) -> (i32, Instant) {
        let mut orders = self.orders.lock();
        loop {
            if let Some(deadline) = orders.done {
                return (orders.shutdown.unwrap_or(0), deadline);
            }
            self.changed.wait(&mut orders);
        }
    }

    /// The service whose turn a worker runs or ran last, and the processor time of the worker's
    /// thread.
    pub(super) fn look_at(&self, worker: usize) -> (Option<Address>, Option<Duration>) {
        let interrupter = self.posts[worker].interrupter.lock().clone();
        (self.in_turn_at(worker), interrupter.and_then(|interrupter| interrupter.cpu_time()))
    }

    /// The service whose turn a worker runs or ran last.
    pub(super) fn in_turn_at(&self, worker: usize) -> Option<Address> {
        Address::from_number(self.posts[worker].service.load(Ordering::Relaxed))
    }

    /// Asks the code of every turn that runs where it is; how many were asked.
    pub(super) fn ask_where(&self) -> usize {
        let ask = |post: &&Post| {
            let interrupter = post.interrupter.lock().clone();
            let ask =
                |i: Interrupter| i.turn().is_some_and(|turn| i.interrupt(turn, Interruption::Tell));
            interrupter.is_some_and(ask)
        };
        self.posts.iter().filter(ask).count()
    }

    fn beats(&self) -> Vec<u64> {
        self.posts.iter().map(|post| post.beat.load(Ordering::Relaxed)).collect()
    }

    fn any_turn_runs(&self) -> bool {
        let runs =
            |post: &Post| post.interrupter.lock().as_ref().is_some_and(|i| i.turn().is_some());
        self.posts.iter().any(runs)
    }
}

/// The thread's main function: returns when the host has shut down.
pub(crate) fn main(core: &Arc<Core>) {
    let mut watch = Watch::new(core);
    let mut shutdown: Option<Shutdown> = None;
    let mut rounds = Rounds::default();
    loop {
        let kill_all = shutdown.as_ref().is_some_and(Shutdown::is_killing);
        let urgent = watch.look(kill_all);
        watch.ask_sleepers();
        let pause = match &mut shutdown {
            Some(shutdown) => match shutdown.advance(core) {
                Some(pause) => Some(pause),
                None => return tell_done(&core.warden, shutdown.workers_deadline()),
            },
            None => earlier(watch.pause(urgent), rounds.advance(core)),
        };
        let code = sleep(&core.warden, pause, shutdown.is_some());
        if shutdown.is_none() && code.is_some() {
            shutdown = Some(Shutdown::begin(core));
        }
    }
}

fn tell_done(warden: &Warden, workers_deadline: Instant) {
    warden.orders.lock().done = Some(workers_deadline);
    warden.changed.notify_all();
}

fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}

/// Sleeps for `pause`, or until something is asked for when that is `None`. Returns the exit code
/// once there is one.
fn sleep(warden: &Warden, pause: Option<Duration>, in_shutdown: bool) -> Option<i32> {
    let mut orders = warden.orders.lock();
    let is_asked = |orders: &Orders| orders.urgent || (orders.shutdown.is_some() && !in_shutdown);
    match pause {
        Some(pause) if !is_asked(&orders) => drop(warden.changed.wait_for(&mut orders, pause)),
        Some(_) => {}
        None => {
            while warden.asleep.load(Ordering::Relaxed) && !is_asked(&orders) {
                warden.changed.wait(&mut orders);
            }
        }
    }
    orders.urgent = false;
    orders.shutdown
}

/// What the warden remembers of the workers between two looks.
struct Watch {
    core: Arc<Core>,
    seen: Vec<Seen>,
    beats: Vec<u64>,
}

/// A turn as it was seen before.
#[derive(Clone, Copy)]
struct Seen {
    turn: u64,
    beat: u64,
    /// Processor time of the worker when this beat was seen first, or at the last interruption.
    since: Duration,
    interruptions: u32,
    /// How often the log was told of it since then.
    told: u32,
}

impl Seen {
    /// True when the log is to be told, once more, of a turn that has lasted so long.
    fn is_to_be_told(&mut self, lasted: Duration) -> bool {
        let times = (lasted.as_millis() / LOOP_WARNING.as_millis()) as u32;
        times > std::mem::replace(&mut self.told, times)
    }
}

impl Watch {
    fn new(core: &Arc<Core>) -> Watch {
        let seen = Seen { turn: 0, beat: 0, since: Duration::ZERO, interruptions: 0, told: 0 };
        let workers = core.warden.posts.len();
        Watch { core: core.clone(), seen: vec![seen; workers], beats: Vec::new() }
    }

    /// Looks at all workers. True if a turn that must end still runs.
    fn look(&mut self, kill_all: bool) -> bool {
        let workers = 0..self.seen.len();
        workers.fold(false, |urgent, index| self.look_at(index, kill_all) | urgent)
    }

    fn look_at(&mut self, index: usize, kill_all: bool) -> bool {
        let post = &self.core.warden.posts[index];
        let Some(interrupter) = post.interrupter.lock().clone() else { return false };
        let Some(turn) = interrupter.turn() else { return false };
        let Some(used) = interrupter.cpu_time() else { return false };
        let beat = post.beat.load(Ordering::Relaxed);
        let service = Address::from_number(post.service.load(Ordering::Relaxed));
        let service = service.and_then(|address| self.core.running(address));
        let seen = &mut self.seen[index];
        if seen.turn != turn || seen.beat != beat {
            *seen = Seen { turn, beat, since: used, interruptions: 0, told: 0 };
        }
        let lasted = used.saturating_sub(seen.since);
        let is_killed = service.as_ref().is_some_and(|service| service.is_killed());
        let is_spared = || service.as_ref().is_some_and(|service| service.figures.spares_turn());
        let limit = self.core.settings.turn_limit.unwrap_or(SPARED_TURN).min(SPARED_TURN);
        if is_killed && !kill_all && lasted < limit && is_spared() {
            return true;
        }
        if kill_all || is_killed || seen.interruptions >= TURN_OFFENCES_MAX {
            interrupter.interrupt(turn, Interruption::Kill);
            return true;
        }
        let Some(limit) = self.core.settings.turn_limit.filter(|limit| lasted >= *limit) else {
            if seen.is_to_be_told(lasted) {
                warn_of_loop(service.as_deref(), lasted);
                if tracing::enabled!(tracing::Level::WARN) {
                    interrupter.interrupt(turn, Interruption::Tell);
                }
            }
            return false;
        };
        (seen.since, seen.told) = (used, 0);
        seen.interruptions += 1;
        // A service that is not found any more is being closed.
        let offences =
            service.as_ref().map_or(0, |service| service.figures.note_offence(Instant::now()));
        let offences = offences.max(seen.interruptions);
        let is_last = offences >= TURN_OFFENCES_MAX;
        interrupter.interrupt(turn, if is_last { Interruption::Kill } else { Interruption::Once });
        warn_overrun(service.as_deref(), limit, offences);
        true
    }

    /// Shared strings that code no longer uses are freed once every VM has told which of them it
    /// holds. Busy services do it at the end of a turn; the others are given one.
    fn ask_sleepers(&self) {
        let Some(epoch) = Vm::census_epoch() else { return };
        if self.core.warden.census.swap(epoch.get(), Ordering::Relaxed) != epoch.get() {
            self.core.table.for_each(|_, service| {
                service.control(Message::Census);
            });
        }
    }

    /// How long to sleep now; `None` for until somebody calls.
    ///
    /// Going to sleep takes two quiet looks. The first announces it; a worker that begins a turn
    /// from then on calls, and one that began just before is seen at the second.
    fn pause(&mut self, urgent: bool) -> Option<Duration> {
        let warden = &self.core.warden;
        let was_announced = warden.asleep.load(Ordering::SeqCst);
        let beats = warden.beats();
        let is_quiet = beats == self.beats && !warden.any_turn_runs();
        self.beats = beats;
        warden.asleep.store(is_quiet, Ordering::SeqCst);
        if urgent {
            return Some(URGENT_TICK);
        }
        if is_quiet && was_announced {
            return None;
        }
        let limit = self.core.settings.turn_limit.unwrap_or(TICK_MAX);
        Some((limit / WATCHES_PER_LIMIT).clamp(URGENT_TICK, TICK_MAX))
    }
}

fn warn_of_loop(service: Option<&Service>, lasted: Duration) {
    service.inspect(|service| service.figures.note_loop());
    tracing::warn!(
        service = service.map_or("(closing)", Service::name),
        address = service.map(Service::log_address),
        seconds = lasted.as_secs(),
        "maybe in an endless loop"
    );
}

fn warn_overrun(service: Option<&Service>, limit: Duration, offences: u32) {
    tracing::warn!(
        service = service.map_or("(closing)", Service::name),
        address = service.map(Service::log_address),
        limit_ms = limit.as_millis() as u64,
        offences,
        "a turn ran too long and was interrupted"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_goes_on_is_told_of_every_five_seconds() {
        let mut seen = Seen { turn: 1, beat: 1, since: Duration::ZERO, interruptions: 0, told: 0 };
        let told: Vec<u64> =
            (1..=17).filter(|second| seen.is_to_be_told(Duration::from_secs(*second))).collect();
        assert_eq!(told, [5, 10, 15]);
        assert!(seen.is_to_be_told(Duration::from_secs(27)), "once, however long nobody looked");
        assert!(!seen.is_to_be_told(Duration::from_secs(29)));
    }
}
