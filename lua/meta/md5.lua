---@meta md5

--- MD5 digests, and the simple cipher that comes with them. Neither keeps secrets today.
---@class md5
local md5 = {}

--- The digest, 16 bytes.
---@param text string
---@return string
function md5.sum(text) end

--- The digest, 32 hexadecimal digits.
---@param text string
---@return string
function md5.sumhexa(text) end

--- The code of a text by a key (RFC 2104), 32 hexadecimal digits.
---@param text string
---@param key string
---@return string
function md5.hmacmd5(text, key) end

--- Two texts of one length, combined byte by byte.
---@param a string
---@param b string
---@return string
function md5.exor(a, b) end

--- Encrypts; `md5.decrypt` with the same key gives the text back.
---@param text string
---@param key string up to 256 bytes
---@param seed? string up to 16 bytes; random by default
---@return string
function md5.crypt(text, key, seed) end

--- Decrypts. Another key gives noise, not an error.
---@param text string
---@param key string
---@return string
function md5.decrypt(text, key) end

return md5
