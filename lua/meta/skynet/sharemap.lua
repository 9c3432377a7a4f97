---@meta skynet.sharemap

--- Records of sproto types that one service writes and others read.
local sharemap = {}

--- Its fields are those of the record.
---@class skynet.SharemapWriter
---@field commit fun(self: skynet.SharemapWriter) shows the fields as they are to all readers
---@field copy fun(self: skynet.SharemapWriter): lightuserdata what leads to it from other services
---@field [string] any

--- Its fields are those of the record as it was committed when it was last updated.
---@class skynet.SharemapReader
---@field update fun(self: skynet.SharemapReader): boolean, ... false if there is nothing new
---@field [string] any

--- Reads the types of all records from a file, once for all services.
---@param filename string
function sharemap.register(filename) end

--- A record to write to, with the fields of a table.
---@param typename string
---@param data? table
---@return skynet.SharemapWriter
function sharemap.writer(typename, data) end

--- A record to read from what `copy` of its writer returned.
---@param typename string
---@param copy lightuserdata
---@return skynet.SharemapReader
function sharemap.reader(typename, copy) end

return sharemap
