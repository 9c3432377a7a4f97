---@meta hive

--- Services, calls, tasks and time: what a service can do beside Lua itself.
---
--- Never loaded at run time; `docs/hive.md` explains it with examples.
---@class hive
---@field log hive.Log
local hive = {}

--- A service: the address of another VM, small enough to be copied, compared, used as a key and
--- sent in messages. Any name is a method, and calling it is a call to that service:
--- `counter:add(2)` is `hive.call(counter, "add", 2)`.
---@class hive.Service: userdata
---@field [string] fun(self: hive.Service, ...: any): ...

--- What a call, a message or a monitor names: a service, or a registered name.
---@alias hive.Target hive.Service | string

--- What happened to a failed call; a program may raise codes of its own beside these.
---@alias hive.Code
---| "error" # the handler raised an error
---| "dead" # the callee has ended, or ended before it answered
---| "timeout" # the deadline passed first
---| "cancelled" # the waiting task was cancelled
---| "no_handler" # the callee serves no method of that name
---| "not_found" # no service has that name, or there is no such service file
---| "overload" # the callee's mailbox is full, or another named limit is reached
---| "name_taken" # the name belongs to another service
---| "memory" # a memory limit was reached
---| "turn_limit" # a piece of Lua ran longer than the turn limit
---| "linked" # a service to which it was linked has ended in disorder
---| "shutdown" # the host is shutting down
---| "argument" # an argument cannot be used or cannot be sent
---| string

--- What every failed call raises. `tostring` gives its message.
---@class hive.Error
---@field code hive.Code
---@field message string
---@field traceback string the callee's, then the caller's
---@field cause? hive.Code for `error`: the code of the failed call that made the handler fail

--- Why a service ended, as a monitor is told.
---@class hive.End
---@field code "returned" | "exit" | "stopped" | "killed" | "shutdown" | "dead" | hive.Code
---@field message string
---@field traceback string

--- A fork, a timer or a monitor.
---@class hive.Task: userdata
local Task = {}

--- Ends the task wherever it stands; what waits in it raises `cancelled`.
---@return boolean cancelled false if there was nothing left to end
function Task:cancel() end

--- An answer taken out of its handler. Calling it answers; true if the caller is still there and
--- had no answer yet. Dropping it tells the caller.
---@class hive.Reply: userdata
---@overload fun(...: any): boolean
local Reply = {}

--- Fails the request with an error: a text, or a table with `code` and `message`.
---@param err any
---@return boolean told
function Reply:error(err) end

---@class hive.SpawnOptions
---@field [1] string name of the service, or path of its file
---@field register? string a name, taken before the file runs
---@field memory_limit? integer bytes of Lua memory, 65536 at least
---@field mailbox_limit? integer messages that may wait for it
---@field when_full? "refuse" | "drop_oldest" | "warn" what happens to a message that does not fit
---@field cache? cache.Mode mode of its code cache
---@field timeout? number seconds until the spawn is given up

---@class hive.CallOptions
---@field [1] hive.Target
---@field timeout? number seconds

---@class hive.Stats
---@field services integer services alive
---@field spawned integer services started since the host began
---@field messages integer messages that services have handled
---@field memory_bytes integer Lua memory of all services
---@field shared_tables integer published tables and results of shared modules
---@field shared_table_bytes integer
---@field own_memory_bytes integer Lua memory of this service
---@field own_messages integer messages that this service has handled
---@field own_tasks integer coroutines and timers of this service
---@field time number seconds that services have spent on workers
---@field own_time number the same for this service
---@field own_handlers table<string, { calls: integer, time: number }> the same by handler
---@field own_mailbox integer messages that wait for this service

--- Log lines with the service's name and address; arguments are joined by spaces.
---@class hive.Log
---@field debug fun(...: any)
---@field info fun(...: any)
---@field warn fun(...: any)
---@field error fun(...: any)

--- Starts a service and waits until its file has returned.
---@param name string | hive.SpawnOptions
---@param ... any arguments of its file
---@return hive.Service
function hive.spawn(name, ...) end

--- Calls a method and waits for its results.
---@param target hive.Target | hive.CallOptions
---@param method string
---@param ... any
---@return any ...
function hive.call(target, method, ...) end

--- Sends a message that nobody answers.
---@param target hive.Target
---@param method string
---@param ... any
function hive.send(target, method, ...) end

--- One of several calls: target, method and arguments; `n` counts them if the last may be nil.
---@class hive.Request
---@field [1] hive.Target
---@field [2] string
---@field [integer] any
---@field n? integer
---@field timeout? number seconds

--- Calls under way. Calling it waits for the next outcome: the key of a call, true and its results,
--- or false and its error; nil when there is none any more.
---@class hive.Select
---@overload fun(): any, boolean, ...
local Select = {}

--- Begins one more call.
---@param key any
---@param call hive.Request
---@return hive.Select self
function Select:add(key, call) end

--- Lets go of the calls that are not over.
function Select:cancel() end

--- Makes several calls at once and gives their outcomes in the order in which they end, to a `for`
--- or to whoever calls the first result.
---@param calls? table<any, hive.Request>
---@param seconds? number time for calls without their own
---@return hive.Select calls
---@return nil
---@return nil
---@return hive.Select closing
function hive.select(calls, seconds) end

--- Makes several calls at once and waits for all.
---@param calls table<any, hive.Request>
---@param seconds? number time for calls without their own
---@return table<any, table> answers lists of results, with their number as `n`
---@return table<any, hive.Error>? errors nil if there is none
function hive.gather(calls, seconds) end

--- Runs `f` with a deadline: whatever waits longer inside raises `timeout`.
---@generic A, R
---@param seconds number
---@param f fun(...: A...): R...
---@param ... A...
---@return R...
function hive.timeout(seconds, f, ...) end

--- Takes the answer of the running request out of its handler.
---@return hive.Reply
function hive.defer() end

--- The service whose request this task serves; in a service's file, who spawned it.
---@return hive.Service?
function hive.caller() end

--- This service.
---@return hive.Service
function hive.self() end

--- Waits; others are served meanwhile.
---@param seconds number
function hive.sleep(seconds) end

--- Runs `f` in a task of its own, soon.
---@param f fun(...: any)
---@param ... any
---@return hive.Task
function hive.fork(f, ...) end

--- Waits for `hive.wakeup(token)`.
---@param token? any the running coroutine if nil
---@param seconds? number
---@return boolean woken false if `seconds` have passed first
---@return any ... what `wakeup` was given
function hive.wait(token, seconds) end

--- Wakes the task that has waited longest for `token`.
---@param token any
---@param ... any
---@return boolean woken false if none waits
function hive.wakeup(token, ...) end

--- Runs `f` once after `seconds`.
---@param seconds number
---@param f fun(...: any)
---@param ... any
---@return hive.Task
function hive.after(seconds, f, ...) end

--- Runs `f` every `seconds`, one run at a time; times that pass meanwhile are left out.
---@param seconds number
---@param f fun(...: any)
---@param ... any
---@return hive.Task
function hive.every(seconds, f, ...) end

--- Runs `f` once when the target has ended.
---@param target hive.Target
---@param f fun(service: hive.Service, ended: hive.End)
---@return hive.Task
function hive.monitor(target, f) end

--- Ends each of the two services when the other ends in disorder. With `f`, this one is told as by
--- `hive.monitor` and only the target follows.
---@param target hive.Target
---@param f? fun(service: hive.Service, ended: hive.End)
---@return hive.Task? task with `f`; cancelling it ends the telling, not the link
function hive.link(target, f) end

--- Takes a link back, in both directions.
---@param target hive.Target
---@return boolean alive false if the target has ended already
function hive.unlink(target) end

--- What a supervisor starts: name, arguments, and options of `hive.spawn` beside these.
---@class hive.Child: hive.SpawnOptions
---@field [integer] any
---@field n? integer number of the name and the arguments, if the last may be nil
---@field id? string its `register` or its name if nil
---@field restart? "permanent" | "transient" | "temporary"

---@class hive.SuperviseOptions
---@field max_restarts? number 3 if nil
---@field window? number seconds, 5 if nil
---@field backoff? number seconds, 0.1 if nil
---@field backoff_max? number seconds, 10 if nil
---@field register? string a name for the supervisor
---@field link? boolean false: the caller is not linked to the supervisor

--- Keeps services running.
---@class hive.Supervisor: hive.Service
---@field children fun(self): { id: string, service: hive.Service?, restart: string, started_again: integer }[]
---@field find fun(self, id: string): hive.Service?
---@field start fun(self, child: hive.Child): hive.Service
---@field restart fun(self, id: string): hive.Service
---@field remove fun(self, id: string)

--- Starts services in order and keeps them running.
---@param children hive.Child[]
---@param options? hive.SuperviseOptions
---@return hive.Supervisor
function hive.supervise(children, options) end

--- The one service of a name: found, or started as by `hive.spawn`. Callers share one start.
---@param name string | hive.SpawnOptions
---@param ... any arguments of its file
---@return hive.Service
function hive.unique(name, ...) end

--- Services that are called in turn or all at once, by the name of their group.
---@class hive.Group
---@field name string
local Group = {}

--- Adds a service.
---@param service? hive.Target this service if nil
---@return boolean joined false if it is a member already
function Group:join(service) end

--- Takes a service out.
---@param service? hive.Target this service if nil
---@return boolean left false if it is no member
function Group:leave(service) end

--- Calls a method of the member whose turn it is.
---@param method string
---@param ... any
---@return any ...
function Group:call(method, ...) end

--- Sends a message to the member whose turn it is.
---@param method string
---@param ... any
function Group:send(method, ...) end

--- Sends a message to every member.
---@param method string
---@param ... any
---@return integer members that have taken it
function Group:broadcast(method, ...) end

--- The member whose turn it is.
---@return hive.Service
function Group:next() end

--- All members, in the order in which they joined.
---@return hive.Service[]
function Group:members() end

--- The group of that name in the whole host.
---@param name string
---@return hive.Group
function hive.group(name) end

--- A critical section: a function that runs another once no other task is inside.
---@return fun(f: fun(...): (...), ...): ...
function hive.queue() end

--- Gives a service a name in the whole host, until the service ends.
---@param name string
---@param target? hive.Target this service if nil
function hive.register(name, target) end

--- The service of that name.
---@param name string
---@return hive.Service?
function hive.find(name) end

--- Ends this service; does not return. With an error in place of a reason the service has failed.
---@param reason? string | hive.Error
function hive.exit(reason) end

--- Asks a service to end as if it had called `hive.exit`.
---@param target hive.Target
---@param reason? string
---@return boolean alive false if it has ended already
function hive.stop(target, reason) end

--- Ends a service at once, whatever it does.
---@param target hive.Target
---@param reason? string
---@return boolean alive false if it has ended already
function hive.kill(target, reason) end

--- A setting of the host (`--set KEY=VALUE`).
---@param key string
---@return string?
function hive.env(key) end

--- Ends the host; returns at once.
---@param code? integer exit code, 0 if nil
function hive.shutdown(code) end

--- Seconds since the host began; never goes back.
---@return number
function hive.now() end

--- Seconds since 1970.
---@return number
function hive.time() end

--- A step of a traced request.
---@class hive.TraceEvent
---@field at_ns integer nanoseconds since the trace began
---@field step "send" | "queued" | "begin" | "wait" | "resume" | "end" | "fail"
---@field service string where it happened, by name and address
---@field other? string the callee of `send` and `queued`, the caller of `begin`
---@field method? string of `send` and `begin`

--- The steps of what a task did while it was recorded. `tostring` gives them for people.
---@class hive.Trace: userdata
local Trace = {}

--- The steps so far, oldest first.
---@return hive.TraceEvent[]
function Trace:events() end

--- The same as JSON, one object a line.
---@return string
function Trace:json() end

--- Records no more.
function Trace:stop() end

--- Records what follows from this task's calls through all services, until it is stopped or closed.
---@return hive.Trace
function hive.trace() end

--- The id of the request that this task works for, as log lines show it.
---@return string?
function hive.request_id() end

--- Tables that all services of the host read in place, without a copy of their own. They read like
--- ordinary tables and cannot be changed; `docs/shared-tables.md` tells more.
---@class hive.Share
hive.share = {}

--- Makes a table the version that the name stands for. The table itself stays as it is.
---@param name string 1 to 512 bytes
---@param table table strings, numbers, booleans, tables without metatables, and Lua functions that
---  refer to nothing but globals
---@return integer version rises with every publication of the host
function hive.share.publish(name, table) end

--- The table that the name stands for; the same one until somebody publishes.
---@param name string
---@return table? table
---@return integer? version
function hive.share.get(name) end

--- Only the number, to see whether there is something new.
---@param name string
---@return integer? version
function hive.share.version(name) end

--- Makes the name stand for nothing. Services that have the table keep it.
---@param name string
---@return boolean dropped false if the name stood for nothing
function hive.share.drop(name) end

--- Whether a value is a shared table.
---@param value any
---@return boolean
function hive.share.is(value) end

--- The result of a module of data: run once for the host and version of its file, shared by all
--- services. The module cannot wait while it runs.
---@param name string as for `require`
---@return any result a shared table, a string, a number or a boolean
function hive.share.require(name) end

--- Replaces every reference of this service to a shared table, and to the tables in it, by another one
--- and by what stands at the same places there (by nil where nothing does): in variables, tables and
--- suspended tasks alike.
---@param old table
---@param new table
---@return integer references how many were replaced
function hive.share.update(old, new) end

--- Figures of one shared table.
---@class hive.SharedTable
---@field name string its name, or the path of the module
---@field version integer
---@field size_bytes integer
---@field tables integer how many tables it consists of
---@field users integer services that use it

---@class hive.ShareStats
---@field tables hive.SharedTable[] published tables, by name
---@field modules hive.SharedTable[] results of modules, by path
---@field size_bytes integer all of them together

--- What is shared now. Older versions that some service still uses are counted in
--- `cache.stats().shared`.
---@return hive.ShareStats
function hive.share.stats() end

--- What can be seen of another service, as of its last turn.
---@class hive.ServiceStats
---@field memory_bytes integer
---@field messages integer handled
---@field tasks integer
---@field time number seconds spent on workers
---@field mailbox integer messages that wait
---@field mailbox_bytes integer
---@field mailbox_age number seconds that the oldest of them has waited at least
---@field refused integer messages that found no room
---@field dropped integer messages that made room for others

--- Figures of the host and of this service, or of another one.
---@overload fun(target: hive.Target): hive.ServiceStats
---@return hive.Stats
function hive.stats() end

return hive
