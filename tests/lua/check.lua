-- A small frame for suites: named tests that run one after the other, and what they compare with.
--
-- A suite is a plain script: it ends with its last line, and fails when `check.done` raises.

local check = {}

local failures, count = {}, 0

-- Runs one test; a failure is noted and the suite goes on.
function check.test(name, body)
  count = count + 1
  local ok, err = xpcall(body, function(err)
    return debug.traceback(tostring(err), 2)
  end)
  if not ok then
    failures[#failures + 1] = ("%s: %s"):format(name, err)
  end
end

-- Ends the suite.
function check.done()
  assert(count > 0, "the suite holds no test")
  if #failures > 0 then
    error(("%d of %d tests failed\n%s"):format(#failures, count, table.concat(failures, "\n")), 0)
  end
end

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

-- Raises unless both values are equal.
function check.equal(found, expected)
  if found ~= expected then
    error(("expected %s, found %s"):format(show(expected), show(found)), 2)
  end
end

-- Raises unless the text contains the pattern.
function check.match(text, pattern)
  if type(text) ~= "string" or not text:find(pattern) then
    error(("expected a match for %q in %s"):format(pattern, show(text)), 2)
  end
end

-- Calls `f`, which must raise a structured error with that code; returns the error.
function check.fails(code, f, ...)
  local ok, err = pcall(f, ...)
  if ok then
    error(("expected the error %s, found success"):format(code), 2)
  end
  if type(err) ~= "table" then
    error(("expected the error %s, found %s"):format(code, show(err)), 2)
  end
  if err.code ~= code then
    error(("expected the error %s, found %s: %s"):format(code, show(err.code), err.message), 2)
  end
  return err
end

-- Calls `f`, which must raise a string that matches; returns it.
function check.refuses(pattern, f, ...)
  local ok, err = pcall(f, ...)
  if ok then
    error(("expected an error like %q, found success"):format(pattern), 2)
  end
  if not tostring(err):find(pattern) then
    error(("expected an error like %q, found %s"):format(pattern, show(err)), 2)
  end
  return err
end

return check
