-- KEYS[1] index; ARGV: id, the time that was read, ms that it lives at least or '' where it is gone; and so on.
-- An entry whose time is another one by now was settled, or begun anew, by somebody else.
-- Replies {how many were taken out, count of those left}.
local index = KEYS[1]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local ended = 0
-- First a write that takes no memory, see prelude.lua.
redis.call('PERSIST', index)
for at = 1, #ARGV, 3 do
  local id, seen, left_ms = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('ZSCORE', index, id) == seen then
    if left_ms == '' then
      ended = ended + redis.call('ZREM', index, id)
    else
      redis.call('ZADD', index, now_ms + tonumber(left_ms), id)
    end
  end
end
return {ended, redis.call('ZCARD', index)}
