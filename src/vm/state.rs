//! A VM: one Lua state, its memory and its end.
//!
//! Invariant: the context outlives the state. The state is closed exactly once, in `Drop`, while
//! the context is entered by nobody.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use moonhive_lua_sys::{lua, share};

use super::alloc::{allocate, free_kept};
use super::builder::{GcMode, Options, VmBuilder, process_seed};
use super::context::{Before, Context};
use super::error::LuaError;
use super::stack::Stack;

/// Why a VM could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VmError {
    /// The process has no memory for another VM.
    #[error("no memory for a new virtual machine")]
    OutOfMemory,
    /// A standard library failed to load.
    #[error("cannot open the standard libraries: {0}")]
    Libraries(#[source] LuaError),
}

/// Memory of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes in live blocks of the VM, shared code not included.
    pub used_bytes: usize,
    /// The most it may use, if it is limited.
    pub limit_bytes: Option<usize>,
}

/// One virtual machine. Closing it (dropping the value) runs all finalizers.
pub struct Vm {
    state: NonNull<lua::lua_State>,
    context: NonNull<Context>,
    /// Only `close` sets it, and nothing but `drop` follows.
    is_closed: bool,
    drops_suspended: bool,
}

// SAFETY: state and context are reached through the `Vm` alone, so they move with it; what scripts
// hold of Rust (`Userdata`, hooks, data) is `Send`. The thread that runs a VM may change, and there
// is never more than one because every use borrows the `Vm`.
unsafe impl Send for Vm {}

impl Vm {
    /// Begins to describe a VM.
    pub fn builder() -> VmBuilder {
        VmBuilder::new()
    }

    pub(super) fn build(builder: VmBuilder) -> Result<Vm, VmError> {
        let VmBuilder { hooks, data, code, .. } = builder;
        let context = NonNull::from(Box::leak(Box::new(Context::new(hooks, data, code))));
        // SAFETY: the context was just made and lives until `Vm::drop` or the branch below.
        let memory = ptr::from_ref(unsafe { &context.as_ref().memory });
        // SAFETY: the allocator gets the memory it was written for.
        let state =
            unsafe { lua::lua_newstate(allocate, memory.cast_mut().cast(), process_seed()) };
        let Some(state) = NonNull::new(state) else {
            // SAFETY: no state refers to the context.
            drop(unsafe { Box::from_raw(context.as_ptr()) });
            return Err(VmError::OutOfMemory);
        };
        let mut vm = Vm { state, context, is_closed: false, drops_suspended: false };
        vm.attach();
        vm.set_options(&builder.options);
        vm.open_libraries(&builder.options)?;
        // Only now: what the libraries are made of counts as old from the start.
        vm.set_gc_mode(builder.options.gc_mode);
        vm.set_memory_limit(builder.options.memory_limit_bytes);
        vm.context().memory.suspend(false);
        Ok(vm)
    }

    /// Ties the new state to its context, before any code can run.
    fn attach(&mut self) {
        let state = self.state();
        // SAFETY: the state is new, nothing ran in it, and the context outlives it at its address.
        unsafe {
            self.context().attach(state);
            self.context().install_code(state);
            lua::lua_atpanic(state, die);
            lua::lua_setwarnf(state, Some(warn), self.context.as_ptr().cast());
        }
    }

    fn set_options(&mut self, options: &Options) {
        let state = self.state();
        // SAFETY: the state is live; these only write fields, and the message is static.
        unsafe {
            share::lua_shareoption(state, share::OPTION_COMPAT_54, options.compat_54.into());
            share::lua_shareoption(state, share::OPTION_SHARE_ALL, options.shares_all.into());
            share::lua_interruptmessage(state, options.interrupt_message.as_ptr());
            share::lua_setteller(state, Some(super::place::tell));
        }
    }

    fn open_libraries(&mut self, options: &Options) -> Result<(), VmError> {
        let mut stack = self.stack();
        if options.ignores_environment {
            stack.set_registry_flag("LUA_NOENV");
        }
        stack.open_libraries(options.stock_libraries).map_err(VmError::Libraries)
    }

    fn context(&self) -> &Context {
        // SAFETY: the context lives as long as the `Vm`; only shared references to it exist.
        unsafe { self.context.as_ref() }
    }

    /// The main stack, for the host to work on between turns. What is left on it is removed when
    /// the result is dropped.
    pub fn stack(&mut self) -> HostStack<'_> {
        // SAFETY: the context outlives the borrow of the `Vm`.
        let context = unsafe { self.context.as_ref() };
        let before = context.enter();
        // SAFETY: entered just now, and the `Vm` is borrowed for as long as the stack is used.
        let stack = unsafe { Stack::new(self.state.as_ptr(), context) };
        HostStack { top: stack.top(), stack, before }
    }

    /// What the VM uses and may use.
    pub fn memory(&self) -> MemoryUse {
        let memory = &self.context().memory;
        let limit = memory.limit_bytes();
        MemoryUse {
            used_bytes: memory.used_bytes(),
            limit_bytes: (limit != usize::MAX).then_some(limit),
        }
    }

    /// Limits the VM's memory, or lifts the limit. A VM that already uses more fails at its next
    /// growing allocation, unless collecting garbage helps.
    pub fn set_memory_limit(&mut self, limit_bytes: Option<usize>) {
        self.context().memory.set_limit_bytes(limit_bytes.unwrap_or(usize::MAX));
    }

    /// Changes how the VM collects garbage.
    pub fn set_gc_mode(&mut self, mode: GcMode) {
        let mode = match mode {
            GcMode::Incremental => lua::LUA_GCINC,
            GcMode::Generational => lua::LUA_GCGEN,
        };
        let before = self.context().enter();
        // SAFETY: the state is live; a change of mode may collect but calls no finalizer.
        unsafe { lua::lua_gc(self.state.as_ptr(), mode) };
        self.context().restore(before);
    }

    /// Collects all garbage; finalizers may run.
    pub fn collect(&mut self) {
        self.stack().collect();
    }

    /// True if there may be something to tell or to ask about unused shared strings: if not,
    /// neither [`wants_census`](Vm::wants_census) nor [`census_epoch`](Vm::census_epoch) has news.
    /// Costs four reads.
    pub fn has_census_news(&self) -> bool {
        // SAFETY: the state is live and this thread has it.
        unsafe { share::lua_censusnews(self.state()) != 0 }
    }

    /// True if the process waits for this VM to tell which unused shared strings it still holds;
    /// collections tell it by themselves, a VM that sleeps has to be asked.
    pub fn wants_census(&self) -> bool {
        // SAFETY: the state is live and this thread has it.
        unsafe { share::lua_wantscensus(self.state()) != 0 }
    }

    /// The epoch in which some VM of the process has still to be asked. A host that sees a new
    /// number asks its sleeping VMs. Any thread may look; it costs two reads.
    pub fn census_epoch() -> Option<NonZeroU64> {
        // SAFETY: reads two atomics.
        NonZeroU64::new(unsafe { share::lua_censusepoch() })
    }

    /// Answers that question; true if it had to walk the VM's values for it.
    pub fn census(&mut self) -> bool {
        // SAFETY: the state is live, runs nothing, and this thread has it. No code runs.
        unsafe { share::lua_sharecensus(self.state()) != 0 }
    }
}

impl Vm {
    pub(super) fn state(&self) -> *mut lua::lua_State {
        self.state.as_ptr()
    }

    /// Stops whatever the VM would still run: from now on every instruction raises an error, in
    /// finalizers and `__close` methods as well. For the thread that has the VM; to stop a turn
    /// from another thread see [`interrupt`](super::interrupt).
    pub fn kill(&mut self) {
        // SAFETY: the state is live and this thread has it.
        unsafe { share::lua_interrupt(self.state(), share::INTERRUPT_KILL) };
    }

    /// Coroutines that are suspended when the VM ends are dropped without their `__close` methods,
    /// as Lua itself drops them.
    pub fn drop_suspended(&mut self) {
        self.drops_suspended = true;
    }

    /// True once the VM was killed, by [`Vm::kill`], by an interruption or by `os.exit`.
    pub fn is_killed(&self) -> bool {
        // SAFETY: the state is live and this thread has it.
        unsafe { share::lua_interrupted(self.state()) == share::INTERRUPT_KILL }
    }

    /// Closes the state once; `closed` runs when no code can run any more, while the block of the
    /// state can still be read.
    pub(super) fn close(&mut self, closed: impl FnOnce()) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        // A killed VM runs nothing any more, and what is suspended would not notice.
        if !self.is_killed() && !self.drops_suspended {
            self.stack().close_suspended();
        }
        let context = self.context();
        context.drop_pool();
        context.memory.keep_block_of(self.state.as_ptr().cast());
        // SAFETY: the state is live, used by nobody else and closed only once. Finalizers and
        // `__close` methods run protected inside. Afterwards nothing but `closed` refers to the
        // block that is kept; an interruption that came for it is taken back, since the process
        // counts those that are pending.
        unsafe {
            lua::lua_close(self.state.as_ptr());
            closed();
            share::lua_clearinterrupt(self.state.as_ptr());
            free_kept(&context.memory);
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.close(|| ());
        // SAFETY: the state is closed, so nothing refers to the context any more.
        drop(unsafe { Box::from_raw(self.context.as_ptr()) });
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vm").field("memory", &self.memory()).finish_non_exhaustive()
    }
}

/// The main stack in the hands of the host.
#[derive(Debug)]
pub struct HostStack<'vm> {
    stack: Stack<'vm>,
    top: c_int,
    before: Before,
}

impl<'vm> Deref for HostStack<'vm> {
    type Target = Stack<'vm>;

    fn deref(&self) -> &Stack<'vm> {
        &self.stack
    }
}

impl<'vm> DerefMut for HostStack<'vm> {
    fn deref_mut(&mut self) -> &mut Stack<'vm> {
        &mut self.stack
    }
}

impl Stack<'_> {
    /// Bytes in live blocks of the VM, shared code not included.
    pub fn used_bytes(&self) -> usize {
        self.context().memory.used_bytes()
    }

    /// Sets or lifts the VM's memory limit.
    pub fn set_memory_limit(&self, limit_bytes: Option<usize>) {
        self.context().memory.set_limit_bytes(limit_bytes.unwrap_or(usize::MAX));
    }
}

impl Drop for HostStack<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.stack.top() > self.top {
            self.stack.set_top(self.top);
        }
        self.stack.context().restore(self.before);
    }
}

impl Stack<'_> {
    /// Sets a boolean field of the registry.
    fn set_registry_flag(&mut self, name: &str) {
        self.push_str(name);
        self.push_bool(true);
        // SAFETY: the registry is a table, the key is a string, memory is not refused.
        unsafe { lua::lua_rawset(self.state(), lua::LUA_REGISTRYINDEX) };
    }
}

/// Lua found no protected call to report an error to. Every way in is protected, so this is a bug,
/// and going on would be worse than stopping.
///
/// # Safety
/// Only Lua calls it.
unsafe extern "C-unwind" fn die(state: *mut lua::lua_State) -> c_int {
    // SAFETY: the error value is on top; reading a string raises nothing.
    let message = unsafe { lua::lua_tostring(state, -1) };
    let message = if message.is_null() {
        "error object is not a string".into()
    } else {
        // SAFETY: Lua's strings end with a zero byte.
        unsafe { CStr::from_ptr(message) }.to_string_lossy()
    };
    super::library::complain(format_args!("unprotected error in Lua: {message}"));
    std::process::abort()
}

/// Collects the pieces of a warning and hands the whole to the host. `@on` and `@off` as in the
/// stand-alone interpreter.
///
/// # Safety
/// Only Lua calls it, with the VM's context and a C string.
unsafe extern "C-unwind" fn warn(context: *mut c_void, piece: *const c_char, continues: c_int) {
    // SAFETY: the VM registered its context, which outlives the state; the piece is a C string.
    let (context, piece) = unsafe { (&*context.cast::<Context>(), CStr::from_ptr(piece)) };
    // A panic in the hook must not get into Lua's C frames.
    let _ = catch_unwind(AssertUnwindSafe(|| context.warn(piece.to_bytes(), continues != 0)));
}

impl Context {
    fn warn(&self, piece: &[u8], continues: bool) {
        let mut started = self.warning.borrow_mut();
        if let ([b'@', control @ ..], None, false) = (piece, &*started, continues) {
            return self.control_warnings(control);
        }
        let mut message = started.take().unwrap_or_default();
        message.extend_from_slice(piece);
        if continues {
            *started = Some(message);
            return;
        }
        drop(started);
        if self.warnings_on.get() {
            self.hooks.warn(&String::from_utf8_lossy(&message));
        }
    }

    /// A message in one piece that begins with `@`; those that nobody knows are ignored.
    fn control_warnings(&self, control: &[u8]) {
        match control {
            b"on" => self.warnings_on.set(true),
            b"off" => self.warnings_on.set(false),
            _ => {}
        }
    }
}
