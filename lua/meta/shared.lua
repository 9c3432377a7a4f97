---@meta shared

--- Dictionaries in shared memory: every service, host and program of the machine opens the same one
--- by name.
---@class shared
local shared = {}

---@class shared.Options
---@field file? string path of a file that holds it: then it survives a restart of the machine
---@field size? integer|string bytes of entries, or a text such as "64k", "64m" and "1GiB"
---@field mode? string|integer permissions of a new dictionary, "0600" unless told otherwise
---@field shards? integer parts with a lock of their own, a power of two up to 64; usually left open
---@field lock_timeout? number seconds to wait for a lock that a stopped process holds; 1

---@alias shared.Key string|number|boolean|table
---@alias shared.Value string|number|boolean|table

--- Opens a dictionary; makes it if there is none and a size is given.
---@param name string letters, digits, dots, dashes, underscores
---@param options? shared.Options
---@return shared.Dict dict
---@return boolean is_new
function shared.dict(name, options) end

--- Makes a dictionary; an error `already_exists` if there is one.
---@param name string
---@param options shared.Options
---@return shared.Dict dict
---@return true is_new
function shared.create(name, options) end

--- Opens a dictionary; an error `no_such_object` if there is none.
---@param name string
---@param options? shared.Options
---@return shared.Dict dict
---@return false is_new
function shared.open(name, options) end

--- Takes the name away; who has the dictionary open keeps it.
---@param name string
---@return boolean was_there
function shared.unlink(name) end

---@class shared.Object
---@field name string
---@field size_bytes integer
---@field user integer
---@field group integer
---@field mode string
---@field attached? boolean some process has it open; nil if we may not know
---@field creator_pid? integer
---@field created? integer seconds since 1970
---@field error? string why it cannot be opened here

--- Every dictionary on the machine.
---@return shared.Object[]
function shared.list() end

--- A dictionary. The methods up to `free_space` are those of `ngx.shared.DICT`.
---@class shared.Dict
local Dict = {}

--- The value, and the flags unless they are 0; nil without a live entry.
---@param key shared.Key
---@return shared.Value? value
---@return integer|string|nil flags or why there is no value
function Dict:get(key) end

--- The same even if its time is over, as long as its memory was not needed.
---@param key shared.Key
---@return shared.Value? value
---@return integer|string|nil flags
---@return boolean? is_stale
function Dict:get_stale(key) end

--- Stores a value, throwing out the least recently used entries if need be; nil deletes.
---@param key shared.Key
---@param value shared.Value?
---@param exptime? number seconds to live; 0 for ever
---@param flags? integer
---@return boolean? ok
---@return string? reason
---@return boolean|string|nil forcible live entries were thrown out; or what in a table is wrong
function Dict:set(key, value, exptime, flags) end

--- As `set`, but "no memory" rather than throwing live entries out.
---@param key shared.Key
---@param value shared.Value?
---@param exptime? number
---@param flags? integer
---@return boolean? ok
---@return string? reason
---@return boolean|string|nil forcible
function Dict:safe_set(key, value, exptime, flags) end

--- As `set`, if there is no live entry; "exists" otherwise.
---@param key shared.Key
---@param value shared.Value
---@param exptime? number
---@param flags? integer
---@return boolean? ok
---@return string? reason
---@return boolean|string|nil forcible
function Dict:add(key, value, exptime, flags) end

--- As `add`, never throwing live entries out.
---@param key shared.Key
---@param value shared.Value
---@param exptime? number
---@param flags? integer
---@return boolean? ok
---@return string? reason
---@return boolean|string|nil forcible
function Dict:safe_add(key, value, exptime, flags) end

--- As `set`, if there is a live entry; "not found" otherwise.
---@param key shared.Key
---@param value shared.Value
---@param exptime? number
---@param flags? integer
---@return boolean? ok
---@return string? reason
---@return boolean|string|nil forcible
function Dict:replace(key, value, exptime, flags) end

--- Deletes an entry or a list, present or not.
---@param key shared.Key
---@return boolean? ok
function Dict:delete(key) end

--- Adds to a number. With `init` a number begins if there is none.
---@param key shared.Key
---@param value number
---@param init? number
---@param init_ttl? number
---@return number? sum
---@return string? reason
---@return boolean? forcible
function Dict:incr(key, value, init, init_ttl) end

--- Seconds to live; 0 for ever; negative for what has expired and was not reclaimed.
---@param key shared.Key
---@return number? seconds
---@return string? reason
function Dict:ttl(key) end

--- Gives a live entry another end.
---@param key shared.Key
---@param exptime number seconds; 0 for ever
---@return boolean? ok
---@return string? reason
function Dict:expire(key, exptime) end

--- Adds an element at the beginning of a list. With options every kind of value is taken.
---@param key string|number
---@param value string|number|boolean|table
---@param options? { ttl?: number, evict?: boolean } ttl: of a new list; evict: others may go for it
---@return integer|false|nil length
---@return string? reason
function Dict:lpush(key, value, options) end

--- Adds an element at the end of a list.
---@param key string|number
---@param value string|number|boolean|table
---@param options? { ttl?: number, evict?: boolean }
---@return integer|false|nil length
---@return string? reason
function Dict:rpush(key, value, options) end

---@param key string|number
---@return shared.Value? element
---@return string? reason
function Dict:lpop(key) end

---@param key string|number
---@return shared.Value? element
---@return string? reason
function Dict:rpop(key) end

---@param key string|number
---@return integer? length
---@return string? reason
function Dict:llen(key) end

--- Ends every entry.
function Dict:flush_all() end

--- Gives expired entries back; in a small dictionary those first that have been used longest ago.
---@param max? integer
---@return integer freed
function Dict:flush_expired(max) end

--- Keys, least recently used first (in a dictionary of up to a mebibyte).
---@param max? integer 1024; 0 for all
---@return string[]
function Dict:get_keys(max) end

---@return integer bytes
function Dict:capacity() end

---@return integer bytes
function Dict:free_space() end

--- The value with its version and flags.
---@param key shared.Key
---@return shared.Value? value
---@return integer|string|nil version or why there is no value
---@return integer? flags
function Dict:get_versioned(key) end

--- The version of a live entry or list; changes with every change.
---@param key shared.Key
---@return integer?
function Dict:version(key) end

--- Stores a value if the entry has this version (nil: if there is no live entry).
---@param key shared.Key
---@param version integer?
---@param value shared.Value
---@param exptime? number
---@param flags? integer
---@return integer? version the new one
---@return string? reason "changed", "not found", "no memory"
---@return integer? current the version that it has
function Dict:cas(key, version, value, exptime, flags) end

--- Deletes an entry or a list if it has this version.
---@param key shared.Key
---@param version integer
---@return boolean? ok
---@return string? reason
---@return integer? current
function Dict:delete_version(key, version) end

--- Stores what `f` makes of the value; calls it again if another writer was faster.
---@param key shared.Key
---@param f fun(value: any): any nil leaves the entry alone
---@param exptime? number as it was unless given
---@param flags? integer as they were unless given
---@return any value
---@return string? reason
function Dict:update(key, f, exptime, flags) end

--- Elements of a list; indices count from 1, negative ones from the end.
---@param key string|number
---@param first? integer
---@param last? integer
---@return table? elements
---@return string? reason
function Dict:lrange(key, first, last) end

--- Iterates over keys without stopping writers.
---@param options? { prefix?: string }
---@return fun(): string?
function Dict:keys(options) end

--- Iterates over keys, values and flags; of a list, a table of elements and "list"; of an entry whose
--- table cannot be read, nil and the error.
---@param options? { prefix?: string }
---@return fun(): string?, any, integer|string|table|nil
function Dict:items(options) end

--- Waits until a key has another version than this one (nil: no live entry).
---@async
---@param key shared.Key
---@param version integer?
---@param timeout? number seconds
---@return boolean changed
---@return integer|string|nil version or "timeout"
function Dict:wait(key, version, timeout) end

---@async
---@param key string|number
---@param timeout? number seconds
---@return shared.Value? element
---@return string? reason
function Dict:blpop(key, timeout) end

---@async
---@param key string|number
---@param timeout? number seconds
---@return shared.Value? element
---@return string? reason
function Dict:brpop(key, timeout) end

--- A lock that ends with its owner: a value for `local lock <close> = ...`. It ends when it is collected, too:
--- keep it as long as you mean to hold it.
---@class shared.Lock
local Lock = {}

--- Gives the lock back; nil and "unlocked" if it is not held any more.
---@return boolean? ok
---@return string? reason
function Lock:unlock() end

--- Begins its time to live anew.
---@param ttl? number
---@return boolean? ok
---@return string? reason
function Lock:renew(ttl) end

---@async
---@param key shared.Key
---@param options? { timeout?: number, ttl?: number }
---@return shared.Lock? lock
---@return string? reason
function Dict:lock(key, options) end

--- A counter whose parts are entries of their own.
---@class shared.Counter
local Counter = {}

---@param n? number 1
function Counter:add(n) end

---@return number sum
function Counter:read() end

function Counter:reset() end

---@param name string not empty
---@return shared.Counter? counter
---@return string? reason
function Dict:counter(name) end

---@return string
function Dict:name() end

--- Figures: entries, elements, capacity_bytes, used_bytes, free_bytes, segment_bytes, shards, hits,
--- misses, writes, refusals, evictions, expiries, lock_waits, repairs.
---
--- With `deep` also what the bytes hold, which takes a walk through all entries while the coroutine waits:
--- values, lists, overdue (entries); key_bytes, value_bytes, overhead_bytes (together live_bytes),
--- element_bytes (of lists), overdue_bytes. With free_bytes they add up to all that entries may take.
---@param options? { deep?: boolean }
---@return table<string, integer>
function Dict:stats(options) end

--- Writes all entries to a file, in the form of `moonhive shm dump`, and puts it in the place of the
--- one that is there.
---@async
---@param path string
---@return integer entries
function Dict:save(path) end

--- Stores the entries of a file that was saved or dumped.
---@async
---@param path string
---@return integer entries
function Dict:load(path) end

--- Writes a dictionary in a file to the disk; true once that is done.
---@async
---@return true
function Dict:sync() end

--- Verifies every invariant; a sentence for each that does not hold.
---@async
---@return string[]
function Dict:check() end

--- Rebuilds what can be rebuilt and drops what is damaged.
---@async
---@return true
function Dict:repair() end

return shared
