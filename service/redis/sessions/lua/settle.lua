-- KEYS[1] index of all, KEYS[2] whose sessions are; ARGV: id, the time that was read or '' for any, ms that it lives at least
-- or '' where it is gone; and so on. An owner's index has the name of the first and the owner's, and the same slot.
-- An entry whose time is another one by now was settled, or begun anew, by somebody else.
-- Replies {how many were taken out, count of those left}.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local ended = 0
-- First a write that takes no memory, see prelude.lua.
redis.call('PERSIST', KEYS[1])
for at = 1, #ARGV, 3 do
  local id, seen, left_ms = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if seen == '' or redis.call('ZSCORE', KEYS[1], id) == seen then
    local owner = redis.call('HGET', KEYS[2], id)
    local indexes = owner and {KEYS[1], KEYS[1] .. ':' .. owner} or {KEYS[1]}
    for _, index in ipairs(indexes) do
      if left_ms == '' then
        redis.call('ZREM', index, id)
      else
        redis.call('ZADD', index, now_ms + tonumber(left_ms), id)
      end
    end
    if left_ms == '' then
      redis.call('HDEL', KEYS[2], id)
      ended = ended + 1
    end
  end
end
return {ended, redis.call('ZCARD', KEYS[1])}
