---@meta compat.ngx

--- What libraries for nginx find around them, in a service. `docs/shared-dictionaries.md` says which
--- libraries run on it.
---@class compat.ngx
local compat = {}

--- The global that libraries for nginx use. What has to do with requests and sockets is missing.
---@class compat.ngx.Ngx
---@field shared table<string, shared.Dict> the dictionaries, by the names that libraries are given
---@field worker compat.ngx.Worker
---@field thread compat.ngx.Threads
---@field timer compat.ngx.Timer
---@field config { debug: boolean, subsystem: string, ngx_lua_version: integer }
---@field null table
---@field STDERR integer level of a log line, as the seven that follow
---@field EMERG integer
---@field ALERT integer
---@field CRIT integer
---@field ERR integer
---@field WARN integer
---@field NOTICE integer
---@field INFO integer
---@field DEBUG integer
---@field OK integer
---@field ERROR integer
---@field AGAIN integer
---@field DONE integer
---@field DECLINED integer
local Ngx = {}

--- Seconds since 1970, to the millisecond.
---@return number
function Ngx.now() end

--- Whole seconds since 1970.
---@return integer
function Ngx.time() end

--- Does nothing: clocks do not stand still in a service.
function Ngx.update_time() end

--- Suspends the coroutine.
---@async
---@param seconds number
function Ngx.sleep(seconds) end

--- Writes a line to the log of the host: the texts of all arguments, one after the other.
---@param level integer
---@param ... any
function Ngx.log(level, ...) end

--- Always "timer".
---@return string
function Ngx.get_phase() end

--- A service counts as a worker.
---@class compat.ngx.Worker
local Worker = {}

--- A number that no other service of the machine has. It is no process, so nothing can be sent to it.
---@return integer
function Worker.pid() end

---@return integer id 0
function Worker.id() end

---@return integer count 1
function Worker.count() end

---@return boolean exiting false
function Worker.exiting() end

---@class compat.ngx.Thread

---@class compat.ngx.Threads
local Threads = {}

--- Runs a function in a task of its own, which begins when this one waits.
---@param f fun(...: any): any
---@param ... any
---@return compat.ngx.Thread
function Threads.spawn(f, ...) end

--- Waits until one of the tasks has ended: true and its results, or false and its error.
---@async
---@param ... compat.ngx.Thread
---@return boolean ok
---@return any ...
function Threads.wait(...) end

--- Ends a task.
---@param thread compat.ngx.Thread
---@return boolean? ok
---@return string? reason "already terminated"
function Threads.kill(thread) end

---@class compat.ngx.Timer
local Timer = {}

--- Calls `f(false, ...)` once.
---@param delay number seconds
---@param f fun(premature: boolean, ...: any)
---@param ... any
---@return true
function Timer.at(delay, f, ...) end

--- Calls `f(false, ...)` again and again, while the service lives.
---@param delay number seconds
---@param f fun(premature: boolean, ...: any)
---@param ... any
---@return true
function Timer.every(delay, f, ...) end

--- Makes `ngx` and `jit` globals of this service, and lets `require` find "ffi", "table.new",
--- "table.clear" and "resty.core" unless the program brings its own.
---@param dictionaries? table<string, shared.Dict|shared.Options> those of `ngx.shared`, open or to be opened
---@return compat.ngx.Ngx
function compat.install(dictionaries) end

return compat
