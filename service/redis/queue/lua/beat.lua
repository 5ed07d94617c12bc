#!lua flags=allow-oom
-- KEYS[1] workers, KEYS[2] shards; ARGV[1] this worker or '' (who only looks), ARGV[2] how many shards this process reckons with,
-- ARGV[3] channel on which workers hear of changes; then name, mark, name, mark, ... of those it takes for dead.
-- Replies {how many shards the deployment has, now in Unix ms, name, mark, name, mark, ...}. A mark changes with each beat.
redis.call('SET', KEYS[2], ARGV[2], 'NX')
local shards = redis.call('GET', KEYS[2])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if shards == ARGV[2] then
  local changed = 0
  for at = 4, #ARGV, 2 do
    if redis.call('ZSCORE', KEYS[1], ARGV[at]) == ARGV[at + 1] then
      changed = changed + redis.call('ZREM', KEYS[1], ARGV[at])
    end
  end
  if ARGV[1] ~= '' then
    changed = changed + redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
  end
  if changed > 0 then
    redis.call('PUBLISH', ARGV[3], 'M')
  end
end
local reply = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(reply, 1, tostring(now_ms))
table.insert(reply, 1, shards)
return reply
