//! Listens to the doorbells of dictionaries for all coroutines of a process that wait for a key.
//!
//! One thread, begun with the first wait and ended a second after the last. It sleeps on the
//! doorbells of all shards in which somebody waits for a key, and on a bell of its own that is rung
//! for new waits. When a doorbell rings it looks at the keys of that shard (once each, however many
//! wait), and wakes whose wish has come true: for an element as many as there are elements, for a
//! lock one. The woken look themselves; a wish that comes true is a reason to look, no more.
//!
//! What rings no bell is found by a look each [`TICK`] (or so seldom that it costs a hundredth of a
//! core): an entry that was thrown out or whose writer died between change and ring, a lock whose
//! process has died, a lock or an element left by a service that was woken for it and was killed.
//! Entries that expire are looked at when they do.
//!
//! A ring that brings nothing, because another key of the shard has changed, costs writer and
//! listener a system call each. So after such a ring the listener rests before it listens again,
//! longer each time: up to [`REST_MOST`], and ten times as long as the look took.
//!
//! Napkin: from a change to the waiting coroutine two wake-ups of a thread, 60 to 100 us; a look at
//! a key 0.3 us. A thread listens to 127 bells; where there are more, the next one takes them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use moonhive_shm::{BELLS_MOST, Bell, Error, Heard, OwnBell, Remaining, wait_any};
use parking_lot::Mutex;

use super::registry::Opened;
use super::wish::{Ticket, Wish};

/// Time between two looks at a key, whatever rings; longer where they would take too much of the
/// processor.
const TICK: Duration = Duration::from_millis(100);
const TICK_MOST: Duration = Duration::from_secs(1);
const TICK_PER_LOOKS: u32 = 100;

/// How long the thread stays for the next wait.
const LINGER: Duration = Duration::from_secs(1);

/// Time until a shard that is locked just now is listened to. Twice as long after each so many
/// attempts in a row, up to a tick: its owner may be stopped.
const BUSY: Duration = Duration::from_micros(100);
const BUSY_ATTEMPTS: u32 = 16;

/// Rest after the first ring that brings nothing, and after many in a row.
const REST_LEAST: Duration = Duration::from_micros(50);
const REST_MOST: Duration = Duration::from_micros(800);

/// A rest is as many times as long as the look that brought nothing, and no longer than a tick.
const REST_PER_LOOK: u32 = 10;

/// A wait for a key.
pub struct Watch {
    pub opened: Arc<Opened>,
    pub key: Box<[u8]>,
    pub wish: Wish,
    pub ticket: Ticket,
}

/// What the thread and its customers share.
struct Post {
    inbox: Mutex<Inbox>,
    own: OwnBell,
    /// Takes the bells that are too many for this one.
    next: OnceLock<Box<Post>>,
}

struct Inbox {
    watches: Vec<Watch>,
    has_thread: bool,
}

static FIRST: Post = Post::new();

/// Watches a key until the wish comes true or the ticket is not wanted any more.
///
/// # Errors
/// When the thread cannot be started.
pub fn add(watch: Watch) -> io::Result<()> {
    FIRST.add(watch).map_err(|(error, _)| error)
}

impl Post {
    const fn new() -> Post {
        let inbox = Inbox { watches: Vec::new(), has_thread: false };
        Post { inbox: Mutex::new(inbox), own: OwnBell::new(), next: OnceLock::new() }
    }

    fn add(&'static self, watch: Watch) -> Result<(), (io::Error, Watch)> {
        let mut inbox = self.inbox.lock();
        inbox.watches.push(watch);
        let is_first = !std::mem::replace(&mut inbox.has_thread, true);
        drop(inbox);
        if is_first {
            let thread = thread::Builder::new().name("shared-listen".to_owned());
            return thread
                .spawn(move || run(self))
                .map(drop)
                .or_else(|error| self.give_back(error));
        }
        self.own.ring();
        Ok(())
    }

    /// The thread could not be started: the first watch goes back to who wanted to start it; who
    /// has come meanwhile is woken, looks himself, and tries again.
    fn give_back(&self, error: io::Error) -> Result<(), (io::Error, Watch)> {
        let mut inbox = self.inbox.lock();
        inbox.has_thread = false;
        let mut watches = std::mem::take(&mut inbox.watches).into_iter();
        drop(inbox);
        let own = watches.next();
        watches.for_each(|watch| _ = watch.ticket.wake());
        own.map_or(Ok(()), |own| Err((error, own)))
    }

    /// True if nobody has come: then the next one starts a thread.
    fn close(&self) -> bool {
        let mut inbox = self.inbox.lock();
        inbox.has_thread = !inbox.watches.is_empty();
        !inbox.has_thread
    }

    /// Hands a watch on; gives it back if there is no thread for it.
    fn pass_on(&'static self, watch: Watch) -> Option<Watch> {
        let next = self.next.get_or_init(|| Box::new(Post::new()));
        next.add(watch).err().map(|(_, watch)| watch)
    }
}

/// The thread.
fn run(post: &'static Post) {
    let (mut ears, mut tick) = (Vec::<Ear>::new(), Instant::now());
    loop {
        let count = post.own.count();
        let new = std::mem::take(&mut post.inbox.lock().watches);
        if ears.is_empty() {
            tick = Instant::now() + TICK;
        }
        for watch in new {
            place(post, &mut ears, watch);
        }
        let now = Instant::now();
        let is_tick = now >= tick;
        ears.iter_mut().for_each(|ear| ear.attend(now, is_tick));
        if is_tick {
            tick = now + (now.elapsed() * TICK_PER_LOOKS).clamp(TICK, TICK_MOST);
        }
        ears.retain(|ear| !ear.keys.is_empty());
        let is_idle = ears.is_empty();
        let end = ears.iter().filter_map(Ear::due).min().map_or(tick, |due| due.min(tick));
        let pause = if is_idle { LINGER } else { end.saturating_duration_since(Instant::now()) };
        sleep(post, count, &ears, pause);
        if is_idle && post.own.count() == count && post.close() {
            return;
        }
    }
}

fn sleep(post: &Post, count: u32, ears: &[Ear], pause: Duration) {
    let heard = ears.iter().filter_map(|ear| Some((&ear.opened.dictionary, ear.bell, ear.heard?)));
    let bells: Vec<_> = heard.take(BELLS_MOST).collect();
    if wait_any(&post.own, count, &bells, Some(pause)).is_err() {
        // Out of memory, say: the looks go on.
        thread::sleep(pause.min(BUSY));
    }
}

/// Begins to watch a key.
fn place(post: &'static Post, ears: &mut Vec<Ear>, watch: Watch) {
    let Ok(bell) = watch.opened.bell(&watch.key) else {
        // Whoever waits was told already that there can be no such key.
        watch.ticket.wake();
        return;
    };
    let is_there = |ear: &Ear| ear.bell == bell && Arc::ptr_eq(&ear.opened, &watch.opened);
    if let Some(ear) = ears.iter_mut().find(|ear| is_there(ear)) {
        return ear.add(watch);
    }
    let left = if ears.len() < BELLS_MOST { Some(watch) } else { post.pass_on(watch) };
    if let Some(watch) = left {
        let mut ear = Ear::new(watch.opened.clone(), bell);
        ear.add(watch);
        ears.push(ear);
    }
}

/// A doorbell that is listened to, and who waits for what.
struct Ear {
    opened: Arc<Opened>,
    bell: Bell,
    /// Since when; `None` while it rests.
    heard: Option<Heard>,
    keys: HashMap<Box<[u8]>, Vec<(Wish, Ticket)>>,
    /// When the first entry expires that somebody waits for.
    soonest: Option<Instant>,
    /// When it listens again.
    rested: Option<Instant>,
    /// Rings in a row that brought nothing.
    useless: u32,
    /// Times in a row that the shard was locked.
    busy: u32,
}

impl Ear {
    fn new(opened: Arc<Opened>, bell: Bell) -> Ear {
        let rested = Some(Instant::now());
        Ear {
            opened,
            bell,
            heard: None,
            keys: HashMap::new(),
            soonest: None,
            rested,
            useless: 0,
            busy: 0,
        }
    }

    /// When it has to be attended to although nothing rings.
    fn due(&self) -> Option<Instant> {
        [self.soonest, self.rested].into_iter().flatten().min()
    }

    /// A change after this look rings if the bell is listened to; else there is a look when it is.
    fn add(&mut self, watch: Watch) {
        let Watch { key, wish, ticket, .. } = watch;
        let key_kept = key.clone();
        self.keys.entry(key).or_default().push((wish, ticket));
        self.look(|key| *key == *key_kept, false);
    }

    /// Looks at the keys if there is a reason.
    fn attend(&mut self, now: Instant, is_tick: bool) {
        if is_tick || self.due().is_some_and(|due| due <= now) {
            return self.listen(is_tick);
        }
        let has_rung = self.heard.is_some_and(|heard| self.opened.has_rung(self.bell, heard));
        if !has_rung {
            return;
        }
        if self.look(|_| true, false) > 0 {
            self.useless = 0;
            return self.listen(false);
        }
        let longer = REST_LEAST * (1 << self.useless.min(4));
        self.useless += 1;
        let rest = longer.min(REST_MOST).max(now.elapsed() * REST_PER_LOOK).min(TICK);
        (self.heard, self.rested) = (None, Some(Instant::now() + rest));
    }

    /// Listens, then looks: the change that does not ring any more is seen.
    fn listen(&mut self, is_tick: bool) {
        self.heard = self.opened.listen(self.bell);
        self.busy = if self.heard.is_some() { 0 } else { self.busy.saturating_add(1) };
        self.rested = self.heard.is_none().then(|| {
            let doublings = (self.busy / BUSY_ATTEMPTS).min(u32::BITS - 1);
            Instant::now() + BUSY.saturating_mul(1 << doublings).min(TICK)
        });
        self.soonest = None;
        if self.look(|_| true, is_tick) > 0 {
            self.useless = 0;
        }
    }

    /// Looks at some keys, and wakes whose wish has come true: how many.
    fn look(&mut self, is_meant: impl Fn(&[u8]) -> bool, is_tick: bool) -> usize {
        let (opened, soonest) = (&self.opened, &mut self.soonest);
        let (mut woken, mut has_failed) = (0, false);
        self.keys.retain(|key, waiters| {
            if has_failed || !is_meant(key) {
                return true;
            }
            waiters.retain(|(_, ticket)| ticket.is_wanted());
            if !waiters.is_empty() {
                match Standing::of(opened, key, waiters, is_tick) {
                    Ok(mut standing) => woken += standing.wake(waiters),
                    Err(_) => has_failed = true,
                }
                note_end(opened, key, waiters, soonest);
            }
            !waiters.is_empty()
        });
        if has_failed {
            woken += self.wake_all();
        }
        woken
    }

    /// A lock cannot be had: who waits finds out himself, and is told so.
    fn wake_all(&mut self) -> usize {
        let waiters = self.keys.drain().flat_map(|(_, waiters)| waiters);
        waiters.filter(|(_, ticket)| ticket.wake()).count()
    }
}

/// Remembers when the entry of a key expires, if it is the first one.
fn note_end(
    opened: &Opened,
    key: &[u8],
    waiters: &[(Wish, Ticket)],
    soonest: &mut Option<Instant>,
) {
    if waiters.iter().any(|(wish, _)| *wish != Wish::Element)
        && let Ok(Remaining::Us(left_us)) = opened.ttl(key)
        && let Some(end) = Instant::now().checked_add(Duration::from_micros(left_us + 1))
    {
        *soonest = Some(soonest.map_or(end, |soonest| soonest.min(end)));
    }
}

/// What there is for those who wait for a key.
struct Standing {
    version: Option<u64>,
    elements: u64,
    locks: u64,
}

impl Standing {
    fn of(
        opened: &Opened,
        key: &[u8],
        waiters: &[(Wish, Ticket)],
        is_tick: bool,
    ) -> Result<Standing, Error> {
        let wants = |wish: Wish| waiters.iter().any(|(other, _)| *other == wish);
        let version = opened.version(key)?;
        let elements = match version {
            Some(_) if wants(Wish::Element) => match opened.length(key) {
                Ok(length) => length,
                // Not a list: all are to know.
                Err(Error::ValueNotList) => u64::MAX,
                Err(error) => return Err(error),
            },
            _ => 0,
        };
        let is_left = || is_tick && opened.is_lock_left(key).unwrap_or(false);
        let is_free = || version.is_none() || is_left();
        let locks = u64::from(wants(Wish::Unlock) && is_free());
        Ok(Standing { version, elements, locks })
    }

    /// Wakes whose wish has come true, those first who have waited longest.
    fn wake(&mut self, waiters: &mut Vec<(Wish, Ticket)>) -> usize {
        let mut woken = 0;
        waiters.retain(|(wish, ticket)| {
            let is_true = match wish {
                Wish::Change(version) => *version != self.version,
                Wish::Element => self.elements > 0,
                Wish::Unlock => self.locks > 0,
            };
            if is_true && ticket.wake() {
                woken += 1;
                match wish {
                    Wish::Change(_) => {}
                    Wish::Element => self.elements -= 1,
                    Wish::Unlock => self.locks -= 1,
                }
            }
            !is_true
        });
        woken
    }
}
