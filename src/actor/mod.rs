//! Services: isolated Lua VMs that send each other messages, and the host they live in.
//!
//! # The parts
//!
//! | folder | holds |
//! |---|---|
//! | `host` | what all services of one host share, and the host as the program and an operator see it |
//! | `service` | one service as everybody sees it, from the plan for it to its way out |
//! | `state` | what one service knows while it runs, and what natives ask of it: calls, waits, forks, timers |
//! | `task` | one task, all tasks of a service, and what can end their waits |
//! | `turn` | one turn: from a message to the coroutine that waits for it, and to the answer |
//! | `record` | what goes along with requests, and what is noted of them: ids, traces, times |
//! | `skynet` | numbered protocols, message pointers and explicit answers, as skynet's services use them |
//!
//! The opening of each folder's `mod.rs` says which file holds what. Beside the folders lie the
//! words that all of them use: `message` (what lies in mailboxes), `fault` (what a failed call
//! says), `end` (why a service ended), `light` (services and tasks as Lua values), `slots` (keys
//! that find nothing once they are stale) and [`limits`].
//!
//! # The life of a service
//!
//! ```text
//! spawn ─▶ planned ─▶ born: its file runs ─▶ serves requests ─▶ leaves: `__exit`, `__close` ─▶ ended
//!            (first turn makes the VM)  │                            ▲
//!                                       └─ returned nothing: a script, until its tasks are done
//! ```
//!
//! A call: the native `hive.call` packs its arguments, opens a *session*, pushes a request into the
//! callee's mailbox and blocks its coroutine. The callee's turn takes a coroutine from the pool,
//! unpacks straight onto its stack and resumes it; when the handler returns, the results are packed
//! and sent back. The caller's turn finds the coroutine by the session, an index and a comparison.
//!
//! # What always holds
//!
//! 1. A service runs on one worker at a time; its state is touched by its own turns only.
//! 2. Whoever holds a `Caller` owes an answer, and dropping it is one: every call ends.
//! 3. A late answer, timer or handle finds nothing: sessions and keys carry an epoch.
//! 4. No lock is held while Lua runs, and no cell of a service is borrowed.
//! 5. What a service leaves undone is told to those who wait, by the reason of its end.
//!
//! Napkin: one call is two turns, two packs, two unpacks, two resumes and four short locks: 0.6 us.

mod end;
mod fault;
mod host;
mod light;
pub mod limits;
mod message;
mod record;
mod service;
pub(crate) mod skynet;
mod slots;
mod state;
mod task;
mod turn;

pub use end::End;
pub use fault::{Code, Fault};
pub use host::inquiry::{HostWaits, ServedRequest, ServiceWaits, TaskWait, WaitFor};
pub use host::settings::{Prelude, StandardService, WhenFull, WhenFullError};
pub use host::totals::HostStats;
pub use host::view::{HostView, Observer, REPORT, ServiceView, TurnView, WorkerView};
pub use host::{Finish, Host, HostBuilder, HostError, ServiceId, ShutdownHandle};
pub use record::profile::{HandlerProfile, ServiceProfile};
pub use service::plan::Spawn;

pub(crate) use fault::unsendable;
pub(crate) use host::{kill, kill_after_turn, stop};
pub(crate) use light::Light;
pub(crate) use message::Caller;
pub(crate) use record::request::RequestId;
pub(crate) use record::trace::Trace;
pub(crate) use service::Service;
pub(crate) use service::link::{follow, link, unlink};
pub(crate) use slots::Key;
pub(crate) use state::State;
pub(crate) use task::sleeper::Sleeper;
pub(crate) use task::token::Token;
