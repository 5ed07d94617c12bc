#!lua flags=allow-oom
-- KEYS[1] stream; ARGV[1] job, ARGV[2] picture. Replies {entry}.
-- For a Redis at its memory limit: it takes no new sessions, but those that live go on.
return {redis.call('XADD', KEYS[1], '*', 'job', ARGV[1], 'picture', ARGV[2])}
