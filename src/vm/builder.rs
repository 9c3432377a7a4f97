//! Making a VM: what a host chooses for it.

use std::any::Any;
use std::ffi::{CStr, c_uint};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use super::context::{Hooks, PlainHooks};
use super::state::{Vm, VmError};
use crate::code::CodeClient;

/// How a VM collects garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GcMode {
    /// In small steps along with allocation; Lua's default.
    #[default]
    Incremental,
    /// Young values first.
    Generational,
}

/// Choices for a new [`Vm`].
///
/// ```no_run
/// use moonhive::vm::VmBuilder;
/// let mut vm = VmBuilder::new().memory_limit_bytes(16 << 20).build()?;
/// let mut stack = vm.stack();
/// # Ok::<(), moonhive::vm::VmError>(())
/// ```
#[must_use]
pub struct VmBuilder {
    pub(super) hooks: Box<dyn Hooks>,
    pub(super) data: Box<dyn Any + Send>,
    pub(super) code: Option<CodeClient>,
    pub(super) options: Options,
}

/// The plain choices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) memory_limit_bytes: Option<usize>,
    pub(super) gc_mode: GcMode,
    pub(super) ignores_environment: bool,
    pub(super) compat_54: bool,
    pub(super) shares_all: bool,
    pub(super) stock_libraries: bool,
    pub(super) interrupt_message: &'static CStr,
}

impl Default for VmBuilder {
    fn default() -> VmBuilder {
        VmBuilder {
            hooks: Box::new(PlainHooks),
            data: Box::new(()),
            code: None,
            options: Options {
                memory_limit_bytes: None,
                gc_mode: GcMode::default(),
                ignores_environment: false,
                compat_54: false,
                shares_all: false,
                stock_libraries: false,
                interrupt_message: c"interrupted",
            },
        }
    }
}

impl VmBuilder {
    /// All libraries, no limit, plain hooks.
    pub fn new() -> VmBuilder {
        VmBuilder::default()
    }

    /// What the VM asks of the host.
    pub fn hooks(mut self, hooks: impl Hooks + 'static) -> VmBuilder {
        self.hooks = Box::new(hooks);
        self
    }

    /// The host's own data, which natives reach with [`Stack::data`](super::Stack::data).
    pub fn data<T: Any + Send>(mut self, data: T) -> VmBuilder {
        self.data = Box::new(data);
        self
    }

    /// The most memory that Lua values of the VM may take.
    pub fn memory_limit_bytes(mut self, limit: usize) -> VmBuilder {
        self.options.memory_limit_bytes = Some(limit);
        self
    }

    /// How the VM collects garbage.
    pub fn gc_mode(mut self, mode: GcMode) -> VmBuilder {
        self.options.gc_mode = mode;
        self
    }

    /// `LUA_PATH` and its relatives are not read.
    pub fn ignore_environment(mut self, ignore: bool) -> VmBuilder {
        self.options.ignores_environment = ignore;
        self
    }

    /// Chunks that assign to a loop variable compile with the meaning of Lua 5.4.
    pub fn compat_54(mut self, compat: bool) -> VmBuilder {
        self.options.compat_54 = compat;
        self
    }

    /// Every chunk, strings too, becomes a shared image before it runs: for tests of the sharing.
    pub fn share_all_chunks(mut self, share: bool) -> VmBuilder {
        self.options.shares_all = share;
        self
    }

    /// The standard libraries stay as they are: `print` and `os.exit` do not ask the host, and
    /// natives cannot block inside coroutines of user code. For programs that stand in for `lua`.
    pub fn stock_libraries(mut self, stock: bool) -> VmBuilder {
        self.options.stock_libraries = stock;
        self
    }

    /// What the error of an interruption says; `interrupted` by default.
    pub fn interrupt_message(mut self, message: &'static CStr) -> VmBuilder {
        self.options.interrupt_message = message;
        self
    }

    /// Makes the VM.
    ///
    /// # Errors
    /// When there is no memory for it, or its libraries do not load.
    pub fn build(self) -> Result<Vm, VmError> {
        Vm::build(self)
    }
}

impl std::fmt::Debug for VmBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("VmBuilder")
            .field("code", &self.code)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The seed of Lua's string hashes: random, and one for the whole process, because VMs share
/// strings together with their hashes.
pub(super) fn process_seed() -> c_uint {
    static SEED: OnceLock<c_uint> = OnceLock::new();
    *SEED.get_or_init(|| {
        let random = RandomState::new().hash_one(std::process::id());
        (random ^ (random >> 32)) as c_uint
    })
}
