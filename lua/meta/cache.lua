---@meta cache

--- The code cache: all services of a host run one copy of each file they load.
---
--- `require`, `loadfile` and `dofile` use it by themselves. An edited file is seen after a
--- `cache.clear`; services that loaded it before keep running the old code.
---@class cache
local cache = {}

--- How a service uses the cache: `OFF` compiles everything for itself, `EXIST` uses what is cached
--- and compiles the rest for itself, `ON` (the default) also publishes what it compiles.
---@alias cache.Mode "OFF" | "EXIST" | "ON"

--- Figures of one version of one chunk.
---@class cache.Chunk
---@field name string canonical path of the file, or name of an embedded text
---@field version integer number of the publication; rises over the whole cache
---@field compat_54 boolean compiled with the meaning of Lua 5.4 where 5.5 would refuse it
---@field size_bytes integer
---@field users integer services that use it right now
---@field hits integer loads it served, without the one that compiled it
---@field compile_time_ns integer

--- Sums over the cache, and what happened since the host began.
---@class cache.Totals
---@field size_bytes integer of current versions
---@field retired_bytes integer of retired versions still in use
---@field retired_users integer services that use retired versions
---@field hits integer loads served from the cache
---@field compiled integer compilations published
---@field failed integer loads that failed
---@field waited integer loads that slept while another service compiled the same chunk
---@field private integer loads that compiled for themselves, because of the service's mode

--- What the whole process shares, all hosts in it together.
---@class cache.Shared
---@field images integer live images: compiled chunks
---@field image_bytes integer
---@field strings integer canonical strings
---@field string_bytes integer
---@field limbo integer strings that no image uses and that some value may still hold
---@field limbo_bytes integer
---@field freed_images integer since the process began
---@field freed_strings integer since the process began
---@field thin_clones integer loads that needed private constants, since the process began
---@field tables integer live images of shared tables, retired ones included
---@field table_bytes integer
---@field freed_tables integer since the process began
---@field replacements integer times a service gave up strings of its own, since the process began

---@class cache.Stats
---@field chunks cache.Chunk[] current versions, by name
---@field retired cache.Chunk[] retired versions that some service still uses
---@field totals cache.Totals
---@field shared cache.Shared

--- Tells the service's mode, or changes it.
---
--- ```lua
--- local previous = cache.mode("OFF")
--- local module = dofile("generated.lua") -- not worth sharing
--- cache.mode(previous)
--- ```
---@param mode? cache.Mode
---@return cache.Mode mode the current one, or the previous one if it was changed
function cache.mode(mode) end

--- Retires the code of one file, or of all: the next load compiles afresh. What is running stays.
---@param path? string any path of the file, or the name of an embedded text
---@return integer retired how many versions
function cache.clear(path) end

--- Compiles a file and puts it in place of the cached version, which stays if that fails.
---@param path string
---@return integer? version number of the new version
---@return string? message why there is none
function cache.reload(path) end

--- Figures of the cache at this moment.
---@return cache.Stats
function cache.stats() end

--- The standard `loadfile`, through the cache, whatever the global of that name is.
---@param filename? string
---@param mode? "b" | "t" | "bt"
---@param env? table
---@return function? chunk
---@return string? message
function cache.loadfile(filename, mode, env) end

return cache
