//! What belongs to one VM besides its Lua state, and the rule for going in and out of Lua.
//!
//! The extra space in front of every `lua_State` of a VM holds a pointer to the VM's [`Context`];
//! the pointer's lowest bit marks a coroutine that is blocked in the host (see `coroutine.rs`).
//! Everything here is written by the one thread that runs the VM, hence `Cell`s and no locks.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use moonhive_lua_sys::host::{self, GC_HOLD};
use moonhive_lua_sys::lua;

use super::alloc::Memory;
use super::coroutine::Coroutine;
use super::native::Step;
use crate::code::CodeClient;

/// Bit of the extra space that marks a blocked coroutine.
const BLOCKED_BIT: usize = 1;

/// What a VM asks of the host that owns it. All methods have a default that suits a plain process.
pub trait Hooks: Send {
    /// Writes a whole line (with its newline) for `print`. Lines of different VMs must not mix.
    fn print(&self, line: &[u8]) {
        super::library::write_line(line);
    }

    /// A complete message of Lua's `warn`, without prefix or newline.
    fn warn(&self, message: &str) {
        super::library::complain(format_args!("Lua warning: {message}"));
    }

    /// A script called `os.exit`; `close` asks to close the VM first. A host that returns from here
    /// has the script unwound to its end, uncatchably.
    fn exit(&self, code: i32, close: bool) {
        let _ = close;
        std::process::exit(code);
    }

    /// Where the code is that runs, because somebody has [asked](super::Interruption::Tell): a line
    /// for each function from the innermost outwards, each after a newline. Nothing of the VM may
    /// be used here.
    fn told(&self, place: &str) {
        super::library::complain(format_args!("it runs here:{place}"));
    }

    /// A native function of ours panicked: a bug in Moonhive. The script gets an error.
    fn native_panicked(&self, message: &str) {
        super::library::complain(format_args!("native function panicked: {message}"));
    }
}

/// The hooks of a VM that was given none.
#[derive(Debug, Default)]
pub(super) struct PlainHooks;

impl Hooks for PlainHooks {}

/// Per-VM data, at a fixed address from creation until after the state is closed.
#[repr(align(16))]
pub(super) struct Context {
    pub(super) memory: Memory,
    /// Tells VMs apart in checks that a handle is used with its own VM.
    pub(super) id: u64,
    pub(super) main: Cell<*mut lua::lua_State>,
    /// Lua's word of reasons not to collect.
    gc_stop_word: Cell<*mut u8>,
    gc_debt_word: Cell<*const isize>,
    /// The most that could be allocated before the next collection, since the last one.
    gc_credit_bytes: Cell<isize>,
    pub(super) hooks: Box<dyn Hooks>,
    /// The host's own data for this VM.
    data: Box<dyn Any + Send>,
    /// Its type, noted once: asking the value itself takes a call, and every native asks.
    data_type: TypeId,
    /// Access to the code cache. Lua holds its address.
    pub(super) code: Option<CodeClient>,
    /// What the native that has just run wants done instead of returning values.
    pub(super) step: Cell<Step>,
    /// The yield under way is a block of the host, not a yield of user code.
    pub(super) blocking: Cell<bool>,
    /// Every coroutine between the running one and the host's can yield.
    pub(super) blockable: Cell<bool>,
    /// The coroutine that the host resumed last, while that runs.
    pub(super) resumed: Cell<*mut lua::lua_State>,
    /// Traceback written by the message handler of the innermost protected call.
    pub(super) traceback: RefCell<String>,
    /// Metatables of our userdata types, by address. Few, so a list.
    pub(super) metatables: RefCell<Vec<(TypeId, *const c_void)>>,
    /// The one of them that was asked for last.
    pub(super) last_metatable: Cell<Option<(TypeId, *const c_void)>>,
    /// Slots of the registry that keep no value.
    pub(super) free_slots: RefCell<Vec<u32>>,
    /// Idle coroutines.
    pub(super) pool: RefCell<Vec<Coroutine>>,
    /// What has come of a `warn` message that is not complete yet.
    pub(super) warning: RefCell<Option<Vec<u8>>>,
    pub(super) warnings_on: Cell<bool>,
}

/// How things stood before [`Context::enter`] or [`Context::leave`]; give it back to `restore`.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(super) struct Before {
    suspended: bool,
    held: u8,
}

impl Context {
    pub(super) fn new(
        hooks: Box<dyn Hooks>,
        data: Box<dyn Any + Send>,
        code: Option<CodeClient>,
    ) -> Context {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Context {
            memory: Memory::new(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            main: Cell::new(std::ptr::null_mut()),
            gc_stop_word: Cell::new(std::ptr::null_mut()),
            gc_debt_word: Cell::new(std::ptr::null()),
            gc_credit_bytes: Cell::new(0),
            hooks,
            data_type: (*data).type_id(),
            data,
            code,
            step: Cell::new(Step::Raise),
            blocking: Cell::new(false),
            blockable: Cell::new(false),
            resumed: Cell::new(std::ptr::null_mut()),
            traceback: RefCell::new(String::new()),
            metatables: RefCell::new(Vec::new()),
            last_metatable: Cell::new(None),
            free_slots: RefCell::new(Vec::new()),
            pool: RefCell::new(Vec::new()),
            warning: RefCell::new(None),
            warnings_on: Cell::new(true),
        }
    }

    /// The context of the VM that `state` belongs to.
    ///
    /// # Safety
    /// `state` is a live state of a VM made by `VmBuilder`; the result must not outlive the VM.
    #[inline]
    pub(super) unsafe fn of<'a>(state: *mut lua::lua_State) -> &'a Context {
        // SAFETY: the builder put the context's address there before any other code ran, and
        // `lua_newthread` copies it from the main state.
        unsafe { &*extra_space(state).read().map_addr(|address| address & !BLOCKED_BIT) }
    }

    /// The host's data, if it is of type `T`.
    #[inline]
    pub(super) fn data<T: Any>(&self) -> Option<&T> {
        if self.data_type != TypeId::of::<T>() {
            return None;
        }
        let data: &(dyn Any + Send) = &*self.data;
        // SAFETY: the data is of the type that was noted.
        Some(unsafe { &*std::ptr::from_ref(data).cast::<T>() })
    }

    /// Ties the context to its state; comes before every other use.
    ///
    /// # Safety
    /// `state` is the main state of a VM that has run no code yet.
    pub(super) unsafe fn attach(&self, state: *mut lua::lua_State) {
        self.main.set(state);
        // SAFETY: every state has one pointer of extra space in front of it.
        unsafe {
            extra_space(state).write(std::ptr::from_ref(self));
            self.gc_stop_word.set(host::lua_gcstopword(state));
            self.gc_debt_word.set(host::lua_gcdebtword(state));
        }
    }

    /// Rust code of ours begins to work on a stack: memory is not refused and the collector holds.
    #[inline]
    pub(super) fn enter(&self) -> Before {
        Before { suspended: self.memory.suspend(true), held: self.hold(GC_HOLD) }
    }

    /// Lua code is about to run: memory is limited and the collector works.
    #[inline]
    pub(super) fn leave(&self) -> Before {
        Before { suspended: self.memory.suspend(false), held: self.hold(0) }
    }

    /// Ends what `enter` or `leave` began.
    #[inline]
    pub(super) fn restore(&self, before: Before) {
        self.memory.suspend(before.suspended);
        self.hold(before.held);
    }

    /// Does the collector's due work. Natives allocate while it is held, and Lua code that
    /// allocates nothing itself never notices what they left; so whoever enters or goes back to Lua
    /// asks.
    ///
    /// # Safety
    /// `state` runs on this thread and may call; [`Context::leave`] or no [`Context::enter`] at all
    /// is in force, and no frame up to the caller of Lua owns anything if the VM may be killed.
    #[inline]
    pub(super) unsafe fn poll_collector(&self, state: *mut lua::lua_State) {
        if self.is_collection_due() {
            // SAFETY: the caller's promise.
            unsafe { host::lua_gcpoll(state) };
        }
    }

    /// True if the collector works as soon as Lua goes on.
    #[inline]
    pub(super) fn is_collection_due(&self) -> bool {
        // SAFETY: `attach` stored the address of a word that lives as long as the state; only the
        // thread that runs the VM touches it.
        unsafe { *self.gc_debt_word.get() <= 0 }
    }

    /// True if a collection is under way or near: less than a quarter is left of what the VM may
    /// allocate between two of them, and that is at least so much. For turns to ask when they end.
    #[inline]
    pub(super) fn is_collection_near(&self, least_bytes: usize) -> bool {
        // SAFETY: as in `is_collection_due`.
        let left = unsafe { *self.gc_debt_word.get() };
        let credit = self.gc_credit_bytes.get();
        if left >= credit {
            self.gc_credit_bytes.set(left);
        }
        left < credit / 4 && credit >= least_bytes as isize
    }

    /// A collection has ended, or the collector's pace has changed.
    pub(super) fn forget_credit(&self) {
        // SAFETY: as in `is_collection_due`.
        self.gc_credit_bytes.set(unsafe { *self.gc_debt_word.get() });
    }

    /// Sets our bit of the collector's word to `hold`, and returns what it was.
    #[inline]
    fn hold(&self, hold: u8) -> u8 {
        let word = self.gc_stop_word.get();
        // SAFETY: `attach` stored the address of a byte that lives as long as the state; only the
        // thread that runs the VM touches it.
        unsafe {
            let old = word.read();
            word.write(old & !GC_HOLD | hold);
            old & GC_HOLD
        }
    }
}

/// True if the coroutine is blocked in the host: only the host may resume it.
///
/// # Safety
/// `state` is a live state of one of our VMs.
#[inline]
pub(super) unsafe fn is_blocked(state: *mut lua::lua_State) -> bool {
    // SAFETY: by contract the extra space holds our pointer.
    unsafe { extra_space(state).read().addr() & BLOCKED_BIT != 0 }
}

/// Marks or unmarks a coroutine as blocked in the host.
///
/// # Safety
/// `state` is a live coroutine of one of our VMs, not its main state.
#[inline]
pub(super) unsafe fn set_blocked(state: *mut lua::lua_State, blocked: bool) {
    // SAFETY: by contract the extra space holds our pointer, whose alignment leaves the bit free.
    unsafe {
        let slot = extra_space(state);
        let marked = slot.read().map_addr(|address| address & !BLOCKED_BIT | usize::from(blocked));
        // As a whole: of a byte alone the next read of the pointer would have to wait until it has
        // reached the cache, and everything that a native does begins with that read.
        slot.write_volatile(marked);
    }
}

/// The slot in front of a state.
///
/// # Safety
/// `state` points to a `lua_State`.
#[inline]
unsafe fn extra_space(state: *mut lua::lua_State) -> *mut *const Context {
    // SAFETY: `LUA_EXTRASPACE` is one pointer, placed directly in front of each state.
    unsafe { lua::lua_getextraspace(state).cast() }
}
