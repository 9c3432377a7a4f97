//! Services: isolated Lua VMs that send each other messages, and the host they live in.
//!
//! # The parts
//!
//! | file | holds |
//! |---|---|
//! | `host` | [`Host`] and [`HostBuilder`]: what the program around the host sees |
//! | `core`, `workload` | the shared middle of one host: address table, names, code cache; what the scheduler asks of it |
//! | `service` | one service as everybody sees it: address, mailbox, monitors, figures |
//! | `overload` | what becomes of messages that do not fit |
//! | `life`, `boot` | what only its turns touch: the VM, and how it is made |
//! | `turn`, `serve` | one turn: from a message to the coroutine that waits for it, and to the answer |
//! | `state`, `task`, `begin`, `token` | tasks of one service: calls, sleeps, forks, timers, monitors |
//! | `link`, `groups` | services that end together, and that are called as one |
//! | `peers` | the services one service talked to last |
//! | `request`, `trace` | what goes along with requests, and the record of their steps |
//! | `profile`, `totals`, `memory` | where time went; sums over all services; telling of those that grow |
//! | `view`, `inquiry` | the host as an operator sees it while it runs; who waits for whom |
//! | `message`, `fault`, `end` | what lies in mailboxes; what a failed call says; why a service ended |
//! | `retired` | asking those who sleep to let go of code that was replaced |
//! | `exit`, `warden`, `shutdown` | the end of a service, of a turn that overruns, of the host |
//! | `skynet` | numbered protocols, message pointers and explicit answers, as skynet's services use them |
//! | `outside` | threads of the program that call services |
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

mod alarm;
mod begin;
mod boot;
mod core;
mod deferred;
mod due;
mod end;
mod every;
mod exit;
mod fault;
mod groups;
mod host;
mod inquiry;
mod life;
mod light;
pub mod limits;
mod link;
mod memory;
mod message;
mod method;
mod names;
mod outside;
mod overload;
mod own_settings;
mod parting;
mod peers;
mod plan;
mod profile;
mod request;
mod retired;
mod serve;
mod service;
mod settings;
mod shutdown;
pub(crate) mod skynet;
mod sleeper;
mod slots;
mod state;
mod task;
mod tasks;
mod tidy;
mod token;
mod totals;
mod trace;
mod trim;
mod turn;
mod view;
mod warden;
mod worker;
mod workload;

pub use end::End;
pub use fault::{Code, Fault};
pub use host::{Finish, Host, HostBuilder, HostError, ServiceId, ShutdownHandle};
pub use inquiry::{HostWaits, ServedRequest, ServiceWaits, TaskWait, WaitFor};
pub use plan::Spawn;
pub use profile::{HandlerProfile, ServiceProfile};
pub use settings::{Prelude, StandardService, WhenFull, WhenFullError};
pub use totals::HostStats;
pub use view::{HostView, Observer, REPORT, ServiceView, TurnView, WorkerView};

pub(crate) use host::{kill, kill_after_turn, stop};
pub(crate) use light::Light;
pub(crate) use link::{follow, link, unlink};
pub(crate) use message::Caller;
pub(crate) use request::RequestId;
pub(crate) use serve::unsendable;
pub(crate) use service::Service;
pub(crate) use sleeper::Sleeper;
pub(crate) use slots::Key;
pub(crate) use state::State;
pub(crate) use token::Token;
pub(crate) use trace::Trace;
