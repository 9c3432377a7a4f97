---@meta skynet.stm

--- The latest message of one writer, for any number of readers in other services.
local stm = {}

--- Who writes. Called with a message, it replaces the one before.
---@class skynet.StmWriter
---@overload fun(msg: string | lightuserdata, sz?: integer)

--- Who reads. Called with a function, it gives true and the results of `f(msg, sz, value)` for a message
--- that this reader has not seen; false if there is none, or the writer is gone.
---@class skynet.StmReader
---@overload fun(f: (fun(msg: lightuserdata, sz: integer, value: any): ...), value?: any): boolean, ...

--- A writer, with its first message. It is used up as by sending it.
---@param msg string | lightuserdata
---@param sz? integer
---@return skynet.StmWriter
function stm.new(msg, sz) end

--- What leads to the writer from other services; send it to them. It keeps nothing alive.
---@param writer skynet.StmWriter
---@return lightuserdata
function stm.copy(writer) end

--- A reader, from what `copy` returned.
---@param copy lightuserdata
---@return skynet.StmReader
function stm.newcopy(copy) end

return stm
