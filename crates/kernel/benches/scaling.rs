//! A model of the scheduler with more workers than the machine has: where does it stop to scale?
//!
//! A discrete simulation in nanoseconds. Workers, their queues, stealing and waking behave as in
//! `scheduler`; what a step costs was measured with two workers, and what only shows with many
//! (lines of memory that move between cores, the one lock of those without work) is modelled as
//! such. Same numbers in every run.
//!
//! ```console
//! $ cargo bench -p moonhive-kernel --bench scaling
//! ```

use std::collections::VecDeque;

/// One message: dispatch and a little Lua.
const MESSAGE_NS: u64 = 300;
/// A line of memory that another core wrote last.
const LINE_NS: u64 = 100;
/// Lines of a small VM that a turn touches; half of their latency is hidden.
const VM_LINES: u64 = 40;
/// Lines of a steal: both ends of the queue and the task.
const STEAL_LINES: u64 = 4;
/// A look at one other worker's queue.
const LOOK_NS: u64 = 5;
/// Holding the lock of those without work.
const IDLE_LOCK_NS: u64 = 150;
/// The system call that wakes a worker, and how long the worker takes to run.
const WAKE_CALL_NS: u64 = 2_000;
const WAKE_NS: u64 = 25_000;
/// How long a worker looks around before it sleeps, and the pause between two looks.
const SPIN_NS: u64 = 20_000;
const PAUSE_NS: u64 = 200;
/// How long a run lasts.
const END_NS: u64 = 20_000_000;

/// To whom services talk.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// Each to one peer, and back.
    Pairs,
    /// Each message to any service.
    Random,
    /// A tenth of the messages to one service, the others to one peer.
    Hub,
}

/// Where a woken service runs.
#[derive(Clone, Copy, Debug)]
enum Placement {
    /// On the worker that woke it, as the scheduler does now.
    Sender,
    /// On the worker that it ran on last, while that one is awake; every [`MOVE_EVERY`]th time on
    /// the one that woke it, so that services which talk to each other still come together.
    Home,
}

/// See [`Placement::Home`].
const MOVE_EVERY: usize = 32;

#[derive(Clone)]
struct Task {
    waiting: u64,
    queued: bool,
    ran_on: usize,
    mailbox_line: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Busy,
    Looking { since_ns: u64 },
    Asleep,
}

struct Worker {
    now_ns: u64,
    state: State,
    queue: VecDeque<usize>,
}

/// What a run found out.
#[derive(Default)]
struct Figures {
    messages: u64,
    moved_ns: u64,
    idle_lock_ns: u64,
    without_work_ns: u64,
}

struct Model {
    pattern: Pattern,
    placement: Placement,
    workers: Vec<Worker>,
    tasks: Vec<Task>,
    idle_lock_free_ns: u64,
    random: u64,
    figures: Figures,
}

impl Model {
    fn new(pattern: Pattern, placement: Placement, workers: usize) -> Model {
        let tasks = 100 * workers;
        let task = Task { waiting: 0, queued: false, ran_on: 0, mailbox_line: 0 };
        let worker = || Worker { now_ns: 0, state: State::Busy, queue: VecDeque::new() };
        let mut model = Model {
            pattern,
            placement,
            workers: (0..workers).map(|_| worker()).collect(),
            tasks: vec![task; tasks],
            idle_lock_free_ns: 0,
            random: 1,
            figures: Figures::default(),
        };
        // All begins on one worker, as a program does that spawns its services.
        (0..tasks).step_by(2).for_each(|task| model.send(0, task));
        model
    }

    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as usize % below
    }

    fn run(mut self) -> Figures {
        loop {
            let awake = (0..self.workers.len()).filter(|&w| self.workers[w].state != State::Asleep);
            let Some(worker) = awake.min_by_key(|&w| self.workers[w].now_ns) else { break };
            if self.workers[worker].now_ns >= END_NS {
                break;
            }
            match self.workers[worker].queue.pop_front() {
                Some(task) => self.turn(worker, task),
                None => self.look(worker),
            }
        }
        self.figures
    }

    /// All messages that wait for the task, one after the other.
    fn turn(&mut self, worker: usize, task: usize) {
        if !self.workers[worker].queue.is_empty() {
            self.wake_a_sleeper(worker);
        }
        if self.tasks[task].ran_on != worker {
            let moved_ns = VM_LINES * LINE_NS / 2;
            self.figures.moved_ns += moved_ns;
            self.workers[worker].now_ns += moved_ns;
            self.tasks[task].ran_on = worker;
        }
        self.tasks[task].queued = false;
        for _ in 0..std::mem::take(&mut self.tasks[task].waiting) {
            self.workers[worker].now_ns += MESSAGE_NS;
            self.figures.messages += 1;
            let target = self.target(task);
            self.send(worker, target);
        }
    }

    fn target(&mut self, task: usize) -> usize {
        let to_hub = self.random(10) == 0;
        match self.pattern {
            Pattern::Random => self.random(self.tasks.len()),
            Pattern::Hub if to_hub => 0,
            Pattern::Hub if task == 0 => self.random(self.tasks.len()),
            Pattern::Pairs | Pattern::Hub => task ^ 1,
        }
    }

    /// A message: the receiver gets a turn, if it does not wait for one already.
    fn send(&mut self, worker: usize, target: usize) {
        let task = &mut self.tasks[target];
        if task.mailbox_line != worker {
            task.mailbox_line = worker;
            self.workers[worker].now_ns += LINE_NS;
        }
        task.waiting += 1;
        if !std::mem::replace(&mut task.queued, true) {
            let place = self.place(worker, target);
            if place != worker {
                self.workers[worker].now_ns += LINE_NS;
            }
            self.workers[place].queue.push_back(target);
        }
    }

    fn place(&mut self, worker: usize, target: usize) -> usize {
        let home = self.tasks[target].ran_on;
        let moves = self.random(MOVE_EVERY) == 0;
        match self.placement {
            Placement::Home if self.workers[home].state == State::Busy && !moves => home,
            Placement::Home | Placement::Sender => worker,
        }
    }

    /// There is work for others: one sleeper is woken unless somebody looks around already.
    fn wake_a_sleeper(&mut self, worker: usize) {
        if self.workers.iter().any(|other| matches!(other.state, State::Looking { .. })) {
            return;
        }
        let Some(sleeper) = self.workers.iter().position(|other| other.state == State::Asleep)
        else {
            return;
        };
        self.take_idle_lock(worker);
        self.workers[worker].now_ns += WAKE_CALL_NS;
        let now_ns = self.workers[worker].now_ns + WAKE_NS;
        let slept_ns = now_ns - self.workers[sleeper].now_ns;
        self.figures.without_work_ns += slept_ns;
        self.workers[sleeper].now_ns = now_ns;
        self.workers[sleeper].state = State::Looking { since_ns: now_ns };
    }

    /// Without work: steal half of somebody's queue, or look again, or sleep.
    fn look(&mut self, worker: usize) {
        let count = self.workers.len();
        let began_ns = self.workers[worker].now_ns;
        let since_ns = match self.workers[worker].state {
            State::Looking { since_ns } => since_ns,
            _ => began_ns,
        };
        self.workers[worker].state = State::Looking { since_ns };
        let others = (1..count).map(|step| (worker + step) % count);
        let victim = others.into_iter().find(|&other| !self.workers[other].queue.is_empty());
        self.workers[worker].now_ns += LOOK_NS * count as u64;
        if let Some(victim) = victim {
            self.workers[worker].now_ns += STEAL_LINES * LINE_NS;
            let half = self.workers[victim].queue.len().div_ceil(2);
            let stolen: Vec<_> = self.workers[victim].queue.drain(..half).collect();
            self.workers[worker].queue.extend(stolen);
            self.workers[worker].state = State::Busy;
            self.take_idle_lock(worker);
        } else if began_ns - since_ns > SPIN_NS {
            self.take_idle_lock(worker);
            self.workers[worker].state = State::Asleep;
        } else {
            self.workers[worker].now_ns += PAUSE_NS;
        }
        self.figures.without_work_ns += self.workers[worker].now_ns - began_ns;
    }

    fn take_idle_lock(&mut self, worker: usize) {
        let now_ns = self.workers[worker].now_ns;
        let free_ns = self.idle_lock_free_ns.max(now_ns) + IDLE_LOCK_NS;
        self.idle_lock_free_ns = free_ns;
        self.figures.idle_lock_ns += free_ns - now_ns;
        self.workers[worker].now_ns = free_ns;
    }
}

fn main() {
    println!("workers, million messages a second, times one worker, and of the time in percent:");
    println!("moving VMs, the lock of those without work, without work");
    for pattern in [Pattern::Pairs, Pattern::Random, Pattern::Hub] {
        for placement in [Placement::Sender, Placement::Home] {
            println!("# {pattern:?}, placed by {placement:?}");
            series(pattern, placement);
        }
    }
}

fn series(pattern: Pattern, placement: Placement) {
    let rate = |figures: &Figures| figures.messages as f64 * 1e3 / END_NS as f64;
    let one = rate(&Model::new(pattern, placement, 1).run());
    for workers in [1, 2, 4, 8, 16, 32, 64] {
        let figures = Model::new(pattern, placement, workers).run();
        let share = |ns: u64| ns as f64 * 100.0 / (END_NS as f64 * workers as f64);
        println!(
            "{workers:2} {:8.2} {:6.1} {:5.1} {:5.1} {:5.1}",
            rate(&figures),
            rate(&figures) / one,
            share(figures.moved_ns),
            share(figures.idle_lock_ns),
            share(figures.without_work_ns)
        );
    }
}
