-- A script that calls another service a few times from its own file.

local other = ...
for _ = 1, 10 do
  other:id()
end
