#!lua flags=allow-oom
-- KEYS[1] workers, KEYS[2] shards; ARGV[1] this worker or '' (who only looks), ARGV[2] lease ms, ARGV[3] how many shards this
-- process reckons with, ARGV[4] channel on which workers hear of changes.
-- Replies {how many shards the deployment has, now in Unix ms, worker, worker, ...}: those heard of within the lease.
redis.call('SET', KEYS[2], ARGV[3], 'NX')
local shards = redis.call('GET', KEYS[2])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' and shards == ARGV[3] then
  local changed = redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
  changed = changed + redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms - tonumber(ARGV[2]))
  if changed > 0 then
    redis.call('PUBLISH', ARGV[4], 'M')
  end
end
local reply = redis.call('ZRANGE', KEYS[1], now_ms - tonumber(ARGV[2]) + 1, '+inf', 'BYSCORE')
table.insert(reply, 1, tostring(now_ms))
table.insert(reply, 1, shards)
return reply
