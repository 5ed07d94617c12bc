-- KEYS[1] index of all, KEYS[2] whose sessions are, KEYS[3] index of the owner where the session has one; ARGV[1] session id,
-- ARGV[2] its ttl_ms, ARGV[3] how many there may be, ARGV[4] how many of the owner's, '' for any number, ARGV[5] the owner.
-- Replies {'ok', count of all} or {'full' or 'owner_full', count, ms until the first may expire}.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function enter(first_look_ms)
  redis.call('ZADD', KEYS[1], first_look_ms, ARGV[1])
  if KEYS[3] then
    redis.call('ZADD', KEYS[3], first_look_ms, ARGV[1])
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
  end
  return {'ok', redis.call('ZCARD', KEYS[1])}
end

local function full(reply, index, most)
  local count = redis.call('ZCARD', index)
  if count < tonumber(most) then
    return nil
  end
  local soonest = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  return {reply, count, math.max(0, tonumber(soonest[2]) - now_ms)}
end

if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  -- In use, or just gone: a new time, so that a sweep under way leaves it; the next one looks again. It stays whose it is.
  redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
  return {'ok', redis.call('ZCARD', KEYS[1])}
end
return full('full', KEYS[1], ARGV[3])
  or (KEYS[3] and ARGV[4] ~= '' and full('owner_full', KEYS[3], ARGV[4]))
  or enter(now_ms + tonumber(ARGV[2]))
