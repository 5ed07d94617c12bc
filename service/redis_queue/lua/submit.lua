#!lua flags=allow-oom
-- KEYS[1] stream; ARGV[1] how many frames it may hold; ARGV[2] job, ARGV[3] picture.
-- A full Redis takes no new sessions, but those that live go on; what is in the streams is bounded.
-- Replies {'ok', entry} or {'full', how many there are}.
local count = redis.call('XLEN', KEYS[1])
if count >= tonumber(ARGV[1]) then
  return {'full', count}
end
return {'ok', redis.call('XADD', KEYS[1], '*', 'job', ARGV[2], 'picture', ARGV[3])}
