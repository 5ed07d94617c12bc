#!lua flags=allow-oom
-- KEYS[1] stream; ARGV[1] group, ARGV[2] entry, ARGV[3] who has it, ARGV[4] how often it was given to somebody, ARGV[5] who gets it.
-- Replies {1}, or {0} where that is not so any more. By what was seen and not by how long ago: the clock may have jumped.
local found = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
local deliveries = tonumber(ARGV[4])
if found and found[2] == ARGV[3] and found[4] == deliveries then
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[5], 0, ARGV[2])
  return {1}
end
-- Taken already: by this very call, sent again because its reply was lost.
return {found and found[2] == ARGV[5] and found[4] == deliveries + 1 and 1 or 0}
