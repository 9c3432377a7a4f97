//! Scheduler, mailboxes, timers and addresses of an actor host: no Lua, no I/O, and no `unsafe` but
//! that of the token.
//!
//! The layer above brings *tasks* (services) and says what a turn of one is; this crate decides
//! which thread runs which task when, keeps messages until their receiver looks, and calls back
//! when time has passed. What lives where:
//!
//! | module | holds | invariant |
//! |---|---|---|
//! | [`scheduler`] | worker threads, run queues, parking | a task runs on at most one thread at a time; a woken task runs |
//! | [`mailbox`] | many producers, one consumer, two lanes | no message is lost or silently kept past the limits |
//! | [`timer`] | hierarchical wheel, sharded | never early; a cancelled timer never fires |
//! | [`address`] | live services by number | an address is never given out twice |
//! | [`chunks`] | lists that grow without moving what they hold | an index names one item for good |
//! | [`clock`] | monotonic time of one host | never goes back |
//! | [`sync`] | locks, atomics, threads | the only door to them, so that the loom model checker can stand in |
//!
//! Nothing here is global: two hosts in one process share nothing.

#![deny(unsafe_code)]

pub mod address;
pub mod chunks;
pub mod clock;
pub mod mailbox;
pub mod scheduler;
pub mod sync;
pub mod timer;
