---@meta skynet.crypt

--- Hashes, keys, a key exchange, DES and encodings, as servers written for skynet use them. Also
--- `require "client.crypt"`. Keys of 8 bytes are what existing clients speak, not what keeps secrets:
--- use TLS for those.
---@class crypt
local crypt = {}

--- How DES fills a text up to whole blocks.
crypt.padding = {
  iso7816_4 = 0,
  pkcs7 = 1,
}

--- SHA-1, 20 bytes.
---@param text string
---@return string
function crypt.sha1(text) end

--- The code of a text by SHA-1, 20 bytes.
---@param key string of any length
---@param text string
---@return string
function crypt.hmac_sha1(key, text) end

--- A text of any length as a key of 8 bytes.
---@param text string
---@return string
function crypt.hashkey(text) end

--- A code of 8 bytes for 8 bytes.
---@param text string 8 bytes
---@param key string 8 bytes
---@return string
function crypt.hmac64(text, key) end

--- The same by a standard MD5: that of both texts three times over, its halves combined.
---@param text string 8 bytes
---@param key string 8 bytes
---@return string
function crypt.hmac64_md5(text, key) end

--- `hmac64` of a text of any length.
---@param key string 8 bytes
---@param text string
---@return string
function crypt.hmac_hash(key, text) end

--- 8 random bytes, not all zero.
---@return string
function crypt.randomkey() end

--- What one side of a key exchange sends to the other.
---@param own string 8 bytes, not all zero
---@return string
function crypt.dhexchange(own) end

--- What both sides of a key exchange then know.
---@param theirs string what the other side has sent
---@param own string
---@return string
function crypt.dhsecret(theirs, own) end

--- Encrypts by DES, each block of its own.
---@param key string 8 bytes
---@param text string
---@param padding? integer one of `crypt.padding`, `iso7816_4` by default
---@return string
function crypt.desencode(key, text, padding) end

--- The opposite; raises if the key or the padding is another one.
---@param key string 8 bytes
---@param text string
---@param padding? integer
---@return string
function crypt.desdecode(key, text, padding) end

---@param bytes string
---@return string
function crypt.hexencode(bytes) end

---@param text string
---@return string
function crypt.hexdecode(text) end

---@param bytes string
---@return string
function crypt.base64encode(bytes) end

--- Bytes outside the alphabet, such as line breaks, are passed over.
---@param text string
---@return string
function crypt.base64decode(text) end

--- Combines each byte with one of the mask, which is repeated.
---@param text string
---@param mask string not empty
---@return string
function crypt.xor_str(text, mask) end

return crypt
