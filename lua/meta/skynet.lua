---@meta skynet

--- The programming interface of the actor framework skynet, over the services of this host.
---
--- Never loaded at run time; `docs/porting-from-skynet.md` tells what differs. Times are ticks of
--- 10 ms where nothing else is said.
---@class skynet
---@field queue fun(): fun(f: function, ...: any): any as `require "skynet.queue"` gives it
---@field cache cache the code cache, as `require "skynet.codecache"` gives it
---@field PTYPE_TEXT 0
---@field PTYPE_RESPONSE 1
---@field PTYPE_MULTICAST 2
---@field PTYPE_CLIENT 3
---@field PTYPE_SYSTEM 4
---@field PTYPE_HARBOR 5
---@field PTYPE_SOCKET 6
---@field PTYPE_ERROR 7
---@field PTYPE_QUEUE 8
---@field PTYPE_DEBUG 9
---@field PTYPE_LUA 10
---@field PTYPE_SNAX 11
---@field PTYPE_TRACE 12
local skynet = {}

--- What a message goes to: a number, `":0000002a"`, a name, or a service of `hive`.
---@alias skynet.Address integer | string | hive.Service

--- The name of a registered protocol, or its number.
---@alias skynet.Protocol string | integer

--- A message outside Lua; always passed along with its size. It is used up by whatever sends it.
---@class skynet.Message: userdata

--- How a service speaks a protocol.
---@class skynet.ProtocolOptions
---@field name string
---@field id integer 0 to 255
---@field pack? fun(...: any): skynet.Message | string, integer?
---@field unpack? fun(msg: skynet.Message, sz: integer): ...
---@field dispatch? fun(session: integer, source: integer, ...: any)
---@field trace? boolean each of its messages is traced by log lines

---@type string # what this service was asked for by
SERVICE_NAME = nil
---@type string # the directory of this service's file, with a slash at its end
SERVICE_PATH = nil

--- Runs `f` when the service's file has returned. The service then lives until it exits, and whoever
--- asked for it learns its address when `f` has ended.
---@param f fun()
function skynet.start(f) end

--- The same.
---@param f fun()
function skynet.init_service(f) end

--- Runs `f` before the start function, or when the module that is being loaded has returned.
---@param f fun()
function skynet.init(f) end

--- The `require` of every service: modules may wait while they load.
---@param name string
---@return any
function skynet.require(name) end

--- Starts a service and waits until its start function has ended. Arguments keep their types.
---@param name string
---@param ... any
---@return integer? address nothing for a service that has exited until then
function skynet.newservice(name, ...) end

--- The service of that name that the host has once; starts it if need be. A first argument `true`
--- changes nothing.
---@param name string | true with true the name comes next, and means the service that a cluster has once
---@param ... any
---@return integer address
function skynet.uniqueservice(name, ...) end

--- The same once somebody has started it.
---@param name string | true
---@param ... string
---@return integer address
function skynet.queryservice(name, ...) end

--- Sends a request and waits for the answer. A failure is an error with the reason in it.
---@param address skynet.Address
---@param protocol skynet.Protocol
---@param ... any
---@return any ...
function skynet.call(address, protocol, ...) end

--- Sends a message that nobody answers.
---@param address skynet.Address
---@param protocol skynet.Protocol
---@param ... any
---@return 0? session nothing if there is no such service
function skynet.send(address, protocol, ...) end

--- As `call` for what is packed already; the answer is there until the task waits.
---@param address skynet.Address
---@param protocol skynet.Protocol
---@param msg skynet.Message | string
---@param sz? integer
---@return skynet.Message msg
---@return integer sz
function skynet.rawcall(address, protocol, msg, sz) end

--- As `send` for what is packed already.
---@param address skynet.Address
---@param protocol skynet.Protocol
---@param msg skynet.Message | string
---@param sz? integer
---@return 0?
function skynet.rawsend(address, protocol, msg, sz) end

--- Sends a message in the name of `source`. With the session of the running request the answer goes
--- to its sender directly.
---@param address skynet.Address
---@param source skynet.Address
---@param protocol skynet.Protocol
---@param session integer
---@param msg skynet.Message | string
---@param sz? integer
---@return integer? session nothing if there is no such service
function skynet.redirect(address, source, protocol, session, msg, sz) end

--- A session that no call of this service uses.
---@return integer
function skynet.genid() end

--- Answers the running request; false if nobody waits for it.
---@param msg? skynet.Message | string
---@param sz? integer
---@return boolean
function skynet.ret(msg, sz) end

--- The same for values.
---@param ... any
---@return boolean
function skynet.retpack(...) end

--- Takes the answer out of the running handler: `f(true, ...)` answers, `f(false, reason)` fails the
--- request, `f "TEST"` tells whether somebody waits.
---@param pack? fun(...: any): skynet.Message | string, integer?
---@return fun(ok: boolean | "TEST", ...: any): boolean?
function skynet.response(pack) end

--- Leaves the running request without an answer, until `redirect` gives one in its name.
function skynet.ignoreret() end

--- Session and source of the running request.
---@return integer? session
---@return integer? source
function skynet.context() end

--- Sets the handler of a protocol and returns the one before; without `f` just tells it.
---@param protocol skynet.Protocol
---@param f? fun(session: integer, source: integer, ...: any)
---@return function?
function skynet.dispatch(protocol, f) end

--- Sets who handles one-way messages that nobody handles; returns who did before. Requests are refused.
---@param f fun(session: integer, source: integer, msg: skynet.Message, sz: integer, protocol: skynet.Protocol)
---@return function
function skynet.dispatch_unknown_request(f) end

--- The same for answers that no task waits for; `source` is 0 if nobody knows whose it is.
---@param f fun(session: integer, source: integer, msg: skynet.Message, sz: integer)
---@return function
function skynet.dispatch_unknown_response(f) end

--- Has a message handled as if it had come to this service, after what is running.
---@param protocol integer
---@param msg skynet.Message | string
---@param sz? integer
---@param session integer
---@param source skynet.Address
function skynet.dispatch_message(protocol, msg, sz, session, source) end

--- Has `f` see every request before it is handled; what it returns is handled in its place. It cannot
--- wait. Then as `start`.
---@param f fun(protocol: integer, msg: skynet.Message, sz: integer, session: integer, source: integer): integer, skynet.Message | string, integer?, integer?, integer?
---@param start fun()
function skynet.filter(f, start) end

--- Makes a protocol known to this service.
---@param options skynet.ProtocolOptions
function skynet.register_protocol(options) end

--- Handles messages that arrive as a key of `map` as its value; their bytes belong to the program.
--- Then as `start`.
---@param map table<integer, integer>
---@param f fun()
function skynet.forward_type(map, f) end

--- Runs `f` in a task of its own, after what is running.
---@param f fun(...: any)
---@param ... any
---@return thread
function skynet.fork(f, ...) end

--- Runs `f` later, once. The task can be cancelled.
---@param ticks integer
---@param f fun()
---@return hive.Task
function skynet.timeout(ticks, f) end

--- Waits; `wakeup` with the token, by default the running coroutine, ends it early.
---@param ticks integer
---@param token? any
---@return "BREAK"?
function skynet.sleep(ticks, token) end

--- Lets everything run that is ready, and the messages be handled that have come: a sleep of 0.
function skynet.yield() end

--- Waits for `wakeup` with the token, by default the running coroutine.
---@param token? any
function skynet.wait(token) end

--- Wakes the task that has waited longest for the token; nothing if none does.
---@param token any
---@return true?
function skynet.wakeup(token) end

--- Ends this service. Does not return.
function skynet.exit() end

--- Ends a service; its callers are told. What runs in it goes on until it waits or ends, in another service for a
--- second at most.
---@param address skynet.Address
function skynet.kill(address) end

--- Ends the host with exit code 0, without waiting for what is being served.
function skynet.abort() end

--- Starts a service without waiting for its start function; the first argument is `"snlua"`, alone or with
--- the name behind it. No value for services written in C.
---@param kind string
---@param name? string
---@param ... any
---@return integer? address
function skynet.launch(kind, name, ...) end

--- Gives this service a name. It is an error if the name belongs to another one.
---@param name string
function skynet.register(name) end

--- The same for another service.
---@param name string
---@param address skynet.Address
function skynet.name(name, address) end

--- The address of this service.
---@return integer
function skynet.self() end

--- An address as people read it.
---@param address skynet.Address
---@return string
function skynet.address(address) end

--- The address of that name, or of that text of an address.
---@param name string
---@return integer?
function skynet.localname(name) end

--- Always 0 and false: there is one node.
---@param address skynet.Address
---@return integer harbor
---@return boolean remote
function skynet.harbor(address) end

--- Ticks since the beginning of the second in which the host began; up to 4 ms late in code that
--- computes on for that long.
---@return integer
function skynet.now() end

--- Seconds since 1970, to the tick.
---@return number
function skynet.time() end

--- The second since 1970 in which the host began.
---@return integer
function skynet.starttime() end

--- Nanoseconds of a clock that never goes back.
---@return integer
function skynet.hpc() end

--- A setting of the host.
---@param key string
---@return string?
function skynet.getenv(key) end

--- Makes a setting; it is an error if there is one of that name.
---@param key string
---@param value any
function skynet.setenv(key, value) end

--- Writes a line to the log.
---@param ... any
function skynet.error(...) end

--- Packs values; the message has to be sent or trashed.
---@param ... any
---@return skynet.Message msg
---@return integer sz
function skynet.pack(...) end

--- Packs values into a string.
---@param ... any
---@return string
function skynet.packstring(...) end

--- The values of a packed message, which stays as it is.
---@param msg skynet.Message | string | nil
---@param sz? integer
---@return any ...
function skynet.unpack(msg, sz) end

--- The bytes of a message.
---@param msg skynet.Message | string | nil
---@param sz? integer
---@return string
function skynet.tostring(msg, sz) end

--- Lets go of a message.
---@param msg skynet.Message | string
---@param sz? integer
function skynet.trash(msg, sz) end

--- How many messages this service holds pointers to.
---@return integer
function skynet.messages() end

--- Several calls at once.
---@class skynet.Requests
---@field timeout? true the selection ended by time
---@overload fun(request: table): skynet.Requests
local Requests = {}

--- Adds a call: `{ address, protocol, ... }`.
---@param request table
---@return skynet.Requests
function Requests:add(request) end

--- Makes the calls and iterates over them as they end: the request and a table of its results, or
--- false for one that failed and nil for one that could not be sent; its field `error` says why.
---@param ticks? integer
---@return fun(): table?, table | false | nil
function Requests:select(ticks) end

--- Calls off what has not been answered.
function Requests:close() end

--- Begins a list of calls.
---@param ... table
---@return skynet.Requests
function skynet.request(...) end

--- Without an argument the number of tasks that wait, those of timers included; fills a table with their
--- tracebacks by coroutine and session; the traceback of a session, or of the start function for "init";
--- the session of a coroutine or a timer.
---@param what? table | integer | thread | "init"
---@return integer | string | nil
function skynet.task(what) end

--- The places where tasks wait, by how many and which sessions wait there.
---@return table<string, string>
function skynet.uniqtask() end

--- Ends a task that does not run: its coroutine is closed, and whoever waits for its answer is told.
--- It is named by its coroutine, by its timer or, if it waits, by a part of the coroutine's name.
---@param what thread | hive.Task | string
---@return (thread | hive.Task)? task nothing if there is no such task
function skynet.killthread(what) end

--- The `pcall` of Lua; a name of old.
---@param f function
---@param ... any
---@return boolean ok
---@return any ...
function skynet.pcall(f, ...) end

--- A figure of this service: messages that wait, messages so far, tasks, seconds of processor time before
--- the present run and in it (measured exactly from the first question on), and 1 for what `endless` tells.
---@param what "mqlen" | "message" | "task" | "cpu" | "time" | "endless"
---@return number
function skynet.stat(what) end

--- Messages that wait for this service.
---@return integer
function skynet.mqlen() end

--- Whether a turn of this service took so long that it may never have ended, since this was asked last.
---@return boolean
function skynet.endless() end

--- The most Lua memory that this service may use.
---@param bytes integer
function skynet.memlimit(bytes) end

--- Sets the function that answers the debugging command INFO.
---@param f fun(...: any): ...
function skynet.info_func(f) end

--- Makes the unique service of that name the monitor of the host: it gets an empty message of the
--- protocol "client" from each service that has ended.
---@param name string
---@param query? boolean
---@return integer address
function skynet.monitor(name, query) end

--- Logs a line with the id of the running request; begins one where there is none.
---@param info? any
function skynet.trace(info) end

--- The id of the running request if `trace` or `traceproto` follows it.
---@return string?
function skynet.tracetag() end

--- Logs a line with an id.
---@param tag string
---@param info any
function skynet.tracelog(tag, info) end

--- As `rawcall`, with a log line before it and one behind it.
---@param tag string
---@param address skynet.Address
---@param protocol skynet.Protocol
---@param msg skynet.Message | string
---@param sz? integer
---@return skynet.Message msg
---@return integer sz
function skynet.tracecall(tag, address, protocol, msg, sz) end

--- Whether each message of a protocol begins a request that is traced by log lines.
---@param protocol skynet.Protocol
---@param flag? boolean
function skynet.traceproto(protocol, flag) end

--- Does nothing: tracebacks show where a task waits in any case.
---@param on? boolean
function skynet.trace_timeout(on) end

--- Makes the calls of this service to an address fail that have no answer yet.
---@param address skynet.Address
function skynet.term(address) end

return skynet
