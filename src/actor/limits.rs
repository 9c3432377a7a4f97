//! The limits of the actor layer, in one place, with their units in their names. Reaching one is a
//! reported outcome (an error for whoever asked, or a log line), never silent growth.
//!
//! Where they serve are the sizes of what may be forgotten (caches, spare memory), the pauses of
//! who looks again, and what follows from the layout of a key (`slots.rs`).

use std::time::Duration;

/// Messages that wait for a service that was started the way of skynet, whose programs take for
/// granted that a send succeeds: as many as fit into some 100 MiB.
pub const SKYNET_MAILBOX_MESSAGES: usize = 1 << 20;
/// Bytes in the messages that wait for such a service: what skynet takes without a limit has one
/// before the machine's memory ends.
pub const SKYNET_MAILBOX_BYTES: usize = 1 << 30;
/// Requests in a service's own name that are remembered for their answers; the oldest is forgotten.
pub const SKYNET_ASKED_MAX: usize = 1024;
/// Ready tasks of such a service that may run before the next message is handled.
pub const SKYNET_TASKS_BEFORE_MESSAGE_MAX: u32 = 1 << 16;
/// Longest chain of `__index` tables that is searched for a handler.
pub const INDEX_CHAIN_MAX: i32 = 16;
/// Bytes in messages that a program's own dispatcher has left to the host and that wait to be
/// handled.
pub const PASSED_BYTES_MAX: usize = 64 << 20;
/// Lua memory of a service at which the log warns for the first time; then at each doubling.
pub const MEMORY_WARNING_FIRST_BYTES: usize = 32 << 20;
/// Less Lua memory than this is of no use to a service: the VM of an empty one takes a quarter of
/// it.
pub const SERVICE_MEMORY_MIN_BYTES: usize = 64 << 10;
/// Depth of a mailbox at which the log warns for the first time; then at each doubling.
pub const OVERLOAD_WARNING_FIRST: usize = 1024;
/// Messages and ready tasks that one turn handles before the next service gets the worker.
pub const TURN_STEPS_MAX: u32 = 256;
/// Messages that wait together with which a service of skynet handles them in one turn, though
/// others wait.
pub const TURN_BACKLOG_MIN: usize = 16;
/// Time after which a turn lets go even though messages are left. Read between messages.
pub const TURN_SLICE: Duration = Duration::from_millis(2);
/// Messages and tasks between two reads of the clock within a turn.
pub const TURN_CLOCK_STRIDE: u32 = 4;
/// Processor time that one piece of Lua may take before it is interrupted, unless the host is told
/// otherwise.
pub const TURN_LIMIT: Duration = Duration::from_secs(5);
/// Processor time that the turn of a service may take which `skynet.kill` has ended: what it has
/// nearly done is not lost, and an endless loop ends.
pub const SPARED_TURN: Duration = Duration::from_secs(1);
/// Interruptions after which a service is ended.
pub const TURN_OFFENCES_MAX: u32 = 3;
/// An offence is forgotten when the service behaved for this long.
pub const TURN_OFFENCE_MEMORY: Duration = Duration::from_secs(60);
/// How often within a turn limit the warden looks at busy workers.
pub const WATCHES_PER_LIMIT: u32 = 4;
/// Memory of ended services that is worth asking the allocator for, and how long it may collect
/// before: after a second all of it is back.
pub const TRIM_BYTES: usize = 4 << 20;
/// See [`TRIM_BYTES`].
pub const TRIM_DELAY: Duration = Duration::from_millis(500);
/// What a service may build while it starts before its collector first looks at it: a service with
/// ten modules of functions and data (240 KiB) is collected once in place of ninety times.
pub const START_GROWTH_BYTES: usize = 256 << 10;
/// Tasks (coroutines and timers) one service may have at a time.
pub const TASKS_MAX: usize = 1 << 20;
/// Bytes in a registered name.
pub const NAME_BYTES_MAX: usize = 128;
/// Names a host registers.
pub const NAMES_MAX: usize = 1 << 20;
/// Settings that the services of a host make.
pub const OWN_SETTINGS_MAX: usize = 1 << 16;
/// Bytes in these settings and their names.
pub const OWN_SETTINGS_BYTES_MAX: usize = 64 << 20;
/// Groups of a host.
pub const GROUPS_MAX: usize = 1 << 16;
/// Members of one group.
pub const GROUP_MEMBERS_MAX: usize = 1 << 16;
/// Requests of one host whose steps are recorded at a time.
pub const TRACES_MAX: usize = 1 << 10;
/// Steps that one trace records; further ones are counted.
pub const TRACE_EVENTS_MAX: usize = 1 << 16;
/// Names of handlers whose time a service tells apart.
pub const PROFILED_HANDLERS_MAX: usize = 256;
/// Bytes in such a name; the time of handlers with longer names is not told apart.
pub const PROFILED_NAME_BYTES_MAX: usize = 128;
/// Names of services whose time is told apart once they have ended.
pub const PROFILED_SERVICES_MAX: usize = 1 << 10;
/// Monitors on one service.
pub const WATCHERS_MAX: usize = 1 << 16;
/// Services of which a host remembers why they ended.
pub const RECENT_ENDS_MAX: usize = 256;
/// Bytes of one traceback; the middle of a longer one is left out.
pub const TRACEBACK_BYTES_MAX: usize = 8 << 10;
/// A repeated timer that goes on failing is told of as often as this at least; after as long
/// without a failure they are counted anew.
pub const REPEATED_FAILURE_QUIET: Duration = Duration::from_secs(60);
/// Longest time a sleep, a timer or a deadline may name.
pub const WAIT_SECONDS_MAX: f64 = 3.2e9;
/// Processor time of one turn after which, and each time after which again, the log tells of it, if
/// the limit of turns allows that much.
pub const LOOP_WARNING: Duration = Duration::from_secs(5);
/// Time that services get to finish at shutdown, unless the host is told otherwise.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Time after the grace time that killed services get to let go of their worker, and workers to
/// end.
pub const SHUTDOWN_KILL_WAIT: Duration = Duration::from_secs(2);
/// Time that the workers get to end once everything else has, even if nothing is left of the above.
pub const WORKERS_END_WAIT: Duration = Duration::from_millis(100);
/// Time that `__exit` and `__close` of a service that exits alone may take.
pub const EXIT_GRACE: Duration = Duration::from_secs(5);
/// Time after which services are asked to let go of code that was replaced.
pub const RETIRED_CODE_WAIT: Duration = Duration::from_secs(2);
/// Time between the beginnings of two such rounds.
pub const RETIRED_CODE_GAP: Duration = Duration::from_secs(60);
/// Services that are asked at once, and the time until the next ones are.
pub const RETIRED_CODE_PORTION: usize = 16;
/// See [`RETIRED_CODE_PORTION`].
pub const RETIRED_CODE_TICK: Duration = Duration::from_millis(20);
/// First time that the watchdog waits before it looks again at a service that has to stop.
pub const URGENT_TICK: Duration = Duration::from_millis(5);
