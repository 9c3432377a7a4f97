//! The dictionaries in shared memory as a C library: what `include/moonhive_shm.h` declares.
//!
//! The header is the documentation; here is only the way from C to `moonhive_shm` and back:
//!
//! | module | holds | invariant |
//! |---|---|---|
//! | `export` | the macro that every function goes through | no panic leaves it; each symbol has a version |
//! | `argument` | what C hands in, as types | no pointer is followed elsewhere |
//! | `layout` | structures and constants of the header | sizes never change, structures grow at the end |
//! | `failure` | codes, and the last failure of a thread | a code keeps its number for ever |
//! | `scratch` | bytes on their way to the caller's buffer | what did not fit is not lost |
//! | `objects`, `files`, `reading`, `writing`, `counters`, `locks`, `lists`, `whole` | the functions | |
//!
//! The library does nothing when it is loaded, starts no thread, and installs no handler. It
//! exports nothing but `mhshm_*`.

#[macro_use]
mod export;

mod argument;
mod counters;
mod failure;
mod files;
mod layout;
mod lists;
mod locks;
mod objects;
mod reading;
mod scratch;
#[cfg(test)]
mod tests;
mod whole;
mod writing;
