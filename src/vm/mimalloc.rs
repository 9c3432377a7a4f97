//! The door to the allocator of the `moonhive` command, for what its own crate does not offer.

/// Has mimalloc give back what the calling thread and the process do not use. Harmless where another
/// allocator serves the program.
pub fn trim() {
    // SAFETY: may be called at any time, on any thread; it moves and frees nothing that is in use.
    unsafe { libmimalloc_sys::mi_collect(true) };
}
