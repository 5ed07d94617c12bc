-- KEYS[1] index; ARGV[1] how many, at most. Replies {count of all, id, its time, id, its time, ...}: those whose
-- time has come, who may have expired.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGE', KEYS[1], '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
table.insert(due, 1, redis.call('ZCARD', KEYS[1]))
return due
