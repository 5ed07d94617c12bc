-- KEYS[1] index; ARGV[1] session id, ARGV[2] its ttl_ms, ARGV[3] how many there may be.
-- Replies {'ok', count} or {'full', count, ms until the first may expire}.
local index = KEYS[1]
local count = redis.call('ZCARD', index)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZSCORE', index, ARGV[1]) then
  -- In use, or just gone: a new time, so that a sweep under way leaves it; the next one looks again.
  redis.call('ZADD', index, now_ms, ARGV[1])
  return {'ok', count}
end
if count >= tonumber(ARGV[3]) then
  local soonest = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  return {'full', count, math.max(0, tonumber(soonest[2]) - now_ms)}
end
redis.call('ZADD', index, now_ms + tonumber(ARGV[2]), ARGV[1])
return {'ok', count + 1}
