-- A progress line on standard error, for people who watch; silent where no terminal is.

local INTERVAL_S = 0.1

local progress = {}
progress.__index = progress

local function is_terminal()
  return os.execute "test -t 2" == true
end

-- A bar that counts to `total`. Use it with `local bar <close> = progress.new(...)`.
function progress.new(label, total)
  local self = { label = label, total = total, done = 0, shown_at = 0, visible = is_terminal() }
  return setmetatable(self, progress)
end

-- One more is done.
function progress:step()
  self.done = self.done + 1
  local now = os.clock()
  if self.visible and (self.done == self.total or now - self.shown_at > INTERVAL_S) then
    self.shown_at = now
    io.stderr:write(("\r%s %d/%d"):format(self.label, self.done, self.total))
  end
end

function progress:__close()
  if self.visible then
    io.stderr:write "\n"
  end
end

return progress
