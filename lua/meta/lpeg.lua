---@meta lpeg

--- Patterns by parsing expression grammars, with the functions of LPeg 1.1. A string, number,
--- boolean, table of rules or function may stand wherever a pattern is expected.
---@class lpeg
---@field version string
local lpeg = {}

--- A pattern. `a * b` is one after the other, `a + b` a choice, `a - b` a unless b matches, `a ^ n` at
--- least n times (at most -n if n is negative), `-a` and `#a` look ahead, `a / x` and `a % f` capture.
---@class lpeg.Pattern: userdata
---@operator mul(any): lpeg.Pattern
---@operator add(any): lpeg.Pattern
---@operator sub(any): lpeg.Pattern
---@operator div(any): lpeg.Pattern
---@operator mod(any): lpeg.Pattern
---@operator pow(integer): lpeg.Pattern
---@operator unm: lpeg.Pattern
---@operator len: lpeg.Pattern
local pattern = {}

--- What the pattern captures at `init` of the subject, or where it ends; nil if it does not match.
---@param subject string
---@param init? integer 1 by default; counted from the end if negative
---@param ... any extra arguments for `lpeg.Carg`
---@return any ...
function pattern:match(subject, init, ...) end

---@param pattern any
---@param subject string
---@param init? integer
---@param ... any
---@return any ...
function lpeg.match(pattern, subject, init, ...) end

--- "pattern", or nil for other values.
---@param value any
---@return "pattern"?
function lpeg.type(value) end

---@param value any
---@return lpeg.Pattern
function lpeg.P(value) end

--- Any byte of these.
---@param bytes string
---@return lpeg.Pattern
function lpeg.S(bytes) end

--- Any byte of ranges such as "az".
---@param ... string
---@return lpeg.Pattern
function lpeg.R(...) end

--- A character of UTF-8 in a range of code points.
---@param from integer
---@param to integer
---@return lpeg.Pattern
function lpeg.utfR(from, to) end

--- The rule of that name in the grammar around.
---@param name any
---@return lpeg.Pattern
function lpeg.V(name) end

--- Matches if the pattern does just before; it has a fixed length and no captures.
---@param pattern any
---@return lpeg.Pattern
function lpeg.B(pattern) end

--- The text that the pattern matches.
---@param pattern any
---@return lpeg.Pattern
function lpeg.C(pattern) end

--- The n-th extra argument of the match.
---@param n integer
---@return lpeg.Pattern
function lpeg.Carg(n) end

--- The values of the last group of that name.
---@param name any
---@return lpeg.Pattern
function lpeg.Cb(name) end

--- These values.
---@param ... any
---@return lpeg.Pattern
function lpeg.Cc(...) end

--- What the function makes of the first value and, one after the other, of the rest.
---@param pattern any
---@param f function
---@return lpeg.Pattern
function lpeg.Cf(pattern, f) end

--- The values of the pattern together; with a name they are kept for `lpeg.Cb` and `lpeg.Ct`.
---@param pattern any
---@param name? any
---@return lpeg.Pattern
function lpeg.Cg(pattern, name) end

--- Asks the function (subject, place, captures) while matching: false fails, true or a place matches,
--- further results are values.
---@param pattern any
---@param f function
---@return lpeg.Pattern
function lpeg.Cmt(pattern, f) end

--- The current place.
---@return lpeg.Pattern
function lpeg.Cp() end

--- The text with captures in it replaced by their values.
---@param pattern any
---@return lpeg.Pattern
function lpeg.Cs(pattern) end

--- A table of the values; groups with names become fields.
---@param pattern any
---@return lpeg.Pattern
function lpeg.Ct(pattern) end

--- The table with patterns for the classes of ASCII: alnum, alpha, cntrl, digit, graph, lower, print,
--- punct, space, upper, xdigit.
---@param into? table
---@return table<string, lpeg.Pattern>
function lpeg.locale(into) end

--- Has no effect: the stack of a match grows as it needs to, up to a million entries.
---@param limit integer
function lpeg.setmaxstack(limit) end

return lpeg
