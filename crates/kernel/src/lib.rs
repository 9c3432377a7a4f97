//! Scheduler, mailboxes, timers and addresses of an actor host: no Lua, no I/O.
