//! Stopping a turn that runs for too long: a monitor thread, a signal, a flag in the VM.
//!
//! Lua polls a flag, and the flag may only be set on the thread that runs the VM. So the monitor
//! writes down which turn it means, sends a signal to that worker, and the handler, which runs on
//! the worker itself, sets the flag if that turn is still the one that runs. No lock, no race with
//! a VM that ends, and nothing to pay per turn but a few stores.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `Slot::turn`, `Slot::state` | the worker | handler on the worker; `turn` also by monitors |
//! | `Slot::request`, `Slot::question` | monitors, under `Slot::thread` | handler on the worker |
//! | `Slot::thread` | the worker, at its begin and end | monitors, locked while they send the signal |
//! | `CURRENT` | the worker | handler on the worker |
//!
//! A signal that comes late finds another turn number and does nothing. A system call that it meets
//! is restarted. A C function that neither returns nor polls cannot be stopped.

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use moonhive_lua_sys::{lua, share};
use parking_lot::Mutex;

use super::state::{HostStack, Vm};

/// The signal. Ignored by default, and used by nobody for anything else that matters.
const SIGNAL: c_int = libc::SIGURG;

/// Bits of a request that hold its kind; the turn is in those above.
const KIND_BITS: u32 = 2;

/// What an interruption does to the running code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interruption {
    /// One error, which the code may catch.
    Once,
    /// Errors at every instruction until the VM is closed: the code cannot go on.
    Kill,
    /// A question: [`Hooks::told`](super::Hooks::told) gets the place where the code is, which goes
    /// on. A C function that does not poll answers when it returns.
    Tell,
}

impl Interruption {
    /// The kind of error; `None` for a question.
    fn code(self) -> Option<c_int> {
        match self {
            Interruption::Once => Some(share::INTERRUPT_ONCE),
            Interruption::Kill => Some(share::INTERRUPT_KILL),
            Interruption::Tell => None,
        }
    }
}

/// Shared between a worker, its signal handler and monitors; see the table above.
struct Slot {
    thread: Mutex<Option<libc::pthread_t>>,
    turn: AtomicU64,
    request: AtomicU64,
    /// The turn that is asked where it is. A word of its own: two signals may become one.
    question: AtomicU64,
    state: AtomicPtr<lua::lua_State>,
}

thread_local! {
    /// The slot of the worker that this thread is. Plain data: safe to read in a signal handler.
    static CURRENT: Cell<*const Slot> = const { Cell::new(ptr::null()) };
}

/// A thread that runs VMs. Lives and ends on that thread; there is one per thread.
#[derive(Debug)]
pub struct Worker {
    slot: Arc<Slot>,
    turns: Cell<u64>,
    /// Not `Send`: it stands for the thread it was made on.
    marker: PhantomData<*mut ()>,
}

/// The monitors' end of a [`Worker`].
#[derive(Debug, Clone)]
pub struct Interrupter {
    slot: Arc<Slot>,
}

/// A turn of a VM on a worker: its main stack, interruptible until dropped.
#[derive(Debug)]
pub struct Turn<'vm> {
    stack: HostStack<'vm>,
    running: Running<'vm>,
}

impl Worker {
    /// Makes the current thread a worker and sees to it that the signal handler is installed.
    ///
    /// # Panics
    /// If the thread is a worker already.
    pub fn new() -> Worker {
        install();
        assert!(CURRENT.get().is_null(), "this thread is a worker already");
        // SAFETY: always succeeds.
        let thread = unsafe { libc::pthread_self() };
        let slot = Arc::new(Slot {
            thread: Mutex::new(Some(thread)),
            turn: AtomicU64::new(0),
            request: AtomicU64::new(0),
            question: AtomicU64::new(0),
            state: AtomicPtr::new(ptr::null_mut()),
        });
        CURRENT.set(Arc::as_ptr(&slot));
        Worker { slot, turns: Cell::new(0), marker: PhantomData }
    }

    /// A handle with which other threads interrupt this one.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { slot: self.slot.clone() }
    }

    /// Begins a turn of `vm` and gives its main stack.
    pub fn turn<'vm>(&'vm self, vm: &'vm mut Vm) -> Turn<'vm> {
        let running = Running::begin(self, vm.state());
        Turn { stack: vm.stack(), running }
    }

    /// Closes a VM in a turn of its own, so that its finalizers can be interrupted, too.
    pub fn close(&self, mut vm: Vm) {
        let running = Running::begin(self, vm.state());
        vm.close(|| drop(running));
    }
}

impl Default for Worker {
    fn default() -> Worker {
        Worker::new()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        *self.slot.thread.lock() = None;
        CURRENT.set(ptr::null());
        compiler_fence(Ordering::SeqCst);
    }
}

impl Interrupter {
    /// The number of the turn that runs, if one does. Numbers are not used again, so a monitor that
    /// sees the same one twice knows that the turn has lasted since.
    pub fn turn(&self) -> Option<u64> {
        Some(self.slot.turn.load(Ordering::Acquire)).filter(|&turn| turn != 0)
    }

    /// The processor time that the worker's thread has used; `None` when it is gone.
    pub fn cpu_time(&self) -> Option<Duration> {
        let thread = self.slot.thread.lock();
        let thread = (*thread)?;
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the thread exists: it takes itself out of the slot under this lock before it
        // ends. Both results are written to locals.
        let is_known = unsafe {
            libc::pthread_getcpuclockid(thread, &mut clock) == 0
                && libc::clock_gettime(clock, &mut time) == 0
        };
        is_known.then(|| Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32))
    }

    /// Interrupts turn number `turn` if it still runs. False if the worker is gone or already in
    /// another turn; true says that the signal is on its way, not that it will still find the turn.
    pub fn interrupt(&self, turn: u64, interruption: Interruption) -> bool {
        let thread = self.slot.thread.lock();
        let Some(thread) = thread.filter(|_| self.turn() == Some(turn)) else {
            return false;
        };
        match interruption.code() {
            Some(kind) => {
                let request = turn << KIND_BITS | u64::from(kind.unsigned_abs());
                self.slot.request.store(request, Ordering::Release);
            }
            None => self.slot.question.store(turn, Ordering::Release),
        }
        // SAFETY: the thread exists: it takes itself out of the slot under this lock before it
        // ends.
        unsafe { libc::pthread_kill(thread, SIGNAL) == 0 }
    }
}

impl Turn<'_> {
    /// Ends the turn, as dropping it does, in the place of the call.
    #[inline(always)]
    pub fn end(self) {
        let Turn { stack, running } = self;
        drop(stack);
        drop(running);
    }

    /// The number under which monitors know this turn.
    pub fn number(&self) -> u64 {
        self.running.worker.turns.get()
    }
}

impl<'vm> Deref for Turn<'vm> {
    type Target = HostStack<'vm>;

    fn deref(&self) -> &HostStack<'vm> {
        &self.stack
    }
}

impl<'vm> DerefMut for Turn<'vm> {
    fn deref_mut(&mut self) -> &mut HostStack<'vm> {
        &mut self.stack
    }
}

/// While it lives, the handler may interrupt `state`.
#[derive(Debug)]
struct Running<'vm> {
    worker: &'vm Worker,
}

impl<'vm> Running<'vm> {
    fn begin(worker: &'vm Worker, state: *mut lua::lua_State) -> Running<'vm> {
        let slot = &worker.slot;
        assert!(slot.turn.load(Ordering::Relaxed) == 0, "a turn within a turn");
        let turn = worker.turns.get() + 1;
        worker.turns.set(turn);
        slot.state.store(state, Ordering::Relaxed);
        // The handler must not see the turn without its state.
        compiler_fence(Ordering::SeqCst);
        slot.turn.store(turn, Ordering::Release);
        Running { worker }
    }
}

impl Drop for Running<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let slot = &self.worker.slot;
        slot.turn.store(0, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
        let state = slot.state.load(Ordering::Relaxed);
        slot.state.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the state, or at least its block if it was closed, lives until the turn is over,
        // and this is the thread that ran it.
        unsafe { forget_late_interruption(state) };
    }
}

/// What came after the last instruction was not meant for the next turn.
///
/// # Safety
/// `state` is the main state of a VM that this thread runs, or that it has just closed with its
/// block kept.
unsafe fn forget_late_interruption(state: *mut lua::lua_State) {
    // SAFETY: by contract.
    unsafe {
        if share::lua_interrupted(state) != share::INTERRUPT_KILL {
            share::lua_clearinterrupt(state);
        }
    }
}

/// The handler that was there before ours.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once per process, in front of one that may be there.
fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        // SAFETY: both actions are complete; the handler keeps to what a handler may do.
        unsafe {
            let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
            libc::sigaction(SIGNAL, ptr::null(), previous.as_mut_ptr());
            let previous = previous.assume_init();
            PREVIOUS.get_or_init(|| previous);
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            let status = libc::sigaction(SIGNAL, &action, ptr::null_mut());
            assert!(status == 0, "signal {SIGNAL} cannot be handled");
        }
    });
}

/// Runs on any thread that gets the signal, between any two of its instructions: no allocation, no
/// lock, `errno` untouched.
extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let slot = CURRENT.get();
    if !slot.is_null() {
        // SAFETY: the worker clears `CURRENT` on this thread before its slot can go away.
        interrupt_here(unsafe { &*slot });
    }
    if let Some(previous) = PREVIOUS.get() {
        // SAFETY: the previous handler gets what the system gave us.
        unsafe { chain(previous, signal, info, context) };
    }
}

fn interrupt_here(slot: &Slot) {
    let turn = slot.turn.load(Ordering::Relaxed);
    if turn == 0 {
        return;
    }
    let (request, question) =
        (slot.request.load(Ordering::Acquire), slot.question.load(Ordering::Acquire));
    compiler_fence(Ordering::SeqCst);
    let state = slot.state.load(Ordering::Relaxed);
    // SAFETY: while the turn number stands, the worker (this thread) runs the VM of this state; the
    // calls are made for signal handlers.
    unsafe {
        if request >> KIND_BITS == turn {
            share::lua_interrupt(state, (request & ((1 << KIND_BITS) - 1)) as c_int);
        }
        if question == turn {
            share::lua_asktotell(state);
        }
    }
}

/// # Safety
/// Called in a signal handler with the system's own arguments.
unsafe fn chain(
    previous: &libc::sigaction,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    type Plain = extern "C" fn(c_int);
    type Detailed = extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void);
    let handler = previous.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return;
    }
    // SAFETY: the flags of the action say which kind of function its address is.
    unsafe {
        if previous.sa_flags & libc::SA_SIGINFO != 0 {
            std::mem::transmute::<libc::sighandler_t, Detailed>(handler)(signal, info, context);
        } else {
            std::mem::transmute::<libc::sighandler_t, Plain>(handler)(signal);
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Slot").field("turn", &self.turn).finish_non_exhaustive()
    }
}
