#!lua flags=allow-oom
-- KEYS[1] stream; ARGV[1] group, ARGV[2] entry; ARGV[3] channel and ARGV[4] answer, or '' for none.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then
  redis.call(ARGV[3]:find('{', 1, true) and 'SPUBLISH' or 'PUBLISH', ARGV[3], ARGV[4])
end
return {'ok'}
