//! Declarations of `c/lshare.h`: shared images, the file loader hook, interruption. The header
//! documents each function; the comments here only add what Rust callers must know.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

use mlua_sys::lua_State;

/// The immutable form of one compiled chunk, counted by its owners. Opaque.
#[repr(C)]
#[derive(Debug)]
pub struct Image {
    opaque: [u8; 0],
    marker: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}

/// Process-wide figures of shared code; each field alone is exact.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ShareStats {
    /// Live images.
    pub images: usize,
    /// Bytes in the blocks of live images.
    pub image_bytes: usize,
    /// Canonical strings.
    pub strings: usize,
    /// Bytes in canonical strings.
    pub string_bytes: usize,
    /// Strings that no image uses and that are not yet freed.
    pub limbo: usize,
    /// Bytes in them.
    pub limbo_bytes: usize,
    /// Images freed since the process began.
    pub freed_images: usize,
    /// Strings freed since the process began.
    pub freed_strings: usize,
    /// Images of which some VM needed private prototypes, since the process began.
    pub thin_clones: usize,
    /// Live images of tables.
    pub shares: usize,
    /// Bytes in the blocks of live images of tables.
    pub share_bytes: usize,
    /// Images of tables freed since the process began.
    pub freed_shares: usize,
    /// Times that a VM replaced strings of its own by shared ones, since the process began.
    pub replacements: usize,
}

/// What a [`FileLoader`] answers to let the stock `luaL_loadfilex` go on.
pub const LOAD_PASS: c_int = -1;
/// Option of [`lua_shareoption`]: loop variables may be assigned to, as in Lua 5.4.
pub const OPTION_COMPAT_54: c_int = 0;
/// Option of [`lua_shareoption`]: every chunk becomes an image before it runs.
pub const OPTION_SHARE_ALL: c_int = 1;
/// No interruption is pending.
pub const INTERRUPT_NONE: c_int = 0;
/// One error, then the VM goes on.
pub const INTERRUPT_ONCE: c_int = 1;
/// Every instruction raises until the host clears it.
pub const INTERRUPT_KILL: c_int = 2;

/// Whom code tells where it is: see [`lua_setteller`].
pub type Teller = unsafe extern "C-unwind" fn(state: *mut lua_State);

/// A host's own way to load files; see `lua_setfileloader`.
pub type FileLoader = unsafe extern "C-unwind" fn(
    ud: *mut c_void,
    state: *mut lua_State,
    filename: *const c_char,
    mode: *const c_char,
) -> c_int;

/// A quick look for a file that the host has at hand; see `lua_setknownloader`.
pub type KnownLoader = unsafe extern "C-unwind" fn(
    ud: *mut c_void,
    state: *mut lua_State,
    filename: *const c_char,
    length: usize,
    compat_54: c_int,
) -> c_int;

/// A host's own way to find the files of modules; see `lua_setmodulefinder`.
pub type ModuleFinder = unsafe extern "C-unwind" fn(
    ud: *mut c_void,
    state: *mut lua_State,
    name: *const c_char,
    path: *const c_char,
    filename: *const c_char,
) -> c_int;

unsafe extern "C-unwind" {
    /// Makes an image of the Lua function at `index`; the caller owns one reference.
    pub fn lua_sharefunction(state: *mut lua_State, index: c_int) -> *mut Image;
    /// The same code under another chunk name; the caller owns one reference.
    pub fn lua_renameimage(image: *mut Image, chunk_name: *const c_char) -> *mut Image;
    /// Pushes a closure over the image; may raise a memory error (a `longjmp`).
    pub fn lua_clonefunction(state: *mut lua_State, image: *mut Image);
    /// Makes an image of the table at `index`; null, and a message pushed, when that cannot be.
    pub fn lua_sharetable(
        state: *mut lua_State,
        index: c_int,
        name: *const c_char,
        functions: c_int,
    ) -> *mut Image;
    /// Whether the value at an index is a function of a shared table.
    pub fn lua_issharedfunction(state: *mut lua_State, index: c_int) -> c_int;
    /// Pushes the table of an image; may raise an error (a `longjmp`).
    pub fn lua_pushshared(state: *mut lua_State, image: *mut Image);
    /// Replaces references to shared tables as the table at `index` says; may raise a memory error
    /// (a `longjmp`).
    pub fn lua_replaceshared(state: *mut lua_State, index: c_int) -> usize;
    /// Tables in an image of tables.
    pub fn lua_imagetables(image: *const Image) -> usize;
    /// The image of a shared table at `index`, not retained; null for other values.
    pub fn lua_toshared(state: *mut lua_State, index: c_int) -> *mut Image;
    /// Takes a reference.
    pub fn lua_retainimage(image: *mut Image) -> *mut Image;
    /// Gives a reference back.
    pub fn lua_releaseimage(image: *mut Image);
    /// Bytes of the image's block.
    pub fn lua_imagesize(image: *const Image) -> usize;
    /// VMs that hold a reference right now.
    pub fn lua_imageusers(image: *const Image) -> c_uint;
    /// Says that nothing new will be loaded from the image.
    pub fn lua_retireimage(image: *mut Image);
    /// Images of which that was said and to which the VM still holds on.
    pub fn lua_usesretired(state: *mut lua_State) -> c_int;
    /// Reads the process-wide figures.
    pub fn lua_sharestats(out: *mut ShareStats);
    /// Tells which limbo strings this VM still uses; true if it walked the heap.
    pub fn lua_sharecensus(state: *mut lua_State) -> c_int;
    /// True if a census of this VM is what the process waits for.
    pub fn lua_wantscensus(state: *mut lua_State) -> c_int;
    /// False if neither [`lua_wantscensus`] nor [`lua_censusepoch`] has news. Costs four reads.
    pub fn lua_censusnews(state: *mut lua_State) -> c_int;
    /// The epoch in which VMs of the process are still to do their census, or 0; any thread.
    pub fn lua_censusepoch() -> c_ulonglong;
    /// Installs a host's file loader; `None` removes it. What was installed beside it is removed.
    pub fn lua_setfileloader(state: *mut lua_State, loader: Option<FileLoader>, ud: *mut c_void);
    /// Installs a host's quick look before its loader, which gets the user data of that.
    pub fn lua_setknownloader(state: *mut lua_State, loader: Option<KnownLoader>);
    /// Installs a host's finder of modules, which gets the user data of the file loader.
    pub fn lua_setmodulefinder(state: *mut lua_State, finder: Option<ModuleFinder>);
    /// Sets an option of the VM and returns its previous value.
    pub fn lua_shareoption(state: *mut lua_State, option: c_int, value: c_int) -> c_int;
    /// Interrupts the VM; only on the thread that runs it, also from a signal handler.
    pub fn lua_interrupt(state: *mut lua_State, kind: c_int);
    /// The pending interruption, not cleared.
    pub fn lua_interrupted(state: *mut lua_State) -> c_int;
    /// Forgets a pending interruption.
    pub fn lua_clearinterrupt(state: *mut lua_State);
    /// Asks the code that runs where it is: the teller is called at its next instruction. Where and
    /// when as [`lua_interrupt`].
    pub fn lua_asktotell(state: *mut lua_State);
    /// Sets whom to tell. It may ask for debug information and must leave the stack alone.
    pub fn lua_setteller(state: *mut lua_State, teller: Option<Teller>);
    /// Work in `state` also ends by an interruption of `patron`, which must outlive that work.
    pub fn lua_interruptwith(state: *mut lua_State, patron: *mut lua_State);
    /// Sets the text of the error; static storage.
    pub fn lua_interruptmessage(state: *mut lua_State, message: *const c_char);
}
